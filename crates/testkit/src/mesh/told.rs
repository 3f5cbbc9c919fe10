//! What the replicas of one service are told besides, where a test has more for them than most: a database, a cache.

use super::{Mesh, Role};

impl Mesh {
    /// Tells all replicas of a service this as well, from their next start on; what is told later counts.
    pub fn tell(&mut self, role: Role, arguments: &[String]) {
        for (_, replica) in self.replicas.iter_mut().filter(|((of, _), _)| *of == role) {
            replica.arguments.extend_from_slice(arguments);
        }
    }

    /// The same, one replica.
    pub fn tell_one(&mut self, role: Role, number: usize, arguments: &[String]) {
        if let Some(replica) = self.replicas.get_mut(&(role, number)) {
            replica.arguments.extend_from_slice(arguments);
        }
    }
}
