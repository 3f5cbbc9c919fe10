//! Opening a log whose files were changed in any way: it opens or says why not; what it then serves was written, in order, and it takes new records.
//!
//! The input is a list of edits: which file, where, how (overwrite, flip, cut, move), and bytes. The unharmed log has sealed and open segments, sidecars,
//! keys, trims and a last group that nothing confirms.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use barid_log::disk::simulated::Simulated;
use barid_log::disk::{DiskLog, Options};
use barid_log::{Key, Log, Position, ReadLimit, Revision, Subject};
use futures_executor::block_on;
use futures_util::future::join_all;
use libfuzzer_sys::fuzz_target;

const SUBJECTS: [&str; 3] = ["in.00", "out.a.00", "outcome.a"];

fn options() -> Options {
    let mut options = Options::new(64, "sha256");
    options.segment_bytes = 96 << 10;
    (options.intake_floor, options.routing_floor, options.reserve_bytes) = (0, 0, 1 << 10);
    (options.confirm_after, options.keep_every) = (Duration::from_secs(3600), Duration::from_secs(3600));
    options
}

fn record(subject: &str, position: u64) -> String {
    let size = (position as usize * 97 % 13) * 150;
    format!("{subject}@{position};{:x<size$}", "")
}

static UNHARMED: LazyLock<(Simulated, u64)> = LazyLock::new(|| {
    let disk = Simulated::new();
    let (log, _) = DiskLog::open_on(Arc::new(disk.clone()), options()).expect("a new log");
    let mut last = 0;
    for round in 0..20 {
        for name in SUBJECTS {
            let subject = Subject::new(name).expect("a name");
            let records = (last + 1..=last + 3).map(|position| record(name, position).into()).collect();
            block_on(async { log.append(&subject, Position(last), records).await.expect("queued").await.expect("durable") });
        }
        last += 3;
        if round == 12 {
            block_on(log.trim(&Subject::new("in.00").expect("a name"), Position(10))).expect("trimmed");
            let key = Key::new("commit.a").expect("a name");
            block_on(log.put(&key, Revision::NONE, "value".into())).expect("stored");
        }
    }
    (disk.after_kill(), last)
});

fn harm(disk: &Simulated, mut data: &[u8]) {
    let files = disk.files();
    while let Some((head, rest)) = data.split_at_checked(8) {
        let (name, size) = &files[usize::from(head[0]) % files.len()];
        let at = (u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize).checked_rem(*size).unwrap_or(0);
        let len = usize::from(u16::from_le_bytes([head[6], head[7]])) % 512;
        let (noise, rest) = rest.split_at(len.min(rest.len()));
        data = rest;
        disk.edit(name, |bytes| {
            let end = (at + noise.len()).min(bytes.len());
            match head[1] % 5 {
                0 if at < end => bytes[at..end].copy_from_slice(&noise[..end - at]),
                1 if at < bytes.len() => bytes[at] ^= 1 << (head[6] % 8),
                2 => bytes.truncate(at),
                3 if at < end => bytes.copy_within(at..end, at / 2),
                4 if at < bytes.len() => bytes[at..].fill(0),
                _ => {}
            }
        });
    }
}

fuzz_target!(|data: &[u8]| {
    let (unharmed, last) = &*UNHARMED;
    let disk = unharmed.after_kill();
    harm(&disk, data);
    let Ok((log, _)) = DiskLog::open_on(Arc::new(disk.clone()), options()) else { return };
    let checks = SUBJECTS.map(|name| {
        let log = &log;
        async move {
            let subject = Subject::new(name).expect("a name");
            let mut next = Position(1);
            loop {
                let batch = log.read(&subject, next, ReadLimit::default()).await.expect("reading goes on behind damage");
                for entry in &batch.entries {
                    assert!(entry.position >= next && entry.position.0 <= *last);
                    assert!(entry.record == record(name, entry.position.0), "garbled");
                    next = entry.position.next();
                }
                if batch.entries.is_empty() && batch.damaged.is_empty() {
                    break;
                }
                next = batch.next;
            }
            let end = log.bounds(&subject).await.expect("bounds").last;
            log.append(&subject, end, vec!["more".into()]).await.expect("queued").await.expect("durable");
        }
    });
    block_on(join_all(checks));
    let _ = block_on(log.get(&Key::new("commit.a").expect("a name")));
});
