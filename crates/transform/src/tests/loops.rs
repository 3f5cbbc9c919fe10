//! `forEach`: over segments, over repetitions, inside each other, and while items come and go.

use super::*;

#[test]
fn for_each_goes_through_segments_and_the_item_stands_for_the_one_at_hand() {
    let json = r#"[{"set":{"path":"item-8","to":"string(index) + ':' + item['3.1']"},"forEach":"OBX[*]"}]"#;
    assert_eq!(field(json, ORU, "OBX[1]-8"), "1:GLU");
    assert_eq!(field(json, ORU, "OBX[4]-8"), "4:K");
    let json = r#"[{"set":{"path":"obx-8","to":"'N'"},"forEach":"OBX[*]","as":"obx","when":"obx['2'] == 'NM' && obx.has('5')"}]"#;
    assert_eq!(["OBX[1]-8", "OBX[2]-8", "OBX[3]-8", "OBX[4]-8"].map(|path| field(json, ORU, path)), ["N", "N", "", ""]);
}

#[test]
fn for_each_goes_through_repetitions_with_their_components() {
    let json = r#"[{"set":{"path":"id.5","to":"id['4'] == 'NAT' ? 'NI' : 'MR'"},"forEach":"PID-3[*]","as":"id"}]"#;
    assert_eq!(field(json, ORU, "PID-3"), "A7^^^CHN^MR~9^^^NAT^NI");
    let json = r#"[{"delete":{"path":"item"},"forEach":"PID-3[*]","when":"item['4'] == 'CHN'"}]"#;
    assert_eq!(field(json, ORU, "PID-3"), "9^^^NAT");
    let json = r#"[{"lookup":{"path":"obx-3.1","table":{"name":"labs"}},"forEach":"OBX[*]","as":"obx"}]"#;
    assert_eq!(field(json, ORU, "OBX[2]-3.1"), "2951-2");
}

#[test]
fn items_that_are_removed_on_the_way_do_not_make_others_missed() {
    let json = r#"[{"delete":{"path":"item"},"forEach":"OBX[*]","when":"item['2'] == 'NM'"}]"#;
    let after = run(&compile(json), ORU).unwrap();
    assert_eq!(after.matches("\rOBX|").count(), 1);
    assert!(after.contains("OBX|3|ST"));
    let all = run(&compile(r#"[{"delete":{"path":"item"},"forEach":"OBX[*]"}]"#), ORU).unwrap();
    assert!(!all.contains("OBX"));
    let all = r#"[{"delete":{"path":"item"},"forEach":"PID-3[*]"}]"#;
    assert_eq!(field(all, ORU, "PID-3"), "");
}

#[test]
fn items_that_are_added_on_the_way_are_passed_over() {
    let json = r#"[{"addSegment":{"id":"OBX","after":"item","fields":{"OBX-1":"string(index)","OBX-3":"item['3.1']"}},"forEach":"OBX[*]"}]"#;
    let after = run(&compile(json), ORU).unwrap();
    assert_eq!(after.matches("\rOBX|").count(), 8);
    let ids: Vec<String> =
        (1..=8).map(|n| message(&after).text(&format!("OBX[{n}]-3.1").parse().unwrap()).into_owned()).collect();
    assert_eq!(ids, ["GLU", "GLU", "NA", "NA", "COM", "COM", "K", "K"]);
    let json =
        r#"[{"addSegment":{"id":"OBX","before":"item","fields":{"OBX-3":"item['3.1'] + '2'"}},"forEach":"OBX[*]"}]"#;
    let after = run(&compile(json), ORU).unwrap();
    assert!(after.contains("OBX|||GLU2\rOBX|1|NM|GLU"), "{after}");
    assert_eq!(after.matches("\rOBX|").count(), 8);
}

#[test]
fn loops_nest_by_applying_a_mapping_that_knows_the_items_around_it() {
    let text = ORU.replace("OBX|2|NM|NA^Sodium^L||140", "OBX|2|NM|NA^Sodium^L||1~2~3");
    let shelf = Shelf::usual().with(
        "values",
        r#"[{"set":{"path":"v","to":"obx['3.1'] + string(index) + v.text"},"forEach":"obx-5[*]","as":"v"},
            {"set":{"path":"obx-8","to":"string(index)"}}]"#,
    );
    let json = r#"[{"apply":{"mapping":{"name":"values"}},"forEach":"OBX[*]","as":"obx"}]"#;
    let after = run(&compile_with(&shelf, json).unwrap(), &text).unwrap();
    assert_eq!(raw(&after, "OBX[2]-5"), "NA11~NA22~NA33");
    assert_eq!(raw(&after, "OBX[2]-8"), "2", "the outer index is back after the inner loop");
    let outside = compile_with(&shelf, r#"[{"apply":{"mapping":{"name":"values"}}}]"#).unwrap_err();
    assert_eq!(outside[0].place, "transform[0].apply(values).steps[0].forEach");
    assert!(outside[0].text.contains("no item `obx`") && outside[0].remedy.contains("forEach"), "{outside:?}");
}

#[test]
fn a_loop_over_nothing_is_nothing() {
    assert!(changes(r#"[{"set":{"path":"item-1","to":"'X'"},"forEach":"ZZZ[*]"}]"#, ORU).is_empty());
    assert!(changes(r#"[{"set":{"path":"item","to":"'X'"},"forEach":"PID-20[*]"}]"#, ORU).is_empty());
}
