use barid_model::Partition;
use barid_model::record::Intake;

use super::*;
use crate::router::tests::message;

#[test]
fn a_piece_keeps_its_number_whether_the_channel_of_another_route_runs_or_not() {
    let record = message("1", Some("adt"));
    let source = Source { partition: Partition(0), intake: Intake::Received, position: 7, output: 0, other: 0 };
    let sent = |route: &str, target| RouteResult {
        route: route.into(),
        target,
        output: RouteOutput::Sent(vec![Payload::new(Bytes::from_static(b"made"))]),
    };
    let routes = || {
        Applied::Routed(vec![
            sent("to-channel", RouteTarget::Channel(Name::local("lab"))),
            sent("to-registry", RouteTarget::Destination(Name::local("registry"))),
        ])
    };
    let (runs, removed) = (|_: &Name| Some(Revision::default()), |_: &Name| None);
    let at = Timestamp::from_millis(5);
    let with = fan_out(&record, source, at, routes(), &runs);
    let without = fan_out(&record, source, at, routes(), &removed);
    assert_eq!((with.chained.len(), without.chained.len()), (1, 0));
    assert_eq!(with.chained[0].source.unwrap().output, 0);
    assert_eq!((with.outs[0].source.output, without.outs[0].source.output), (1, 1));
}
