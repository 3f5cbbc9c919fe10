//! How fast a message is indexed, against the plainest scans of the same bytes in the same run.
//!
//! `cargo bench -p barid-hl7`. Reported are messages a second, bytes a second, and the ratio to a byte loop and to
//! `memchr` iterators that only count field separators and line ends. The best of several rounds counts: the machine is
//! shared. Also timed: reading fields, editing, acknowledging.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use barid_hl7::ack::{AckCode, Answer};
use barid_hl7::{Charset, Draft, Limits, Message, OnUnmappable, Path, SegmentEnds, transcode};
use bytes::Bytes;

/// Time of one round; long enough for a clock, short enough to fall between others' work.
const ROUND: Duration = Duration::from_millis(40);
const ROUNDS: usize = 12;

const ADT: &str = "MSH|^~\\&|SIH|CHN-NKC^1.2.250.1.213^ISO|REGISTRE|MSP^^|20261122101500+0000||ADT^A01^ADT_A01|CHN2026112200042|P|2.5.1|||AL|NE|MRT|UNICODE UTF-8|fr-MR\r\
EVN|A01|20261122101455|||12345^Sow^Fatimata^^^Dr^^^CHN&1.2.250.1.213.9&ISO^L|20261122101000\r\
PID|1||00481516^^^CHN&1.2.250.1.213&ISO^PI~2342-1108-15-16^^^NAT&1.2.250.1.1&ISO^NI||Ould Abdallah^Mohamed^Lemine^^M.^^L^A~ولد عبد الله^محمد^^^^^L^I|Mint Sidi^Aïssata|19700101|M|||Ilot K 120^^Nouakchott^^BP 612^MRT^H||+222 45 25 21 35^PRN^PH|+222 36 30 12 34^WPN^CP|fr|M||CPT0001^^^CHN|||||Nouakchott|N||MRT||||N\r\
PD1|||Centre de santé Sebkha^^0012|0098^Ba^Amadou^^^Dr\r\
NK1|1|Mint Sidi^Aïssata|SPO^Conjointe^HL70063|Ilot K 120^^Nouakchott^^^MRT|+222 45 25 21 35||EC\r\
PV1|1|I|CARD^0389^1^CHN^^^^^Cardiologie|U|||0098^Ba^Amadou^^^Dr|0077^Diop^Mariem^^^Dr||CAR||||1|||0098^Ba^Amadou^^^Dr|IP|V2026-00042^^^CHN^VN|||||||||||||||||||||CHN||A|||20261122100500\r\
PV2|||I20.0^Angor instable^I10|||||20261122|20261128||Hospitalisation programmée\r\
AL1|1|DA|PEN^Pénicilline^L|SV|Éruption cutanée|20190412\r\
DG1|1||I20.0^Angor instable^I10||20261122|A\r\
IN1|1|CNAM^^L|CNAM01|Caisse nationale d'assurance maladie|||||||20250101|20271231|||Ould Abdallah^Mohamed|SEL\r";

fn oru() -> String {
    let head: String =
        ADT.split_inclusive('\r').filter(|line| line.starts_with("MSH") || line.starts_with("PID")).collect();
    let rows: String = (1..=20)
        .map(|n| {
            format!(
                "OBX|{n}|NM|718-{n}^Hémoglobine^LN^HGB^Hb^L||{}.{n}|g/dL|12.0-16.0|N|||F|||20261122093000||0077^Diop^Mariem|||20261122094500\r",
                10 + n % 7
            )
        })
        .collect();
    format!(
        "{head}ORC|RE|A1^SIH|B1^LAB||CM\rOBR|1|A1^SIH|B1^LAB|58410-2^NFS^LN|||20261122090000|||||||||0098^Ba^Amadou\r{rows}"
    )
}

fn document() -> String {
    let head: String = ADT.split_inclusive('\r').take(6).collect();
    format!("{head}OBX|1|ED|DOC^Compte rendu^L||^application^pdf^Base64^{}||||||F\r", "JVBERi0xLjQK".repeat(8_200))
}

