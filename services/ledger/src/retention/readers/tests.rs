use barid_log::memory::MemoryLog;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const BEGIN: Timestamp = Timestamp::from_millis(1_795_341_600_000);

fn reader(at: Timestamp, read: u64) -> Reader {
    Reader { at, positions: BTreeMap::from([("in.03".to_owned(), read)]), partial: false }
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_silent_for_three_days_is_given_up_but_not_for_a_step_of_a_clock() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(4));
    reader(BEGIN, 7).tell(&log, "gone").await.unwrap();
    let mut readers = Readers::besides("own");
    let mut least = async |now: Timestamp| {
        let mut positions = HashMap::from([("in.03".to_owned(), 100)]);
        readers.least(&log, now, &mut positions).await.unwrap();
        positions["in.03"]
    };
    assert_eq!(least(BEGIN).await, 7);
    assert_eq!(least(BEGIN.plus(HOUR * 100)).await, 7, "it has only just been seen to be silent");
    tokio::time::advance(WATCHED_FOR).await;
    assert_eq!(least(BEGIN.plus(HOUR * 71)).await, 7, "a week-end is no reason");
    reader(BEGIN.plus(HOUR * 71), 8).tell(&log, "gone").await.unwrap();
    assert_eq!(least(BEGIN.plus(HOUR * 80)).await, 8, "it lives");
    tokio::time::advance(WATCHED_FOR).await;
    assert_eq!(least(BEGIN.plus(HOUR * 144)).await, 100, "given up");
    assert!(log.keys(PREFIX).await.unwrap().is_empty());
}

#[tokio::test]
async fn one_that_comes_back_too_late_is_told_that_it_lacks_something() {
    let trimmed = |received| HashMap::from([(3, Trimmed { received, chained: 1, before: BEGIN })]);
    assert!(!reader(BEGIN, 7).misses(&trimmed(8)), "it has read all that is gone");
    assert!(reader(BEGIN, 7).misses(&trimmed(9)));
    let new = Reader { positions: BTreeMap::new(), ..reader(BEGIN, 0) };
    assert!(!new.misses(&trimmed(9)), "a new one begins with what is left");
}

#[test]
fn a_history_keeps_its_name_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let first = name(folder.path(), MessageUid::new(BEGIN)).unwrap();
    assert_eq!(name(folder.path(), MessageUid::new(BEGIN.plus(HOUR))).unwrap(), first);
    let text = std::fs::read_to_string(folder.path().join(NAME_FILE)).unwrap();
    assert_eq!(text, first);
    std::fs::write(folder.path().join(NAME_FILE), format!("{first}\n")).unwrap();
    assert_eq!(name(folder.path(), MessageUid::new(BEGIN.plus(HOUR))).unwrap(), first, "written by an editor");
}

#[test]
fn a_history_whose_name_is_empty_cut_off_or_something_else_does_not_begin_under_another_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(NAME_FILE);
    let whole = name(folder.path(), MessageUid::new(BEGIN)).unwrap();
    for left in ["", "\n", &whole[..31], &whole[..1], "../../../../../../../../etc/passwd.."] {
        std::fs::write(&file, left).unwrap();
        let error = name(folder.path(), MessageUid::new(BEGIN.plus(HOUR))).unwrap_err().to_string();
        assert!(error.contains(&*file.to_string_lossy()), "{error}");
        assert!(error.contains("start with an empty data directory"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), left, "it is left as it was");
    }
    std::fs::write(&file, "x".repeat(65)).unwrap();
    let error = name(folder.path(), MessageUid::new(BEGIN)).unwrap_err().to_string();
    assert!(error.ends_with("history.id: larger than 64 bytes"), "{error}");
}
