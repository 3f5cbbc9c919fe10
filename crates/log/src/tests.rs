//! Names and purposes.

use crate::{Key, LogError, Purpose, Subject};

#[test]
fn names_are_tokens_between_single_dots() {
    for good in ["in.03", "out.default.registry.03", "park.default.registry", "refused", "answer.0aF-_=/x"] {
        assert_eq!(Subject::new(good).unwrap().as_str(), good);
        assert_eq!(Key::new(good).unwrap().as_str(), good);
    }
    let long = "x".repeat(256);
    for bad in ["", ".", "a.", ".a", "a..b", "a b", "a*", ">", "é", long.as_str()] {
        assert!(matches!(Subject::new(bad), Err(LogError::BadName { .. })), "{bad:?}");
        assert!(Key::new(bad).is_err());
    }
}

#[test]
fn the_first_word_of_a_subject_is_its_purpose() {
    let purpose = |name| Subject::new(name).unwrap().purpose();
    assert_eq!([purpose("in.03"), purpose("refused")], [Purpose::Intake; 2]);
    assert_eq!([purpose("out.default.a.00"), purpose("routed.03")], [Purpose::Routing; 2]);
    assert_eq!([purpose("outcome.default.a"), purpose("park.default.a"), purpose("input.x")], [Purpose::Delivery; 3]);
}
