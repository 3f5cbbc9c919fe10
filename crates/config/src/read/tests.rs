//! Every error names its place, its field and the remedy.

use super::document::read_document;
use super::fault::Fault;
use crate::document::{OnInvalid, Spec};
use crate::yaml::{At, read};

/// Reads one document and gives all faults as `line:column field | text | remedy`.
fn faults(text: &str) -> Vec<String> {
    let (documents, failed) = read(text);
    assert_eq!(failed, None, "{text}");
    let outcome = read_document(&documents[0]);
    let show = |(field, At { line, column }, fault): &(String, At, Fault)| {
        format!("{line}:{column} {field} | {} | {}", fault.text, fault.remedy)
    };
    outcome.faults.iter().map(show).collect()
}

fn channel(spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("kind: Channel\nmetadata: {{name: admissions}}\nspec:\n{spec}")
}

fn document(text: &str) -> crate::document::Document {
    let (documents, _) = read(text);
    let outcome = read_document(&documents[0]);
    assert!(outcome.faults.is_empty(), "{:?}", outcome.faults);
    outcome.document.unwrap()
}

#[test]
fn a_misspelt_field_is_named_with_its_place_and_the_word_that_was_meant() {
    let text = channel("routes:\n  - name: registry\n    to: {destination: mpi}\n    wen: \"true\"");
    let found = faults(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("7:7 spec.routes[0].wen | unknown field `wen` | did you mean `when`?"), "{found:?}");
    assert!(found[0].contains("`transform`"), "the fields that exist are listed: {found:?}");
}

#[test]
fn all_that_is_wrong_with_a_document_is_named_at_once() {
    let text = channel(
        "priority: high\nfilterr: \"x\"\nvalidate: {onInvalid: ignore}\nroutes:\n  - name: 01\n    to: {destination: mpi}\n  - to: 5\n    name: second\nduplicates: {window: 24}\n",
    );
    let found = faults(&text);
    assert_eq!(found.len(), 6, "{found:#?}");
    let all = found.join("\n");
    assert!(
        all.contains("4:13 spec.priority | `high` stands where a whole number is meant | write a whole number"),
        "{all}"
    );
    assert!(all.contains("5:3 spec.filterr | unknown field `filterr` | did you mean `filter`?"), "{all}");
    assert!(
        all.contains(
            "spec.validate.onInvalid | `ignore` is not known here | values here: `log`, `quarantine`, `reject`"
        ),
        "{all}"
    );
    assert!(all.contains("8:13 spec.routes[0].name | `01` without quotes is a number to some readers of YAML | where text is meant, write \"01\""), "{all}");
    assert!(all.contains("spec.routes[1].to | `5` stands where an object with its fields is meant"), "{all}");
    assert!(all.contains("12:24 spec.duplicates.window | `24` has no unit"), "{all}");
}

#[test]
fn what_could_be_read_of_a_faulty_document_is_kept() {
    let (documents, _) = read(&channel("priority: 7\nvalidate: {onInvalid: nonsense}"));
    let outcome = read_document(&documents[0]);
    assert_eq!(outcome.faults.len(), 1);
    let Some(Spec::Channel(channel)) = outcome.document.map(|document| document.spec) else { panic!("no channel") };
    assert_eq!(channel.priority, Some(7));
    assert_eq!(channel.validate.and_then(|validate| validate.on_invalid), None::<OnInvalid>);
}

#[test]
fn scalars_that_readers_disagree_about_are_refused_where_text_is_meant_and_never_changed() {
    for (written, meaning) in [
        ("NO", "true or false"),
        ("1:30", "base of sixty"),
        ("0o7", "a number"),
        ("1_000", "a number"),
        ("2026-11-22", "a date"),
        ("2575", "a number"),
        ("true", "true or false"),
        ("~", "nothing"),
    ] {
        let found = faults(&format!(
            "kind: Exchange\nmetadata: {{name: national}}\nspec:\n  constants:\n    country: {written}\n"
        ));
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        if written != "~" {
            assert!(found[0].starts_with("5:14 spec.constants.country | ") && found[0].contains(meaning), "{found:?}");
            assert!(found[0].ends_with(&format!("write \"{written}\"")), "{found:?}");
        }
        let quoted = document(&format!(
            "kind: Exchange\nmetadata: {{name: national}}\nspec:\n  constants:\n    country: \"{written}\"\n"
        ));
        let Spec::Exchange(exchange) = quoted.spec else { panic!() };
        assert_eq!(exchange.constants.get("country").map(String::as_str), Some(written));
    }
}

