//! `barid send` to `barid receive`, as two processes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Stdio};

use crate::binary::{Ran, barid, command};

const MESSAGE: &str = "MSH|^~\\&|HIS|CHN|||20261122||ADT^A01^ADT_A01|M1|P|2.5\rPID|1||A7^^^CHN||Sow^Zaïnab\r";

/// A receiving process and the address it found.
struct Receiving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    address: String,
}

impl Receiving {
    fn start(arguments: &[&str]) -> Self {
        let mut child =
            command().arg("receive").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(line.starts_with("receiving "), "{line}");
        Self { child, stderr, address }
    }

    fn end(self) -> Ran {
        let mut rest = self.stderr;
        // Both are read at once: either pipe may fill.
        let stderr = std::thread::spawn(move || {
            let mut stderr = String::new();
            rest.read_to_string(&mut stderr).unwrap();
            stderr
        });
        let output = self.child.wait_with_output().unwrap();
        let stderr = stderr.join().unwrap();
        Ran { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr }
    }
}

fn file(count: usize) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..count {
        std::fs::write(directory.path().join(format!("{n}.hl7")), MESSAGE.replace("M1", &format!("M{n}"))).unwrap();
    }
    let path = directory.path().to_str().unwrap().to_owned();
    (directory, path)
}

#[test]
fn what_is_sent_arrives_and_is_listed_without_its_contents() {
    let (_directory, path) = file(3);
    let receiving = Receiving::start(&["--mllp", "0", "-n", "3"]);
    let sent = barid(&["send", &receiving.address, &path, "--json"]).well().json();
    assert_eq!((sent["accepted"].as_u64(), sent["answers"]["AA"].as_u64()), (Some(3), Some(3)));
    assert!(sent["latencyMs"]["p99"].as_f64().unwrap() > 0.0);
    let ran = receiving.end().well();
    assert_eq!(ran.text().lines().count(), 3);
    assert!(
        ran.text().contains("ADT^A01") && ran.text().contains("M2") && !ran.text().contains("Zaïnab"),
        "{}",
        ran.text()
    );
    assert!(ran.stderr.contains("received 3 messages"), "{}", ran.stderr);
}

#[test]
fn show_prints_the_message_a_line_a_segment() {
    let (_directory, path) = file(1);
    let receiving = Receiving::start(&["--http", "0", "-n", "1", "--show"]);
    let sent = barid(&["send", &format!("http://{}/hl7", receiving.address), &path]).well();
    assert!(sent.text().contains("answers: 200 AA 1"), "{}", sent.text());
    let ran = receiving.end().well();
    assert!(ran.text().lines().any(|line| line == "PID|1||A7^^^CHN||Sow^Zaïnab"), "{}", ran.text());
}

#[test]
fn a_refusing_receiver_ends_the_sender_with_1_and_its_codes() {
    let (_directory, path) = file(4);
    let receiving = Receiving::start(&["--mllp", "0", "-n", "4", "--quiet", "--fault", "reject=AE/207@every=2"]);
    let sent = barid(&["send", &receiving.address, &path]).with(1);
    assert!(sent.text().contains("answers: AA 2, AE 2"), "{}", sent.text());
    assert!(receiving.end().well().stdout.is_empty());
}

#[test]
fn nobody_at_the_port_ends_the_sender_with_4() {
    let (_directory, path) = file(1);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sent = barid(&["send", &format!("127.0.0.1:{port}"), &path]).with(4);
    assert!(sent.text().contains("never sent: 1") && sent.text().contains("cannot connect"), "{}", sent.text());
}

#[test]
fn tls_with_client_certificates_works_between_the_two() {
    let (directory, path) = file(2);
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join(".cert.pem"), directory.path().join(".key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let receiving = Receiving::start(&["--mllp", "0", "-n", "2", "--cert", cert, "--key", key, "--client-ca", cert]);
    let target = format!("mllps://{}", receiving.address);
    let sent =
        barid(&["send", &target, &path, "--ca", cert, "--cert", cert, "--key", key, "--server-name", "localhost"])
            .well();
    assert!(sent.text().contains("AA 2"), "{}", sent.text());
    assert!(receiving.end().well().stderr.contains("received 2"));
    assert!(
        barid(&["send", &target, &path, "--cert", cert]).with(2).stderr.contains("--cert and --key belong together")
    );
}

#[test]
fn files_go_round_with_new_control_ids() {
    let (_directory, path) = file(1);
    let receiving = Receiving::start(&["--mllp", "0", "-n", "500", "--json"]);
    let sent = barid(&["send", &receiving.address, &path, "-n", "500", "-c", "4", "-p", "8", "--json"]).well().json();
    assert_eq!(sent["accepted"], 500);
    let ran = receiving.end().well();
    let mut ids: Vec<String> = ran.lines().iter().map(|line| line["controlId"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 500);
    assert!(ids.iter().all(|id| id.len() <= 20), "{:?}", ids.first());
}
