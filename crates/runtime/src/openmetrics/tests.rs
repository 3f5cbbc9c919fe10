use super::{labels, plain, read};

const TEXT: &str = "# HELP barid_build What runs here.\n# TYPE barid_build info\nbarid_build_info{version=\"0.1.0\"} 1\n\
    # HELP barid_seen Messages.\n# TYPE barid_seen counter\nbarid_seen_total{channel=\"a/b\",text=\"x\\\"}\\\\,\\ny\"} 5\n\
    # HELP barid_way_seconds From here.\n# TYPE barid_way_seconds histogram\n# UNIT barid_way_seconds seconds\n\
    barid_way_seconds_sum 0.5\nbarid_way_seconds_count 1\nbarid_way_seconds_bucket{le=\"0.1\"} 0\n\
    barid_way_seconds_bucket{le=\"+Inf\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"} 0.5 12.25\n\
    # HELP barid_none Nothing yet.\n# TYPE barid_none gauge\n# EOF\n";

#[test]
fn what_a_registry_writes_is_read_family_by_family() {
    let families = read(TEXT);
    let names: Vec<_> = families.iter().map(|f| (f.name, f.kind, f.unit, f.samples.len())).collect();
    assert_eq!(
        names[..3],
        [
            ("barid_build", "info", "", 1),
            ("barid_seen", "counter", "", 1),
            ("barid_way_seconds", "histogram", "seconds", 4)
        ]
    );
    assert_eq!(
        labels(families[1].samples[0].labels),
        [("channel", "a/b".to_owned()), ("text", "x\"}\\,\ny".to_owned())]
    );
    let exemplar = families[2].samples[3].exemplar.as_ref().unwrap();
    assert_eq!((exemplar.value, exemplar.at), (0.5, Some(12.25)));
    assert_eq!(labels(exemplar.labels), [("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".to_owned())]);
}

#[test]
fn plain_text_has_the_same_figures_without_exemplars() {
    let text = plain(TEXT);
    assert!(
        text.contains(
            "# TYPE barid_seen_total counter\nbarid_seen_total{channel=\"a/b\",text=\"x\\\"}\\\\,\\ny\"} 5\n"
        ),
        "{text}"
    );
    assert!(text.contains("# TYPE barid_build_info gauge\nbarid_build_info{version=\"0.1.0\"} 1\n"), "{text}");
    assert!(text.contains("barid_way_seconds_bucket{le=\"+Inf\"} 1\n"), "{text}");
    assert!(!text.contains("EOF") && !text.contains("trace_id") && !text.contains("UNIT"), "{text}");
}
