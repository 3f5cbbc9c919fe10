//! Documents are read strictly and written back as they were.

use super::*;

#[test]
fn a_step_reads_as_people_write_it_and_writes_back_the_same() {
    let text =
        r#"{"lookup":{"path":"PV1-2","table":{"name":"patient-class"},"onMiss":"keep"},"when":"msg['PV1-2'] != ''"}"#;
    let step: Step = serde_json::from_str(text).unwrap();
    assert_eq!(step.lookup.as_ref().unwrap().on_miss, Some(OnMiss::Keep));
    assert_eq!(serde_json::to_string(&step).unwrap(), text);
}

#[test]
fn a_misspelt_field_is_an_error_that_names_the_ones_that_exist() {
    let error = serde_json::from_str::<Step>(r#"{"sett":{"path":"MSH-5","to":"'X'"}}"#).unwrap_err().to_string();
    assert!(error.contains("sett") && error.contains("addSegment"), "{error}");
    let error = serde_json::from_str::<Step>(r#"{"set":{"path":"MSH-5","value":"'X'"}}"#).unwrap_err().to_string();
    assert!(error.contains("value") && error.contains("to"), "{error}");
}
