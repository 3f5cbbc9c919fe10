//! Answers, in the order of the frames, several in one write.

use std::io;
use std::task::{Context, Waker};
use std::time::Duration;

use barid_config::settings::MllpRelease;
use barid_mllp::Control;
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::{Awaited, Connection};
use crate::accept::AcceptError;
use crate::pending::Pending;

/// Answers collected until they are written, in bytes.
const OUTPUT_MAX: usize = 64 * 1024;
/// How long the message that was refused is waited for. 3 s: frames that cross its refusal have come by then, even over a
/// line that loses packets; a sender that gives it up instead goes on after that.
const AWAITED_FOR: Duration = Duration::from_secs(3);

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Collects the answers that are ready at the head of the queue.
    pub(super) fn settle(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        while self.output.len() < OUTPUT_MAX {
            let Some(head) = self.queue.front_mut() else { break };
            if head.poll(&self.gate, &mut cx).is_pending() {
                break;
            }
            self.is_pipelined |= self.queue.len() > 1 || !self.input.is_empty();
            let Some(mut head) = self.queue.pop_front() else { break };
            self.unanswered = self.unanswered.saturating_sub(head.bytes);
            if let Some(error) = head.ours() {
                self.refuse_rest(error);
                self.await_again(head.header.control_id());
            }
            self.answer(&mut head);
        }
    }

    /// A message was refused for our reasons: so are all that were sent after it before its sender could know, or their order
    /// would be lost.
    fn refuse_rest(&mut self, error: &AcceptError) {
        if let Some(told) = error.told() {
            self.fault(told);
        }
        // First of all: what is on its way is not stored from now on.
        std::mem::take(&mut self.chain).cut();
        let drained = self.gather();
        self.queue.iter_mut().for_each(|pending| pending.refuse(&AcceptError::Earlier));
        // While another refusal waits for its turn, or frames in the socket could not be read, its sender cannot have known.
        let known = drained && !self.queue.iter().any(Pending::is_ours);
        self.refused_until = if known { self.read } else { u64::MAX };
    }

    /// From a sender that does not wait for answers more may be on its way still: nothing is taken before the refused message
    /// comes again.
    fn await_again(&mut self, control_id: &[u8]) {
        self.is_pipelined |= !self.input.is_empty();
        if self.is_pipelined && self.awaited.is_none() && !control_id.is_empty() {
            let until = Instant::now() + AWAITED_FOR;
            self.awaited = Some(Awaited { control_id: Bytes::copy_from_slice(control_id), until });
        }
    }

    /// Reads what has come already, as far as there is room; whether that was all.
    fn gather(&mut self) -> bool {
        while !self.eof && !self.finishing {
            if !self.held.fit(self.input.len() + self.unanswered + self.read_size) {
                return false;
            }
            self.input.reserve(self.read_size);
            // Without the runtime's budget: that used up looks like an empty socket.
            match tokio::task::unconstrained(self.stream.read_buf(&mut self.input)).now_or_never() {
                Some(Ok(0)) => self.eof = true,
                Some(Ok(bytes)) => self.has_read(bytes),
                // Nothing more; that the connection is lost shows when it is written to.
                Some(Err(_)) | None => return true,
            }
        }
        true
    }

    fn answer(&mut self, pending: &mut Pending) {
        let reply = self.replies.reply(pending);
        if self.release == MllpRelease::Two {
            let control = if pending.is_ours() { Control::Nack } else { Control::Ack };
            self.output.extend_from_slice(&barid_mllp::control(control));
        }
        self.collected += usize::from(reply.code.is_some());
        if reply.code.is_some() && barid_mllp::encode_into(&reply.bytes, &mut self.output).is_err() {
            // Only a request whose own delimiters are block characters could do this, and no parser takes those.
            self.gate.meters.unwritten.inc();
        }
        let mut trace = pending.trace.take();
        if let Some(trace) = &mut trace {
            trace.answered(pending.outcome(), reply.code);
        }
        let kept = trace.as_ref().and_then(|trace| trace.kept());
        self.gate.meters.acknowledged(reply.code, pending.read.elapsed(), kept);
        self.answered.extend(trace);
        if let Some(present) = &self.present {
            present.answered(reply.code);
        }
    }

    /// Writes what was collected.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let most = self.gate.bounds().write;
        let Self { stream, output, .. } = self;
        let write = async {
            stream.write_all_buf(output).await?;
            stream.flush().await
        };
        match tokio::time::timeout(most, write).await {
            Ok(Ok(())) => {
                self.collected = 0;
                self.answered.drain(..).for_each(|trace| trace.end(true));
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
