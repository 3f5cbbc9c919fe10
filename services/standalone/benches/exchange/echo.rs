//! The limit to come close to: a bare MLLP receiver that appends each frame to one file and acknowledges it after a group `fdatasync`.
//!
//! It does what no acknowledgement with custody can do without, and nothing else: no parsing but for the control id, no channel, no order, no index. It is a
//! process of its own, as the engine is, so that both share the machine with the same client in the same way.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::frame;

/// Bytes of the file that are reserved at once; it is written from the start again when they are full.
const FILE_BYTES: u64 = 512 << 20;

/// Frames that wait to be durable.
#[derive(Default)]
struct Waiting {
    frames: Vec<(Vec<u8>, oneshot::Sender<()>)>,
}

#[derive(Default)]
struct Group {
    waiting: Mutex<Waiting>,
    work: Condvar,
}

/// The child process of the benchmark: serves until it is killed. The first line it writes is its port.
pub(crate) fn serve(file: &Path) -> io::Result<()> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(file)?;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, FILE_BYTES)?;
    file.sync_all()?;
    let group = Arc::new(Group::default());
    let writer = Arc::clone(&group);
    std::thread::spawn(move || write(&file, &writer));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut out = io::stdout();
        writeln!(out, "{}", listener.local_addr()?.port())?;
        out.flush()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream, Arc::clone(&group)));
        }
    })
}

/// One write and one sync for all that wait.
fn write(file: &File, group: &Group) {
    let (mut at, mut bytes) = (0, Vec::new());
    loop {
        let waiting = {
            let mut waiting = group.waiting.lock();
            while waiting.frames.is_empty() {
                group.work.wait(&mut waiting);
            }
            std::mem::take(&mut *waiting)
        };
        bytes.clear();
        waiting.frames.iter().for_each(|(frame, _)| bytes.extend_from_slice(frame));
        if at + bytes.len() as u64 > FILE_BYTES {
            at = 0;
        }
        file.write_all_at(&bytes, at).and_then(|()| file.sync_data()).expect("the benchmark's file can be written");
        at += bytes.len() as u64;
        for (_, done) in waiting.frames {
            done.send(()).unwrap_or(());
        }
    }
}

async fn connection(mut stream: TcpStream, group: Arc<Group>) -> io::Result<()> {
    let mut input = Vec::with_capacity(frame::READ_BYTES);
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        while let Some(end) = frame::end(&input) {
            let rest = input.split_off(end);
            let frame = std::mem::replace(&mut input, rest);
            let answer = frame::answer(&frame);
            let (done, durable) = oneshot::channel();
            group.waiting.lock().frames.push((frame, done));
            group.work.notify_one();
            durable.await.map_err(io::Error::other)?;
            stream.write_all(&answer).await?;
        }
    }
}

/// The running echo. Dropping it kills it.
pub(crate) struct Echo {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Echo {
    /// Starts it; it writes to a file in this folder.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .arg(folder.join("echo"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no output of the echo"))?;
        io::BufRead::read_line(&mut io::BufReader::new(out), &mut line)?;
        let port: u16 = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    /// The system's number of the process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
