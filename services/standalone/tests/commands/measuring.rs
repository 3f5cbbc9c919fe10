//! What `/metrics` says, as a monitor reads it: every name begins with `barid_` once, says what it is and in what unit, and
//! the operations page names only what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use barid_runtime::control::Commands as _;
use barid_runtime::control::protocol::state;

use crate::engine::{Engine, until};
use crate::peers::{adt, oru};

async fn metrics(engine: &Engine) -> String {
    let admin = engine.client().await.status().await.unwrap().admin.unwrap();
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: barid\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The kind, unit and help of each family of metrics.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: Option<String>,
    help: String,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        let [what, name, rest] = words[..] else { continue };
        let family = all.entry(name.to_owned()).or_default();
        match what {
            "TYPE" => family.kind = rest.to_owned(),
            "UNIT" => family.unit = Some(rest.to_owned()),
            "HELP" => family.help = rest.to_owned(),
            _ => {}
        }
    }
    all
}

/// The names in the operations page, those of listeners in full.
fn documented() -> BTreeSet<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md")).unwrap();
    let (_, watching) = page.split_once("## Watching").unwrap();
    let (watching, _) = watching.split_once("\n## ").unwrap();
    let (engine, listeners) = watching.split_once("Listeners have their own set").unwrap();
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let engine = quoted(engine).into_iter().filter(|name| name.starts_with("barid_"));
    let (listeners, _) = listeners.split_once("Labels are").unwrap();
    let listeners = quoted(listeners).into_iter().filter(|name| name != "ingress_");
    engine.chain(listeners.map(|name| format!("barid_ingress_{name}"))).collect()
}

#[tokio::test]
async fn every_metric_has_one_prefix_a_unit_where_due_and_help_and_the_documented_ones_are_there() {
    let engine = Engine::start().await;
    engine.registry.refuse("M2");
    let mut sender = engine.sender();
    for message in [adt("A01", "M1", "A"), adt("A01", "M2", "B"), oru("O1")] {
        assert_eq!(sender.send(&message), "AA");
    }
    // What bends the rules is counted too: a frame begun twice, noise, and frames that are no HL7 until we hang up.
    let mut stream = TcpStream::connect(("127.0.0.1", engine.port)).unwrap();
    let bent = [b"\x0bMSH|^~\\&|\x0b".as_slice(), &adt("A01", "M3", "C"), b"\x1c\rnoise"].concat();
    stream.write_all(&[bent.as_slice(), &b"\x0bhello\x1c\r".repeat(4)].concat()).unwrap();
    let mut answers = Vec::new();
    // However it ends, it was counted.
    drop(stream.read_to_end(&mut answers));
    engine.until_route(engine.uid("M2").await, "registry", state::QUARANTINED).await;
    let text = until("it counts", async || {
        Some(metrics(&engine).await).filter(|text| {
            text.contains("barid_destination_quarantined{destination=\"default/registry\"} 1\n")
                && text.contains("barid_quarantined_total 1\n")
        })
    })
    .await;
    assert!(
        text.contains("\nbarid_ingress_accepted_total{listener=\"default/in\",channel=\"default/admissions\"} 3\n"),
        "{text}"
    );
    assert!(text.contains("\nbarid_ingress_acknowledged_total{listener=\"default/in\",code=\"AA\"} 4\n"), "{text}");
    let all = families(&text);
    for (name, family) in &all {
        assert!(name.starts_with("barid_") && name.matches("barid").count() == 1, "{name}");
        assert!(family.help.len() > 8, "{name} says what it is: {family:?}");
        assert!(matches!(family.kind.as_str(), "counter" | "gauge" | "histogram" | "info"), "{name}: {family:?}");
        let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit));
        assert!(family.unit.as_deref().is_none_or(|told| Some(told) == unit), "{name}: {family:?}");
        let timed = family.kind == "histogram" || name.contains("_age") || name.contains("_time");
        assert!(unit.is_some() || !timed, "{name} is a time and has its unit");
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}: counters, and they alone, end so");
    }
    let samples = text.lines().filter(|line| line.starts_with("barid_"));
    for sample in samples {
        let name = sample.split(['{', ' ']).next().unwrap();
        let suffixes = ["", "_total", "_bucket", "_sum", "_count", "_info"];
        let known = suffixes.iter().filter_map(|suffix| name.strip_suffix(suffix)).any(|base| all.contains_key(base));
        assert!(known, "{sample} belongs to what is described");
    }
    let there: BTreeSet<String> = all.keys().map(|name| name.trim_end_matches("_total").to_owned()).collect();
    // What only listeners of a mesh have.
    let documented: BTreeSet<_> = documented().into_iter().filter(|name| !name.contains("_redis_")).collect();
    assert!(documented.len() > 25, "{documented:?}");
    let invented: Vec<&String> = documented
        .iter()
        .filter(|name| !there.contains(*name) && !there.contains(name.trim_end_matches("_info")))
        .collect();
    assert!(invented.is_empty(), "the operations page names what is not there: {invented:?}");
    let silent: Vec<&String> = there.iter().filter(|name| !documented.contains(*name)).collect();
    assert!(silent.is_empty(), "the operations page does not name {silent:?}");
}
