//! A mesh whose documents change, whose publisher goes away and comes back, and where its replicas are called.

use std::net::SocketAddr;

use super::{Mesh, MeshError, Role};

impl Mesh {
    /// Replaces the documents; the publisher finds that within a second, if it runs.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&self, documents: &str) -> Result<(), MeshError> {
        let path = self.directory.path().join("documents");
        let written = std::fs::write(path.join("all.new"), documents)
            .and_then(|()| std::fs::rename(path.join("all.new"), path.join("all.yaml")));
        written.map_err(|error| MeshError::System("documents", error))
    }

    /// Ends the documents' publisher at once, or starts it again.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn publish(&self, runs: bool) -> Result<(), MeshError> {
        if runs {
            return self.publisher.start();
        }
        drop(self.publisher.running.lock().take());
        Ok(())
    }

    /// Everything the publisher wrote so far, over all its runs.
    #[must_use]
    pub fn published(&self) -> String {
        self.publisher.words()
    }

    /// Where a replica takes calls.
    #[must_use]
    pub fn calls(&self, role: Role, number: usize) -> Option<SocketAddr> {
        let arguments = &self.replicas.get(&(role, number))?.arguments;
        let place = arguments.iter().position(|argument| argument == "--listen")?;
        arguments.get(place + 1)?.parse().ok()
    }
}
