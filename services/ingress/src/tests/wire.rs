//! A client that sends and reads raw bytes, and what it sends.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// An admission with this control id.
pub(crate) fn adt(control_id: &str) -> Vec<u8> {
    let msh = format!("MSH|^~\\&|HIS|CHN|BARID|MSP|20261122100000||ADT^A01^ADT_A01|{control_id}|P|2.5");
    format!("{msh}\rEVN||20261122100000\rPID|1||A7^^^CHN||Ould^Mohamed\rPV1|1|I\r").into_bytes()
}

/// A frame.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    [&[0x0B], payload, &[0x1C, 0x0D]].concat()
}

/// A peer that sends and reads raw bytes.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    read: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends one message and reads its answer.
    pub(crate) async fn ask(&mut self, payload: &[u8]) -> String {
        self.send(&framed(payload)).await;
        self.answer().await
    }

    /// The next frame's payload.
    pub(crate) async fn answer(&mut self) -> String {
        match self.next().await {
            Some(answer) => answer,
            None => panic!("the connection ended before an answer"),
        }
    }

    /// The next frame's payload; none where the connection ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.iter().position(|b| *b == 0x1C).filter(|end| self.read.len() > end + 1) {
                let frame = self.read.split_to(end + 2);
                assert_eq!((frame[0], frame[end + 1]), (0x0B, 0x0D), "frames are written whole");
                return Some(String::from_utf8(frame[1..end].to_vec()).unwrap());
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            match read.expect("an answer within the test's patience") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// That the connection ends without another answer.
    pub(crate) async fn ends(&mut self) {
        assert_eq!(self.next().await, None, "nothing more is answered");
    }
}

/// MSA-1 and MSA-2 of an answer.
pub(crate) fn msa(answer: &str) -> (&str, &str) {
    let msa = answer.split('\r').find(|line| line.starts_with("MSA|")).expect("an answer has MSA");
    let mut fields = msa.split('|').skip(1);
    (fields.next().unwrap_or(""), fields.next().unwrap_or(""))
}
