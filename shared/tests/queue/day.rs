//! What is counted by the day begins anew at midnight, UTC: a test that counts does not begin just before it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY_MS: u128 = 86_400_000;
/// 60 s: no test that counts takes longer.
const TEST_MS_MAX: u128 = 60_000;

/// Waits for midnight if it is near, and for a second more, in which all clocks have come to it.
pub async fn well_within() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let left_ms = DAY_MS - now.as_millis() % DAY_MS;
    if left_ms < TEST_MS_MAX {
        let wait_ms = u64::try_from(left_ms).expect("less than a minute");
        tokio::time::sleep(Duration::from_millis(wait_ms + 1000)).await;
    }
}
