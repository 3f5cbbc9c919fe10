//! What a replica of delivery can be told: the same in this process and over the network.

use std::time::Duration;

use barid_config::{Sources, compile};
use barid_custody::act::Act;
use barid_log::memory::MemoryLog;
use barid_log::{Subject, Writer};
use barid_model::record::{OutRecord, Record as _};
use barid_model::{Partition, Payload, Revision};
use barid_pipeline::subject;
use barid_replica::{Replica, TlsOptions};
use barid_rpc::config::Stage;
use barid_rpc::control::{Direct, NotTold};
use barid_rpc::{Services, listen, serve};
use barid_runtime::SystemClock;
use barid_runtime::control::protocol::DestinationState;
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::connect::secret::FileSecrets;
use crate::connect::{Environment, Fence, GUARD};
use crate::destinations::Parts;
use crate::testing::lanes;

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
const REGISTRY: &str = "kind: Destination\nmetadata: {name: registry}\nspec:\n  file: {directory: out}\n";

/// The way to the replica.
enum Way {
    Here(Arc<Control>),
    There(Direct, String),
}

/// A replica with one destination that it may own.
struct House {
    way: Way,
    destinations: Arc<Destinations>,
    log: Arc<dyn Log>,
    _directory: TempDir,
}

struct Always;

impl Fence for Always {
    fn holds(&self) -> bool {
        true
    }

    fn ended(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn regained(&self) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(true))
    }
}

