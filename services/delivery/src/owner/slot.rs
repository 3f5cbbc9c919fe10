//! The connection slots of a destination: each sends one message at a time, in a task of its own.
//!
//! What a slot has on its way ends with its run. Whoever owns the destination next, here or elsewhere, sends it at once as a
//! possible duplicate: a slot that went on would bring it once more, without the mark, behind what follows it.

use std::collections::HashMap;

use barid_model::Finding;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Plan;
use crate::connect::{Connection, Outgoing, Sent};
use crate::window::EntryId;

/// The slots; those of an older plan finish what they have and close. Dropped, what is on its way is cut.
pub(super) struct Slots {
    idle: Vec<Slot>,
    generation: u64,
    busy: HashMap<EntryId, Slot>,
    sender: mpsc::Sender<(EntryId, Sent)>,
    receiver: mpsc::Receiver<(EntryId, Sent)>,
}

struct Slot {
    generation: u64,
    work: mpsc::Sender<(EntryId, Outgoing)>,
    task: JoinHandle<()>,
}

impl Slots {
    pub(super) fn open(plan: &Plan) -> Self {
        let (sender, receiver) = mpsc::channel(plan.connections.max(1));
        let mut slots = Self { idle: Vec::new(), generation: 0, busy: HashMap::new(), sender, receiver };
        slots.replace(plan);
        slots
    }

    /// New connections for everything that is sent from now on.
    pub(super) fn replace(&mut self, plan: &Plan) {
        self.generation += 1;
        self.idle.clear();
        for _ in 0..plan.connections.max(1) {
            self.idle.push(self.spawn(plan.connector.open()));
        }
    }

    /// Cuts what is still on its way: when this ends, nothing is sent any more.
    pub(super) async fn stop(&mut self) {
        // Who has nothing in hand takes leave of its receiver, and sends nothing.
        self.idle.clear();
        self.cut();
        for (_, slot) in self.busy.drain() {
            drop(slot.task.await);
        }
    }

    fn cut(&self) {
        for slot in self.busy.values() {
            slot.task.abort();
        }
    }

    pub(super) fn busy(&self) -> usize {
        self.busy.len()
    }

    pub(super) fn has_idle(&self) -> bool {
        !self.idle.is_empty()
    }

    /// Sends on an idle slot; gives the message back where there is none.
    pub(super) fn start(&mut self, id: EntryId, out: Outgoing) -> Result<(), EntryId> {
        let Some(slot) = self.idle.pop() else { return Err(id) };
        // The slot is idle, so its queue of one is empty.
        slot.work.try_send((id, out)).map_err(|_| id)?;
        self.busy.insert(id, slot);
        Ok(())
    }

    /// The next message that came back; never ends where none is on its way.
    pub(super) async fn result(&mut self) -> Option<(EntryId, Sent)> {
        let (id, sent) = self.receiver.recv().await?;
        Some(self.back(id, sent))
    }

    /// A message that has come back already.
    pub(super) fn ready(&mut self) -> Option<(EntryId, Sent)> {
        let (id, sent) = self.receiver.try_recv().ok()?;
        Some(self.back(id, sent))
    }

    fn back(&mut self, id: EntryId, sent: Sent) -> (EntryId, Sent) {
        if let Some(slot) = self.busy.remove(&id).filter(|slot| slot.generation == self.generation) {
            self.idle.push(slot);
        }
        (id, sent)
    }

    fn spawn(&self, mut connection: Box<dyn Connection>) -> Slot {
        let (work, mut queue) = mpsc::channel::<(EntryId, Outgoing)>(1);
        let done = self.sender.clone();
        // Ends when the owner drops the slot, after the message in hand.
        let task = tokio::spawn(async move {
            while let Some((id, out)) = queue.recv().await {
                let sending = std::panic::AssertUnwindSafe(connection.send(&out)).catch_unwind().await;
                let sent = sending.unwrap_or_else(|_| Sent::Unsendable(crashed()));
                if done.send((id, sent)).await.is_err() {
                    break;
                }
            }
            connection.close().await;
        });
        Slot { generation: self.generation, work, task }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.cut();
    }
}

fn crashed() -> Finding {
    Finding::error(207, "", "connector.crashed", "the connector crashed on this message")
}
