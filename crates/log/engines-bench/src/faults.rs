//! What each engine makes of a flipped bit in the middle of acknowledged data, and of a full volume.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use barid_log::disk::{DiskLog, Options};
use barid_log::{Log, LogError, Position, ReadLimit, Subject};
use bytes::Bytes;

use crate::grouped::{Store, key};
use crate::stores::{Fjall, Redb};

/// Records written before something happens, in groups of ten.
const RECORDS: u64 = 20_000;

/// A kilobyte that no bit of another record resembles, and that does not compress.
pub(crate) fn record(position: u64) -> Bytes {
    let mut state = position.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let word = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..125).flat_map(word).collect::<Vec<u8>>().into()
}

/// Our log, with the records of one subject. Synchronous, as the other stores are.
struct Ours {
    log: DiskLog,
    last: u64,
    report: String,
}

impl Ours {
    fn open(directory: &Path) -> Result<Self, String> {
        let mut options = Options::new(64, "sha256");
        (options.segment_bytes, options.intake_floor, options.routing_floor) = (8 << 20, 0, 0);
        options.reserve_bytes = 4 << 20;
        let (log, recovery) = DiskLog::open(directory, options).map_err(|e| e.to_string())?;
        let report =
            format!("{} damaged places, {} records named as lost", recovery.damaged_places.len(), recovery.lost.len());
        let last = wait(log.bounds(&subject())).map_err(|e| e.to_string())?.last.0;
        Ok(Self { log, last, report })
    }
}

fn subject() -> Subject {
    Subject::new("in.00").expect("a name")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(future))
}

impl Store for Ours {
    fn commit(&mut self, batch: &[(Vec<u8>, Bytes)]) -> Result<(), String> {
        let records = batch.iter().map(|(_, record)| record.clone()).collect();
        let last = wait(async { self.log.append(&subject(), Position(self.last), records).await?.await });
        self.last = last.map_err(|error: LogError| error.to_string())?.0;
        Ok(())
    }

    fn readable(&self, _: u64) -> (u64, Option<String>) {
        let (mut found, mut damage) = (0, Vec::new());
        let mut next = Position(1);
        loop {
            match wait(self.log.read(&subject(), next, ReadLimit::default())) {
                Ok(batch) if batch.next == next => break,
                Ok(batch) => {
                    found += batch.entries.iter().filter(|e| e.record == record(e.position.0 - 1)).count() as u64;
                    damage.extend(batch.damaged.iter().map(|d| format!("{}..={} at {}", d.from, d.to, d.place)));
                    next = batch.next;
                }
                Err(error) => return (found, Some(error.to_string())),
            }
        }
        (found, (!damage.is_empty()).then(|| format!("lost {}", damage.join(", "))))
    }
}

fn fill(store: &mut impl Store, from: u64, to: u64) -> Result<u64, (u64, String)> {
    let mut position = from;
    while position < to {
        let batch: Vec<_> = (position..position + 10).map(|p| (key(0, p), record(p))).collect();
        store.commit(&batch).map_err(|error| (position, error))?;
        position += 10;
    }
    Ok(position)
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("a terminal");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(|_| ()).expect("a copy")
        }
    }
}

/// Fills a store, takes a copy of its files as a crash leaves them, and flips one bit in copies of that at places that hold records.
pub(crate) fn damage() {
    of_damage("barid-log", Ours::open, |store| store.report.clone());
    of_damage("fjall", Fjall::open, |_| String::new());
    of_damage("redb", Redb::open, |_| String::new());
}

fn of_damage<S: Store>(name: &str, open: fn(&Path) -> Result<S, String>, report: fn(&S) -> String) {
    let directory = tempfile::TempDir::new_in(".").expect("a directory");
    let (live, crashed) = (directory.path().join("live"), directory.path().join("crashed"));
    std::fs::create_dir(&live).expect("a directory");
    let mut store = open(&live).expect("a store");
    fill(&mut store, 0, RECORDS).expect("room");
    copy(&live, &crashed);
    drop(store);
    for (state, from) in [("crashed", &crashed), ("closed", &live)] {
        of_flips(&format!("{name} {state}"), directory.path(), from, open, report);
    }
}

fn of_flips<S: Store>(
    name: &str,
    directory: &Path,
    from: &Path,
    open: fn(&Path) -> Result<S, String>,
    report: fn(&S) -> String,
) {
    for wanted in [RECORDS / 4, RECORDS / 2, RECORDS * 9 / 10] {
        let harmed = directory.join(format!("{}{wanted}", name.replace(' ', "-")));
        copy(from, &harmed);
        let needle = record(wanted);
        let mut flipped = 0;
        for path in files(&harmed) {
            let mut bytes = std::fs::read(&path).expect("a file");
            let Some(at) = bytes.windows(64).position(|window| window == &needle[100..164]) else { continue };
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).expect("a file");
            flipped += 1;
        }
        let result = catch_unwind(AssertUnwindSafe(|| match open(&harmed) {
            Ok(store) => {
                let (found, error) = store.readable(RECORDS);
                format!("opens; {found} of {RECORDS} readable, first error: {error:?} {}", report(&store))
            }
            Err(error) => format!("does not open: {error}"),
        }));
        let result = result.unwrap_or_else(|_| "panics".into());
        say(&format!("{name}: bit in record {wanted} ({flipped} copies of it on disk): {result}"));
    }
}

/// Fills the volume, makes room again, goes on, and starts anew.
pub(crate) fn full(directory: &Path) {
    of_full("barid-log", directory, Ours::open);
    of_full("fjall", directory, Fjall::open);
    of_full("redb", directory, Redb::open);
}

fn of_full<S: Store>(name: &str, volume: &Path, open: fn(&Path) -> Result<S, String>) {
    let directory = tempfile::TempDir::new_in(volume).expect("a directory");
    let ballast = directory.path().join("ballast");
    std::fs::write(&ballast, vec![1; 40 << 20]).expect("room");
    let live = directory.path().join("live");
    std::fs::create_dir(&live).expect("a directory");
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut store = open(&live).expect("a store");
        let Err((acknowledged, error)) = fill(&mut store, 0, 10_000_000) else { return "never full".to_owned() };
        let (readable, read_error) = store.readable(acknowledged);
        std::fs::remove_file(&ballast).expect("a file");
        std::thread::sleep(std::time::Duration::from_secs(4));
        let again = fill(&mut store, acknowledged, acknowledged + 100).map_err(|(_, error)| error);
        drop(store);
        let restarted = match open(&live) {
            Ok(store) => format!("{:?}", store.readable(acknowledged)),
            Err(error) => format!("does not open: {error}"),
        };
        format!(
            "full after {acknowledged} records ({error}); {readable} readable then {read_error:?}; with room again: {again:?}; after a restart: {restarted}"
        )
    }));
    let _ignored = std::fs::remove_dir_all(&live);
    say(&format!("{name}: {}", result.unwrap_or_else(|_| "panics".into())));
}
