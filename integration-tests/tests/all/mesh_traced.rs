//! One trace through the processes of a mesh: listener, parse stage, log, router, apply stage, log, delivery.
//!
//! Needs the programs of all services (`cargo build`) and NATS (`scripts/nats`).

use std::collections::BTreeMap;

use barid_testkit::generate::Generator;
use barid_testkit::mesh::{Mesh, Role, Settings};
use barid_testkit::process::free_port;
use barid_testkit::sender::{self, Listed, Load};
use barid_testkit::servers::nats;

use crate::mesh_takeover::{documents, http, load};
use crate::process_relay::PATIENCE;
use crate::process_traced::collector::Collector;
use crate::process_traced::tree;

const ROLES: [Role; 5] = [Role::Parser, Role::Transformer, Role::Delivery, Role::Router, Role::Ingress];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_trace_through_all_processes_of_a_mesh() {
    let (out, collector) = (http().await, Collector::start().await);
    let port = free_port().unwrap();
    let nats = nats::Settings { count: 1, file_store: 2 << 30, ..nats::Settings::default() };
    let replicas: BTreeMap<Role, usize> = ROLES.map(|role| (role, 1)).into();
    let documents = documents(port, &[("out", &out)]);
    let mut mesh = Mesh::prepare(Settings { documents, replicas, nats, partitions: 4 }).await.unwrap();
    let arguments = ["--otlp-endpoint", &collector.endpoint, "--trace-ratio", "1"].map(str::to_owned);
    for role in ROLES {
        mesh.tell(role, &arguments);
    }
    for role in ROLES {
        mesh.restart(role, 0).unwrap();
    }
    mesh.ready(PATIENCE).await.unwrap();
    let message = Generator::new(7, "CHN").message(1).bytes;
    let load = Load { connections: 1, ..load(0, port) };
    let report = sender::run(load, std::sync::Arc::new(Listed::new([message])), None).await;
    assert_eq!(report.accepted, 1, "{report:?}");
    let whole = |spans: &[crate::process_traced::collector::Told]| spans.len() >= 10;
    let spans = collector.until("all spans", whole).await;
    let expected = "accept(append parse(parse) route(apply(apply) deliver(attempt outcome)))";
    assert_eq!(tree(&spans, ""), expected, "{spans:?}");
    let services: std::collections::BTreeSet<&str> = spans.iter().map(|span| span.service.as_str()).collect();
    let all = ["barid-delivery", "barid-ingress", "barid-parser-validator", "barid-router", "barid-transformer"];
    assert_eq!(services.into_iter().collect::<Vec<_>>(), all);
    assert!(spans.iter().all(|span| span.trace == spans[0].trace && span.fault.is_none()), "{spans:?}");
}
