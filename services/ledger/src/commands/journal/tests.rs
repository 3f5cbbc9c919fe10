use super::*;

#[test]
fn commands_go_in_batches_that_are_stored_whole_or_not_at_all_in_their_order() {
    let sizes = (0..3_000).map(|number| number % 1_500).chain([300 << 10, 1, 300 << 10]);
    let records: Vec<Bytes> = sizes.map(|size| Bytes::from(vec![b'c'; size])).collect();
    let batches = batches(records.clone());
    assert_eq!(batches.concat(), records);
    for batch in batches {
        let bytes: usize = batch.iter().map(Bytes::len).sum();
        assert!(batch.len() == 1 || batch.len() <= BATCH && bytes <= BATCH_BYTES, "{bytes} bytes at once");
    }
}
