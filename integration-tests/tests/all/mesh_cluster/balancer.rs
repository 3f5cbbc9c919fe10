//! What stands before several listeners, as a service of Kubernetes does: each new connection goes to the next that takes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a listener may take: one that is cut off never does.
const CONNECT: Duration = Duration::from_secs(1);

/// Ends with its drop; connections go on.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    behind: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Balancer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let known = Arc::clone(&behind);
        let task = tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((client, _)) = listener.accept().await {
                turn += 1;
                let mut behind = known.lock().clone();
                let first = turn % behind.len().max(1);
                behind.rotate_left(first);
                tokio::spawn(pass(client, behind));
            }
        });
        Self { address, behind, task }
    }

    /// Where new connections go from now on.
    pub(crate) fn lead_to(&self, listeners: Vec<SocketAddr>) {
        *self.behind.lock() = listeners;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, behind: Vec<SocketAddr>) {
    for address in behind {
        if let Ok(Ok(mut server)) = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await {
            let quick = client.set_nodelay(true).and(server.set_nodelay(true));
            // What ends a connection is for both ends to notice.
            drop((quick, tokio::io::copy_bidirectional(&mut client, &mut server).await));
            return;
        }
    }
}
