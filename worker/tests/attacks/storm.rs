//! A storm of random system calls inside the cell: whatever a program asks the kernel, the worker stays right, the job
//! beside it stays right, nothing outside changes, and the calls that kill do kill.
//!
//! From a seed, which is printed: `CELL_STORM_SEED=n cargo test -p worker --test attacks storm` makes the same calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::cell::{RunLimits, Tier};

use crate::ONE_AT_A_TIME;
use crate::corpus::{beside, corpus, outcome_of};
use crate::host_files::HostFiles;
use crate::support::{Answers, Bench};

const STORM: &str = include_str!("storm.py");
/// Beyond the last call there is.
const NUMBERS: u32 = 480;
const CALLS_PER_RUN: u32 = 400;
const AT_ONCE: usize = 4;
/// A program that calls `exit`, waits for ever or stops itself says nothing more about walls.
const ENDING: &[u32] = if cfg!(target_arch = "x86_64") {
    // rt_sigreturn, pause, exit, exit_group, rt_sigtimedwait
    &[15, 34, 60, 231, 128]
} else {
    &[139, 93, 94, 137]
};

/// The numbers of the calls that kill, as the corpus tries them one by one.
fn kill_set() -> BTreeSet<u32> {
    let machine = if cfg!(target_arch = "x86_64") { "\"x86_64\": " } else { "\"aarch64\": " };
    corpus()
        .iter()
        .filter(|attack| attack.name.starts_with("kernel_"))
        .map(|attack| {
            let (_, rest) = attack.program.split_once(machine).expect("a number for this machine");
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().expect("a number")
        })
        .collect()
}

/// What a call that came through a wall would change.
fn outside(sentinel: &std::path::Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::MetadataExt;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut seen: BTreeMap<String, String> = [
        "/proc/sys/kernel/hostname",
        "/proc/self/mounts",
        "/proc/self/limits",
        "/proc/sysvipc/shm",
        "/proc/sysvipc/sem",
        "/proc/sysvipc/msg",
    ]
    .map(|path| (path.to_owned(), read(path)))
    .into();
    for entry in std::fs::read_dir(sentinel).expect("the sentinel's folder").flatten() {
        let metadata = entry.metadata().expect("it is there");
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let shown = format!("{:o} {} {} {text}", metadata.mode(), metadata.uid(), metadata.mtime_nsec());
        seen.insert(entry.path().display().to_string(), shown);
    }
    seen
}

/// A folder in which everybody may do everything, if only they can reach it.
fn sentinel() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let open = |path: &std::path::Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).expect("open to all");
    };
    open(folder.path());
    std::fs::write(folder.path().join("file"), "untouched").expect("a file");
    open(&folder.path().join("file"));
    folder
}

/// One program of the storm. Whether it was killed.
async fn gust(bench: &Bench, seed: u64, killing: &BTreeSet<u32>) -> bool {
    let with_killing = seed.is_multiple_of(4);
    let avoided: Vec<u32> =
        ENDING.iter().copied().chain(killing.iter().copied().filter(|_| !with_killing)).collect();
    let task =
        json!({ "seed": seed, "numbers": NUMBERS, "calls": CALLS_PER_RUN, "avoided": avoided }).to_string();
    let limits = RunLimits {
        wall: Duration::from_millis(500),
        memory_bytes_max: 64 * 1024 * 1024,
        log_bytes_max: 64 * 1024,
        ..RunLimits::default()
    };
    let host = Answers::none();
    let report = bench.run(STORM, &task, limits, host.clone(), CancellationToken::new()).await;
    assert!(report.usage.wall <= limits.wall + Duration::from_secs(1), "seed {seed}: {:?}", report.usage);
    let outcome = outcome_of(&report);
    let log = String::from_utf8_lossy(&host.stdout()).into_owned();
    let said: Vec<&str> = log.lines().filter_map(|line| line.strip_prefix('#')).collect();
    for (place, call) in said.iter().enumerate() {
        let kills = call.parse().is_ok_and(|number: u32| killing.contains(&number));
        let is_twin = said.get(place + 1) == Some(&"x");
        if kills && !is_twin {
            assert_eq!(place + 1, said.len(), "seed {seed}: it went on after call {call}");
            assert_eq!(outcome, "sandbox_violation", "seed {seed}: call {call}: {:?}", report.end);
            return true;
        }
    }
    false
}

async fn storm(tier: Tier, length: Duration, first_seed: u64) {
    let _alone = ONE_AT_A_TIME.lock().await;
    println!("tier {tier}, seed {first_seed}: CELL_STORM_SEED={first_seed} makes the same calls");
    let bench = Arc::new(Bench::start_with(|config| config.max_tier = tier).await);
    let killing = Arc::new(kill_set());
    let (sentinel, host_files) = (sentinel(), HostFiles::see());
    let before = outside(sentinel.path());
    let stop = CancellationToken::new();
    let neighbour = tokio::spawn(beside(bench.clone(), stop.clone()));
    let (started, killed) = (Instant::now(), AtomicUsize::new(0));
    let runs = futures_util::stream::iter(first_seed..)
        .take_while(|_| std::future::ready(started.elapsed() < length))
        .map(|seed| {
            let (bench, killing) = (bench.clone(), killing.clone());
            async move { gust(&bench, seed, &killing).await }
        })
        .buffer_unordered(AT_ONCE)
        .inspect(|was_killed| {
            killed.fetch_add(usize::from(*was_killed), Ordering::Relaxed);
        })
        .count()
        .await;
    stop.cancel();
    let rounds: u32 = neighbour.await.expect("the neighbour never fails");
    let killed = killed.into_inner();
    println!(
        "tier {tier}: {runs} programs, {killed} killed for what they asked; {rounds} right results beside"
    );
    assert!(runs > 0 && killed > 0 && rounds > 0);
    assert_eq!(outside(sentinel.path()), before, "seed {first_seed}");
    Arc::into_inner(bench).expect("all runs are over").end().await;
    host_files.assert_unchanged();
}

#[expect(clippy::disallowed_methods, reason = "a test takes its seed from whoever repeats it")]
fn seed() -> u64 {
    std::env::var("CELL_STORM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_random_system_calls_changes_nothing_on_tier_a() {
    storm(Tier::A, Duration::from_secs(10), seed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_random_system_calls_changes_nothing_on_tier_b() {
    storm(Tier::B, Duration::from_secs(10), seed()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes"]
async fn a_long_storm_of_random_system_calls_changes_nothing() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    for (tier, seed) in [(Tier::A, now.as_secs() << 20), (Tier::B, (now.as_secs() + 1) << 20)] {
        storm(tier, Duration::from_secs(300), seed).await;
    }
}
