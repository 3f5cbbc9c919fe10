use super::*;

fn told(shared: bool, accepted: u64) -> LiveStatus {
    let sender = LiveSender { facility: "default/chn".into(), accepted, ..LiveSender::default() };
    let channels = vec![LiveChannel { name: Name::local("a"), accepted }];
    LiveStatus { minutes: 5, shared, accepted, senders: vec![sender], channels, ..LiveStatus::default() }
}

#[test]
fn listeners_that_share_are_counted_once_and_others_are_summed() {
    let one = LiveStatus::together(vec![told(true, 7), told(true, 9), told(false, 5)]).unwrap();
    assert_eq!((one.shared, one.accepted, one.senders[0].accepted, one.channels[0].accepted), (true, 9, 9, 9));
    let away = LiveStatus { away: Some("gone".into()), ..told(false, 5) };
    let one = LiveStatus::together(vec![told(false, 7), away]).unwrap();
    assert_eq!((one.shared, one.accepted, one.senders[0].accepted, one.channels[0].accepted), (false, 12, 12, 12));
    assert_eq!(one.away.as_deref(), Some("gone"));
    assert_eq!(LiveStatus::together(Vec::new()), None);
}
