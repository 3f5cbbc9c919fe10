//! The apply stage: filter, routes, bytes.

use barid_hl7::Charset;
use barid_model::Payload;
use barid_model::stage::{Local, Stage as _};

use super::*;
use crate::document::{OnUnmappable, Outbound};
use crate::{Applied, Apply, ApplyInput, ChannelProgram, Outgoing, RouteOutput, RouteProgram, RouteTarget};

fn route(name: &str, when: Option<Program>, steps: &str) -> RouteProgram {
    RouteProgram {
        name: name.into(),
        target: RouteTarget::Destination(Name::local(name)),
        when,
        transform: compile(steps),
        outgoing: Outgoing::default(),
    }
}

fn input(program: ChannelProgram, raw: &[u8]) -> ApplyInput {
    let raw = Payload::new(Bytes::copy_from_slice(raw));
    ApplyInput::new(Arc::new(envelope()), raw, Arc::new(program), Arc::new(facility()))
}

fn outputs(input: &ApplyInput) -> Vec<RouteOutput> {
    match Apply.apply(input).unwrap() {
        Applied::Routed(routes) => routes.into_iter().map(|route| route.output).collect(),
        other => panic!("{other:?}"),
    }
}

fn sent(output: &RouteOutput) -> &Payload {
    match output {
        RouteOutput::Sent(parts) => &parts[0],
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_that_nobody_changes_goes_out_as_the_very_bytes_that_came_in() {
    let program = ChannelProgram { routes: vec![route("a", None, "[]"), route("b", None, "[]")], ..Default::default() };
    let input = input(program, ADT.as_bytes());
    for output in outputs(&input) {
        assert_eq!(sent(&output).as_ptr(), input.raw.as_ptr(), "the same bytes in memory, not a copy");
    }
}

#[test]
fn routes_see_the_channels_changes_and_not_each_others() {
    let program = ChannelProgram {
        transform: compile(r#"[{"set":{"path":"MSH-5","to":"'CHANNEL'"}}]"#),
        routes: vec![
            route("a", condition("msg.receivingApplication == 'CHANNEL'"), r#"[{"set":{"path":"MSH-6","to":"'A'"}}]"#),
            route("b", None, r#"[{"set":{"path":"MSH-6","to":"'B'"}}]"#),
            route("c", condition("msg.receivingFacility != 'MSP'"), "[]"),
            route("d", None, "[]"),
            route("e", None, "[]"),
        ],
        ..Default::default()
    };
    let input = input(program, ADT.as_bytes());
    let outputs = outputs(&input);
    let text = |output: &RouteOutput| String::from_utf8(sent(output).to_vec()).unwrap();
    assert!(text(&outputs[0]).starts_with("MSH|^~\\&|HIS|CHN|CHANNEL|A|"));
    assert!(text(&outputs[1]).starts_with("MSH|^~\\&|HIS|CHN|CHANNEL|B|"));
    assert_eq!(outputs[2], RouteOutput::Filtered);
    assert!(text(&outputs[3]).starts_with("MSH|^~\\&|HIS|CHN|CHANNEL|MSP|"));
    assert_eq!(sent(&outputs[3]).as_ptr(), sent(&outputs[4]).as_ptr(), "routes without steps share their bytes");
    assert_eq!(&*input.raw, ADT.as_bytes(), "and the received bytes are as they were");
}

#[test]
fn a_route_that_fails_takes_no_other_with_it() {
    let program = ChannelProgram {
        routes: vec![
            route("bad", None, r#"[{"set":{"path":"PV2-3","to":"'X'"}}]"#),
            route("worse", condition("int(msg['PID-5.1']) > 3"), "[]"),
            route("good", None, "[]"),
        ],
        ..Default::default()
    };
    let outputs = outputs(&input(program, ADT.as_bytes()));
    let RouteOutput::Failed(findings) = &outputs[0] else { panic!() };
    assert_eq!((findings[0].path.as_str(), findings[0].rule.as_str()), ("PV2-3", "mapping.set"));
    let RouteOutput::Failed(findings) = &outputs[1] else { panic!() };
    assert!(findings[0].text.contains("not a number") && !findings[0].text.contains("DIALLO"), "{findings:?}");
    assert!(matches!(outputs[2], RouteOutput::Sent(_)));
}

#[test]
fn the_filter_comes_first_and_a_failing_channel_fails_the_message() {
    let steps = r#"[{"set":{"path":"PV2-3","to":"'X'"}}]"#;
    let program = |filter| ChannelProgram { filter, transform: compile(steps), routes: vec![route("a", None, "[]")] };
    let out = Apply.apply(&input(program(condition("msg.event != 'A01'")), ADT.as_bytes())).unwrap();
    assert_eq!(out, Applied::Filtered { by: "filter" });
    let out = Apply.apply(&input(program(condition("msg.event == 'A01'")), ADT.as_bytes())).unwrap();
    assert!(matches!(out, Applied::Failed(findings) if findings[0].text.starts_with("transform[0].set")));
    let out = Apply.apply(&input(program(None), b"INVALID")).unwrap();
    assert!(matches!(out, Applied::Failed(findings) if findings[0].rule == "apply.read"));
}

#[test]
fn m17_line_feeds_become_carriage_returns_unless_the_destination_wants_them() {
    let raw = ADT.replace('\r', "\r\n");
    let as_received = Outgoing { segment_ends: crate::document::SegmentEnds::AsReceived, ..Outgoing::default() };
    let program = ChannelProgram {
        routes: vec![route("cr", None, "[]"), RouteProgram { outgoing: as_received, ..route("as", None, "[]") }],
        ..Default::default()
    };
    let input = input(program, raw.as_bytes());
    let outputs = outputs(&input);
    assert_eq!(&**sent(&outputs[0]), ADT.as_bytes());
    assert_eq!(sent(&outputs[1]).as_ptr(), input.raw.as_ptr());
}

#[test]
fn m16_a_last_segment_without_return_goes_out_with_one() {
    let program = ChannelProgram { routes: vec![route("a", None, "[]")], ..Default::default() };
    let output = outputs(&input(program, ADT.trim_end_matches('\r').as_bytes()));
    assert_eq!(&**sent(&output[0]), ADT.as_bytes());
}

#[test]
fn p08_z_segments_and_z_messages_pass_a_mapping_in_place() {
    let raw = "MSH|^~\\&|A||||||ZAM^ZZ1|1|P|2.5\rZZ1|a^b\\Zq\\|\rPID|1\rZP2|x~y\rNTE|1\rZP2|z\r";
    let steps = r#"[{"set":{"path":"PID-8","to":"msg['ZZ1-1.1']"}},{"set":{"path":"ZP2[2]-3","to":"'new'"}}]"#;
    let program = ChannelProgram { routes: vec![route("a", None, steps)], ..Default::default() };
    let output = outputs(&input(program, raw.as_bytes()));
    let expected = raw.replace("PID|1\r", "PID|1|||||||a\r").replace("ZP2|z\r", "ZP2|z||new\r");
    assert_eq!(String::from_utf8_lossy(sent(&output[0])), expected);
}

#[test]
fn c09_names_marks_and_both_normal_forms_pass_a_mapping_byte_for_byte() {
    // A French and an Arabic name, a dash and ligatures, Arabic digits between marks, one word in both normal forms.
    let values = [
        "Ould Abdallah^Mohamed^^^^^L^A~ولد عبد الله^محمد^^^^^L^I",
        "Nouadhibou – Hôpital régional",
        "œ/Œ/€",
        "\u{200F}٠١٢٣٤٥٦٧٨٩\u{200E}",
        "re\u{301}gion~r\u{E9}gion",
    ];
    for value in values {
        let raw = format!("MSH|^~\\&|A||||||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||||{value}|\rNTE|1||x\rZPI\r");
        let steps = r#"[{"copy":{"from":"PID-5","to":"ZPI-1"}},{"set":{"path":"NTE-3","to":"msg['PID-5.1']"}}]"#;
        let program = ChannelProgram { routes: vec![route("a", None, steps)], ..Default::default() };
        let output = outputs(&input(program, raw.as_bytes()));
        let first = value.split(['^', '~']).next().unwrap();
        let expected = raw.replace("||x\rZPI", &format!("||{first}\rZPI|{value}"));
        assert_eq!(String::from_utf8_lossy(sent(&output[0])), expected);
    }
}

#[test]
fn c07_a_destination_gets_its_character_set_and_what_it_cannot_have_is_said() {
    let outbound = |charset: &str, on_unmappable| Outbound {
        charset: Some(charset.to_owned()),
        on_unmappable,
        segment_ends: None,
    };
    let to = |charset, on| Outgoing::compile(&outbound(charset, on)).unwrap();
    let program = |outgoing| ChannelProgram {
        routes: vec![RouteProgram { outgoing, ..route("a", None, "[]") }],
        ..Default::default()
    };
    let bytes = |outgoing, text: &str| outputs(&input(program(outgoing), text.as_bytes())).remove(0);

    let latin = bytes(to("8859/1", None), ADT);
    assert!(sent(&latin).windows(8).any(|bytes| bytes == b"A\xefssata^"));
    assert!(sent(&latin).windows(7).any(|bytes| bytes == b"|8859/1"));
    let arabic = ADT.replace("Mariem", "مريم");
    let RouteOutput::Failed(findings) = bytes(to("8859/1", None), &arabic) else { panic!() };
    assert!(findings[0].rule == "outbound.charset" && !findings[0].text.contains("مريم"), "{findings:?}");
    assert!(sent(&bytes(to("8859/1", Some(OnUnmappable::Replace)), &arabic)).windows(4).any(|bytes| bytes == b"????"));
    assert!(sent(&bytes(to("8859/1", Some(OnUnmappable::Escape)), &arabic)).windows(3).any(|bytes| bytes == b"\\XD"));
    assert!(Outgoing::compile(&outbound("KLINGON", None)).is_err());
    assert_eq!(to("UNICODE UTF-8", None).charset, Some(Charset::Utf8));
}

#[test]
fn a_large_message_that_was_accepted_is_not_refused_now() {
    let raw = format!("{ADT}OBX|1|ED|DOC||^^PDF^Base64^{}\r", "QUJD".repeat(5 << 20));
    let program = ChannelProgram {
        transform: compile(r#"[{"set":{"path":"MSH-5","to":"'X'"}}]"#),
        routes: vec![route("a", None, "[]")],
        ..Default::default()
    };
    assert!(matches!(outputs(&input(program, raw.as_bytes()))[0], RouteOutput::Sent(_)));
}

#[test]
fn the_same_input_gives_the_same_output() {
    let steps = r#"[{"set":{"path":"MSH-7","to":"date(received, 'yyyyMMddHHmmss.SSS')"}},{"set":{"path":"ZPI-3","to":"message.uid"}}]"#;
    let program = ChannelProgram { routes: vec![route("a", None, steps)], ..Default::default() };
    let input = input(program, ADT.as_bytes());
    let first = outputs(&input);
    assert_eq!(first, outputs(&input));
    let text = String::from_utf8_lossy(sent(&first[0])).into_owned();
    assert!(text.contains("|20261122101500.000|") && text.contains("|07070707-"), "{text}");
}

#[test]
fn the_stage_can_be_called_as_every_stage_is() {
    let program = ChannelProgram { routes: vec![route("a", None, "[]")], ..Default::default() };
    let stage = Local::new(Arc::new(Apply));
    assert!(matches!(stage.one(&input(program, ADT.as_bytes())), Ok(Applied::Routed(_))));
}
