use super::*;

fn live(traffic: &Arc<Traffic>, shared: Option<Arc<dyn Store>>) -> Live {
    let labels = Labels::new([1; 16], [2; 16]);
    Live { labels, traffic: Arc::clone(traffic), own: Memory::default(), shared, told: Mutex::default() }
}

/// Refuses so many messages of a facility, and tells.
async fn refuse(live: &Live, facility: &str, messages: u64) {
    let facility = Arc::from(facility);
    (0..messages).for_each(|_| live.traffic.refused(Some(&facility)));
    let counts = live.counted();
    live.own.count(&counts);
    if let Some(store) = &live.shared {
        store.add(&counts).await.unwrap();
    }
}

#[tokio::test]
async fn listeners_that_share_a_store_tell_of_all_and_each_counts_only_what_is_new() {
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let [one, two] = [0, 1].map(|_| live(&Arc::default(), Some(Arc::clone(&store))));
    refuse(&one, "default/chn", 3).await;
    refuse(&one, "default/chn", 2).await;
    refuse(&two, "default/lab", 4).await;
    let names = [Name::local("chn"), Name::local("lab"), Name::local("silent")];
    for live in [&one, &two] {
        let status = live.status([].iter(), names.iter()).await;
        let senders: Vec<_> = status.senders.iter().map(|sender| (sender.facility.as_str(), sender.refused)).collect();
        assert_eq!(senders, [("default/chn", 5), ("default/lab", 4)]);
        assert_eq!((status.shared, status.refused, status.accepted), (true, 9, 0));
    }
}

#[tokio::test]
async fn a_listener_alone_tells_of_itself() {
    let live = live(&Arc::default(), None);
    refuse(&live, "stranger", 3).await;
    let status = live.status([].iter(), [].iter()).await;
    assert_eq!((status.shared, status.refused, status.away), (false, 3, None));
    assert_eq!(status.senders.first().map(|sender| sender.facility.as_str()), Some("stranger"));
}
