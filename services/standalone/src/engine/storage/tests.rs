use std::time::Duration;

use barid_log::memory::MemoryLog;
use barid_runtime::admin::Readiness;

use super::*;

/// What the readiness says as soon as it says something else than `before`.
async fn changed(readiness: &Readiness, before: &str) -> String {
    let told = || readiness.missing().first().map_or_else(String::new, |missing| missing.why.clone());
    let wait = async {
        while told() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
    told()
}

#[tokio::test]
async fn the_readiness_follows_the_space_there_is_for_new_messages() {
    let (log, readiness) = (Arc::new(MemoryLog::new(16)), Readiness::default());
    tokio::spawn(tell_space(Arc::clone(&log) as Arc<dyn Log>, readiness.part("disk")));
    assert_eq!(changed(&readiness, "starting").await, "");
    log.set_space(SpaceLevel::NoIntake);
    assert!(changed(&readiness, "").await.contains("new messages are refused"));
    log.set_space(SpaceLevel::Exhausted);
    assert!(changed(&readiness, why_not(SpaceLevel::NoIntake).unwrap()).await.contains("nothing can be stored"));
    log.set_space(SpaceLevel::Free);
    assert_eq!(changed(&readiness, why_not(SpaceLevel::Exhausted).unwrap()).await, "");
}

#[test]
fn the_ledger_of_the_next_start_has_room_kept_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        drop(open_ledger(folder.path()).unwrap());
        assert_eq!(std::fs::metadata(folder.path().join(LEDGER_RESERVE)).unwrap().len(), LEDGER_RESERVE_BYTES);
    }
}
