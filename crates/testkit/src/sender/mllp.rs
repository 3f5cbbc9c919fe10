//! One MLLP connection of the sender, reconnecting as long as it has something in hand.

use std::io;
use std::time::Duration;

use barid_mllp::{Decoder, Event, Options, encode_into};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::dial::{Stream, connect};
use super::flight::{Answer, Flight};
use super::{Outbound, PAUSE, PIPELINE_MAX, Report, Shared};

/// Bytes of one read.
const READ_BYTES: usize = 8 * 1024;

pub(super) async fn work(number: usize, address: &str, shared: &Shared) -> Report {
    let mut drawn = Drawn { number, next: None, is_empty: false, shared };
    let mut flight = Flight::new(number, shared);
    loop {
        drawn.look();
        if flight.is_empty() && drawn.next.is_none() {
            return flight.report;
        }
        let result = match connect(address, &shared.load).await {
            Ok(stream) => converse(stream, &mut flight, &mut drawn).await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            // A message that is due while nobody can be reached is in hand: its patience runs, or it ends.
            if flight.is_empty() && drawn.due().is_some_and(|due| due <= Instant::now()) {
                drawn.give(&mut flight);
            }
            flight.report.failed(&error.to_string());
            flight.again();
            if shared.load.resend || drawn.due().is_some_and(|due| due > Instant::now()) {
                sleep(PAUSE).await;
            }
        }
    }
}

/// The next message of this connection and when it is due.
struct Drawn<'a> {
    number: usize,
    next: Option<(Outbound, Option<Duration>)>,
    is_empty: bool,
    shared: &'a Shared,
}

impl Drawn<'_> {
    fn look(&mut self) {
        if self.next.is_none() && !self.is_empty {
            self.next = self.shared.draw(self.number).map(|message| (message, self.shared.schedule.take()));
            self.is_empty = self.next.is_none();
        }
    }

    fn due(&self) -> Option<Instant> {
        let (_, due) = self.next.as_ref()?;
        Some(due.map_or_else(Instant::now, |due| self.shared.schedule.instant(due)))
    }

    fn give(&mut self, flight: &mut Flight<'_>) {
        if let Some((message, due)) = self.next.take() {
            flight.take(message, due);
        }
        self.look();
    }
}

/// Speaks over one connection until there is nothing left to say, or it breaks.
async fn converse(mut stream: Box<dyn Stream>, flight: &mut Flight<'_>, drawn: &mut Drawn<'_>) -> io::Result<()> {
    let load = &drawn.shared.load;
    let pipeline = load.pipeline.clamp(1, PIPELINE_MAX);
    let mut decoder = Decoder::new(Options::default());
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        if flight.is_refused() {
            sleep(PAUSE).await;
            flight.again();
        }
        let may_draw = |flight: &Flight<'_>| flight.len() < pipeline && !flight.has_refused();
        while may_draw(flight) && drawn.due().is_some_and(|due| due <= Instant::now()) {
            drawn.give(flight);
        }
        // What cannot be framed goes out as it is: a load client may want to see what is made of it.
        flight.write(|message| {
            if encode_into(&message.bytes, &mut output).is_err() {
                output.extend_from_slice(&message.bytes);
            }
        });
        if !output.is_empty() {
            tokio::time::timeout(load.timeout, stream.write_all(&output)).await??;
            output.clear();
        }
        if flight.is_empty() && drawn.next.is_none() {
            return stream.shutdown().await;
        }
        input.reserve(READ_BYTES);
        let wake = drawn.due().filter(|_| may_draw(flight));
        let patience = flight.oldest().map(|oldest| drawn.shared.schedule.instant(oldest + load.timeout));
        tokio::select! {
            read = stream.read_buf(&mut input) => {
                if read? == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the receiver closed the connection"));
                }
            }
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within the timeout"));
            }
        }
        while let Some(event) = decoder.decode(&mut input) {
            if let Event::Frame(frame) = event {
                match Answer::read(frame.payload) {
                    Some(answer) => flight.answered(&answer),
                    None => flight.report.unexpected += 1,
                }
            }
        }
        if decoder.closed() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is not MLLP"));
        }
    }
}