/// Seconds of one call, in the best round.
fn seconds(mut call: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < ROUND {
            (0..16).for_each(|_| call());
            calls += 16;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    best
}

fn byte_loop(bytes: &[u8]) -> usize {
    let mut found = 0;
    for &byte in bytes {
        if black_box(byte) == b'|' || byte == b'\r' || byte == b'\n' {
            found += 1;
        }
    }
    found
}

fn parse(raw: &Bytes) -> std::io::Result<Message> {
    let parsed = Message::parse(raw.clone(), &Limits::default()).map_err(std::io::Error::other)?;
    Ok(parsed.message)
}

fn indexing(out: &mut impl Write, name: &str, text: String) -> std::io::Result<()> {
    let raw = Bytes::from(text);
    let size = raw.len();
    parse(&raw)?;
    let parsed = seconds(|| drop(black_box(parse(black_box(&raw)))));
    let memchr = seconds(|| {
        black_box(memchr::memchr3_iter(b'|', b'\r', b'\n', black_box(&raw)).fold(0, |sum, at| sum ^ at));
    });
    let bytes = seconds(|| {
        black_box(byte_loop(black_box(&raw)));
    });
    writeln!(
        out,
        "{name:<10} {size:>7} B  parse {:>7.2} us {:>10.0}/s {:>6.2} GB/s | memchr {:>7.2} us (x{:.2}) | byte loop {:>7.2} us (x{:.2})",
        parsed * 1e6,
        1.0 / parsed,
        size as f64 / parsed / 1e9,
        memchr * 1e6,
        memchr / parsed,
        bytes * 1e6,
        bytes / parsed,
    )
}

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().filter_map(|text| Path::parse(text).ok()).collect()
}

fn working(out: &mut impl Write) -> std::io::Result<()> {
    let raw = Bytes::from_static(ADT.as_bytes());
    let message = parse(&raw)?;
    let read = paths(&[
        "MSH-9.2",
        "PID-3[2].1",
        "PID-5.1",
        "PID-8",
        "PV1-2",
        "PV1-19.1",
        "PV1-44",
        "AL1-3.2",
        "DG1-3.1",
        "IN1-2",
    ]);
    let reading = seconds(|| {
        for path in &read {
            black_box(message.text(path));
        }
    });
    writeln!(out, "read 10 fields as text        {:>7.2} us", reading * 1e6)?;
    let write = paths(&["MSH-5", "MSH-6", "PV1-2", "PID-3[3].1", "PID-11.3", "PV1-50"]);
    let editing = seconds(|| {
        let mut draft = Draft::new(&message);
        for path in &write {
            black_box(draft.set(path, "IMP").is_ok());
        }
        black_box(draft.finish(SegmentEnds::Cr));
    });
    writeln!(out, "set 6 fields and write        {:>7.2} us", editing * 1e6)?;
    let untouched = seconds(|| drop(black_box(Draft::new(&message).finish(SegmentEnds::Cr))));
    writeln!(out, "write unedited                {:>7.2} us", untouched * 1e6)?;
    let recoding = seconds(|| {
        black_box(transcode(&message, Charset::Windows1256, OnUnmappable::Replace, SegmentEnds::Cr).is_ok());
    });
    writeln!(out, "transcode to windows-1256     {:>7.2} us", recoding * 1e6)?;
    let answering = seconds(|| {
        let answer = Answer {
            request: message.header(),
            code: AckCode::AA,
            findings: &[],
            application: "BARID",
            facility: "MSP",
            control_id: "0199",
            timestamp: "20261122101500+0000",
        };
        black_box(answer.build());
    });
    writeln!(out, "acknowledge                   {:>7.2} us", answering * 1e6)
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    indexing(&mut out, "ADT", ADT.to_owned())?;
    indexing(&mut out, "ORU", oru())?;
    indexing(&mut out, "document", document())?;
    working(&mut out)
}
