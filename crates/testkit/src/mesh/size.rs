//! A mesh that grows and shrinks, and how much memory each of its processes has.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{LOOK_EVERY, Mesh, MeshError, Role};

impl Mesh {
    /// Asks a replica to end (SIGTERM), as who scales down does, and waits until it has drained.
    ///
    /// # Errors
    /// [`MeshError::Late`] where it does not end in time; it is killed then.
    pub async fn stop(&self, role: Role, number: usize, within: Duration) -> Result<(), MeshError> {
        let Some(replica) = self.replicas.get(&(role, number)) else { return Ok(()) };
        let Some(running) = replica.running.lock().take() else { return Ok(()) };
        running.signal(Signal::TERM)?;
        let deadline = Instant::now() + within;
        while running.lives() {
            if Instant::now() >= deadline {
                let why = "it was told to end and runs on".to_owned();
                return Err(MeshError::Late { role, number, within, why, log: replica.last_words() });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Memory of each process that runs, in bytes, by its name.
    #[must_use]
    pub fn resident(&self) -> Vec<(String, u64)> {
        let servers = (0..self.nats.count()).map(|number| (format!("nats-{number}"), self.nats.resident(number)));
        let replicas = self.replicas.iter().map(|((role, number), replica)| {
            let name = format!("{}-{number}", role.program().trim_start_matches("barid-"));
            (name, replica.running.lock().as_ref().and_then(|running| running.resident()))
        });
        servers.chain(replicas).filter_map(|(name, bytes)| Some((name, bytes?))).collect()
    }

    /// How many of a service there may be.
    #[must_use]
    pub fn count(&self, role: Role) -> usize {
        self.replicas.keys().filter(|(of, _)| *of == role).count()
    }
}
