//! A network of the test's own: a machine with an address for each process, of which any can be cut off from the others.
//!
//! Machines are network namespaces on a bridge, inside a namespace of the test's own, so nothing of the system's network is
//! seen or changed, and all of it is gone with the test. A test that wants one calls [`inside`] first, which runs the same test
//! again within `unshare`; that works as root and, where the system lets users have namespaces, as anybody.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::servers::{Place, ServerError};

/// Says that a test already runs within.
const WITHIN: &str = "BARID_WITHIN_NETWORK";
/// How long a namespace may take to be there.
const BEGINS: Duration = Duration::from_secs(10);
/// The test's own address on the bridge.
pub const HOME: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// How a machine is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing comes or goes.
    Whole,
    /// It hears the others, and nobody hears it.
    Mute,
    /// The others hear it, and it hears nobody.
    Deaf,
}

/// The network. Dropping it ends it.
#[derive(Debug)]
pub struct Network {
    machines: Vec<Machine>,
}

#[derive(Debug)]
struct Machine {
    /// What keeps its namespace.
    keeper: Child,
    namespace: String,
    address: Ipv4Addr,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended with its input.
        drop(self.keeper.kill());
        drop(self.keeper.wait());
    }
}

/// Runs this test again in a network namespace of its own; true: it runs there now, false: it has run there, and passed.
///
/// # Errors
/// Where the system gives none, with what to do; where the test failed there.
pub fn inside(test: &str) -> Result<bool, ServerError> {
    if std::env::var_os(WITHIN).is_some() {
        return Ok(true);
    }
    let usable = |flags: &&str| {
        let tried =
            Command::new("unshare").args([flags, "ip", "link", "set", "lo", "up"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let refused = |text: &str| ServerError::Refused("a network of the test's own", text.to_owned());
    let Some(flags) = ["-rn", "-n"].into_iter().find(usable) else {
        return Err(refused(
            "`unshare -rn ip link set lo up` does not work here. It needs iproute2 and util-linux (apt-get install iproute2 \
             util-linux), and the right to make namespaces: run the test as root, or let users have them \
             (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)",
        ));
    };
    let failed = |error| ServerError::System("current program", error);
    let program: PathBuf = std::env::current_exe().map_err(failed)?;
    let status = Command::new("unshare")
        .arg(flags)
        .arg(program)
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads", "1"])
        .env(WITHIN, "1")
        .status()
        .map_err(failed)?;
    if status.success() { Ok(false) } else { Err(refused("the test failed there, see above")) }
}

/// Runs a command that is part of the system.
fn run(line: &str) -> Result<(), ServerError> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output();
    let output = output.map_err(|error| ServerError::System("network", error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ServerError::Refused("network", format!("`{line}`: {said}")))
}

impl Network {
    /// So many machines, all of which reach each other and the test. To be called [`inside`].
    ///
    /// # Errors
    /// Where the system lacks what it takes: veth, bridge.
    pub fn new(machines: usize) -> Result<Self, ServerError> {
        run("ip link set lo up")?;
        run("ip link add barid type bridge")?;
        run(&format!("ip addr add {HOME}/16 dev barid"))?;
        run("ip link set barid up")?;
        let machines = (0..machines).map(Machine::new).collect::<Result<_, _>>()?;
        Ok(Self { machines })
    }

    /// Where a process runs on a machine.
    #[must_use]
    pub fn place(&self, number: usize) -> Place {
        self.machines.get(number).map_or_else(Place::default, |machine| Place {
            address: machine.address,
            around: ["nsenter", &machine.namespace, "--"].map(str::to_owned).to_vec(),
        })
    }

    /// Cuts a machine off. What is on its way is lost, nobody is told.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn cut(&self, number: usize, how: Cut) -> Result<(), ServerError> {
        // A bucket that no packet fits.
        const NOTHING: &str = "root tbf rate 8bit burst 1 limit 1";
        match how {
            Cut::Whole => run(&format!("ip link set out{number} nomaster")),
            Cut::Mute => self.within(number, &format!("tc qdisc replace dev in{number} {NOTHING}")),
            Cut::Deaf => run(&format!("tc qdisc replace dev out{number} {NOTHING}")),
        }
    }

    /// Joins a machine that was cut off so.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn join(&self, number: usize, how: Cut) -> Result<(), ServerError> {
        match how {
            Cut::Whole => run(&format!("ip link set out{number} master barid")),
            Cut::Mute => self.within(number, &format!("tc qdisc del dev in{number} root")),
            Cut::Deaf => run(&format!("tc qdisc del dev out{number} root")),
        }
    }

    fn within(&self, number: usize, line: &str) -> Result<(), ServerError> {
        let Some(machine) = self.machines.get(number) else { return Ok(()) };
        run(&format!("nsenter {} {line}", machine.namespace))
    }
}

impl Machine {
    fn new(number: usize) -> Result<Self, ServerError> {
        let failed = |error| ServerError::System("namespace", error);
        let keeper = Command::new("unshare").args(["-n", "cat"]).stdin(Stdio::piped()).spawn().map_err(failed)?;
        let path = format!("/proc/{}/ns/net", keeper.id());
        let host = u8::try_from(number + 2).map_err(|_| failed(std::io::ErrorKind::InvalidInput.into()))?;
        let machine = Self { keeper, namespace: format!("--net={path}"), address: Ipv4Addr::new(10, 77, 0, host) };
        let own = std::fs::read_link("/proc/self/ns/net").map_err(failed)?;
        let deadline = Instant::now() + BEGINS;
        while std::fs::read_link(&path).map_err(failed)? == own {
            if Instant::now() >= deadline {
                return Err(ServerError::Late { what: "namespace", log: String::new() });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        run(&format!("ip link add out{number} type veth peer name in{number}"))?;
        run(&format!("ip link set in{number} netns {}", machine.keeper.id()))?;
        run(&format!("ip link set out{number} master barid up"))?;
        for line in [
            "ip link set lo up".to_owned(),
            format!("ip addr add {}/16 dev in{number}", machine.address),
            format!("ip link set in{number} up"),
        ] {
            run(&format!("nsenter {} {line}", machine.namespace))?;
        }
        Ok(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one machine reaches another, by a connection that the other has to answer.
    fn reaches(network: &Network, from: usize, to: usize) -> bool {
        let (from, to) = (network.place(from), network.place(to).address);
        let script = format!("exec 3<>/dev/tcp/{to}/9");
        let told = Command::new(&from.around[0])
            .args(&from.around[1..])
            .args(["timeout", "1", "bash", "-c", &script])
            .output()
            .unwrap();
        // Nobody listens: who is reached refuses, who is not says nothing.
        String::from_utf8_lossy(&told.stderr).contains("refused")
    }

    #[test]
    fn machines_reach_each_other_but_for_those_that_are_cut_off() {
        if !inside("network::tests::machines_reach_each_other_but_for_those_that_are_cut_off").unwrap() {
            return;
        }
        let network = Network::new(3).unwrap();
        assert!(reaches(&network, 0, 1));
        for how in [Cut::Whole, Cut::Mute, Cut::Deaf] {
            network.cut(1, how).unwrap();
            assert!(!reaches(&network, 0, 1), "{how:?}");
            assert!(!reaches(&network, 1, 0), "{how:?}");
            assert!(reaches(&network, 0, 2), "{how:?}");
            network.join(1, how).unwrap();
            let begun = Instant::now();
            while !reaches(&network, 0, 1) {
                assert!(begun.elapsed() < BEGINS, "{how:?}");
            }
        }
    }
}
