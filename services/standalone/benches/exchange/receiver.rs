//! The receiver behind the engine's destination: takes each message's time, checks that each facility's come in order, and acknowledges.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Run;
use crate::frame;

/// Facilities whose order is checked.
const FACILITIES: usize = 64;

/// A run, and the last number that came of each facility.
type Present = (Rc<Run>, Vec<Option<u64>>);

/// What arrives is told to the present run.
pub(crate) struct Receiver {
    run: RefCell<Option<Present>>,
}

impl Receiver {
    /// Listens on this port of loopback.
    pub(crate) async fn start(port: u16) -> io::Result<Rc<Self>> {
        let receiver = Rc::new(Self { run: RefCell::default() });
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let accepting = Rc::clone(&receiver);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(connection(stream, Rc::clone(&accepting)));
            }
        });
        Ok(receiver)
    }

    /// What arrives from now on belongs to this run.
    pub(crate) fn follow(&self, run: &Rc<Run>) {
        *self.run.borrow_mut() = Some((Rc::clone(run), vec![None; FACILITIES]));
    }

    fn arrived(&self, id: &[u8]) {
        let mut present = self.run.borrow_mut();
        let Some((run, last)) = present.as_mut() else { return };
        let id = frame::read_id(id).expect("a control id of ours");
        if id.run != run.number {
            return;
        }
        assert!(last[id.facility].is_none_or(|last| last < id.number), "out of order: {} {}", id.facility, id.number);
        last[id.facility] = Some(id.number);
        run.arriving.borrow_mut().push(run.since(id.number));
        run.delivered.set(run.delivered.get() + 1);
        run.arrived.notify_one();
    }
}

async fn connection(mut stream: TcpStream, receiver: Rc<Receiver>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut out) = (Vec::with_capacity(frame::READ_BYTES), Vec::new());
    while stream.read_buf(&mut input).await? > 0 {
        let mut from = 0;
        while let Some(end) = frame::end(&input[from..]) {
            let frame = &input[from..from + end];
            receiver.arrived(frame::control_id(frame));
            out.extend_from_slice(&frame::answer(frame));
            from += end;
        }
        input.drain(..from);
        stream.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}
