//! A log in memory that does as a test tells it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use barid_model::record::RefusedRecord;
use barid_model::{Digest, Envelope, MessageUid, Name, Payload};
use barid_pipeline::{Chain, Joint};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::{Accept, AcceptError, AnswerForSender, Seen, Ticket};

/// A log in memory that does as it is told.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<watch::Sender<u64>>,
    /// Where messages go as they do in a mesh.
    joint: Option<Arc<Joint>>,
}

#[derive(Default)]
struct Inner {
    submitted: Vec<(Envelope, Payload)>,
    durable: usize,
    /// While set, what is submitted is not made durable.
    held: bool,
    tickets: Vec<oneshot::Sender<Result<(), AcceptError>>>,
    /// Control ids that fail instead of becoming durable.
    failing: HashMap<Vec<u8>, AcceptError>,
    closed: Option<AcceptError>,
    /// How often it was asked whether it takes messages, and did not.
    turned_away: usize,
    refused: Vec<RefusedRecord>,
    seen: HashMap<(Arc<str>, Bytes), (Digest, MessageUid)>,
    answers: HashMap<Digest, AnswerForSender>,
}

impl Memory {
    /// The same, whose messages go into this, each as it came.
    pub(crate) fn over(joint: Option<Arc<Joint>>) -> Self {
        Self { joint, ..Self::default() }
    }

    pub(crate) fn hold(&self) {
        self.inner.lock().held = true;
    }

    /// Makes durable what is held, and what follows.
    pub(crate) fn release(&self) {
        let tickets = {
            let mut inner = self.inner.lock();
            inner.held = false;
            inner.durable = inner.submitted.len();
            std::mem::take(&mut inner.tickets)
        };
        for ticket in tickets {
            // A connection that ended waits no longer.
            ticket.send(Ok(())).unwrap_or_default();
        }
    }

    pub(crate) fn fail(&self, control_id: &str, error: AcceptError) {
        self.inner.lock().failing.insert(control_id.into(), error);
    }

    pub(crate) fn close(&self, error: Option<AcceptError>) {
        self.inner.lock().closed = error;
    }

    /// Answers whoever waits for this message.
    pub(crate) fn answer(&self, control_id: &str, answer: AnswerForSender) {
        let mut inner = self.inner.lock();
        let asked = inner.submitted.iter().find(|(envelope, _)| envelope.control_id == control_id.as_bytes());
        let key = self.answer_key(&asked.unwrap().0);
        inner.answers.insert(key, answer);
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn turned_away(&self) -> usize {
        self.inner.lock().turned_away
    }

    pub(crate) fn submitted(&self) -> Vec<(Envelope, Payload)> {
        self.inner.lock().submitted.clone()
    }

    pub(crate) fn control_ids(&self) -> Vec<String> {
        let ids = self.submitted().into_iter().map(|(envelope, _)| envelope.control_id);
        ids.map(|id| String::from_utf8(id.to_vec()).unwrap()).collect()
    }

    pub(crate) fn refusals(&self) -> Vec<RefusedRecord> {
        self.inner.lock().refused.clone()
    }
}

impl Accept for Memory {
    fn submit(
        &self,
        envelope: Envelope,
        raw: Payload,
        chain: Option<Chain>,
    ) -> BoxFuture<'_, Result<Ticket, AcceptError>> {
        if let Some(joint) = &self.joint {
            return Box::pin(async move {
                let answer = joint.submit_in(raw.bytes(), chain.as_ref()).await.unwrap();
                self.inner.lock().submitted.push((envelope, raw));
                let unavailable = |error: barid_log::LogError| AcceptError::Unavailable(error.to_string());
                Ok(Box::pin(async move { answer.await.unwrap().map(drop).map_err(unavailable) }) as Ticket)
            });
        }
        let mut inner = self.inner.lock();
        if let Some(error) = inner.failing.remove(&envelope.control_id[..]) {
            chain.iter().for_each(Chain::cut);
            return Box::pin(async move { Ok(Box::pin(async move { Err(error) }) as Ticket) });
        }
        let name = (Arc::clone(&envelope.facility.name), envelope.control_id.clone());
        inner.seen.insert(name, (envelope.digest, envelope.uid));
        inner.submitted.push((envelope, raw));
        let ticket: Ticket = if inner.held {
            let (sender, receiver) = oneshot::channel();
            inner.tickets.push(sender);
            Box::pin(async move { receiver.await.unwrap_or(Err(AcceptError::ShuttingDown)) })
        } else {
            inner.durable += 1;
            Box::pin(std::future::ready(Ok(())))
        };
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
        Box::pin(async move { Ok(ticket) })
    }

    fn refused(&self, record: RefusedRecord) {
        self.inner.lock().refused.push(record);
    }

    fn answer_key(&self, envelope: &Envelope) -> Digest {
        Digest::of(&[&envelope.control_id[..], envelope.digest.as_bytes()].concat())
    }

    fn wait_answer(&self, key: Digest, timeout: Duration) -> BoxFuture<'static, Option<AnswerForSender>> {
        let mut changed = self.changed.subscribe();
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let wait = async {
                loop {
                    let answer = inner.lock().answers.get(&key).cloned();
                    if answer.is_some() || changed.changed().await.is_err() {
                        return answer;
                    }
                }
            };
            tokio::time::timeout(timeout, wait).await.unwrap_or_default()
        })
    }

    fn admission(&self, _: Option<&Name>) -> Result<(), AcceptError> {
        let mut inner = self.inner.lock();
        let closed = inner.closed.clone();
        inner.turned_away += usize::from(closed.is_some());
        closed.map_or(Ok(()), Err)
    }

    fn seen(&self, envelope: &Envelope) -> Seen {
        let name = (Arc::clone(&envelope.facility.name), envelope.control_id.clone());
        match self.inner.lock().seen.get(&name) {
            Some((digest, uid)) if *digest == envelope.digest => Seen::Same(*uid),
            Some(_) => Seen::OtherBytes,
            None => Seen::No,
        }
    }
}
