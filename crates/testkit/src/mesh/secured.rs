//! A mesh whose calls are mutual TLS and whose NATS servers know a user a service: which files each process is given.
//!
//! Left to the test: the files, since it is what they hold that it changes.

use std::path::PathBuf;

use super::{Mesh, MeshError, Places, Role, Settings};

/// A directory of files: `authority.pem`; `NAME.pem` and `NAME.key` for `publisher` and for each program without its `barid-`;
/// `USER.seed` for `ingress`, `router`, `delivery`, `ledger`, `stage` and `system`.
#[derive(Debug, Clone)]
pub struct Secured(pub PathBuf);

impl Mesh {
    /// As [`Mesh::prepare`], with everything encrypted; the servers' settings have to say so as well.
    ///
    /// # Errors
    /// As [`Mesh::prepare`].
    pub async fn prepare_secured(settings: Settings, secured: &Secured) -> Result<Self, MeshError> {
        Self::prepare_with(settings, &Places::default(), Some(secured)).await
    }
}

impl Secured {
    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// What the publisher is told.
    pub(super) fn of_publisher(&self) -> Vec<String> {
        self.tls("--tls", "publisher")
    }

    /// What a replica is told.
    pub(super) fn of_role(&self, role: Role) -> Vec<String> {
        let program = role.program().trim_start_matches("barid-");
        let user = match role {
            Role::Parser | Role::Transformer => "stage",
            Role::Ingress | Role::Router | Role::Delivery | Role::Ledger => program,
        };
        let mut told = self.tls("--tls", program);
        told.extend(self.tls("--nats", program));
        for (flag, user) in [("--nats-seed", user), ("--nats-system-seed", "system")] {
            told.extend([flag.to_owned(), self.file(&format!("{user}.seed"))]);
        }
        told
    }

    fn tls(&self, flags: &str, name: &str) -> Vec<String> {
        let files = [
            ("certificate", format!("{name}.pem")),
            ("key", format!("{name}.key")),
            ("authorities", "authority.pem".into()),
        ];
        files.into_iter().flat_map(|(flag, file)| [format!("{flags}-{flag}"), self.file(&file)]).collect()
    }
}
