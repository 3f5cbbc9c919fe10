use async_nats::jetstream::stream::PeerInfo;

use super::streams::is_gone;
use super::*;

#[test]
fn versions_are_compared_by_number() {
    for (version, right) in
        [("2.15.2", true), ("2.9.25", false), ("2.14.9", false), ("3.0.0", true), ("2.15.0-RC.1", true), ("x", false)]
    {
        assert_eq!(is_new_enough(version), right, "{version}");
    }
}

#[test]
fn who_is_not_heard_by_its_leader_is_not_waited_for() {
    let peer = |current, seconds, offline| PeerInfo {
        name: "n2".into(),
        current,
        active: Duration::from_secs(seconds),
        offline,
        lag: None,
    };
    assert!(!is_gone(&peer(true, 1, false)) && !is_gone(&peer(false, 1, false)) && !is_gone(&peer(true, 0, false)));
    assert!(is_gone(&peer(true, 3, false)) && is_gone(&peer(false, 0, false)) && is_gone(&peer(true, 0, true)));
}

#[test]
fn a_proof_ends_by_its_age() {
    let servers = BTreeMap::from([("A".to_owned(), Server { name: "n1".into(), version: "2.15.2".into() })]);
    let proven = |at| Proof::Proven { at, servers: servers.clone() };
    assert!(proven(Instant::now()).is_valid() && proven(Instant::now()).covers("A"));
    let Some(long_ago) = Instant::now().checked_sub(VALID) else { return };
    assert!(!proven(long_ago).is_valid());
}
