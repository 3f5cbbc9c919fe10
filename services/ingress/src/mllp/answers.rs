//! Answers, in the order of the frames, several in one write.

use std::io;
use std::task::{Context, Waker};

use barid_config::settings::MllpRelease;
use barid_mllp::Control;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Connection;
use crate::accept::AcceptError;
use crate::pending::Pending;

/// Answers collected until they are written, in bytes.
const OUTPUT_MAX: usize = 64 * 1024;

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
            let Some(head) = self.queue.pop_front() else { break };
            self.unanswered = self.unanswered.saturating_sub(head.bytes);
            if let Some(error) = head.ours() {
                self.refuse_rest(error);
            }
            self.answer(&head);
        }
    }

    /// A message was refused for our reasons: so are all that were read after it, or their order would be lost.
    fn refuse_rest(&mut self, error: &AcceptError) {
        if let Some(told) = error.told() {
            self.fault(told);
        }
        self.refused_until = self.read;
        self.queue.iter_mut().for_each(|pending| pending.refuse(&AcceptError::Earlier));
    }

    fn answer(&mut self, pending: &Pending) {
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
        self.gate.meters.acknowledged(reply.code, pending.read.elapsed());
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
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
