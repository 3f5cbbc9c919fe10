//! G7: what Barid says of its messages never says who they are about.
//!
//! Every place of the messages that is about a patient holds a canary, and so does everything that receivers say. The
//! messages are accepted, refused, quarantined, held, run again, replayed, edited, over MLLP and HTTP, while the engine
//! logs all it can; then everything that is not meant to show messages is searched for canaries.

mod messages;
mod talkative;

use std::path::Path;
use std::time::{Duration, Instant};

use barid_log::Log as _;
use barid_log::disk::{DiskLog, Options};
use barid_model::Partitions;
use barid_testkit::process::{Home, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process_relay::PATIENCE;
use crate::process_traced::collector::Collector;
use messages::{canary, is_clean, message, tells};
use talkative::Talkative;

/// An engine and what is around it.
struct World<'a> {
    home: &'a Home,
    mllp: u16,
    http: u16,
    _receivers: [Talkative; 2],
    /// What commands said and senders were answered.
    said: Vec<(String, Vec<u8>)>,
}

/// One channel per way a message can take, by its event.
fn documents(mllp: u16, http: u16, plain: u16, web: u16) -> String {
    let channel = |name: &str, event: &str, more: &str| {
        format!(
            "---\nkind: Channel\nmetadata: {{name: {name}}}\nspec:\n  from: {{when: \"msg.event == '{event}'\"}}\n  \
             order: {{by: patient}}\n  index: [{{name: visit, path: PV1-19}}]\n{more}"
        )
    };
    let routes = |routes: &str| format!("  routes: [{routes}]\n");
    let all = "{name: plain, to: {destination: plain}}, {name: web, to: {destination: web}}, {name: files, to: {destination: files}}";
    format!(
        "kind: Listener\nmetadata: {{name: mllp}}\nspec:\n  mllp: {{port: {mllp}, address: 127.0.0.1}}\n  \
         unknownFacility: accept\n  limits: {{messageBytes: 4Ki}}\n\
         ---\nkind: Listener\nmetadata: {{name: http}}\nspec:\n  https: {{port: {http}, address: 127.0.0.1, paths: [/hl7]}}\n  \
         unknownFacility: accept\n  limits: {{messageBytes: 4Ki}}\n\
         {}{}{}{}{}\
         ---\nkind: Destination\nmetadata: {{name: plain}}\nspec:\n  mllp: {{endpoints: [\"127.0.0.1:{plain}\"]}}\n  \
         timeout: 1s\n  retry: {{initial: 20ms, max: 100ms}}\n\
         ---\nkind: Destination\nmetadata: {{name: strict}}\nspec:\n  mllp: {{endpoints: [\"127.0.0.1:{plain}\"]}}\n  onReject: hold\n\
         ---\nkind: Destination\nmetadata: {{name: web}}\nspec:\n  http: {{url: \"http://127.0.0.1:{web}/in\"}}\n  \
         timeout: 1s\n  retry: {{initial: 20ms, max: 100ms}}\n\
         ---\nkind: Destination\nmetadata: {{name: files}}\nspec:\n  file: {{directory: out}}\n",
        channel("all", "A01", &routes(all)),
        channel("held", "A02", &routes("{name: strict, to: {destination: strict}}")),
        channel(
            "failing",
            "A03",
            &format!("  transform: [{{set: {{path: ZZZ-1, to: \"string(int(msg['PID-5.1']))\"}}}}]\n{}", routes(all))
        ),
        channel(
            "mismatch",
            "A04",
            &routes(
                "{name: date, to: {destination: plain}, transform: [{format: {path: PID-5.1, date: {to: yyyy}}}]}, \
                 {name: charset, to: {destination: plain}, outbound: {charset: 8859/6}}"
            )
        ),
        channel("aside", "A05", &format!("  validate: {{onInvalid: quarantine}}\n{}", routes(all))),
    )
}

impl<'a> World<'a> {
    async fn new(home: &'a Home) -> Self {
        let (mllp, http) = (free_port().unwrap(), free_port().unwrap());
        let receivers = [Talkative::mllp().await, Talkative::http().await];
        home.write("all.yaml", &documents(mllp, http, receivers[0].port, receivers[1].port)).unwrap();
        let mut world = Self { home, mllp, http, _receivers: receivers, said: Vec::new() };
        let documents = world.home.documents().to_string_lossy().into_owned();
        assert!(world.command(&["check", &documents]).await.1, "{}", world.last());
        world
    }

