//! The processes behind the cells: started, killed, replaced, ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, CellError, CellRoom, RunEnd, RunLimits, Tier, ToolVerdict};

use crate::support::{self, Answers, Bench, expect_value};

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_runs_at_once_all_end_as_they_should() {
    let bench = Arc::new(Bench::start().await);
    let program = "async def execute_workflow(x):\n    return x + await paradigm_search(x)";
    let runs = (0..200).map(|number| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let host = Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()));
            let input = format!("<{number}>");
            let report =
                bench.run(program, &input, RunLimits::default(), host, CancellationToken::new()).await;
            assert_eq!(expect_value(&report, program), json!(format!("{input}{input}")));
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("no run panics");
    }
    Arc::into_inner(bench).expect("all runs are over").end().await;
}

/// Runs in flight are lost, and say so; the next find a new zygote.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_zygote_loses_its_runs_and_nothing_else() {
    let bench = Arc::new(Bench::start().await);
    let zygote = bench.zygote_pid();
    let host = Answers::new(move |_| {
        let pid = rustix::process::Pid::from_raw(zygote).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
        ToolVerdict::Answer(Value::Null)
    });
    let program = "import time\ndef execute_workflow(x):\n    paradigm_search('now')\n    time.sleep(100)";
    let report = bench.run(program, "x", RunLimits::default(), host, CancellationToken::new()).await;
    assert!(matches!(report.end, RunEnd::Lost(_)), "{report:?}");
    let report = bench.execute("def execute_workflow(x): return 'again'", "x").await;
    assert_eq!(expect_value(&report, ""), json!("again"));
    assert_ne!(bench.zygote_pid(), zygote);
    Arc::into_inner(bench).expect("one owner").end().await;
}

