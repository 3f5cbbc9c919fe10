//! What is read, what is left out, and what cannot be read.

use std::fs;

use super::*;

#[test]
fn documents_are_read_in_all_folders_but_hidden_ones_and_secrets() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["a.yaml", "b.yml", "c.json", "region/d.yaml", "region/secrets/e.yaml"] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x: 1\n").unwrap();
    }
    for path in
        ["secrets/default/s/k.yaml", ".git/x.yaml", "..data/y.yaml", "notes.txt", "messages/m.hl7", ".hidden.yaml"]
    {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x: 1\n").unwrap();
    }
    let sources = load_dir(folder.path());
    assert_eq!(
        sources.files().collect::<Vec<_>>(),
        ["a.yaml", "b.yml", "c.json", "region/d.yaml", "region/secrets/e.yaml"]
    );
    assert!(sources.problems.is_empty());
    assert!(!sources.changed_since());
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), b"kind: x\nname: caf\xe9\n").unwrap();
    fs::write(folder.path().join("b.yaml"), vec![b'#'; usize::try_from(FILE_BYTES_MAX).unwrap() + 1]).unwrap();
    fs::write(folder.path().join("c.yaml"), "# fine\n").unwrap();
    let sources = load_dir(folder.path());
    let texts: Vec<String> = sources.problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("a.yaml:2:10: error: this is not UTF-8: save the file as UTF-8"), "{texts:?}");
    assert!(texts[1].starts_with("b.yaml: error: the file has 4194305 bytes: split it"), "{texts:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_a_document_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.yaml", folder.path().join("a.yaml")).unwrap();
    let sources = load_dir(folder.path());
    let texts: Vec<String> = sources.problems.iter().map(ToString::to_string).collect();
    assert!(texts.len() == 1 && texts[0].starts_with("a.yaml: error: the file cannot be read: "), "{texts:?}");
}

#[test]
fn a_folder_that_is_not_there_is_not_an_empty_one() {
    let sources = load_dir(std::path::Path::new("/nowhere/at/all"));
    assert!(sources.unreadable);
    assert!(sources.problems[0].text.contains("the folder cannot be read"));
    let first = crate::compile(
        &Sources::from_texts([("x.yaml", "kind: CodeTable\nmetadata: {name: t}\nspec: {rows: []}\n")]),
        None,
    );
    let second = crate::compile(&sources, Some(&first.snapshot));
    assert!(second.snapshot.document("CodeTable", &barid_model::Name::local("t")).is_some());
}
