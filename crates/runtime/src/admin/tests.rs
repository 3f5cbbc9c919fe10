use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Readiness, bind, registry};
use crate::shutdown::Shutdown;

async fn get(address: SocketAddr, path: &str) -> String {
    get_as(address, path, "*/*").await
}

async fn get_as(address: SocketAddr, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(
            format!("GET {path} HTTP/1.1\r\nHost: barid\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn endpoint(readiness: &Readiness) -> (SocketAddr, Shutdown) {
    let shutdown = Shutdown::new(Duration::from_secs(5));
    let bound = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = bound.address();
    tokio::spawn(bound.serve(readiness.clone(), Arc::new(registry()), shutdown.drain()));
    (address, shutdown)
}

#[tokio::test]
async fn readyz_names_each_part_that_is_not_ready_and_turns_when_all_are() {
    let readiness = Readiness::default();
    let log = readiness.part("log");
    let listeners = readiness.part("listeners");
    let (address, _shutdown) = endpoint(&readiness).await;
    log.not_ready("recovering");
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("log: recovering\n") && answer.contains("listeners: starting\n"), "{answer}");
    log.ready();
    listeners.ready();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    listeners.not_ready("port 2575 is taken");
    assert!(get(address, "/readyz").await.contains("listeners: port 2575 is taken"));
}

#[tokio::test]
async fn a_part_asked_for_twice_keeps_its_state() {
    let readiness = Readiness::default();
    readiness.part("log").ready();
    let again = readiness.part("log");
    assert!(readiness.missing().is_empty());
    again.not_ready("failed");
    assert_eq!(readiness.missing().len(), 1);
}

#[tokio::test]
async fn the_endpoint_answers_through_the_drain() {
    let readiness = Readiness::default();
    let (address, shutdown) = endpoint(&readiness).await;
    shutdown.begin("test", crate::Exit::Ok);
    readiness.part("process").not_ready("draining");
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.contains("process: draining"));
}

#[tokio::test]
async fn metrics_are_openmetrics_text_for_who_asks_for_it_and_prometheus_text_for_others() {
    let (address, _shutdown) = endpoint(&Readiness::default()).await;
    let answer = get(address, "/metrics").await;
    assert!(answer.contains("text/plain; version=0.0.4") && !answer.contains("# EOF"), "{answer}");
    assert!(answer.contains("# TYPE barid_telemetry_dropped_total counter\n"), "{answer}");
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let answer = get_as(address, "/metrics", accept).await;
    assert!(answer.contains("application/openmetrics-text"), "{answer}");
    assert!(answer.contains("barid_build_info{version="), "{answer}");
    assert!(answer.contains("# EOF"), "{answer}");
    if std::path::Path::new("/proc/self/status").exists() {
        assert!(
            answer.contains("\nbarid_process_resident_memory_bytes ")
                && answer.contains("\nbarid_process_cpu_seconds_total "),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it_and_the_option() {
    let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let text = bind(first.address()).await.unwrap_err().to_string();
    assert!(text.contains(&first.address().to_string()) && text.contains("--admin"), "{text}");
}
