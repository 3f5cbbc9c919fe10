//! What the mesh is told: a channel that only accepts, one that relays, and as many besides as are asked for.

use std::fmt::Write as _;
use std::io;

use barid_testkit::process::free_port;

/// Ports of the documents.
pub(crate) struct Ports {
    /// A channel whose messages end when they are accepted.
    pub(crate) accept: u16,
    /// A channel with six steps and one route.
    pub(crate) relay: u16,
    /// The receiver behind it.
    pub(crate) receiver: u16,
}

const STEPS: &str = "  transform:
    - set: {path: MSH-5, to: \"'MOH'\"}
    - set: {path: MSH-6, to: \"'MPI'\"}
    - copy: {from: PID-3.1, to: PID-4}
    - format: {path: PID-5.1, case: upper}
    - set: {path: PV1-19, to: \"msg['PID-3.1']\"}
    - delete: {path: PID-19}
";

impl Ports {
    pub(crate) fn free() -> io::Result<Self> {
        Ok(Self { accept: free_port()?, relay: free_port()?, receiver: free_port()? })
    }

    /// Where `channels` are asked for, each takes the facilities of its number (of 64), and sends to the destination of its number.
    pub(crate) fn documents(&self, channels: usize, destinations: usize) -> String {
        let Self { accept, relay, receiver } = self;
        let mut all = String::new();
        for (name, port) in [("accept", accept), ("relay", relay)] {
            let listener = format!("kind: Listener\nmetadata: {{name: {name}}}\n");
            let spec = format!("spec: {{mllp: {{port: {port}, address: 127.0.0.1}}, unknownFacility: accept}}\n---\n");
            all.push_str(&(listener + &spec));
        }
        all.push_str("kind: Channel\nmetadata: {name: accept}\nspec:\n  from: {listeners: [{name: accept}]}\n");
        all.push_str("  filter: \"msg.type == 'NONE'\"\n  routes: [{name: out, to: {destination: receiver-0}}]\n---\n");
        for number in 0..channels.max(1) {
            let when =
                if channels > 1 { format!("  when: \"msg['MSH-4'] == 'F{number:02}'\"\n") } else { String::new() };
            let to = number % destinations.max(1);
            writeln!(
                all,
                "kind: Channel\nmetadata: {{name: relay-{number}}}\nspec:\n  from: {{listeners: [{{name: relay}}]}}\n{when}{STEPS}  \
                 routes: [{{name: out, to: {{destination: receiver-{to}}}}}]\n---"
            )
            .expect("a string takes all");
        }
        for number in 0..destinations.max(1) {
            writeln!(
                all,
                "kind: Destination\nmetadata: {{name: receiver-{number}}}\nspec: {{mllp: {{endpoints: [\"127.0.0.1:{receiver}\"], \
                 connections: 16}}}}\n---"
            )
            .expect("a string takes all");
        }
        all
    }
}
