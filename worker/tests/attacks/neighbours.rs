//! Two jobs do not meet: one hides a token by every channel there is, the next, or the one beside it, looks for it.
//!
//! Not promised and so not looked for: how busy the machine is, which pages are cached, counters (process numbers, the
//! number of a cell, device numbers), and on tier B the access times of the library's files.

use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;
use worker::cell::{RunLimits, Tier};

use crate::ONE_AT_A_TIME;
use crate::corpus::{corpus, outcome_of};
use crate::support::{Answers, Bench, expect_value};

const HIDE: &str = include_str!("hide.py");
const SEEK: &str = include_str!("seek.py");
const TOKEN: (&str, &str) = ("5f2a91c4", "e07bd836");
/// So many channels are tried; of them these must be refused, whatever the tier.
const CHANNELS_MIN: usize = 50;

async fn run(bench: &Bench, program: &str, input: &str, host: Arc<Answers>) -> Value {
    let report = bench.run(program, input, RunLimits::default(), host, CancellationToken::new()).await;
    expect_value(&report, program)
}

async fn look(bench: &Bench, mode: &str, host: Arc<Answers>) -> Value {
    run(bench, SEEK, &format!("{mode} {} {}", TOKEN.0, TOKEN.1), host).await
}

fn channels(told: &Value) -> (usize, usize) {
    let left = told["left"].as_array().expect("a list").len();
    let refused = told["refused"].as_object().expect("a map").len();
    (left, refused)
}

async fn two_jobs(tier: Tier) {
    let _alone = ONE_AT_A_TIME.lock().await;
    let bench = Bench::start_with(|config| config.max_tier = tier).await;
    let before = look(&bench, "after", Answers::none()).await;
    assert_eq!(before["found"], serde_json::json!([]));
    let hide = |mode: &str| format!("{mode} {}{}", TOKEN.0, TOKEN.1);

    let told = run(&bench, HIDE, &hide("after"), Answers::none()).await;
    let (left, refused) = channels(&told);
    println!("tier {tier}: {left} channels used, {refused} refused: {told}");
    assert!(left + refused >= CHANNELS_MIN && left > 0 && refused > 0, "{told}");
    for _ in 0..3 {
        assert_eq!(look(&bench, "after", Answers::none()).await, before, "after the job");
    }

    let meeting = Answers::together(2, "go on");
    let order = hide("alive");
    let (_, seen) =
        tokio::join!(run(&bench, HIDE, &order, meeting.clone()), look(&bench, "alive", meeting.clone()));
    assert_eq!(seen["found"], serde_json::json!([]), "beside the job");
    // It has one thread more: the one that reads answers.
    let mut expected = before["state"].clone();
    expected["threads"] = seen["state"]["threads"].clone();
    assert_eq!(seen["state"], expected, "beside the job");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_hides_no_other_finds_on_tier_a() {
    two_jobs(Tier::A).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_hides_no_other_finds_on_tier_b() {
    two_jobs(Tier::B).await;
}

/// Keyrings, SysV and POSIX ipc would outlive a cell: whoever asks for them ends.
#[test]
fn kernel_storage_that_outlives_a_cell_is_among_what_kills() {
    let attacks = corpus();
    for call in ["add_key", "keyctl", "request_key", "shmget", "semget", "msgget", "mq_open"] {
        let attack = attacks.iter().find(|attack| attack.name == format!("kernel_{call}"));
        let attack = attack.unwrap_or_else(|| panic!("{call} is in the corpus"));
        for tier in [Tier::A, Tier::B] {
            assert_eq!(attack.outcome(tier), "sandbox_violation", "{call}");
        }
    }
}

/// The bell: one cell waits on a page of the library that all cells map, the other tries to wake it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_cannot_ring_in_another_through_a_page_they_share() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let bench = Bench::start().await;
    let bell = corpus().into_iter().find(|attack| attack.name == "neighbour_futex").expect("in the corpus");
    let waiting = bell.program.replace(
        "woken = libc.syscall(futex, ctypes.c_void_p(page), 1, 1, None, None, 0)",
        "value = ctypes.c_uint32.from_address(page).value\n    paradigm_search('I wait')\n    timeout = (ctypes.c_long * 2)(1, 0)\n    woken = libc.syscall(futex, ctypes.c_void_p(page), 0, ctypes.c_uint32(value), timeout, None, 0)",
    );
    assert_ne!(waiting, bell.program);
    let ringing = bell.program.replace("    woken =", "    paradigm_search('I ring')\n    woken =");
    let meeting = Answers::together(2, "now");
    let run = |program: String| {
        let (bench, meeting) = (&bench, meeting.clone());
        async move {
            let report =
                bench.run(&program, "x", RunLimits::default(), meeting, CancellationToken::new()).await;
            outcome_of(&report)
        }
    };
    let (waited, rang) = tokio::join!(run(waiting), run(ringing));
    assert_eq!(rang, "contained");
    assert_eq!(waited, "contained", "it timed out: nobody rang");
    bench.end().await;
}
