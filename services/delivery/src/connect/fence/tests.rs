use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::tests::message;
use super::*;

/// Whether it holds, and for ever not.
#[derive(Clone, Copy, PartialEq)]
enum Lease {
    Holds,
    RunOut,
    Lost,
}

struct Told(watch::Receiver<Lease>);

impl Fence for Told {
    fn holds(&self) -> bool {
        *self.0.borrow() == Lease::Holds
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        let mut lease = self.0.clone();
        Box::pin(async move { drop(lease.wait_for(|lease| *lease != Lease::Holds).await) })
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        let mut lease = self.0.clone();
        Box::pin(async move { lease.wait_for(|lease| *lease != Lease::RunOut).await.is_ok_and(|l| *l == Lease::Holds) })
    }
}

/// A receiver that answers after a second; what was begun there.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<u32>>);

impl Connector for Slow {
    fn open(&self) -> Box<dyn Connection> {
        Box::new(self.clone())
    }

    fn status(&self) -> Status {
        Status::default()
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Met>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

impl Connection for Slow {
    fn send<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, Sent> {
        *self.0.lock() += 1;
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let text = "answered".to_owned();
            Sent::Failed(TransportError { kind: TransportKind::Timeout, text, may_have_arrived: true })
        })
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn scene() -> (Slow, watch::Sender<Lease>, Box<dyn Connection>) {
    let (slow, (lease, told)) = (Slow::default(), watch::channel(Lease::Holds));
    let fenced = Fenced::new(Arc::new(slow.clone()), Arc::new(Told(told)), Name::local("registry"));
    (slow, lease, fenced.open())
}

/// Whether the receiver answered; else whether it may have it.
fn answered(sent: &Sent) -> Result<(), bool> {
    match sent {
        Sent::Failed(error) if error.kind == TransportKind::Timeout => Ok(()),
        Sent::Failed(error) => Err(error.may_have_arrived),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_while_the_lease_has_run_out_and_it_goes_on_when_it_holds_again() {
    let (slow, lease, mut connection) = scene();
    let out = message("M1");
    lease.send_replace(Lease::RunOut);
    let mut sending = connection.send(&out);
    assert!(tokio::time::timeout(Duration::from_secs(600), &mut sending).await.is_err());
    assert_eq!(*slow.0.lock(), 0);
    lease.send_replace(Lease::Holds);
    assert_eq!(answered(&sending.await), Ok(()));
    assert_eq!(*slow.0.lock(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_the_lease_ends_is_cut_and_may_have_arrived() {
    let (slow, lease, mut connection) = scene();
    let out = message("M1");
    for ends in [Lease::RunOut, Lease::Lost] {
        lease.send_replace(Lease::Holds);
        let mut sending = connection.send(&out);
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut sending).await.is_err());
        lease.send_replace(ends);
        assert_eq!(answered(&sending.await), Err(true));
    }
    assert_eq!(*slow.0.lock(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_without_a_lease_that_comes_back_was_never_sent() {
    let (slow, lease, mut connection) = scene();
    let out = message("M1");
    lease.send_replace(Lease::RunOut);
    let mut sending = connection.send(&out);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut sending).await.is_err());
    lease.send_replace(Lease::Lost);
    assert_eq!(answered(&sending.await), Err(false));
    drop(connection.send(&out).await);
    assert_eq!(*slow.0.lock(), 0);
}

/// What a process knows that was frozen: by its clock its lease is over, and nothing has told it yet.
struct Frozen(AtomicBool);

impl Fence for Frozen {
    fn holds(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}

/// A receiver that is dialled for a second; what was written then.
#[derive(Clone, Default)]
struct Dialled(Arc<Mutex<u32>>);

impl Connection for Dialled {
    fn send<'a>(&'a mut self, _: &'a Outgoing) -> BoxFuture<'a, Sent> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            *self.0.lock() += 1;
            std::future::pending().await
        })
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_frozen_while_it_dialled_writes_nothing_after_its_lease() {
    let (dialled, fence) = (Dialled::default(), Arc::new(Frozen(AtomicBool::new(false))));
    let destination = Name::local("registry");
    let mut connection =
        FencedConnection { inner: Box::new(dialled.clone()), fence: Arc::clone(&fence) as Arc<dyn Fence>, destination };
    let out = message("M1");
    let mut sending = connection.send(&out);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut sending).await.is_err());
    fence.0.store(true, Ordering::SeqCst);
    let sent = tokio::time::timeout(Duration::from_secs(60), sending).await.unwrap();
    assert_eq!(answered(&sent), Err(true));
    assert_eq!(*dialled.0.lock(), 0);
}
