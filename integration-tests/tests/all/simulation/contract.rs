//! The simulated servers keep the contract of every log, so that what is found over them could be found over the real ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use barid_log::contract::Harness;
use barid_log::{BoxFuture, Log};

use super::client::Client;
use super::cluster::Cluster;
use super::random::Random;

struct Calm {
    cluster: Arc<Cluster>,
    runs: Arc<AtomicBool>,
}

impl Calm {
    fn new() -> Self {
        let cluster = Cluster::new(Random::new(1));
        cluster.lock().calm = true;
        let (moved, runs) = (Arc::clone(&cluster), Arc::new(AtomicBool::new(true)));
        let on = Arc::clone(&runs);
        std::thread::spawn(move || {
            while on.load(Ordering::SeqCst) {
                moved.step();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self { cluster, runs }
    }
}

impl Drop for Calm {
    fn drop(&mut self) {
        self.runs.store(false, Ordering::SeqCst);
    }
}

impl Harness for Calm {
    fn open(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        Box::pin(async { Client::new(&self.cluster, 0, Random::new(2), 64) as Arc<dyn Log> })
    }

    fn restart(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Arc<dyn Log>> {
        drop(log);
        self.open()
    }
}

barid_log::log_contract!(Calm::new());
