//! One replica told something, and no other: the owner of what a command is about.
//!
//! Unlike calls of stages nothing is balanced or tried again here: who asks knows which replica it means, and whether to
//! look for another. It is told apart whether a command was never sent, which may be tried elsewhere, or may have been
//! carried out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::{By, Command, CommandRefused, RefusalKind, ask, refused};
use crate::limits;
use crate::transport::dial::{Dial, Requests};
use crate::transport::tls::Tls;

/// Connections that are kept; of more all are made anew. As many as a large mesh has replicas that own something.
const KEPT_MAX: usize = 128;

/// Why a replica was not told, or did not do as it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It could not be reached: nothing was sent.
    #[error("it cannot be reached: {0}")]
    Unreached(String),
    /// It was told, and refused; or its answer never came, and it may have done it.
    #[error(transparent)]
    Refused(#[from] CommandRefused),
}

struct Open {
    requests: Requests,
    _driven: AbortOnDropHandle<()>,
}

/// Connections to single replicas, kept while they are used.
pub struct Direct {
    tls: Option<Arc<Tls>>,
    open: Mutex<HashMap<String, Open>>,
}

impl Direct {
    /// None yet.
    #[must_use]
    pub fn new(tls: Option<Arc<Tls>>) -> Self {
        Self { tls, open: Mutex::default() }
    }

    /// Tells the replica at `address` (`host:port`) to carry a command out, and waits `within` for its answer.
    ///
    /// # Errors
    /// [`NotTold`].
    pub async fn run(
        &self,
        address: &str,
        command: Command,
        by: Option<By>,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, NotTold> {
        let requests = self.requests(address).await.map_err(|error| NotTold::Unreached(error.to_string()))?;
        let answer = tokio::time::timeout(within, ask(requests, command, by, request, within)).await;
        let answer = answer.unwrap_or_else(|_| {
            let text = format!("it has not answered within {} s", within.as_secs());
            Err(refused(RefusalKind::Unavailable, &text))
        });
        if answer.as_ref().is_err_and(|refused| matches!(refused.kind, RefusalKind::Unavailable | RefusalKind::Failed))
        {
            // Whatever was wrong with the connection is not met again.
            self.open.lock().remove(address);
        }
        Ok(answer?)
    }

    async fn requests(&self, address: &str) -> std::io::Result<Requests> {
        {
            let mut open = self.open.lock();
            match open.get(address) {
                Some(known) if !known.requests.is_closed() => return Ok(known.requests.clone()),
                Some(_) => drop(open.remove(address)),
                None => {}
            }
        }
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
        let looked_up = tokio::time::timeout(limits::CONNECT, tokio::net::lookup_host(address)).await;
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for found in looked_up.map_err(|_| std::io::ErrorKind::TimedOut)?? {
            let dial = Dial::Tcp { address: found, host: host.to_owned(), tls: self.tls.clone() };
            match dial.connect().await {
                Ok((requests, connection)) => {
                    let driven = AbortOnDropHandle::new(tokio::spawn(async move { drop(connection.await) }));
                    let mut open = self.open.lock();
                    if open.len() >= KEPT_MAX {
                        open.clear();
                    }
                    open.insert(address.to_owned(), Open { requests: requests.clone(), _driven: driven });
                    return Ok(requests);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
