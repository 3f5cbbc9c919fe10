//! The one client of the echo and the engine: connections that wait for each answer, or messages at a rate whatever the answers do.
//!
//! Everything runs on one thread: a message costs one write and one read, and its control id is the only thing that is made.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::frame::{self, Frames};

/// Messages whose time of sending is remembered: more than are ever on their way.
const REMEMBERED: usize = 1 << 18;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one run of the client and the receiver have in common.
pub(crate) struct Run {
    /// In the control ids, so that no message is another's resend.
    pub(crate) number: u32,
    started: Instant,
    sent_at: RefCell<Vec<u64>>,
    pub(crate) sent: Cell<u64>,
    pub(crate) acknowledged: Cell<u64>,
    pub(crate) delivered: Cell<u64>,
    /// From writing to the acknowledgement, in nanoseconds.
    pub(crate) acknowledging: RefCell<Vec<u64>>,
    /// From writing to the arrival at the receiver, in nanoseconds.
    pub(crate) arriving: RefCell<Vec<u64>>,
    pub(crate) arrived: Notify,
}

impl Run {
    pub(crate) fn new(number: u32) -> Rc<Self> {
        Rc::new(Self {
            number,
            started: Instant::now(),
            sent_at: RefCell::new(vec![0; REMEMBERED]),
            sent: Cell::new(0),
            acknowledged: Cell::new(0),
            delivered: Cell::new(0),
            acknowledging: RefCell::default(),
            arriving: RefCell::default(),
            arrived: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).expect("a run of less than centuries")
    }

    /// The next message's number; its time begins.
    fn next(&self) -> u64 {
        let number = self.sent.replace(self.sent.get() + 1);
        self.sent_at.borrow_mut()[place(number)] = self.now();
        number
    }

    /// How long a message has been on its way.
    pub(crate) fn since(&self, number: u64) -> u64 {
        self.now().saturating_sub(self.sent_at.borrow()[place(number)])
    }

    /// Accepted and not arrived.
    pub(crate) fn backlog(&self) -> u64 {
        self.acknowledged.get().saturating_sub(self.delivered.get())
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).expect("64 bits") % REMEMBERED
}

/// When a closed loop stops, and when it holds back.
#[derive(Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) connections: usize,
    /// Stops after this long.
    pub(crate) time: Duration,
    /// Or after so many messages.
    pub(crate) messages: u64,
    /// Sends nothing while so many are accepted and have not arrived.
    pub(crate) backlog: u64,
}

/// Each connection sends its next message when the one before is acknowledged.
pub(crate) async fn closed(
    run: &Rc<Run>,
    address: SocketAddr,
    facilities: &[Rc<Frames>],
    how: Closed,
) -> io::Result<()> {
    let end = Instant::now() + how.time;
    let mut tasks = Vec::new();
    for connection in 0..how.connections {
        let frames = Rc::clone(&facilities[connection % facilities.len()]);
        tasks.push(tokio::task::spawn_local(one_closed(Rc::clone(run), address, frames, how, end)));
    }
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(())
}

async fn one_closed(
    run: Rc<Run>,
    address: SocketAddr,
    frames: Rc<Frames>,
    how: Closed,
    end: Instant,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut out, mut input) = (Vec::new(), Vec::with_capacity(frame::READ_BYTES));
    while Instant::now() < end && run.sent.get() < how.messages {
        while run.backlog() >= how.backlog {
            if tokio::time::timeout(PATIENCE, run.arrived.notified()).await.is_err() {
                return Err(io::Error::other("nothing arrives at the receiver"));
            }
        }
        let number = run.next();
        frames.write(run.number, number, &mut out);
        stream.write_all(&out).await?;
        input.clear();
        while frame::end(&input).is_none() {
            if stream.read_buf(&mut input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if frame::accepted(&input) != Some(frame::control_id(&out)) {
            return Err(io::Error::other(String::from_utf8_lossy(&input).into_owned()));
        }
        run.acknowledging.borrow_mut().push(run.since(number));
        run.acknowledged.set(run.acknowledged.get() + 1);
    }
    Ok(())
}

/// Sends at a rate, by turns over the connections, whatever becomes of the messages. Gives how late it was at worst.
pub(crate) async fn open(
    run: &Rc<Run>,
    address: SocketAddr,
    facilities: &[Rc<Frames>],
    connections: usize,
    (rate, time): (u32, Duration),
) -> io::Result<Duration> {
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        writers.push(write);
        readers.push(tokio::task::spawn_local(count_answers(Rc::clone(run), read)));
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut out, mut latest) = (Vec::new(), Duration::ZERO);
    let end = Instant::now() + time;
    while Instant::now() < end {
        latest = latest.max(ticks.tick().await.elapsed());
        let number = run.next();
        let connection = place(number) % connections;
        facilities[connection % facilities.len()].write(run.number, number, &mut out);
        writers[connection].write_all(&out).await?;
    }
    let patience = Instant::now() + PATIENCE;
    while run.acknowledged.get() < run.sent.get() || run.delivered.get() < run.sent.get() {
        if Instant::now() > patience {
            return Err(io::Error::other("not everything was acknowledged and delivered"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(writers);
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(latest)
}

async fn count_answers(run: Rc<Run>, mut read: tokio::net::tcp::OwnedReadHalf) -> io::Result<()> {
    let mut input = Vec::with_capacity(frame::READ_BYTES);
    while read.read_buf(&mut input).await? > 0 {
        while let Some(end) = frame::end(&input) {
            let id = frame::accepted(&input[..end]).and_then(frame::read_id);
            let id = id.ok_or_else(|| io::Error::other("a message was not accepted"))?;
            run.acknowledging.borrow_mut().push(run.since(id.number));
            run.acknowledged.set(run.acknowledged.get() + 1);
            input.drain(..end);
        }
    }
    Ok(())
}
