//! The examples compile without a word, and their own tests pass.

use std::path::{Path, PathBuf};

use barid_config::testing::{Folder, run};
use barid_config::{Channel, Compiled, Snapshot, compile, load_dir};
use barid_model::{FacilityRef, Name};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn compiled(name: &str) -> Compiled {
    let compiled = compile(&load_dir(&folder(name)), None);
    let problems: Vec<String> = compiled.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new(), "{name}");
    compiled
}

#[test]
fn every_example_compiles_without_a_problem_and_passes_its_tests() {
    for name in ["hospital", "laboratory", "relay"] {
        let compiled = compiled(name);
        let suites = run(&compiled.snapshot, &Folder::new(&folder(name)), None);
        assert!(!suites.is_empty(), "{name} has no tests");
        for suite in suites {
            for case in suite.cases {
                let failures: Vec<String> = case.failures.iter().map(ToString::to_string).collect();
                assert_eq!(failures, Vec::<String>::new(), "{name}: {}: {}", suite.test, case.name);
            }
        }
    }
}

#[test]
fn a_revision_is_rebuilt_from_its_stored_closure_as_it_was() {
    for name in ["hospital", "laboratory", "relay"] {
        for channel in compiled(name).snapshot.channels.values() {
            let rebuilt = Channel::from_closure(&channel.closure).unwrap();
            assert_eq!(rebuilt.revision, channel.revision);
            assert_eq!(rebuilt.settings, channel.settings);
            assert_eq!(rebuilt.program.routes.len(), channel.program.routes.len());
        }
    }
}

#[test]
fn a_saved_snapshot_gives_the_same_revisions_after_a_restart() {
    let before = compiled("hospital").snapshot;
    let after = Snapshot::restore(&before.save()).unwrap();
    let revisions = |snapshot: &Snapshot| -> Vec<_> {
        snapshot.channels.iter().map(|(name, channel)| (name.clone(), channel.revision)).collect()
    };
    assert_eq!(revisions(&before), revisions(&after));
    assert_eq!(before.listeners, after.listeners);
    assert_eq!(before.destinations, after.destinations);
}

#[test]
fn a_revision_knows_how_a_facility_writes_and_what_it_is_called() {
    let snapshot = compiled("hospital").snapshot;
    let channel = &snapshot.channels[&Name::local("admissions")];
    let from = |name: &str| channel.sender(&FacilityRef { name: name.into(), speaks_for: None, verified: true });
    assert_eq!(from("default/hnd").limits.fallback_charset, barid_hl7::Charset::Windows1256);
    assert_eq!(from("default/chn").limits.fallback_charset, barid_hl7::Charset::Windows1252);
    assert_eq!(from("default/chn").facts.name, "chn");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// However a file is damaged, no other file's documents change, and nothing panics.
    #[test]
    fn damage_in_one_file_changes_nothing_in_another(from in 0_usize..2_000, length in 0_usize..200, insert in "[ -~\n]{0,12}") {
        let read = |name: &str| std::fs::read_to_string(folder("hospital").join(name)).unwrap();
        let names = ["exchange.yaml", "listeners.yaml", "facilities.yaml", "destinations.yaml", "shared.yaml", "results.yaml", "admissions.yaml"];
        let good: Vec<(&str, String)> = names.iter().map(|name| (*name, read(name))).collect();
        let texts = |files: &[(&'static str, String)]| {
            barid_config::Sources::from_texts(files.iter().map(|(name, text)| (*name, text.as_str())))
        };
        let before = compile(&texts(&good), None);
        let mut damaged = good.clone();
        let text = &mut damaged.last_mut().unwrap().1;
        let mut from = from.min(text.len());
        while !text.is_char_boundary(from) { from -= 1; }
        let mut to = (from + length).min(text.len());
        while !text.is_char_boundary(to) { to += 1; }
        text.replace_range(from..to, &insert);
        let after = compile(&texts(&damaged), Some(&before.snapshot));
        for name in ["results", "orders"] {
            let name = Name::local(name);
            proptest::prop_assert!(std::sync::Arc::ptr_eq(&before.snapshot.channels[&name], &after.snapshot.channels[&name]));
        }
        proptest::prop_assert_eq!(&before.snapshot.listeners, &after.snapshot.listeners);
        // What has errors keeps what it was; only a document that is well and named otherwise, or gone, is another.
        if !after.is_good() && after.snapshot.document("Channel", &Name::local("admissions")).is_some() {
            proptest::prop_assert!(after.snapshot.channels.contains_key(&Name::local("admissions")));
        }
    }
}
