//! The one writer of a subject.
//!
//! It knows the subject's last position, appends in a pipeline (several tickets in flight), and takes care of what is hard to get right everywhere: after an
//! append failed or its result is unknown, nothing is appended until [`Writer::settle`] has read the subject's last record and compared it with what this
//! writer sent. It does not repeat appends by itself: whether the later ones still make sense in that order only its owner knows.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{Entry, Log, LogError, Position, Subject, Ticket};

/// An append that was queued and not yet seen durable: enough to recognise its last record.
struct InFlight {
    last: Position,
    checksum: u32,
}

/// Appends to one subject, in order, by compare-and-set.
pub struct Writer {
    log: Arc<dyn Log>,
    subject: Subject,
    last: Position,
    in_flight: VecDeque<InFlight>,
    durable: watch::Receiver<Position>,
    unsettled: bool,
}

impl Writer {
    /// Reads the subject's last record, which is returned too: an owner of outputs sees in it what its predecessor already wrote.
    ///
    /// # Errors
    /// As [`Log::last`].
    pub async fn open(log: Arc<dyn Log>, subject: Subject) -> Result<(Self, Option<Entry>), LogError> {
        let durable = log.appended(&subject);
        let entry = log.last(&subject).await?;
        let last = entry.as_ref().map_or(Position::START, |e| e.position);
        Ok((Self { log, subject, last, in_flight: VecDeque::new(), durable, unsettled: false }, entry))
    }

    /// Goes on after a last record that is there but cannot be read ([`LogError::Damaged`]); its position comes from [`Log::bounds`]. Only for owners that
    /// need nothing from the record itself.
    #[must_use]
    pub fn resume(log: Arc<dyn Log>, subject: Subject, last: Position) -> Self {
        let durable = log.appended(&subject);
        Self { log, subject, last, in_flight: VecDeque::new(), durable, unsettled: false }
    }

    /// The subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The last position this writer knows, appends in flight included.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// Queues the records; the ticket ends when they are durable. A caller that sees a ticket fail calls [`Writer::settle`] before the next append.
    ///
    /// # Errors
    /// `Unsettled` after a failure, `WrongLast` when another writer has taken over, else as [`Log::append`].
    pub async fn append(&mut self, records: Vec<Bytes>) -> Result<Ticket, LogError> {
        self.append_with(records, false).await
    }

    /// As [`Writer::append`], for records that nobody waits for ([`Log::append_later`]).
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub async fn append_later(&mut self, records: Vec<Bytes>) -> Result<Ticket, LogError> {
        self.append_with(records, true).await
    }

    async fn append_with(&mut self, records: Vec<Bytes>, later: bool) -> Result<Ticket, LogError> {
        if self.unsettled {
            return Err(LogError::Unsettled(self.subject.clone()));
        }
        let checksum = records.last().map_or(0, |r| crc32c::crc32c(r));
        let appending = if later {
            self.log.append_later(&self.subject, self.last, records)
        } else {
            self.log.append(&self.subject, self.last, records)
        };
        match appending.await {
            Ok(ticket) => {
                self.forget_durable();
                self.last = ticket.last();
                self.in_flight.push_back(InFlight { last: self.last, checksum });
                Ok(ticket)
            }
            // Behind us, and with appends in flight: one of them has failed. Anything else is another writer.
            Err(LogError::WrongLast { actual, .. }) if actual < self.last => {
                self.unsettled = true;
                Err(LogError::Unsettled(self.subject.clone()))
            }
            Err(error) => {
                self.unsettled |= error.is_unknown();
                Err(error)
            }
        }
    }

    /// Appends and waits until it is durable.
    ///
    /// # Errors
    /// As [`Writer::append`] and the ticket.
    pub async fn append_durable(&mut self, records: Vec<Bytes>) -> Result<Position, LogError> {
        let result = self.append(records).await?.await;
        self.unsettled |= result.is_err();
        result
    }

    /// Finds out what became of the appends in flight, and makes the writer usable again. All at or below [`Writer::last`] are then durable, all others are
    /// not stored and never will be. Returns the last record.
    ///
    /// # Errors
    /// `WrongLast` when what is stored is not what this writer sent: it is stale. Else as [`Log::last`]; then it stays unsettled.
    pub async fn settle(&mut self) -> Result<Option<Entry>, LogError> {
        self.unsettled = true;
        let entry = self.log.last(&self.subject).await?;
        let actual = entry.as_ref().map_or(Position::START, |e| e.position);
        let mine = match self.in_flight.iter().find(|sent| sent.last >= actual) {
            Some(sent) if sent.last == actual => {
                entry.as_ref().is_some_and(|e| crc32c::crc32c(&e.record) == sent.checksum)
            }
            // Inside an append (its prefix), or before all that was in flight.
            Some(_) => true,
            None => actual == self.last,
        };
        if !mine {
            return Err(LogError::WrongLast { subject: self.subject.clone(), known: self.last, actual });
        }
        self.last = actual;
        self.in_flight.clear();
        self.unsettled = false;
        Ok(entry)
    }

    /// Keeps the list as short as the log's own queue.
    fn forget_durable(&mut self) {
        let durable = *self.durable.borrow();
        while self.in_flight.front().is_some_and(|sent| sent.last <= durable) {
            self.in_flight.pop_front();
        }
    }
}
