//! What the streams' own descriptions say: who has them, and whether they keep what they were given.

use std::time::Duration;

use async_nats::jetstream::stream::{
    ClusterInfo, DiscardPolicy, Info, PeerInfo, PersistenceMode, RetentionPolicy, StorageType,
};

/// Time after which a peer that its leader does not hear is not waited for: peers answer their leader each second.
const UNHEARD: Duration = Duration::from_secs(3);

/// The servers that have a stream, and are there. One that its leader does not hear acknowledges nothing; when it is back it is a
/// server that the proof does not cover.
pub(super) fn peers(info: &Info) -> impl Iterator<Item = &String> {
    let online = |cluster: &'_ &ClusterInfo| cluster.leader.is_some();
    let cluster = info.cluster.as_ref().filter(online);
    let replicas = cluster.into_iter().flat_map(|cluster| cluster.replicas.iter().filter(|peer| !is_gone(peer)));
    replicas.map(|peer| &peer.name).chain(cluster.and_then(|cluster| cluster.leader.as_ref()))
}

/// Whether the leader of a stream does not hear this peer: servers call one that was killed offline only minutes later. A leader
/// that has never heard it says so by no time at all.
pub(super) fn is_gone(peer: &PeerInfo) -> bool {
    peer.offline || peer.active >= UNHEARD || !peer.current && peer.active.is_zero()
}

/// What keeps a stream from being durable.
pub(super) fn faults_of(info: &Info, replicas: usize) -> Vec<String> {
    let config = &info.config;
    let name = &config.name;
    let mut faults = Vec::new();
    if config.num_replicas < replicas {
        let actual = config.num_replicas;
        faults.push(format!(
            "stream {name} has {actual} replicas, {replicas} are needed: nats stream edit {name} --replicas {replicas}"
        ));
    }
    if config.storage != StorageType::File || config.persist_mode == Some(PersistenceMode::Async) {
        faults.push(format!("stream {name} is not written to files at once: make it anew"));
    }
    if config.retention != RetentionPolicy::Limits || config.discard != DiscardPolicy::New || !config.max_age.is_zero()
    {
        faults.push(format!(
            "stream {name} drops messages by itself: retention limits, discard new and no max_age are needed"
        ));
    }
    faults
}
