//! The measurements in their order, by turns.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use barid_testkit::process::{BINARY_VARIABLE, Home, Running};

use crate::client::{self, Closed, Run};
use crate::echo::Echo;
use crate::engine::{self, Ports, memory, processor, settle};
use crate::figures::{Figure, Seen, each, line, quantile};
use crate::frame::Frames;
use crate::receiver::Receiver;
use crate::{Failed, Options};

/// Facilities that send.
const FACILITIES: usize = 16;
/// Numbers of connections that are measured.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Accepted and not delivered at most, while it is measured how much can be delivered.
const BACKLOG: u64 = 256;
/// Messages a second of the quiet rate.
const QUIET_RATE: u32 = 1_000;
/// Looks at the memory during the long run.
const LOOKS: u64 = 10;

/// What all measurements need.
struct Bench {
    facilities: Vec<Rc<Frames>>,
    receiver: Rc<Receiver>,
    ports: Ports,
    time: Duration,
    runs: u32,
    messages: u64,
}

/// Figures of one number of connections.
#[derive(Default)]
struct Beside {
    echo: Figure,
    engine: Figure,
    rate: Figure,
    echo_p50: Figure,
    engine_p50: Figure,
    p50: Figure,
    cost: [Figure; 4],
}

pub(crate) async fn run(options: &Options, folder: &Path) -> Result<(), Failed> {
    let ports = Ports::free()?;
    let binary = std::env::var_os(BINARY_VARIABLE).unwrap_or_else(|| env!("CARGO_BIN_EXE_barid").into());
    let home = Home::within(binary.into(), folder)?;
    home.write("bench.yaml", &ports.documents())?;
    let mut bench = Bench {
        facilities: (0..FACILITIES).map(|facility| Rc::new(Frames::new(facility))).collect(),
        receiver: Receiver::start(ports.receiver).await?,
        ports,
        time: Duration::from_secs(options.seconds),
        runs: 0,
        messages: 0,
    };
    let bytes = bench.facilities[0].bytes();
    println!("messages of {bytes} B, {FACILITIES} facilities; {} rounds of {} s\n", options.rounds, options.seconds);
    println!("| what | median | best | aim |\n| --- | --- | --- | --- |");
    let echo = Echo::start(folder)?;
    let (engine, _) = engine::start(&home).await?;
    settle(engine.pid()).await;
    let rest = memory(engine.pid(), "VmRSS");
    if let Some(connections) = options.connections {
        bench.only(options.rounds, connections, &echo, &engine).await?;
        return Ok(engine.stop(Duration::from_secs(60)).await.map(drop)?);
    }
    bench.rounds(options.rounds, &echo, &engine).await?;
    drop(echo);
    line("memory at rest after the start, MB", &megabytes(rest), "", "< 40");
    bench.long(options.messages, &engine).await?;
    engine.stop(Duration::from_secs(60)).await?;
    bench.restart(&home).await
}

impl Bench {
    async fn rounds(&mut self, rounds: u32, echo: &Echo, engine: &Running<'_>) -> Result<(), Failed> {
        let mut beside: [Beside; 3] = Default::default();
        let (mut delivered, mut share) = (Figure::default(), Figure::default());
        let (mut p50, mut p99, mut cost) = (Figure::default(), Figure::default(), <[Figure; 2]>::default());
        for _ in 0..rounds {
            for (connections, beside) in CONNECTIONS.into_iter().zip(&mut beside) {
                self.beside(connections, beside, echo, engine).await?;
            }
            let relayed = self.delivered(engine, self.time.max(Duration::from_secs(5)), u64::MAX).await?;
            settle(engine.pid()).await;
            delivered.add(relayed.rate);
            share.add(relayed.rate / beside[1].echo.median());
            cost[0].add(relayed.server);
            cost[1].add(relayed.client);
            let (half, most) = self.quiet().await?;
            settle(engine.pid()).await;
            p50.add(half);
            p99.add(most);
        }
        for (connections, beside) in CONNECTIONS.into_iter().zip(&beside) {
            beside.print(connections);
        }
        line(
            "delivered/s, 16 connections, bounded backlog",
            &whole(delivered.median()),
            &whole(delivered.most()),
            "≥ 8,000",
        );
        line("the same against the echo, 16 connections", &percent(share.median()), &percent(share.most()), "≥ 39 %");
        line("processor time, engine + client and receiver, µs a message", &pair(&cost[0], &cost[1]), "", "");
        line("1,000/s open loop, sent to arrived, p50, ms", &two(p50.median()), &two(p50.least()), "< 2");
        line("the same, p99, ms", &two(p99.median()), &two(p99.least()), "< 20");
        Ok(())
    }

