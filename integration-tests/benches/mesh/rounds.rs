//! The measurements in their order, by turns.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::servers::nats;

use crate::bare::Bare;
use crate::client::{self, Closed, Run};
use crate::documents::Ports;
use crate::figures::{Figure, line, quantile};
use crate::frame::Frames;
use crate::receiver::Receiver;
use crate::{Failed, Options};

/// Accepted and not delivered at most, while it is measured how much can be delivered.
const BACKLOG: u64 = 1_024;
/// How long a start may take: three servers choose leaders, and every stream is made.
const READY: Duration = Duration::from_secs(120);
/// Between two measurements: what is behind comes up.
const PAUSE: Duration = Duration::from_secs(2);

/// What all measurements need.
struct Bench {
    facilities: Vec<Rc<Frames>>,
    receiver: Rc<Receiver>,
    ports: Ports,
    time: Duration,
    runs: u32,
}

#[derive(Default)]
struct Figures {
    bare: Figure,
    accepted: Figure,
    share: Figure,
    acknowledging: Figure,
    delivered: Figure,
    half: Figure,
    p50: Figure,
    p99: Figure,
}

pub(crate) async fn run(options: &Options) -> Result<(), Failed> {
    let ports = Ports::free()?;
    let mut bench = Bench {
        facilities: (0..options.connections).map(|facility| Rc::new(Frames::new(facility))).collect(),
        receiver: Receiver::start(ports.receiver).await?,
        time: Duration::from_secs(options.seconds),
        runs: 0,
        ports,
    };
    let settings = Settings {
        documents: bench.ports.documents(options.channels, options.destinations),
        replicas: Role::ALL.into_iter().map(|role| (role, options.replicas)).collect(),
        nats: nats::Settings::default(),
        partitions: options.partitions,
    };
    let mesh = Mesh::start(settings).await?;
    mesh.ready(READY).await?;
    let bare = Bare::start(&mesh.nats).await?;
    println!(
        "messages of {} B, {} facilities; {} rounds of {} s, {} of each service\n",
        bench.facilities[0].bytes(),
        options.connections,
        options.rounds,
        options.seconds,
        options.replicas
    );
    let mut figures = Figures::default();
    for _ in 0..options.rounds {
        let alone = bare.rate(bench.time).await?;
        tokio::time::sleep(PAUSE).await;
        let (accepted, p50) = bench.accepted().await?;
        tokio::time::sleep(PAUSE).await;
        let delivered = bench.delivered().await?;
        tokio::time::sleep(PAUSE).await;
        println!("servers alone {alone:.0}, accepted {accepted:.0} ({p50:.2} ms), delivered {delivered:.0}");
        let half = (delivered / 2.0).max(1.0);
        let (middle, most) = bench.open(half as u32).await?;
        tokio::time::sleep(PAUSE).await;
        println!("at {half:.0}/s: p50 {middle:.1} ms, p99 {most:.1} ms");
        for (figure, value) in [
            (&mut figures.bare, alone),
            (&mut figures.accepted, accepted),
            (&mut figures.share, accepted / alone),
            (&mut figures.acknowledging, p50),
            (&mut figures.delivered, delivered),
            (&mut figures.half, half),
            (&mut figures.p50, middle),
            (&mut figures.p99, most),
        ] {
            figure.add(value);
        }
    }
    figures.print();
    Ok(())
}

impl Bench {
    fn run(&mut self) -> Rc<Run> {
        self.runs += 1;
        Run::new(self.runs)
    }

    /// Messages a second that are acknowledged, and half of their times in milliseconds.
    async fn accepted(&mut self) -> Result<(f64, f64), Failed> {
        let run = self.run();
        let how = Closed { connections: self.facilities.len(), time: self.time, messages: u64::MAX, backlog: u64::MAX };
        let begun = std::time::Instant::now();
        client::closed(&run, local(self.ports.accept), &self.facilities, how).await?;
        let rate = run.acknowledged.get() as f64 / begun.elapsed().as_secs_f64();
        let p50 = quantile(&mut run.acknowledging.borrow_mut(), 0.5);
        Ok((rate, p50))
    }

    /// Messages a second that arrive, with a backlog that does not grow.
    async fn delivered(&mut self) -> Result<f64, Failed> {
        let run = self.run();
        self.receiver.follow(&run);
        let how = Closed { connections: self.facilities.len(), time: self.time, messages: u64::MAX, backlog: BACKLOG };
        let begun = std::time::Instant::now();
        client::closed(&run, local(self.ports.relay), &self.facilities, how).await?;
        Ok(run.delivered.get() as f64 / begun.elapsed().as_secs_f64())
    }

    /// Half and 99 of 100 messages have arrived after so many milliseconds from being sent, at a rate.
    async fn open(&mut self, rate: u32) -> Result<(f64, f64), Failed> {
        let run = self.run();
        self.receiver.follow(&run);
        client::open(&run, local(self.ports.relay), &self.facilities, self.facilities.len(), (rate, self.time)).await?;
        let mut arriving = run.arriving.borrow_mut();
        Ok((quantile(&mut arriving, 0.5), quantile(&mut arriving, 0.99)))
    }
}

impl Figures {
    fn print(&self) {
        println!("\n| what | median | best | aim |\n| --- | --- | --- | --- |");
        let whole = |value: f64| format!("{value:.0}");
        let least = |figure: &Figure| (format!("{:.1}", figure.median()), format!("{:.1}", figure.least()));
        let most = |figure: &Figure| (whole(figure.median()), whole(figure.most()));
        let share = |value: f64| format!("{:.0} %", value * 100.0);
        for (what, (median, best), aim) in [
            ("servers alone, messages/s of 2 kB on 64 subjects", most(&self.bare), ""),
            ("accepted/s, 64 connections", most(&self.accepted), ""),
            ("accepted against the servers alone", (share(self.share.median()), share(self.share.most())), "≥ 100 %"),
            ("p50 of the acknowledgement, ms", least(&self.acknowledging), ""),
            ("delivered/s, 64 connections, bounded backlog", most(&self.delivered), "≥ 4,000"),
            ("rate of the open loop, messages/s", most(&self.half), "half of it"),
            ("sent to arrived at that rate, p50, ms", least(&self.p50), ""),
            ("the same, p99, ms", least(&self.p99), "< 100"),
        ] {
            line(what, &median, &best, aim);
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
