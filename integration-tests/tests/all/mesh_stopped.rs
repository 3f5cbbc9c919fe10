//! Every service of a mesh told to end (SIGTERM) while messages flow, as an upgrade does with one after the other: nothing is
//! refused, nothing lost, nothing out of order, and each process ends in good order and in time.
//!
//! What is documented besides: a listener that ends closes its connections when it has answered what it read; who sends
//! connects anew, and sends again what it got no answer for. Needs the programs of all services (`cargo build`) and NATS.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use barid_testkit::mesh::{Mesh, Role};
use barid_testkit::process::free_port;
use barid_testkit::sender::{Load, Target};

use crate::mesh_cluster::balancer::Balancer;
use crate::mesh_flow::Flow;
use crate::mesh_takeover::{documents, http, load, mesh};
use crate::process_relay::{Ended, PATIENCE};

/// How long an end may take while there is little to finish: well below the 25 s that a drain may take.
const END: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_o01_every_service_ends_in_good_order_under_load_and_no_message_is_refused_for_it() {
    let out = http().await;
    let port = free_port().unwrap();
    let mesh = mesh(documents(port, &[("out", &out)]), &Role::ALL.map(|role| (role, 2))).await;
    let balancer = Balancer::start().await;
    let at = |number: usize| SocketAddr::from((Mesh::ingress(number), port));
    balancer.lead_to(vec![at(0), at(1)]);
    let target = Target::Mllp(balancer.address.to_string());
    let flow = Flow::begin(Load { target, rate: Some(80.0), pipeline: 2, ..load(0, port) }, 8, &out);
    flow.passes(50).await;
    let again = |ended: &Ended| ended.0.lock().iter().filter(|done| done.attempts > 1).count();
    for role in [Role::Parser, Role::Transformer, Role::Ledger, Role::Delivery, Role::Router, Role::Ingress] {
        if role == Role::Ingress {
            assert_eq!(again(&flow.ended), 0, "none had to be sent again until now");
            // As a service of Kubernetes does with one that is not ready any more.
            balancer.lead_to(vec![at(1)]);
        }
        let begun = Instant::now();
        mesh.stop(role, 0, PATIENCE).await.unwrap();
        println!("{role:?} ended after {:?}", begun.elapsed());
        assert!(begun.elapsed() < END, "{role:?} took {:?}", begun.elapsed());
        let log = mesh.log(role, 0);
        assert!(log.contains("stopped") && log.contains("code=0") && log.contains("drained=true"), "{role:?}: {log}");
        flow.passes(30).await;
        mesh.restart(role, 0).unwrap();
    }
    mesh.ready(PATIENCE).await.unwrap();
    flow.passes(30).await;
    flow.end().await;
}
