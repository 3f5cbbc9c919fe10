//! The MLLP side of a receiver.

use std::io;
use std::sync::Arc;

use barid_hl7::Header;
use barid_hl7::ack::AckCode;
use barid_mllp::{Control, Decoder, Event, encode};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::answer::Replier;
use super::faults::Act;
use super::record::Marks;
use super::{Protocol, Shared};

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// Whether the connection goes on.
enum Next {
    Continue,
    Close,
}

pub(super) async fn speak<S>(mut stream: S, connection: u64, shared: &Arc<Shared>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let options = barid_mllp::Options { max_payload: shared.message_max, ..barid_mllp::Options::default() };
    let mut decoder = Decoder::new(options);
    let mut buffer = BytesMut::new();
    loop {
        while let Some(event) = decoder.decode(&mut buffer) {
            match event {
                Event::Frame(frame) => {
                    if matches!(one(&mut stream, connection, &frame.payload, shared).await?, Next::Close) {
                        return stream.shutdown().await;
                    }
                }
                Event::Violation(_) | Event::TooLarge { .. } => return stream.shutdown().await,
                // The sender's commit block for our answer (release 2), noise, frames begun anew.
                Event::Control(_) | Event::Noise { .. } | Event::Discarded { .. } => {}
            }
        }
        if read(&mut stream, &mut buffer, shared).await? == 0 {
            return Ok(());
        }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut, shared: &Shared) -> io::Result<usize> {
    let faults = shared.faults.load_full();
    if faults.read_pause.is_zero() {
        buffer.reserve(READ_BYTES);
        return stream.read_buf(buffer).await;
    }
    tokio::time::sleep(faults.read_pause).await;
    let bytes = if faults.read_bytes == 0 { READ_BYTES } else { faults.read_bytes };
    buffer.reserve(bytes);
    stream.take(bytes as u64).read_buf(buffer).await
}

async fn one<S>(stream: &mut S, connection: u64, payload: &Bytes, shared: &Shared) -> io::Result<Next>
where
    S: AsyncWrite + Unpin,
{
    let order = shared.recorder.record(connection, payload, Marks::default());
    let header = Header::read(payload);
    let faults = shared.faults.load_full();
    let act = faults.act(order, header.control_id());
    if shared.protocol == Protocol::MllpTwo && !matches!(act, Some(Act::Silent | Act::Close)) {
        let control = if matches!(act, Some(Act::Status(..))) { Control::Nack } else { Control::Ack };
        stream.write_all(&barid_mllp::control(control)).await?;
        if control == Control::Nack {
            return Ok(Next::Continue);
        }
    }
    let replier = Replier { header: &header, payload, order };
    let accepted = || frame(&replier.accepted());
    let bytes = match act {
        None | Some(Act::Status(..)) => accepted()?,
        Some(Act::Silent) => return Ok(Next::Continue),
        Some(Act::Close) => return Ok(Next::Close),
        Some(Act::Delay(time)) => {
            tokio::time::sleep(*time).await;
            accepted()?
        }
        Some(Act::Twice) => [accepted()?, accepted()?].concat(),
        Some(Act::WrongId) => frame(&replier.of_another())?,
        Some(Act::Garbage) => b"garbage, not MLLP".to_vec(),
        Some(Act::Reject(code, error)) => frame(&replier.acknowledgement(*code, Some(*error)))?,
        Some(Act::Commit) => [frame(&replier.acknowledgement(AckCode::CA, None))?, accepted()?].concat(),
        Some(Act::Half) => {
            let whole = accepted()?;
            let half = whole.get(..whole.len() / 2).unwrap_or_default();
            stream.write_all(half).await?;
            return Ok(Next::Close);
        }
    };
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(Next::Continue)
}

fn frame(payload: &[u8]) -> io::Result<Vec<u8>> {
    encode(payload).map(|bytes| bytes.to_vec()).map_err(io::Error::other)
}
