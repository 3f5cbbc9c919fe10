//! Receivers that repeat the patient in everything they say: refusals, garbage, statuses and headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::messages::canary;

/// A receiver of one test; ends with it.
pub(super) struct Talkative {
    pub(super) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Talkative {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Talkative {
    /// Over MLLP: `REJ` in the control id is refused, `ODD` gets garbage and answers that fit nothing at
    /// first, everything else is accepted.
    pub(super) async fn mllp() -> Self {
        let odd = Arc::new(AtomicU32::new(0));
        Self::start(move |stream| tokio::spawn(mllp(stream, Arc::clone(&odd)))).await
    }

    /// Over HTTP: `REJ` is refused with 422, `ODD` gets 503 at first.
    pub(super) async fn http() -> Self {
        let odd = Arc::new(AtomicU32::new(0));
        Self::start(move |stream| tokio::spawn(http(stream, Arc::clone(&odd)))).await
    }

    async fn start(serve: impl Fn(TcpStream) -> tokio::task::JoinHandle<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(serve(stream));
            }
        });
        Self { port, task }
    }
}

/// MSH-10.
fn control_id(message: &str) -> String {
    message.split('|').nth(9).unwrap_or_default().to_owned()
}

fn answer(code: &str, id: &str) -> String {
    let said = canary("said");
    format!(
        "MSH|^~\\&|R|R|A|F|20261122101500||ACK|{id}R|P|2.5\rMSA|{code}|{id}|{said}\r\
         ERR||PID^1^5|{code}E^{said}^L|E|{said}||{said}|{said}\rZER|{said}\r"
    )
}

/// How often it was asked before, over all connections.
fn times(odd: &AtomicU32) -> u32 {
    odd.fetch_add(1, Ordering::Relaxed)
}

async fn mllp(mut stream: TcpStream, odd: Arc<AtomicU32>) {
    let mut input = Vec::new();
    while matches!(stream.read_buf(&mut input).await, Ok(1..)) {
        while let Some(end) = input.windows(2).position(|bytes| bytes == b"\x1c\r") {
            let frame: Vec<u8> = input.drain(..end + 2).collect();
            let id = control_id(&String::from_utf8_lossy(&frame));
            let framed = |text: &str| format!("\x0b{text}\x1c\r");
            let bytes = match id.as_str() {
                id if id.contains("REJ") => framed(&answer("AE", id)),
                id if id.contains("ODD") => match times(&odd) {
                    0 => framed(&answer("AA", &canary("other"))),
                    1 => canary("noise") + &framed(&format!("{} was here", canary("garbage"))),
                    2 => framed(&answer(&canary("code"), id)),
                    3 => framed(&answer("AA", id).replacen("MSA", "MSA|AA|X\rMSA", 1)),
                    _ => framed(&answer("AA", id)),
                },
                id => framed(&answer("AA", id)),
            };
            if stream.write_all(bytes.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn http(mut stream: TcpStream, odd: Arc<AtomicU32>) {
    let mut input = Vec::new();
    while matches!(stream.read_buf(&mut input).await, Ok(1..)) {
        let text = String::from_utf8_lossy(&input).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_lowercase()
            .split("content-length:")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let id = control_id(body);
        let said = canary("http");
        let (status, content) = if id.contains("REJ") {
            (format!("422 {said}"), answer("AR", &id))
        } else if id.contains("ODD") && times(&odd) == 0 {
            (format!("503 {said}"), format!("{{\"patient\":\"{said}\"}}"))
        } else {
            ("200 OK".to_owned(), answer("AA", &id))
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nx-patient: {said}\r\nlocation: /patients/{said}\r\nretry-after: {}\r\ncontent-length: {}\r\n\r\n{content}",
            if status.starts_with("503") { "0" } else { said.as_str() },
            content.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        input.clear();
    }
}
