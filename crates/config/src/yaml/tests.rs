//! Trees keep places, and refuse what would be guessed.

use proptest::prelude::*;

use super::read::{ALIAS_NODES_MAX, Unreadable};
use super::*;

fn one(text: &str) -> Node {
    let (mut documents, failed) = read(text);
    assert_eq!(failed, None, "{text}");
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}

fn refused(text: &str) -> Unreadable {
    read(text).1.unwrap_or_else(|| panic!("was read: {text}"))
}

#[test]
fn every_node_knows_its_line_and_column() {
    let node = one("kind: Channel\nspec:\n  routes:\n    - name: a\n    - name: b\n      when: \"x\"\n");
    assert_eq!(node.locate("kind"), At { line: 1, column: 7 });
    assert_eq!(node.locate("spec.routes"), At { line: 3, column: 3 });
    assert_eq!(node.locate("spec.routes[1].when"), At { line: 6, column: 13 });
    assert_eq!(node.locate("spec.routes[1].to"), At { line: 5, column: 7 }, "the nearest part that is written");
}

#[test]
fn several_documents_in_a_file_are_read_each_with_its_own_places() {
    let (documents, failed) = read("# a comment\n---\na: 1\n---\nb: 2\n...\n");
    assert_eq!(failed, None);
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1].locate("b").line, 5);
}

#[test]
fn json_is_read_as_it_is() {
    let node = one("{\"kind\": \"Channel\",\n\t\"spec\": {\"priority\": 5, \"x\": \"caf\\u00e9 \\/ \"}}");
    assert_eq!(node.get("spec").and_then(|spec| spec.get("x")).and_then(Node::text), Some("café / "));
}

#[test]
fn a_key_that_stands_twice_is_refused_with_both_places() {
    let fault = refused("a:\n  x: 1\n  y: 2\n  x: 3\n");
    assert_eq!(fault.at, At { line: 4, column: 3 });
    assert!(fault.text.contains("`x` stands twice") && fault.text.contains("line 2"), "{fault:?}");
}

#[test]
fn documents_before_a_broken_one_are_still_read() {
    let (documents, failed) = read("a: 1\n---\nb: [1\n---\nc: 3\n");
    assert_eq!(documents.len(), 1);
    assert!(failed.is_some_and(|fault| fault.at.line >= 3));
}

#[test]
fn an_anchor_is_read_where_its_alias_stands() {
    let node = one("a: &x {k: v}\nb: *x\n");
    assert_eq!(node.get("b").and_then(|b| b.get("k")).and_then(Node::text), Some("v"));
}

#[test]
fn aliases_cannot_make_a_small_file_huge() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let before = format!("*a{}, ", i - 1).repeat(10);
        text.push_str(&format!("a{i}: &a{i} [{before}]\n"));
    }
    let fault = refused(&text);
    assert!(fault.text.contains(&ALIAS_NODES_MAX.to_string()), "{fault:?}");
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let fault = refused(&"[".repeat(100_000));
    assert!(fault.text.contains("nested"), "{fault:?}");
    let fault = refused(&"a:\n".repeat(2).replace('\n', " {").repeat(5_000));
    assert!(!fault.text.is_empty());
}

#[test]
fn tags_merge_keys_and_control_characters_are_refused() {
    assert!(refused("a: !!binary aGVsbG8=\n").text.contains("tag"));
    assert!(refused("a: &x {k: v}\nb:\n  <<: *x\n").text.contains("merge"));
    let fault = refused("a: 1\nb: x\0y\n");
    assert_eq!(fault.at, At { line: 2, column: 5 });
    assert_eq!(
        one("a: !!str 01\n").get("a").map(|a| a.value.clone()),
        Some(Value::Scalar { text: "01".into(), plain: false })
    );
}

#[test]
fn what_readers_of_yaml_disagree_about_is_known_to_be_ambiguous() {
    let ambiguous = "01 007 0o7 0x1F 0b1 1_000 +1 .5 5. 1e3 .inf -.INF .nan NO no No yes on Off y N True FALSE 1:30 12:30:45 190:20:30 -1:30 1:30.5 2026-11-22 2026-1-2T10:00:00Z Null NULL = <<";
    for text in ambiguous.split(' ') {
        assert!(matches!(plain(text), Scalar::Ambiguous(_)), "{text} is {:?}", plain(text));
    }
    let texts = "adt 30s 16Mi 2.5.1 10.0.0.1 07:00-19:00 A01 registry.example.mr:2575 nO yEs Yellow - a:30 8859/1 2026-11 12-34-56 0.0.0.0 1:300 e3 . .. + 0s 1h";
    for text in texts.split(' ') {
        assert_eq!(plain(text), Scalar::Text(text));
    }
    assert_eq!(plain("2575"), Scalar::Int(2575));
    assert_eq!(plain("-3"), Scalar::Int(-3));
    assert_eq!(plain("2.5"), Scalar::Float(2.5));
    assert_eq!(plain("true"), Scalar::Bool(true));
    assert_eq!(plain("~"), Scalar::Null);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        read(&text);
    }

    #[test]
    fn text_made_of_yaml_never_panics(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", ": ", "- ", "\n", "  ", "    ", "[", "]", "{", "}", ",", "&x ", "*x", "!", "!!str ", "|", ">", "\"", "'", "#", "---\n",
                "...\n", "?", " ", "\t", "%YAML 1.1\n", "\\", "é", "01", "~", "<<", "@", "`", "\r", "-", ":",
            ]),
            0..60,
        )
    ) {
        read(&parts.concat());
    }
}
