//! What `barid try` shows.

use super::*;
use crate::{CHANGES_MAX, Done};

#[test]
fn each_step_shows_what_it_changed_and_whether_it_ran() {
    let shelf = Shelf::usual().with("sender", r#"[{"set":{"path":"MSH-3","to":"'BARID'"}}]"#);
    let json = r#"[{"set":{"path":"MSH-5","to":"'MOH'"}},
        {"set":{"path":"MSH-6","to":"'X'"},"when":"msg.event == 'A99'"},
        {"lookup":{"path":"OBX[*]-3.1","table":{"name":"labs"}}},
        {"apply":{"mapping":{"name":"sender"}}},
        {"delete":{"path":"NTE"}},
        {"addSegment":{"id":"ZPI","at":"end","fields":{"ZPI-1":"'1'"}}},
        {"set":{"path":"MSH-5","to":"'MOH'"}}]"#;
    let mapping = compile_with(&shelf, json).unwrap();
    let (result, trace) = traced(&mapping, ORU);
    assert_eq!(result.unwrap(), run(&mapping, ORU).unwrap(), "tracing changes nothing");
    let lines: Vec<String> = trace
        .steps
        .iter()
        .flat_map(|step| {
            let changes = step.changes.iter().map(|c| format!("{}: {} > {}", c.path, c.before, c.after));
            [format!("{} {:?}", step.at, step.done)].into_iter().chain(changes).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        lines,
        [
            "transform[0].set Ran",
            "MSH-5: HIS > MOH",
            "transform[1].set Skipped",
            "transform[2].lookup Ran",
            "OBX[1]-3.1: GLU > 2345-7",
            "OBX[2]-3.1: NA > 2951-2",
            "transform[3].apply Ran",
            "transform[3].apply(sender).steps[0].set Ran",
            "MSH-3: LAB > BARID",
            "transform[4].delete Ran",
            "NTE: NTE|1|L|a jeun > ",
            "transform[5].addSegment Ran",
            "ZPI[1]:  > ZPI|1",
            "transform[6].set Ran",
        ]
    );
}

#[test]
fn a_failing_step_ends_the_trace() {
    let json =
        r#"[{"set":{"path":"MSH-5","to":"'MOH'"}},{"set":{"path":"PV2-1","to":"'x'"}},{"delete":{"path":"NTE"}}]"#;
    let (result, trace) = traced(&compile(json), ORU);
    assert_eq!(result.unwrap_err().step, "transform[1].set");
    assert_eq!(trace.steps.iter().map(|step| step.done).collect::<Vec<_>>(), [Done::Ran, Done::Failed]);
}

#[test]
fn a_trace_is_bounded_and_does_not_show_itself() {
    let text = format!("{ORU}{}", "OBX|9|ST|GLU||a\r".repeat(CHANGES_MAX));
    let (result, trace) = traced(&compile(r#"[{"set":{"path":"OBX[*]-8","to":"'N'"}}]"#), &text);
    if result.is_ok() {
        assert!(trace.cut);
    }
    assert!(trace.steps[0].changes.len() <= CHANGES_MAX);
    assert!(!format!("{trace:?} {:?}", trace.steps[0].changes[0]).contains("GLU"));
}

#[test]
fn a_field_is_shown_with_all_its_repetitions_in_the_messages_own_characters() {
    let latin = ORU.replace("|2.5.1", "|2.5.1||||||8859/1").replace("A7^^^CHN~9^^^NAT||", "A7~9|A7|");
    let raw: Vec<u8> = latin.replace("a jeun", "\u{e0} jeun").chars().map(|c| c as u8).collect();
    let message = Message::parse(Bytes::from(raw), &Limits::default()).unwrap().message;
    let (envelope, facility) = (envelope(), facility());
    let mut draft = Draft::new(&message);
    let mut trace = Trace::default();
    let context = Context { envelope: &envelope, facility: &facility };
    let json = r#"[{"copy":{"from":"PID-3","to":"PID-4"}},{"format":{"path":"NTE-3","case":"upper"}}]"#;
    compile(json).run_traced(&mut draft, context, &mut Budget::of(STEPS_A_MAPPING), &mut trace).unwrap();
    let lines: Vec<String> = trace
        .steps
        .iter()
        .flat_map(|step| &step.changes)
        .map(|c| format!("{}: {} > {}", c.path, c.before, c.after))
        .collect();
    assert_eq!(lines, ["PID-4: A7 > A7~9", "NTE-3: à jeun > À JEUN"]);
}