    /// What is accepted with one number of connections.
    async fn only(&mut self, rounds: u32, connections: usize, echo: &Echo, engine: &Running<'_>) -> Result<(), Failed> {
        let mut beside = Beside::default();
        for _ in 0..rounds {
            self.beside(connections, &mut beside, echo, engine).await?;
        }
        beside.print(connections);
        Ok(())
    }

    async fn beside(
        &mut self,
        connections: usize,
        beside: &mut Beside,
        echo: &Echo,
        engine: &Running<'_>,
    ) -> Result<(), Failed> {
        let bare = self.accepted(echo.address, echo.pid(), connections).await?;
        let ours = self.accepted(local(self.ports.accept), engine.pid(), connections).await?;
        settle(engine.pid()).await;
        beside.add(&bare, &ours);
        Ok(())
    }

    fn run(&mut self) -> Rc<Run> {
        self.runs += 1;
        Run::new(self.runs)
    }

    /// Messages acknowledged, by whoever listens there.
    async fn accepted(&mut self, address: SocketAddr, pid: u32, connections: usize) -> Result<Seen, Failed> {
        let run = self.run();
        let how = Closed { connections, time: self.time, messages: u64::MAX, backlog: u64::MAX };
        let before = (processor(pid), processor(std::process::id()), Instant::now());
        client::closed(&run, address, &self.facilities, how).await?;
        let seen = seen(&run, run.acknowledged.get(), &mut run.acknowledging.borrow_mut(), pid, before);
        self.messages += run.acknowledged.get();
        Ok(seen)
    }

    /// Messages that arrive at the receiver, with a backlog that does not grow.
    async fn delivered(&mut self, engine: &Running<'_>, time: Duration, messages: u64) -> Result<Seen, Failed> {
        let run = self.run();
        self.receiver.follow(&run);
        let how = Closed { connections: FACILITIES, time, messages, backlog: BACKLOG };
        let before = (processor(engine.pid()), processor(std::process::id()), Instant::now());
        client::closed(&run, local(self.ports.relay), &self.facilities, how).await?;
        let seen = seen(&run, run.delivered.get(), &mut run.arriving.borrow_mut(), engine.pid(), before);
        self.messages += run.acknowledged.get();
        Ok(seen)
    }

    /// Half and 99 of 100 messages have arrived after so many milliseconds.
    async fn quiet(&mut self) -> Result<(f64, f64), Failed> {
        let run = self.run();
        self.receiver.follow(&run);
        let pace = (QUIET_RATE, self.time);
        client::open(&run, local(self.ports.relay), &self.facilities, FACILITIES, pace).await?;
        self.messages += run.acknowledged.get();
        let mut arriving = run.arriving.borrow_mut();
        Ok((quantile(&mut arriving, 0.5), quantile(&mut arriving, 0.99)))
    }

