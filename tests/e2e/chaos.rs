//! Chaos, the short run; `make chaos ROUNDS=100` is the long one.

use tests::chaos::{self, Plan};

/// Chosen so that its rounds hold a fault of most kinds; another one would do as well.
const SEED: u64 = 4;

#[tokio::test]
async fn whatever_dies_or_is_cut_off_under_load_no_promise_is_broken() {
    let plan = Plan { rounds: 3, jobs: 20, faults: 4, seed: SEED, until_forgotten: false };
    let table = chaos::run(plan).await;
    println!("{table}");
    assert!(table.anomalies.is_empty(), "{table}");
}
