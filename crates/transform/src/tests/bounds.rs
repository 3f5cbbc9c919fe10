//! Adversarial and very large input: everything ends at a count of steps, and says why. How long that takes is measured
//! in `benches/mapping.rs`.

use super::*;

/// A report of so many observations.
fn observations(n: usize) -> String {
    format!("{ORU}{}", "OBX|9|NM|GLU^Glucose^L||5.4|mmol/L|||||F\r".repeat(n))
}

#[test]
fn five_thousand_observations_with_a_loop_of_several_steps_are_honest_work() {
    let shelf = Shelf::usual().with(
        "observation",
        r#"[{"lookup":{"path":"obx-3.1","table":{"name":"labs"},"into":"obx-3.4"}},
            {"set":{"path":"obx-11","to":"obx['11'] == 'F' ? 'C' : 'P'"}},
            {"format":{"path":"obx-6","case":"upper"},"when":"obx['2'] == 'NM'"}]"#,
    );
    let json = r#"[{"apply":{"mapping":{"name":"observation"}},"forEach":"OBX[*]","as":"obx"}]"#;
    let after = run(&compile_with(&shelf, json).unwrap(), &observations(5_000)).unwrap();
    assert_eq!(after.matches("OBX|9|NM|GLU^Glucose^L^2345-7||5.4|MMOL/L|||||C").count(), 5_000);
}

#[test]
fn loops_inside_loops_end_at_the_bound_and_say_so() {
    let shelf = Shelf::usual()
        .with("inner", r#"[{"set":{"path":"b-8","to":"a['3.1']"},"forEach":"OBX[*]","as":"b"}]"#)
        .with("outer", r#"[{"apply":{"mapping":{"name":"inner"}},"forEach":"OBX[*]","as":"a"}]"#);
    let mapping = compile_with(&shelf, r#"[{"apply":{"mapping":{"name":"outer"}}}]"#).unwrap();
    let failed = run(&mapping, &observations(1_500)).unwrap_err();
    assert_eq!(failed.step, "transform[0].apply(outer).steps[0].apply(inner).steps[0].set");
    assert!(failed.finding.text.contains("more steps than a message may take"), "{failed}");
}

#[test]
fn a_segment_of_ten_megabytes_cannot_be_edited_for_ever() {
    let text = format!("{ORU}OBX|9|ED|DOC||^^PDF^Base64^{}\r", "QUJD".repeat(5 << 19));
    let once = compile(r#"[{"set":{"path":"OBX[*]-8","to":"'N'"}},{"set":{"path":"OBX[*]-11","to":"'F'"}}]"#);
    assert!(run(&once, &text).is_ok(), "a few edits are honest work");
    let many = format!("[{}]", vec![r#"{"set":{"path":"OBX[5]-8","to":"value + 'x'"}}"#; 200].join(","));
    assert!(run(&compile(&many), &text).unwrap_err().finding.text.contains("more steps"));
}

#[test]
fn twenty_thousand_segments_are_worked_through_but_not_moved_about_for_ever() {
    let text = format!("{ORU}{}OBX|9|ST|X||a\r", "NTE|1||x\r".repeat(20_000));
    let read_far = r#"[{"set":{"path":"item-3","to":"msg['OBX[5]-5']"},"forEach":"NTE[*]"}]"#;
    assert_eq!(run(&compile(read_far), &text).unwrap().matches("NTE|1||a\r").count(), 20_000);
    let all = r#"[{"delete":{"path":"NTE[*]"}}]"#;
    assert_eq!(run(&compile(all), &text).unwrap().matches("NTE|").count(), 0);
    let moved = r#"[{"addSegment":{"id":"ZPI","after":"item"},"forEach":"NTE[*]"}]"#;
    let failed = run(&compile(moved), &text).err().map(|failure| failure.finding.text).unwrap_or_default();
    assert!(failed.contains("more steps"), "{failed}");
}

#[test]
fn a_replacement_cannot_multiply_a_text_beyond_a_message() {
    let text = format!("{ORU}OBX|9|ST|DOC||{}\r", "a".repeat(80_000));
    for with in ["b".repeat(1_000).as_str(), &"$0".repeat(500)] {
        let json = format!(r#"[{{"format":{{"path":"OBX[5]-5","replace":{{"pattern":"a","with":"{with}"}}}}}}]"#);
        assert!(run(&compile(&json), &text).is_err());
    }
}

#[test]
fn the_output_is_bounded_by_the_input() {
    let (envelope, facility) = (envelope(), facility());
    let grow = format!(
        "[{}]",
        vec![r#"{"set":{"path":"ZPI-3","to":"msg['ZPI-3'] + msg['ZPI-3'] + 'xxxxxxxx'"}}"#; 40].join(",")
    );
    let mapping = compile(&grow);
    let message = message(ADT);
    let program = crate::ChannelProgram { transform: mapping, ..Default::default() };
    let raw = barid_model::Payload::new(message.raw().clone());
    let input = crate::ApplyInput::new(Arc::new(envelope), raw, Arc::new(program), Arc::new(facility));
    let crate::Applied::Failed(findings) = barid_model::stage::Stage::apply(&crate::Apply, &input).unwrap() else {
        panic!("it grew without bound")
    };
    assert_eq!(findings[0].code, 104);
    assert!(findings[0].text.contains("larger than"), "{findings:?}");
}
