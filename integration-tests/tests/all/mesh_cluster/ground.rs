//! Where the mesh of a test runs when more may happen to it than on one machine: each process on a machine of its own, of which
//! any can be cut off, and each of ours with a wall clock of its own, which may step.

use std::collections::BTreeMap;

use barid_testkit::clock::Clock;
use barid_testkit::mesh::{Places, Role};
use barid_testkit::network::{Cut, HOME, Network};
use barid_testkit::servers::Place;

use super::faults::Victim;

pub(super) struct Ground {
    network: Network,
    servers: usize,
    replicas: Vec<(Role, usize)>,
    clocks: BTreeMap<(Role, usize), Clock>,
}

impl Ground {
    /// For so many servers, and as many of each service as there may be.
    pub(super) fn new(servers: usize, replicas: &[(Role, usize, usize)]) -> Self {
        let each = |(role, all, _): &(Role, usize, usize)| (0..*all).map(|number| (*role, number)).collect::<Vec<_>>();
        let replicas: Vec<_> = replicas.iter().flat_map(each).collect();
        let network = Network::new(servers + replicas.len()).unwrap();
        let clocks = replicas.iter().map(|replica| (*replica, Clock::new().unwrap())).collect();
        Self { network, servers, replicas, clocks }
    }

    pub(super) fn servers(&self) -> Vec<Place> {
        (0..self.servers).map(|number| self.network.place(number)).collect()
    }

    pub(super) fn replicas(&self) -> Places {
        let place = |replica: &(Role, usize)| {
            let mut place = self.network.place(self.machine(Victim::Process(replica.0, replica.1)));
            place.around.extend(self.clocks[replica].around().unwrap());
            (*replica, place)
        };
        Places { publisher: HOME, replicas: self.replicas.iter().map(place).collect() }
    }

    fn machine(&self, of: Victim) -> usize {
        match of {
            Victim::Server(number) => number,
            Victim::Process(role, number) => {
                let place = self.replicas.iter().position(|replica| *replica == (role, number));
                self.servers + place.unwrap()
            }
        }
    }

    pub(super) fn cut(&self, victim: Victim, how: Cut) {
        self.network.cut(self.machine(victim), how).unwrap();
    }

    pub(super) fn join(&self, victim: Victim, how: Cut) {
        self.network.join(self.machine(victim), how).unwrap();
    }

    /// Servers keep the machine's time: they ask for it past everything that could stand between.
    pub(super) fn step(&self, victim: Victim, seconds: i64) {
        if let Victim::Process(role, number) = victim {
            self.clocks[&(role, number)].step(seconds).unwrap();
        }
    }
}
