//! Messages a second from socket to acknowledgement, over a log that is durable at once: what ingress itself costs, the
//! clients' share included. Run with `cargo bench -p barid-ingress`; the numbers are for people, nothing is asserted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barid_config::Snapshot;
use barid_config::document::{AckMode, Identify, MllpMode, OnUnknown};
use barid_config::settings::{
    LimitSettings, ListenerSpec, ListenerTransport, MllpRelease, MllpSettings, Secret, SecretFile,
};
use barid_hl7::{Limits, ack};
use barid_ingress::{Accept, AcceptError, AnswerForSender, Bounds, Listeners, Metrics, Parts, Secrets, Seen, Ticket};
use barid_model::record::RefusedRecord;
use barid_model::stage::Local;
use barid_model::{Clock, Digest, Envelope, LaneHasher, Name, Payload, Revision, Timestamp};
use barid_pipeline::Chain;
use barid_validate::{
    AckRules, ChannelRules, ChannelState, ListenerRules, OnInvalid, OnStranger, OrderRule, Parse, ParseTable, Proof,
};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long each setting is measured.
const MEASURED: Duration = Duration::from_secs(3);

struct Instantly;

impl Accept for Instantly {
    fn submit(&self, _: Envelope, _: Payload, _: Option<Chain>) -> BoxFuture<'_, Result<Ticket, AcceptError>> {
        let ticket: Ticket = Box::pin(std::future::ready(Ok(())));
        Box::pin(std::future::ready(Ok(ticket)))
    }
    fn refused(&self, _: RefusedRecord) {}
    fn answer_key(&self, envelope: &Envelope) -> Digest {
        envelope.digest
    }
    fn wait_answer(&self, _: Digest, _: Duration) -> BoxFuture<'static, Option<AnswerForSender>> {
        Box::pin(std::future::ready(None))
    }
    fn admission(&self, _: Option<&Name>) -> Result<(), AcceptError> {
        Ok(())
    }
    fn seen(&self, _: &Envelope) -> Seen {
        Seen::No
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn file(&self, _: &SecretFile) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
    fn value(&self, _: &Secret) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(0))
    }
}

fn snapshot() -> (Snapshot, ParseTable) {
    let spec = ListenerSpec {
        name: Name::local("mllp"),
        socket: ([127, 0, 0, 1], 0).into(),
        transport: ListenerTransport::Mllp(MllpSettings {
            release: MllpRelease::One,
            mode: MllpMode::Tolerant,
            pipeline: 64,
        }),
        tls: None,
        identify: Identify::Declared,
        on_unmatched: OnUnknown::Reject,
        unknown_facility: OnUnknown::Accept,
        ack_mode: AckMode::Standard,
        limits: LimitSettings {
            message_bytes: 16 * 1024 * 1024,
            connections: 1024,
            idle: Duration::from_secs(600),
            frame: Duration::from_secs(60),
            refused_bytes: 0,
        },
    };
    let rules = ListenerRules {
        name: spec.name.clone(),
        identify: Proof::Declared,
        unknown_facility: OnStranger::Accept,
        on_unmatched: OnStranger::Reject,
        ack: ack::Mode::Standard,
        limits: Limits::default(),
    };
    let channel = ChannelRules {
        name: Name::local("all"),
        revision: Revision::default(),
        priority: 0,
        listeners: vec![spec.name.clone()],
        facilities: None,
        when: None,
        state: ChannelState::Open,
        checks: Default::default(),
        on_invalid: OnInvalid::Reject,
        processing_id: None,
        order: OrderRule::Facility,
        index: vec![],
        ack: AckRules::default(),
        accept_without_control_id: false,
    };
    let listeners = [(spec.name.clone(), Arc::new(spec))].into();
    let mut snapshot = Snapshot::default();
    snapshot.listeners = listeners;
    (snapshot, ParseTable::new(vec![rules], vec![], vec![channel]))
}

fn frame() -> Vec<u8> {
    let mut text = String::from(
        "\u{b}MSH|^~\\&|HIS|CHN|BARID|MSP|20261122100000||ADT^A01^ADT_A01|1|P|2.5.1\rEVN||20261122100000\r\
         PID|1||A7^^^CHN~19901^^^NAT||Ould Abdallah^Mohamed||19900101|M|||Rue 42^^Nouakchott^^^MRT\rPV1|1|I|MED^204^2\r",
    );
    while text.len() < 1_300 {
        text.push_str("OBX|1|NM|8867-4^Heart rate^LN||92|/min|60-100|N|||F\r");
    }
    text.push_str("\u{1c}\r");
    text.into_bytes()
}

/// One client: `pipeline` frames, then their answers, again and again. Gives how many were answered.
async fn client(address: std::net::SocketAddr, pipeline: usize, until: Instant) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let frames = frame().repeat(pipeline);
    let mut answers = vec![0; 64 * 1024];
    let mut answered = 0;
    while Instant::now() < until {
        stream.write_all(&frames).await?;
        let mut missing = pipeline;
        while missing > 0 {
            let read = stream.read(&mut answers).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            missing -= answers.iter().take(read).filter(|byte| **byte == 0x1C).count();
        }
        answered += pipeline;
    }
    Ok(answered)
}

async fn measure() -> std::io::Result<()> {
    let mut registry = prometheus_client::registry::Registry::default();
    let listeners = Listeners::new(Parts {
        parse: Arc::new(Local::new(Arc::new(Parse::new(LaneHasher::new([1; 16]))))),
        accept: Arc::new(Instantly),
        clock: Arc::new(WallClock),
        secrets: Arc::new(NoSecrets),
        metrics: Metrics::new(&mut registry),
        bounds: Bounds::default(),
    });
    let (snapshot, table) = snapshot();
    listeners.apply(Arc::new(snapshot), Arc::new(table)).await;
    let address = listeners.address(&Name::local("mllp")).ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let mut out = std::io::stdout();
    for (connections, pipeline) in [(1, 1), (16, 1), (64, 1), (1, 64), (16, 16)] {
        let started = Instant::now();
        let clients: Vec<_> =
            (0..connections).map(|_| tokio::spawn(client(address, pipeline, started + MEASURED))).collect();
        let mut answered = 0;
        for client in clients {
            answered += client.await.map_err(std::io::Error::other)??;
        }
        let rate = answered as f64 / started.elapsed().as_secs_f64();
        writeln!(out, "{connections:>3} connections, {pipeline:>2} in flight each: {rate:>8.0} messages/s")?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure())
}
