//! One process of a mesh: how it is started, and what it has written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::MeshError;
use crate::process::ProcessError;
use crate::servers::{Guarded, Place};

/// One replica.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) place: Place,
    pub(super) arguments: Vec<String>,
    pub(super) program: PathBuf,
    pub(super) admin: SocketAddr,
    pub(super) log: PathBuf,
    pub(super) running: Mutex<Option<Guarded>>,
}

impl Replica {
    pub(super) fn start(&self) -> Result<(), MeshError> {
        if !self.program.is_file() {
            return Err(ProcessError::NoBinary(self.program.clone()).into());
        }
        let mut running = self.running.lock();
        if running.is_none() {
            let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
            *running = Some(Guarded::start_at(&self.place, Path::new(&self.program), &arguments, &self.log)?);
        }
        Ok(())
    }

    pub(super) fn words(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub(super) fn last_words(&self) -> String {
        let words = self.words();
        let lines: Vec<&str> = words.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
