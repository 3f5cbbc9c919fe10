//! Identities: the same from the same, different from anything else, in the order of time.

use super::*;

const TIME: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn uid() -> MessageUid {
    MessageUid::new(TIME)
}

#[test]
fn a_new_uid_is_a_version_7_uuid_of_the_received_time() {
    let text = uid().to_string();
    assert_eq!(text.len(), 36);
    assert_eq!(text.as_bytes()[14], b'7');
    let millis = u64::from_str_radix(&text.replace('-', "")[..12], 16).unwrap();
    assert_eq!(millis, 1_700_000_000_000);
    assert_eq!(MessageUid::read(&text).map(|uid| uid.to_string()), Some(text));
}

#[test]
fn uids_sort_by_the_time_they_were_received_at() {
    let mut uids: Vec<MessageUid> = (0..200).map(|n| MessageUid::new(Timestamp::from_millis(1_000 + n))).collect();
    let sorted = uids.clone();
    uids.reverse();
    uids.sort_unstable();
    assert_eq!(uids, sorted);
}

#[test]
fn two_messages_of_one_instant_have_different_uids() {
    let mut uids: Vec<MessageUid> = (0..10_000).map(|_| uid()).collect();
    uids.sort_unstable();
    uids.dedup();
    assert_eq!(uids.len(), 10_000);
}

#[test]
fn a_derived_uid_is_the_same_each_time_and_keeps_its_parents_time() {
    let parent = uid();
    let derived = MessageUid::derived(parent, "to-archive", 3);
    assert_eq!(derived, MessageUid::derived(parent, "to-archive", 3));
    assert_eq!(derived.as_bytes()[..6], parent.as_bytes()[..6]);
    assert_eq!(derived.to_string().as_bytes()[14], b'7');
    assert_ne!(derived, parent);
}

#[test]
fn a_derived_uid_differs_by_parent_route_and_part() {
    let parent = uid();
    let mut derived = vec![
        MessageUid::derived(parent, "a", 0),
        MessageUid::derived(parent, "a", 1),
        MessageUid::derived(parent, "b", 0),
        MessageUid::derived(uid(), "a", 0),
        MessageUid::derived(parent, "", 0),
    ];
    derived.sort_unstable();
    derived.dedup();
    assert_eq!(derived.len(), 5);
}

#[test]
fn a_delivery_id_hashes_all_four_and_their_borders() {
    let uid = uid();
    let mut ids = vec![
        DeliveryId::of(uid, "registry", 0, 0),
        DeliveryId::of(uid, "registry", 1, 0),
        DeliveryId::of(uid, "registry", 0, 1),
        DeliveryId::of(uid, "archive", 0, 0),
        DeliveryId::of(MessageUid::from_bytes([0; 16]), "registry", 0, 0),
        // Bytes that would run into each other without the length of the route.
        DeliveryId::of(uid, "registry\0", 0, 0),
    ];
    assert_eq!(ids[0], DeliveryId::of(uid, "registry", 0, 0));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
}

/// Ids are in the log and at destinations for years: another hash would be a new identity for every delivery.
#[test]
fn ids_never_change_from_one_version_to_the_next() {
    let uid = MessageUid::read("018bcfe5-6800-7000-8000-000000000001").unwrap();
    assert_eq!(DeliveryId::of(uid, "registry", 0, 0).to_string(), "3cdd0919a31706d305e6307aa25c52f5");
    assert_eq!(MessageUid::derived(uid, "registry", 0).to_string(), "018bcfe5-6800-73ae-bee8-cb950bc7bab9");
    assert_eq!(Revision::of(b"closure").to_string(), "6d4cb937d6d22521566bba561458d0d1");
}

#[test]
fn hashes_read_back_from_their_text_and_nothing_else_does() {
    let digest = Digest::of(b"MSH|");
    assert_eq!(Digest::read(&digest.to_string()), Some(digest));
    assert_eq!(digest.to_string().len(), 64);
    let text = digest.to_string();
    for bad in [&text[1..], "", &format!("{text}0"), &text.replace('a', "g"), &"é".repeat(32)] {
        assert!(bad == text || Digest::read(bad).is_none(), "{bad}");
    }
    assert_eq!(MessageUid::read("not-a-uid"), None);
}

#[test]
fn the_digest_of_nothing_is_the_known_one() {
    let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(Digest::of(b"").to_string(), known);
}