impl House {
    async fn build(over_the_network: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(1));
        let partitions = Partitions::new(1);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pauses = Arc::new(Pauses::open(Arc::clone(&log)).await.unwrap());
        let channels = Arc::new(Channels::new(Arc::clone(&log)));
        let secrets = Arc::new(FileSecrets::new(directory.path().to_owned(), Default::default()));
        let environment = Environment { secrets, data: directory.path().to_owned(), guard: GUARD };
        let destinations = Arc::new(Destinations::new(Parts {
            log: Arc::clone(&log),
            partitions,
            environment,
            pauses: Arc::clone(&pauses),
            clock: Arc::clone(&clock),
            ended: Arc::new(|_, _, _, _| {}),
            all: None,
        }));
        let compiled = compile(&Sources::from_texts([("all.yaml", REGISTRY)]), None);
        assert!(compiled.problems.iter().all(|problem| !problem.is_error()), "{:?}", compiled.problems);
        channels.publish(Arc::clone(&compiled.snapshot)).await.unwrap();
        destinations.apply(&compiled.snapshot, Arc::default());
        let options = barid_replica::Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            publishers: vec!["127.0.0.1:1".to_owned()],
            data: directory.path().join("data"),
            replica: Some("delivery-7".to_owned()),
            tls: TlsOptions::default(),
            admin: "127.0.0.1:0".parse().unwrap(),
            grace: PATIENCE,
            log: None,
            log_format: None,
            otlp: barid_runtime::otlp::Options::default(),
        };
        let reporter = Replica::quietly(Stage::Delivery, options).unwrap().reporter();
        let control = Arc::new(Control {
            log: Arc::clone(&log),
            partitions,
            destinations: Arc::clone(&destinations),
            channels,
            pauses,
            clock,
            reporter,
            secrets: directory.path().to_owned(),
        });
        let way = if over_the_network {
            let listener = listen("127.0.0.1:0".parse().unwrap(), None).await.unwrap();
            let address = listener.address().unwrap().to_string();
            tokio::spawn(serve(listener, Services::new().control(control), std::future::pending()));
            Way::There(Direct::new(None), address)
        } else {
            Way::Here(control)
        };
        Self { way, destinations, log, _directory: directory }
    }

    async fn tell(&self, command: Command, request: &[u8]) -> Result<Bytes, CommandRefused> {
        let by = command.changes().then(|| By { actor: "amina".to_owned(), reason: "a test".to_owned() });
        let request = Bytes::copy_from_slice(request);
        match &self.way {
            Way::Here(control) => control.run(command, by, request).await,
            Way::There(direct, address) => {
                direct.run(address, command, by, request, PATIENCE).await.map_err(|why| match why {
                    NotTold::Refused(refused) => refused,
                    NotTold::Unreached(why) => panic!("not reached: {why}"),
                })
            }
        }
    }

    async fn act(&self, act: Act) -> Result<u64, (RefusalKind, String)> {
        let ordered = Ordered { destination: Name::local("registry"), act };
        let answer = self.tell(Command::Act, &serde_json::to_vec(&ordered).unwrap()).await;
        let answer = answer.map_err(|refused| (refused.kind, refused.text))?;
        Ok(words::answered::<Acted>(&answer).unwrap().done)
    }

    async fn report(&self) -> ReplicaReport {
        words::answered(&self.tell(Command::Replica, b"{}").await.unwrap()).unwrap()
    }

    /// Waits until the destination shows this.
    async fn until(&self, what: &str, holds: impl Fn(&ReplicaReport) -> bool) -> ReplicaReport {
        let begun = std::time::Instant::now();
        loop {
            let report = self.report().await;
            if holds(&report) {
                return report;
            }
            assert!(begun.elapsed() < PATIENCE, "not {what}: {report:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn both(test: impl AsyncFn(House)) {
    for over_the_network in [false, true] {
        test(House::build(over_the_network).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_does_not_own_is_refused_as_such_and_what_makes_no_sense_too() {
    both(async |house| {
        let not_owner = |kind| assert_eq!(kind, RefusalKind::NotOwner);
        not_owner(house.act(Act::Rerun(1)).await.unwrap_err().0);
        let request = br#"{"destination":"default/registry"}"#;
        not_owner(house.tell(Command::Probe, request).await.unwrap_err().kind);
        assert!(house.report().await.destinations.is_empty());
        for (command, request) in [
            (Command::Act, &b"{}"[..]),
            (Command::Probe, b"registry"),
            (Command::Replay, b"{}"),
            (Command::Status, b""),
        ] {
            assert_eq!(house.tell(command, request).await.unwrap_err().kind, RefusalKind::Invalid, "{command:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_does_once_what_it_is_told_and_says_why_not_otherwise() {
    both(async |house| {
        let registry = Name::local("registry");
        let nothing_made = |number: u8| OutRecord {
            uid: barid_model::MessageUid::from_bytes([number; 16]),
            destination: Name::local("registry"),
            set_aside: Some(Vec::new()),
            ..lanes(&[1])
        };
        let subject: Subject = subject::out(&registry, Partition(0)).unwrap();
        let (mut writer, _) = Writer::open(Arc::clone(&house.log), subject).await.unwrap();
        let records = [1, 2].map(nothing_made).map(|out| {
            let id = barid_model::DeliveryId::of(out.uid, &out.route, out.part, out.run);
            OutRecord { id, ..out }.encode()
        });
        writer.append_durable(records.to_vec()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let destinations = Arc::clone(&house.destinations);
        let owned = registry.clone();
        let owning = tokio::spawn(async move { destinations.own(&owned, Arc::new(Always), stopped).await });
        let two = |report: &ReplicaReport| report.destinations.first().is_some_and(|one| one.quarantined == 2);
        house.until("both set aside", two).await;
        let refused = house.act(Act::Rerun(1)).await.unwrap_err();
        assert_eq!(refused.0, RefusalKind::Conflict);
        assert!(refused.1.contains("nothing was made"), "{}", refused.1);
        let payload = Payload::new(Bytes::from_static(b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\r"));
        let remade = Act::Remade { position: 1, payload, revision: Revision::default() };
        assert_eq!(house.act(remade.clone()).await, Ok(1));
        assert_eq!(house.act(remade).await.unwrap_err().0, RefusalKind::Conflict, "only once");
        assert_eq!(house.act(Act::Discard(2)).await, Ok(1));
        let done = |report: &ReplicaReport| {
            report.destinations.first().is_some_and(|one| one.quarantined == 0 && one.delivered == 1)
        };
        let report = house.until("run again and given up", done).await;
        let shown = report.destinations.first().unwrap();
        assert_eq!((shown.name.clone(), &*shown.kind, shown.state), (registry, "file", DestinationState::Idle));
        let probed = house.tell(Command::Probe, br#"{"destination":"default/registry"}"#).await.unwrap();
        let probed: barid_runtime::control::protocol::Probed = words::answered(&probed).unwrap();
        assert!(probed.met.iter().all(|met| met.usable) && !probed.met.is_empty(), "{probed:?}");
        stop.send_replace(true);
        owning.await.unwrap().unwrap();
        assert_eq!(house.act(Act::Discard(2)).await.unwrap_err().0, RefusalKind::NotOwner, "it was given back");
    })
    .await;
}
