//! Who sends to the engine and who receives from it: MLLP over plain sockets, nothing of Barid's own.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An ADT message of a patient.
pub(crate) fn adt(event: &str, control_id: &str, patient: &str) -> Vec<u8> {
    format!(
        "MSH|^~\\&|HIS|CHN|X|Y|20261122100000||ADT^{event}|{control_id}|P|2.5|||||||UNICODE UTF-8\r\
         EVN||20261122100000\rPID|1||{patient}^^^CHN||Sow^Zaïnab\rPV1|1|I|||||||||||||||||V-{patient}\r"
    )
    .into_bytes()
}

/// A message that no channel takes.
pub(crate) fn oru(control_id: &str) -> Vec<u8> {
    format!("MSH|^~\\&|LAB|CHN|X|Y|20261122100000||ORU^R01|{control_id}|P|2.5\rPID|1||P1^^^CHN\r").into_bytes()
}

/// A connection of a sender.
pub(crate) struct Sender(BufReader<TcpStream>);

impl Sender {
    pub(crate) fn connect(port: u16) -> Self {
        Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()))
    }

    /// Sends a message and gives the code it was acknowledged with.
    pub(crate) fn send(&mut self, message: &[u8]) -> String {
        let answer = exchange(&mut self.0, message);
        field(&answer, "MSA", 1)
    }

    /// Sends a message and gives the whole answer.
    pub(crate) fn answer(&mut self, message: &[u8]) -> String {
        String::from_utf8_lossy(&exchange(&mut self.0, message)).into_owned()
    }
}

fn exchange(stream: &mut BufReader<TcpStream>, message: &[u8]) -> Vec<u8> {
    let framed = [b"\x0b", message, b"\x1c\r"].concat();
    stream.get_mut().write_all(&framed).unwrap();
    read_frame(stream).expect("an answer")
}

fn read_frame(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    stream.read_until(0x1c, &mut frame).ok().filter(|count| *count > 0)?;
    let mut end = [0];
    stream.read_exact(&mut end).ok()?;
    Some(frame[1..frame.len() - 1].to_vec())
}

fn field(message: &[u8], segment: &str, number: usize) -> String {
    let text = String::from_utf8_lossy(message);
    let found = text.split('\r').find(|line| line.starts_with(segment)).unwrap_or_default().to_owned();
    found.split('|').nth(number).unwrap_or_default().to_owned()
}

/// A receiver that accepts everything but what it is told to refuse.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
    refuses: Arc<Mutex<HashSet<String>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver =
            Self { port: listener.local_addr().unwrap().port(), received: Arc::default(), refuses: Arc::default() };
        let (received, refuses) = (Arc::clone(&receiver.received), Arc::clone(&receiver.refuses));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, refuses) = (Arc::clone(&received), Arc::clone(&refuses));
                std::thread::spawn(move || serve(stream, &received, &refuses));
            }
        });
        receiver
    }

    /// Refuses messages with this control id from now on.
    pub(crate) fn refuse(&self, control_id: &str) {
        self.refuses.lock().unwrap().insert(control_id.to_owned());
    }

    /// Refuses nothing any more.
    pub(crate) fn accept(&self) {
        self.refuses.lock().unwrap().clear();
    }

    /// Control ids of what it accepted, in order.
    pub(crate) fn accepted(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|message| field(message, "MSH", 9)).collect()
    }

    /// What it accepted, in order.
    pub(crate) fn messages(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<Vec<u8>>>, refuses: &Mutex<HashSet<String>>) {
    let mut stream = BufReader::new(stream);
    while let Some(message) = read_frame(&mut stream) {
        let id = field(&message, "MSH", 9);
        let code = if refuses.lock().unwrap().contains(&id) { "AE" } else { "AA" };
        if code == "AA" {
            received.lock().unwrap().push(message);
        }
        let answer = format!("\x0bMSH|^~\\&|R|R|||20261122||ACK|{id}-1|P|2.5\rMSA|{code}|{id}\r\x1c\r");
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
