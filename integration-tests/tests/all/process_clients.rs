//! Clients nobody here wrote, against the real program: each gets its positive acknowledgement, and what it sent arrives.
//!
//! `scripts/clients` installs them, once, outside the repository; curl is the system's.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use barid_testkit::process::{Running, free_port};
use barid_testkit::receiver::{Options, Receiver};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process_relay::{PATIENCE, Relay, distinct};

/// The folder of the clients; installed by whichever test comes first.
static CLIENTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/clients");
    let output = std::process::Command::new(script).output().unwrap();
    assert!(output.status.success(), "scripts/clients: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
});

/// A message of one client.
fn message(id: &str) -> String {
    format!(
        "MSH|^~\\&|APP|CLIENT|BARID|MSP|20261122101500||ADT^A01^ADT_A01|{id}|P|2.5\rEVN|A01|20261122101500\r\
         PID|1||1^^^CLIENT^PI||Diallo^Aïssata||19700101|F\rPV1|1|I\r"
    )
}

/// Runs a client and gives what it printed; fails where it fails.
async fn run(command: &mut Command) -> String {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let Output { status, stdout, stderr } = tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}: {told}");
    told
}

/// Runs a JavaScript module where the clients are installed; PORT and MESSAGE are in its environment.
async fn node(relay: &Relay, id: &str, script: &str) -> String {
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", script]).current_dir(CLIENTS.as_path());
    run(command.env("PORT", relay.port.to_string()).env("MESSAGE", message(id))).await
}

/// Waits until somebody listens on a port.
async fn listening(relay: &Relay, port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "nobody listens on {port}:\n{}", relay.home.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// That it arrived, and that the engine ends well.
async fn arrived(receiver: &Receiver, running: Running<'_>, id: &str) {
    distinct(receiver, 1).await;
    assert_eq!(receiver.received()[0].control_id, id.as_bytes());
    running.end(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn mllp_send_of_python_hl7_gets_its_acknowledgement() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let file = relay.home.data().with_file_name("message.hl7");
    std::fs::write(&file, message("PY-1")).unwrap();
    let mut client = Command::new(CLIENTS.join("python/bin/mllp_send"));
    let told = run(client.args(["--loose", "-p", &relay.port.to_string(), "-f"]).arg(&file).arg("127.0.0.1")).await;
    assert!(told.contains("MSA|AA|PY-1"), "{told}");
    arrived(&receiver, running, "PY-1").await;
}

#[tokio::test]
async fn node_hl7_client_gets_its_acknowledgement() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let script = "import * as lib from 'node-hl7-client';
        const Client = lib.default?.default ?? lib.default ?? lib.Client;
        const client = new Client({host: '127.0.0.1', version: '2.5'});
        const out = client.createConnection({port: Number(process.env.PORT)}, async (res) => {
          console.log('answer ' + res.getMessage().toString());
          process.exit(0);
        });
        await out.sendMessage(new lib.Message({text: process.env.MESSAGE.trimEnd()}));";
    let told = node(&relay, "NODE-1", script).await;
    assert!(told.contains("MSA|AA|NODE-1"), "{told}");
    arrived(&receiver, running, "NODE-1").await;
}

#[tokio::test]
async fn medplum_hl7_gets_its_acknowledgement() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let script = "// Its core wants a WebSocket by name when it is loaded; Node has one from release 22 on.
        globalThis.WebSocket ??= class {};
        const {Hl7Client} = await import('@medplum/hl7');
        const {Hl7Message} = await import('@medplum/core');
        const client = new Hl7Client({host: '127.0.0.1', port: Number(process.env.PORT)});
        console.log('answer ' + (await client.sendAndWait(Hl7Message.parse(process.env.MESSAGE))).toString());
        await client.close(); process.exit(0);";
    let told = node(&relay, "MED-1", script).await;
    assert!(told.contains("MSA|AA|MED-1"), "{told}");
    arrived(&receiver, running, "MED-1").await;
}

#[tokio::test]
async fn simple_hl7_gets_its_acknowledgement() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let running = relay.start().await;
    let script = "import hl7 from 'simple-hl7';
        const client = hl7.Server.createTcpClient('127.0.0.1', Number(process.env.PORT));
        client.send(new hl7.Parser().parse(process.env.MESSAGE), (error, ack) => {
          console.log(error ?? 'answer ' + ack.toString()); process.exit(error ? 1 : 0);
        });";
    let told = node(&relay, "SIMPLE-1", script).await;
    assert!(told.contains("MSA|AA|SIMPLE-1"), "{told}");
    arrived(&receiver, running, "SIMPLE-1").await;
}

/// A second listener for the relay's channel.
fn listen(relay: &Relay, port: u16, transport: &str) {
    let path = relay.home.documents().join("relay.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("[{name: in}]", "[{name: in}, {name: other}]");
    let other = format!(
        "---\nkind: Listener\nmetadata: {{name: other}}\nspec:\n  {}\n  unknownFacility: accept\n",
        transport.replace("PORT", &port.to_string())
    );
    std::fs::write(&path, text + &other).unwrap();
}

#[tokio::test]
async fn curl_gets_its_acknowledgement_from_the_http_listener() {
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let relay = Relay::mllp(&receiver);
    let port = free_port().unwrap();
    listen(&relay, port, "https: {port: PORT, address: 127.0.0.1, paths: [/hl7]}");
    let running = relay.start().await;
    listening(&relay, port).await;
    let file = relay.home.data().with_file_name("message.hl7");
    std::fs::write(&file, message("CURL-1")).unwrap();
    let mut client = Command::new("curl");
    client.args(["-sS", "-w", "\nstatus %{http_code}", "-H", "Content-Type: x-application/hl7-v2+er7; charset=utf-8"]);
    client.arg("--data-binary").arg(format!("@{}", file.display())).arg(format!("http://127.0.0.1:{port}/hl7"));
    let told = run(&mut client).await;
    assert!(told.contains("MSA|AA|CURL-1"), "{told}");
    assert!(told.contains("status 200"), "{told}");
    arrived(&receiver, running, "CURL-1").await;
}