/// What its programs wrote goes with it; the worker may live for months.
#[tokio::test(flavor = "multi_thread")]
async fn the_private_folders_of_a_killed_zygote_go_with_it() {
    let bench = Bench::start_with(|config| config.max_tier = Tier::B).await;
    let zygote = bench.zygote_pid();
    let host = Answers::new(move |_| {
        let pid = rustix::process::Pid::from_raw(zygote).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
        ToolVerdict::Answer(Value::Null)
    });
    let program = "import os, time\ndef execute_workflow(x):\n    open('left', 'w').write(x)\n    \
                   paradigm_search(os.getcwd())\n    time.sleep(100)";
    let report = bench.run(program, "x", RunLimits::default(), host.clone(), CancellationToken::new()).await;
    assert!(matches!(report.end, RunEnd::Lost(_)), "{report:?}");
    let folder = host.calls()[0].arguments["query"].as_str().expect("a path").to_owned();
    let of_zygote = std::path::Path::new(&folder).parent().expect("a folder of folders").to_owned();
    is_removed(&of_zygote).await;
    let report = bench.execute("def execute_workflow(x): return 'again'", "x").await;
    assert_eq!(expect_value(&report, ""), json!("again"));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_missing_or_foreign_is_refused_with_the_build_command() {
    let config = CellConfig::new("/nonexistent/runner".into(), Tier::B, Tier::A, None);
    let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("there is none");
    assert!(
        matches!(error, CellError::RunnerMissing { .. }) && error.to_string().contains("-p runner"),
        "{error}"
    );

    let folder = tempfile::tempdir().expect("a folder");
    let stale = support::speaker(folder.path(), &[r#"{"hello":{"build_id":"0000000000000000"}}"#]);
    let config = CellConfig::new(stale, Tier::B, Tier::A, None);
    let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("another build");
    assert!(
        matches!(error, CellError::RunnerStale { .. }) && error.to_string().contains("cargo build"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_room_ends_every_process() {
    let bench = Bench::start().await;
    let pids = bench.processes();
    assert!(!pids.is_empty());
    bench.end().await; // asserts that none is left
}

const ASKS: &str = "async def execute_workflow(x):\n    return x + await paradigm_search(x)";

fn echo() -> Arc<Answers> {
    Answers::new(|call| ToolVerdict::Answer(call.arguments["query"].clone()))
}

/// Runs that many, eight at a time. A run that was lost runs again; how many were.
async fn runs_until_right(bench: &Arc<Bench>, count: usize, done: watch::Sender<usize>) -> usize {
    let (lost, done) = (AtomicUsize::new(0), &done);
    futures_util::stream::iter(0..count)
        .for_each_concurrent(8, |number| {
            let (bench, lost, input) = (bench.clone(), &lost, format!("<{number}>"));
            async move {
                loop {
                    let report =
                        bench.run(ASKS, &input, RunLimits::default(), echo(), CancellationToken::new()).await;
                    if matches!(report.end, RunEnd::Lost(_)) {
                        lost.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    assert_eq!(expect_value(&report, ASKS), json!(format!("{input}{input}")));
                    break;
                }
                done.send_modify(|done| *done += 1);
            }
        })
        .await;
    lost.into_inner()
}

async fn until(counted: &mut watch::Receiver<usize>, many: usize) {
    let reached = counted.wait_for(|done| *done >= many);
    tokio::time::timeout(Duration::from_secs(60), reached).await.expect("in time").expect("somebody counts");
}

/// Under load, again and again: what ran is lost and says so, and whoever runs it again gets the right result.
#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_killed_under_load_costs_the_runs_in_flight_a_second_try_and_nothing_else() {
    const KILLS: usize = 5;
    let bench = Arc::new(Bench::start().await);
    let (done, mut counted) = watch::channel(0);
    let load = {
        let bench = bench.clone();
        tokio::spawn(async move { runs_until_right(&bench, 100 * (KILLS + 1), done).await })
    };
    let mut killed = std::collections::BTreeSet::new();
    for kill in 1..=KILLS {
        until(&mut counted, 100 * kill).await;
        let zygote = bench.zygote_pid();
        // One that is being replaced at this moment has no successor yet.
        let pid = rustix::process::Pid::from_raw(zygote).expect("a pid");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        killed.insert(zygote);
    }
    let lost = load.await.expect("every run ends right");
    println!("{} zygotes killed under {} runs: {lost} were run again", killed.len(), 100 * (KILLS + 1));
    assert!(killed.len() > 1 && lost <= 8 * KILLS, "{lost}");
    Arc::into_inner(bench).expect("one owner").end().await;
}

/// Cells share layout and hash seed with their zygote, so none grows old; a run of an old one goes on to its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_is_replaced_after_so_many_forks_and_no_run_notices() {
    let bench = Arc::new(Bench::start_with(|config| config.zygote_forks_max = 20).await);
    let first = bench.zygote_pid();
    let meeting = Answers::together(2, "met");
    let old = {
        let (bench, meeting) = (bench.clone(), meeting.clone());
        tokio::spawn(async move {
            bench.run(ASKS, "old ", RunLimits::default(), meeting, CancellationToken::new()).await
        })
    };
    let lost = runs_until_right(&bench, 200, watch::channel(0).0).await;
    assert_eq!(lost, 0, "a planned replacement loses nothing");
    assert_ne!(bench.zygote_pid(), first);
    let report = bench.run(ASKS, "new ", RunLimits::default(), meeting, CancellationToken::new()).await;
    assert_eq!(expect_value(&report, ASKS), json!("new met"));
    let report = old.await.expect("it never panics");
    assert_eq!(expect_value(&report, ASKS), json!("old met"), "its zygote was replaced while it waited");
    is_gone(first).await;
    Arc::into_inner(bench).expect("one owner").end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zygote_is_replaced_when_it_is_old() {
    let bench = Bench::start_with(|config| config.zygote_age_max = Duration::from_millis(300)).await;
    let first = bench.zygote_pid();
    is_gone(first).await;
    let report = bench.run(ASKS, "x", RunLimits::default(), echo(), CancellationToken::new()).await;
    assert_eq!(expect_value(&report, ASKS), json!("xx"));
    bench.room.close().await;
}

async fn is_gone(pid: i32) {
    is_removed(std::path::Path::new(&format!("/proc/{pid}"))).await;
}

/// With the last cell of its zygote.
async fn is_removed(there: &std::path::Path) {
    let gone = async {
        while there.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("an old zygote ends with its last cell");
}

/// What a program can see of addresses: the hash of `None` (before CPython 3.12), and of objects without one of their own.
const ORDERS: &str = "class Thing: pass\ndef execute_workflow(x):\n    things = [Thing() for _ in range(50)]\n    \
                      places = {thing: place for place, thing in enumerate(things)}\n    \
                      return [[str(one) for one in {None, 'a', 'b', 3.5, (1, 2), ...}], [places[one] for one in set(things)]]";

#[tokio::test(flavor = "multi_thread")]
async fn sets_iterate_in_the_same_order_in_every_zygote() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let bench = Bench::start().await;
        for _ in 0..2 {
            seen.push(expect_value(&bench.execute(ORDERS, "x").await, ORDERS));
        }
        bench.end().await;
    }
    assert!(seen.iter().all(|orders| *orders == seen[0]), "{seen:?}");
}