#[test]
fn keys_that_readers_disagree_about_are_refused_too() {
    let found = faults("kind: Exchange\nmetadata: {name: national}\nspec:\n  constants:\n    NO: x\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("5:5 spec.constants.NO | `NO` without quotes"), "{found:?}");
}

#[test]
fn numbers_are_plain_decimal_and_in_range() {
    let listener =
        |port: &str| faults(&format!("kind: Listener\nmetadata: {{name: l}}\nspec:\n  mllp: {{port: {port}}}\n"));
    assert_eq!(listener("2575"), Vec::<String>::new());
    assert!(
        listener("70000")[0]
            .contains("4:16 spec.mllp.port | `70000` stands where a whole number from 0 to 65535 is meant")
    );
    assert!(listener("-1")[0].contains("whole number from 0 to 65535"));
    assert!(listener("\"2575\"")[0].contains("remove the quotes"));
    assert!(listener("0xA0F")[0].contains("plain decimal"));
    assert!(listener("2.5")[0].contains("whole number from 0 to 65535"));
    assert!(listener("99999999999999999999999")[0].contains("too large"));
    assert!(listener("")[0].contains("no value"));
}

#[test]
fn quantities_without_a_unit_or_with_a_wrong_one_are_refused_with_an_example() {
    let limit = |line: &str| {
        faults(&format!("kind: Listener\nmetadata: {{name: l}}\nspec:\n  mllp: {{port: 1}}\n  limits: {{{line}}}\n"))
    };
    assert_eq!(limit("idle: 10m, messageBytes: 16Mi"), Vec::<String>::new());
    assert!(
        limit("idle: 10 minutes")[0].contains(
            "5:18 spec.limits.idle | `10 minutes` is not a length of time | write a whole number and one unit"
        ),
        "{:?}",
        limit("idle: 10 minutes")
    );
    assert!(limit("messageBytes: 16MB")[0].contains("such as 16Mi"));
    let found =
        faults("kind: Facility\nmetadata: {name: f}\nspec:\n  identities: []\n  expect: {every: 1h, hours: 7-19}\n");
    assert!(found[0].contains("07:00-19:00"), "{found:?}");
}

#[test]
fn what_every_document_needs_is_asked_for() {
    assert!(faults("kind: Channel\nspec: {}\n")[0].contains("metadata | the field `metadata` is missing | add it"));
    assert!(faults("metadata: {name: x}\nspec: {}\n").iter().any(|f| f.contains("kind | the field `kind` is missing")));
    assert!(
        faults("kind: Chanel\nmetadata: {name: x}\nspec: {}\n")[0]
            .starts_with("1:7 kind | `Chanel` is not a kind | did you mean Channel? kinds: Exchange")
    );
    assert!(faults("kind: Alert\nmetadata: {name: x}\nspec: {}\n")[0].contains("reserved"));
    assert!(faults("kind: Channel\nmetadata: {name: x}\n")[0].contains("spec | the document has no spec"));
    assert!(
        faults("kind: Channel\nmetadata: {name: Bad_Name}\nspec: {}\n")[0]
            .starts_with("2:18 metadata.name | `Bad_Name` cannot be a name")
    );
    assert!(
        faults("apiVersion: barid.dev/v2\nkind: Channel\nmetadata: {name: x}\nspec: {}\n")[0]
            .contains("write barid.dev/v1alpha1")
    );
    assert!(
        faults("kind: Channel\nmetadata: {name: x}\nspec: {}\nstatus: {}\n")[0]
            .contains("4:1 status | unknown field `status`")
    );
    assert!(faults("- a\n- b\n")[0].contains("a list stands where an object"));
}

#[test]
fn a_missing_field_is_asked_for_once_and_at_its_parent() {
    let found = faults(&channel("routes:\n  - name: registry\n  - to: {destination: x}\n    name: b"));
    assert_eq!(found, ["5:7 spec.routes[0].to | the field `to` is missing | add it"]);
}

#[test]
fn units_are_read_and_written_alike() {
    use crate::document::{Hours, Period, Size};
    for text in ["30s", "5m", "23h", "30d", "2y", "250ms", "90s"] {
        assert_eq!(Period::read(text).map(|period| period.to_string()).as_deref(), Some(text));
    }
    assert_eq!(Period::read("0s").map(Period::duration), Some(std::time::Duration::ZERO));
    for text in ["", "s", "30", "-1s", "1.5h", "1 h", "007s", "99999999999999999999y", "1w"] {
        assert_eq!(Period::read(text), None, "{text}");
    }
    for text in ["16Mi", "512Ki", "1Gi", "100B"] {
        assert_eq!(Size::read(text).map(|size| size.to_string()).as_deref(), Some(text));
    }
    let night = Hours::read("22:00-06:00").unwrap();
    assert!(night.holds(23 * 60) && night.holds(0) && !night.holds(12 * 60));
    assert!(Hours::read("07:00-24:00").is_some_and(|day| day.holds(1439)));
    for text in ["7:00-19:00", "07:00", "25:00-26:00", "07:60-08:00", "07:00-07:00"] {
        assert_eq!(Hours::read(text), None, "{text}");
    }
}