    /// Memory while many messages go through.
    async fn long(&mut self, messages: u64, engine: &Running<'_>) -> Result<(), Failed> {
        let (mut looks, mut rate) = (Vec::new(), Figure::default());
        for _ in 0..LOOKS {
            rate.add(self.delivered(engine, Duration::from_secs(3_600), messages / LOOKS).await?.rate);
            looks.push(memory(engine.pid(), "VmRSS"));
        }
        let behind = settle(engine.pid()).await;
        let looks: Vec<String> = looks.into_iter().map(megabytes).collect();
        line(&format!("memory over {messages} messages, MB"), &looks.join(" "), "", "flat");
        line("delivered/s meanwhile", &whole(rate.median()), &whole(rate.most()), "");
        line("history complete after it, s", &two(behind.as_secs_f64()), "", "");
        line("memory at rest after it, MB", &megabytes(memory(engine.pid(), "VmRSS")), "", "");
        Ok(())
    }

    /// An engine that starts with all of it in its log.
    async fn restart(&self, home: &Home) -> Result<(), Failed> {
        let mut ready = Figure::default();
        for _ in 0..3 {
            let (engine, took) = engine::start(home).await?;
            ready.add(took.as_secs_f64());
            settle(engine.pid()).await;
            engine.stop(Duration::from_secs(60)).await?;
        }
        let log = engine::folder_bytes(&home.data().join("log")) >> 20;
        let what = format!("ready with {} messages ({log} MB) in the log, s", self.messages);
        line(&what, &two(ready.median()), &two(ready.least()), "< 1");
        Ok(())
    }
}

impl Beside {
    fn add(&mut self, echo: &Seen, engine: &Seen) {
        self.echo.add(echo.rate);
        self.engine.add(engine.rate);
        self.rate.add(engine.rate / echo.rate);
        self.echo_p50.add(echo.p50);
        self.engine_p50.add(engine.p50);
        self.p50.add(engine.p50 / echo.p50);
        let costs = [echo.server, echo.client, engine.server, engine.client];
        for (cost, value) in self.cost.iter_mut().zip(costs) {
            cost.add(value);
        }
    }

    fn print(&self, connections: usize) {
        let what = format!("{connections} connection{}", if connections == 1 { "" } else { "s" });
        let (echo, engine) = (&self.echo, &self.engine);
        line(&format!("echo, accepted/s, {what}"), &whole(echo.median()), &whole(echo.most()), "");
        line(&format!("engine, accepted/s, {what}"), &whole(engine.median()), &whole(engine.most()), "");
        line(
            &format!("engine against echo, {what}"),
            &percent(self.rate.median()),
            &percent(self.rate.most()),
            "≥ 60 %",
        );
        let (bare, ours) = (two(self.echo_p50.median()), two(self.engine_p50.median()));
        line(&format!("p50 of echo, of the engine, ms, {what}"), &format!("{bare}, {ours}"), "", "");
        let aim = if connections == 1 { "≤ 1.6" } else { "" };
        line(&format!("p50 against echo, {what}"), &two(self.p50.median()), &two(self.p50.least()), aim);
        let costs = format!("{}; {}", pair(&self.cost[0], &self.cost[1]), pair(&self.cost[2], &self.cost[3]));
        line(&format!("processor time, echo + client; engine + client, µs a message, {what}"), &costs, "", "");
    }
}

fn seen(run: &Run, count: u64, latencies: &mut [u64], pid: u32, before: (Duration, Duration, Instant)) -> Seen {
    let (server, client, since) = before;
    let took = since.elapsed();
    Seen {
        rate: count as f64 / took.as_secs_f64(),
        p50: quantile(latencies, 0.5),
        server: each(processor(pid) - server, count),
        client: each(processor(std::process::id()) - client, run.sent.get()),
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

fn two(value: f64) -> String {
    format!("{value:.2}")
}

fn percent(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

fn pair(one: &Figure, other: &Figure) -> String {
    format!("{:.0} + {:.0}", one.median(), other.median())
}

fn megabytes(kilobytes: u64) -> String {
    format!("{:.0}", kilobytes as f64 / 1024.0)
}
