//! A name says its namespace, and leaves the default one out where people read.

use super::*;

#[test]
fn a_name_without_a_namespace_is_in_the_default_one() {
    assert_eq!(Name::read("registry"), Name::new("default", "registry"));
    assert_eq!(Name::read("registry"), Name::local("registry"));
    assert_eq!(Name::read("regions/registry"), Name::new("regions", "registry"));
    assert_ne!(Name::read("regions/registry"), Name::local("registry"));
}

#[test]
fn its_whole_text_reads_back() {
    for name in [Name::local("registry"), Name::new("regions", "registry")] {
        assert_eq!(Name::read(&name.to_string()), name);
        assert_eq!(Name::read(&name.short()), name);
    }
    assert_eq!(Name::local("registry").to_string(), "default/registry");
    assert_eq!(Name::local("registry").short(), "registry");
    assert_eq!(Name::new("regions", "registry").short(), "regions/registry");
    assert_eq!(Name::new("regions", "registry").subject_part(), "regions.registry");
}

#[test]
fn names_sort_by_namespace_and_then_by_name() {
    let mut names = vec![Name::read("b/a"), Name::read("a/c"), Name::read("a/b")];
    names.sort();
    assert_eq!(names, [Name::read("a/b"), Name::read("a/c"), Name::read("b/a")]);
}
