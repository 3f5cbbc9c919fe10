//! Acts on their way to another process.

use bytes::Bytes;

use super::*;

#[test]
fn every_act_arrives_in_another_process_as_it_was_ordered() {
    let payload = Payload::new(Bytes::from_static(b"MSH|^~\\&|\r\xff"));
    let acts = [
        Act::Release(None),
        Act::Release(Lane::read("00000000000000ff")),
        Act::ReleaseDelivery(1),
        Act::Rerun(2),
        Act::Remade { position: 3, payload, revision: Revision::of(b"r") },
        Act::Discard(4),
        Act::SetAside(5),
        Act::EndWaiting {
            delivery: DeliveryId::of(
                barid_model::MessageUid::new(barid_model::Timestamp::from_millis(1)),
                "route",
                0,
                0,
            ),
            out: (Partition(7), 8),
            keep: true,
        },
    ];
    for act in acts {
        let ordered = Ordered { destination: Name::local("registry"), act };
        let text = serde_json::to_vec(&ordered).unwrap();
        assert_eq!(serde_json::from_slice::<Ordered>(&text).unwrap(), ordered);
    }
    let unknown = br#"{"destination":"default/registry","act":{"rerun":1},"more":1}"#;
    assert!(serde_json::from_slice::<Ordered>(unknown).is_err(), "a field that nobody knows is not ignored");
}
