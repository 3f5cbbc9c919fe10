use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;
use crate::servers::tests::authority;

#[tokio::test]
async fn a_command_answers_and_what_was_acknowledged_survives_a_kill() {
    let server = Redis::start(Settings::default()).await.unwrap();
    for round in 1..=3 {
        assert_eq!(server.ask(&["INCR", "rounds"]).await.unwrap(), round.to_string());
        assert_eq!(server.ask(&["RPUSH", "list", "a b", ""]).await.unwrap(), (2 * round).to_string());
        server.kill();
        assert!(server.ask(&["PING"]).await.is_err());
        server.restart().unwrap();
        server.ready().await.unwrap();
        assert_eq!(server.ask(&["GET", "rounds"]).await.unwrap(), round.to_string());
        assert_eq!(server.ask(&["LRANGE", "list", "0", "1"]).await.unwrap(), "a b\n");
    }
    assert_eq!(server.ask(&["GET", "nothing"]).await.unwrap(), "");
}

#[tokio::test]
async fn one_that_is_not_durable_comes_back_with_nothing() {
    let server = Redis::start(Settings { durable: false, ..Settings::default() }).await.unwrap();
    server.ask(&["SET", "key", "value"]).await.unwrap();
    server.kill();
    server.restart().unwrap();
    server.ready().await.unwrap();
    assert_eq!(server.ask(&["DBSIZE"]).await.unwrap(), "0");
}

#[tokio::test]
async fn who_has_not_the_password_is_refused_and_so_is_a_wrong_command() {
    let server = Redis::start(Settings::default()).await.unwrap();
    let mut stream = BufStream::new(TcpStream::connect(server.address()).await.unwrap());
    write(&mut stream, &["GET", "key"]).await.unwrap();
    stream.flush().await.unwrap();
    let said = answer(&mut stream).await.unwrap().unwrap_err();
    assert!(said.starts_with("NOAUTH"), "{said}");
    let error = server.ask(&["INCR"]).await.unwrap_err();
    assert!(matches!(error, ServerError::Refused("command", _)), "{error}");
}

#[tokio::test]
async fn a_frozen_one_answers_when_it_goes_on() {
    let server = Redis::start(Settings::default()).await.unwrap();
    server.freeze().unwrap();
    let asked = server.ask(&["PING"]);
    tokio::pin!(asked);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut asked).await.is_err());
    server.thaw().unwrap();
    assert_eq!(asked.await.unwrap(), "PONG");
}

#[tokio::test]
async fn over_tls_it_answers_who_trusts_its_authority_and_a_kill_ends_the_connection() {
    let folder = TempDir::new().unwrap();
    let files = authority(folder.path());
    let server = Redis::start(Settings { tls: Some(files.clone()), ..Settings::default() }).await.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.authorities).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    for _ in 0..2 {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let mut stream = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
        stream.write_all(format!("AUTH {PASSWORD}\r\nPING\r\n").as_bytes()).await.unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"+OK\r\n+PONG\r\n");
        server.kill();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(ASK, stream.read_to_end(&mut rest)).await.unwrap();
        assert!(ended.is_err() || rest.is_empty());
        server.restart().unwrap();
        server.ready().await.unwrap();
    }
}