    fn last(&self) -> String {
        self.said.last().map(|(what, bytes)| format!("{what}: {}", String::from_utf8_lossy(bytes))).unwrap_or_default()
    }

    /// Runs a command; gives what it wrote to standard output and whether it succeeded.
    async fn command(&mut self, arguments: &[&str]) -> (String, bool) {
        let output = self.home.tool(arguments).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        self.said.push((format!("barid {}", arguments[0]), [output.stdout, output.stderr].concat()));
        (text, output.status.success())
    }

    /// The same, and it has to succeed.
    async fn does(&mut self, arguments: &[&str]) -> String {
        let (text, well) = self.command(arguments).await;
        assert!(well, "{}", self.last());
        text
    }

    /// Sends bytes over a connection of their own; gives what is answered until `answers` frames or the end.
    async fn send(&mut self, what: &str, bytes: &[u8], answers: usize) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.mllp)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        while answer.windows(2).filter(|end| end == b"\x1c\r").count() < answers {
            let read = tokio::time::timeout(PATIENCE, stream.read_buf(&mut answer)).await;
            if read.unwrap_or_else(|_| panic!("no answer to {what}")).unwrap() == 0 {
                break;
            }
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        self.said.push((format!("the answer to {what}"), answer));
        text
    }

    /// Sends a message in a frame; its answer has to be this.
    async fn is_answered(&mut self, text: &str, msa: &str) {
        let id = text.split('|').nth(9).unwrap_or_default().to_owned();
        let answer = self.send(&id, &framed(text), 1).await;
        assert!(answer.contains(msa), "{id}: {answer}");
    }

    /// Posts to the HTTP listener; its status has to be this.
    async fn posts(&mut self, path: &str, body: &str, status: u16) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/hl7-v2\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that refuses may close while it is still written to.
        drop(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap());
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{status} expected: {text}");
        self.said.push((format!("the answer to {path}"), answer));
    }

    /// What a list has in one field, a row each.
    async fn list(&mut self, arguments: &[&str], field: &str) -> Vec<String> {
        let text = self.does(&[&["--json"], arguments].concat()).await;
        let start = format!("\"{field}\":\"");
        let value = |line: &str| Some(line.split_once(&start)?.1.split('"').next()?.to_owned());
        text.lines().filter_map(value).collect()
    }

    /// Waits until a list is so long.
    async fn until(&mut self, arguments: &[&str], count: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.list(arguments, "uid").await;
            if rows.len() == count {
                return rows;
            }
            assert!(Instant::now() < deadline, "{} rows instead of {count}: {}", rows.len(), self.last());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn framed(text: &str) -> Vec<u8> {
    format!("\x0b{text}\x1c\r").into_bytes()
}

/// Everything that can happen to a message at the door.
async fn arrive(world: &mut World<'_>) {
    world.is_answered(&message("A01", "OK-1"), "MSA|AA|OK-1").await;
    world.is_answered(&message("A01", "ODD-1"), "MSA|AA|ODD-1").await;
    world.is_answered(&message("A01", "REJ-1"), "MSA|AA|REJ-1").await;
    world.is_answered(&message("A02", "REJ-2"), "MSA|AA|REJ-2").await;
    world.is_answered(&message("A02", "OK-2"), "MSA|AA|OK-2").await;
    world.is_answered(&message("A03", "OK-3"), "MSA|AA|OK-3").await;
    world.is_answered(&message("A04", "OK-4").replace("NTE|1||", "NTE|1||é"), "MSA|AA|OK-4").await;
    // A resend, and its control id with other bytes.
    world.is_answered(&message("A01", "OK-1"), "MSA|AA|OK-1").await;
    world.is_answered(&message("A03", "OK-1"), "MSA|AE|OK-1").await;
    // What no channel takes, what has no control id, what is of no known version, what is no segment.
    world.is_answered(&message("A99", "NO-1"), "MSA|AR|NO-1").await;
    world.is_answered(&message("A01", ""), "MSA|A").await;
    let wrapped = message("A01", "NO-2").replace("\rNTE", &format!("\rand {} went home\rNTE", canary("wrapped")));
    world.is_answered(&wrapped, "MSA|A").await;
    let wrapped = message("A05", "NO-3").replace("\rNTE", &format!("\rand {} went home\rNTE", canary("wrapped")));
    world.is_answered(&wrapped, "MSA|A").await;
    let large = message("A01", "NO-4") + &format!("NTE|1||{}\r", canary("large").repeat(400));
    world.is_answered(&large, "MSA|AR|NO-4").await;
    // What is no HL7 at all is answered all the same (M11), and closed after three in a row.
    let stranger = message("A01", "NO-5").replacen("MSH", "XSH", 1);
    let answer = world.send("three frames that are no HL7", &framed(&stranger).repeat(3), 4).await;
    assert_eq!(answer.matches("MSA|AR|").count(), 3, "{answer}");
    let noise = [canary("noise").into_bytes(), framed(&message("A01", "OK-5"))].concat();
    assert!(world.send("noise", &noise, 1).await.contains("MSA|AA|OK-5"));
    let text = message("A01", "NO-6");
    drop(world.send("an unfinished frame", format!("\x0b{text}").as_bytes(), 0).await);
    drop(world.send("a frame that begins anew", format!("\x0b{text}\x0b{text}").as_bytes(), 0).await);
}

async fn arrive_by_http(world: &mut World<'_>) {
    world.posts("/hl7", &message("A01", "WEB-1"), 200).await;
    world.posts(&format!("/hl7?patient={}", canary("query")), &message("A01", "WEB-2"), 200).await;
    world.posts(&format!("/patients/{}", canary("path")), &message("A01", "WEB-3"), 404).await;
    world.posts("/hl7", &message("A99", "WEB-4"), 422).await;
    world.posts("/hl7", &canary("nonsense"), 400).await;
    let large = message("A01", "WEB-5") + &format!("NTE|1||{}\r", canary("large").repeat(400));
    world.posts("/hl7", &large, 413).await;
}

/// Everything a person can do with them.
async fn decide(world: &mut World<'_>) {
    let reason = ["--reason", "for the test"];
    let with = |words: &[&str]| -> Vec<String> { words.iter().chain(&reason).map(|&word| word.to_owned()).collect() };
    let id = canary("id");
    let key = format!("visit={}", canary("visit"));
    assert!(!world.list(&["messages", "--patient", &id], "uid").await.is_empty());
    assert!(!world.list(&["messages", "--key", &key], "uid").await.is_empty());
    assert!(world.list(&["messages", "--patient", "nobody"], "uid").await.is_empty());
    let parked = world.list(&["messages", "--parked"], "id").await;
    assert!(!parked.is_empty());
    for uid in world.list(&["messages"], "uid").await {
        world.does(&["show", &uid]).await;
        world.does(&["--json", "show", &uid]).await;
    }
    // What failed by its mapping or charset fails again, and is told.
    let again = with(&["rerun", "--destination", "plain"]);
    let again = world.command(&again.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert!(!again.1 && again.0.contains("mapping still fails"), "{}", world.last());
    for arguments in [
        with(&["discard", "--destination", "plain", "--dry-run"]),
        with(&["release", "strict", "--head", "quarantine"]),
        with(&["replay", "--patient", &id]),
        with(&["pause", "destination", "plain"]),
        with(&["resume", "destination", "plain"]),
    ] {
        world.does(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let file = world.home.data().with_file_name("edited.hl7");
    std::fs::write(&file, message("A01", "EDIT-1")).unwrap();
    let uid = world.list(&["messages", "--control-id", "OK-1"], "uid").await[0].clone();
    let arguments = with(&["resend", &uid, "--file", &file.to_string_lossy()]);
    world.does(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // What cannot be done.
    std::fs::write(&file, canary("edited")).unwrap();
    assert!(!world.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.1);
    let arguments = with(&["replay", "--patient", &id, "--limit", "1"]);
    assert!(!world.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.1);
}

/// What tells of messages without showing them.
async fn look(world: &mut World<'_>) {
    for arguments in [
        &["status", "--all"][..],
        &["--json", "status", "--all"],
        &["messages"],
        &["--json", "messages"],
        &["messages", "--refused"],
        &["--json", "messages", "--refused"],
        &["messages", "--parked"],
        &["--json", "messages", "--parked"],
        &["audit"],
        &["audit", "--deep"],
        &["--json", "audit"],
    ] {
        let (_, well) = world.command(arguments).await;
        // Without an engine `status` says by its code that none runs.
        assert!(well || arguments.contains(&"status"), "{}", world.last());
    }
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        found.push(entry.path());
        if entry.path().is_dir() {
            files(&entry.path(), found);
        }
    }
}

/// The names of the data directory's files, of the log's subjects and keys, and what the history holds.
async fn stored(data: &Path) {
    let mut found = Vec::new();
    files(data, &mut found);
    assert!(found.iter().any(|path| path.extension().is_some_and(|end| end == "hl7")), "no file was delivered");
    for path in &found {
        is_clean("a file's name", path.to_string_lossy().as_bytes());
        let name = path.file_name().unwrap().to_string_lossy();
        if name.starts_with("ledger.sqlite") || name.starts_with("snapshot") {
            is_clean(&name, &std::fs::read(path).unwrap());
        }
    }
    assert!(found.iter().any(|path| path.ends_with("ledger.sqlite")));
    // The search finds what is there: the log's own files hold the messages.
    let segments = found.iter().filter(|path| path.extension().is_some_and(|end| end == "seg"));
    assert!(segments.clone().any(|path| tells(&std::fs::read(path).unwrap()).is_some()), "no message is in the log");
    let options = Options::new(u32::from(Partitions::STANDALONE.count()), Partitions::HASH);
    let (log, _) = DiskLog::open(&data.join("log"), options).unwrap();
    let (subjects, keys) = (log.subjects("").await.unwrap(), log.keys("").await.unwrap());
    assert!(subjects.len() > 5 && !keys.is_empty(), "{subjects:?} {keys:?}");
    is_clean("a subject of the log", format!("{subjects:?}").as_bytes());
    is_clean("a key of the log", format!("{keys:?}").as_bytes());
}

#[tokio::test]
async fn a13_m04_nothing_that_is_not_meant_to_show_messages_tells_who_they_are_about() {
    let mut home = Home::new().unwrap();
    home.set("BARID_LOG", "trace");
    let collector = Collector::start().await;
    home.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    home.set("OTEL_TRACES_SAMPLER_ARG", "1");
    home.set("BARID_OTLP_INTERVAL", "1s");
    let mut world = World::new(&home).await;
    let mut running = home.start().unwrap();
    running.ready(PATIENCE).await.unwrap();
    arrive(&mut world).await;
    arrive_by_http(&mut world).await;
    // Refused by the receiver over MLLP, by HTTP, a failed mapping, text that cannot be written; held, and what follows.
    world.until(&["messages", "--parked"], 7).await;
    look(&mut world).await;
    decide(&mut world).await;
    look(&mut world).await;
    for path in ["/metrics", "/readyz", "/healthz"] {
        let (status, text) = running.ask(path).await.unwrap();
        assert_eq!(status, 200, "{path}");
        world.said.push((path.to_owned(), text.into_bytes()));
    }
    // What a start after a crash tells, and commands without an engine.
    running.kill().unwrap();
    look(&mut world).await;
    let mut running = home.start().unwrap();
    running.ready(PATIENCE).await.unwrap();
    running.end(PATIENCE).await.unwrap();
    for (place, bytes) in &world.said {
        is_clean(place, bytes);
    }
    let taken = collector.taken();
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert!(taken.iter().any(|(at, _)| at == path), "nothing came to {path}");
    }
    for (path, body) in &taken {
        is_clean(path, body);
    }
    let kinds: std::collections::BTreeSet<String> = collector.spans().into_iter().map(|span| span.name).collect();
    let all = ["accept", "append", "apply", "attempt", "deliver", "outcome", "parse", "route"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), all);
    let log = home.log();
    assert!(log.contains("DEBUG"), "not everything was logged");
    is_clean("the log", log.as_bytes());
    stored(&home.data()).await;
}
