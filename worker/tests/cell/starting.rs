//! A worker's first runner: killed it is replaced, a few times; what it refuses is final at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use shared::limits::RUNNERS_KILLED_AT_START_MAX;
use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, CellError, CellRoom, Tier};

use crate::support::{self, Bench, children_of, expect_value};

const DEADLINE: Duration = Duration::from_secs(20);

/// What can be seen of a runner at a moment of its start.
type Seen = fn(i32) -> bool;

/// Moments from the first to the last, each with how it is seen. The last one lies after the greeting, when cells are forked
/// and the canary is asked.
const MOMENTS: [(&str, Seen); 4] = [
    ("it is there", |_| true),
    ("half of its interpreter is there", |pid| resident_bytes(pid) > 16 << 20),
    ("it tries its first cell", |pid| !children_of(pid).is_empty()),
    ("cells wait", |pid| children_of(pid).len() > 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_is_killed_while_its_worker_starts_is_replaced() {
    for tier in [Tier::A, Tier::B] {
        for (moment, has_come) in MOMENTS {
            let real = support::runner();
            // A name of its own, by which it is known among those of other tests.
            let folder = tempfile::tempdir_in(real.parent().expect("it lies in a folder")).expect("a folder");
            let path = folder.path().join("runner");
            fs::hard_link(&real, &path).expect("on one file system");
            let killer = {
                let path = path.clone();
                tokio::task::spawn_blocking(move || kill_the_first(&path, has_come))
            };
            let change = |config: &mut CellConfig| {
                config.runner_path = path.clone();
                config.max_tier = tier;
            };
            let bench = Bench::start_with(change).await;
            let killed = killer.await.expect("it was seen in time");
            let replaced = async {
                while bench.zygote_pid() == killed {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(DEADLINE, replaced).await.unwrap_or_else(|_| panic!("{tier} {moment}"));
            assert_eq!(bench.room.sandbox().tier, tier, "{moment}: no reason to be content with less");
            let small = "def execute_workflow(x): return 'ready'";
            assert_eq!(expect_value(&bench.execute(small, "x").await, small), json!("ready"), "{moment}");
            bench.end().await;
        }
    }
}

/// A machine without memory, or somebody who means it: the worker says so instead of trying for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_up_when_every_runner_is_killed_while_it_starts() {
    let (error, starts) = refused_by("kill -9 $$", Tier::B, Tier::A).await;
    assert_eq!(starts, RUNNERS_KILLED_AT_START_MAX, "{error}");
    assert!(matches!(error, CellError::RunnerKilled { signal: 9, .. }), "{error}");
    assert!(error.to_string().contains("signal 9") && error.to_string().contains("memory"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_runner_refuses_ends_its_worker_at_once_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let speaker = |name: &str, says: &[&str]| {
        let folder = folder.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        format!("exec {}", support::speaker(&folder, says).display())
    };
    let hello = json!({"hello": {"build_id": wire::BUILD_ID}}).to_string();
    let no_landlock = r#"{"refused":{"layer":"landlock","reason":"not in this kernel","fix":"another"}}"#;
    let cases = [
        ("exit 3".to_owned(), "exit status: 3"),
        (speaker("stale", &[r#"{"hello":{"build_id":"0000000000000000"}}"#]), "built from other sources"),
        (
            speaker("refusing", &[&hello, no_landlock]),
            "tier B: landlock: not in this kernel. To get it: another",
        ),
    ];
    for (then, named) in cases {
        let (error, starts) = refused_by(&then, Tier::B, Tier::B).await;
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!(starts, 1, "{error}");
    }
}

/// Why there is no room with a "runner" that does this, and how often it was started.
async fn refused_by(then: &str, min_tier: Tier, max_tier: Tier) -> (CellError, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, starts) = (folder.path().join("runner"), folder.path().join("starts"));
    let script = format!("#!/bin/sh\necho started >> {}\n{then}\n", starts.display());
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    let config = CellConfig::new(path, min_tier, max_tier, None);
    let error = CellRoom::start(config, CancellationToken::new()).await.expect_err("it cannot start");
    let starts = fs::read_to_string(&starts).expect("it was started").lines().count();
    (error, starts as u64)
}

/// Waits until this process has a child with that executable for which the moment has come, and kills it.
fn kill_the_first(path: &Path, has_come: Seen) -> i32 {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let mine = processes_of(path).into_iter().find(|pid| parent_of(*pid) == std::process::id());
        if let Some(first) = mine.filter(|pid| has_come(*pid)) {
            let pid = rustix::process::Pid::from_raw(first).expect("a pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it lives");
            return first;
        }
        assert!(Instant::now() < deadline, "no runner came so far");
        std::thread::yield_now();
    }
}

fn processes_of(path: &Path) -> Vec<i32> {
    let all = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_of = |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe: PathBuf| exe == path);
    pids.filter(is_of).collect()
}

fn parent_of(pid: i32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|parent| parent.trim().parse().ok()).unwrap_or(0)
}

fn resident_bytes(pid: i32) -> usize {
    let sizes = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: usize = sizes.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size()
}
