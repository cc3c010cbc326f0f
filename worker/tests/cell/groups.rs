//! Control groups, where the hierarchy of cgroup v2 is this process's to use. Elsewhere each test says why it is not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, FailureCode, LayerState, RunLimits, Tier};

use crate::support::{Answers, Bench, build_ablation_runner, expect_failure, expect_value, not_run};

/// A room whose cells have groups, or nothing and the reason.
async fn bench_with_groups(change: impl FnOnce(&mut CellConfig)) -> Option<Bench> {
    let bench = Bench::start_with(change).await;
    let layers = bench.room.sandbox().layers;
    let layer = layers.into_iter().find(|layer| layer.name == "cgroup").expect("it is always reported");
    if layer.state == LayerState::Active {
        return Some(bench);
    }
    not_run(&format!("control groups of cells: {}", layer.detail));
    bench.end().await;
    None
}

fn hierarchy() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("procfs");
    let mount = mounts.lines().find(|line| line.contains(" cgroup2 ")).expect("a hierarchy");
    mount.split(' ').nth(1).expect("a place").into()
}

fn group_of(pid: i32) -> PathBuf {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a group").to_owned();
    hierarchy().join(own)
}

/// The group of a cell that waits: the process of an ended run, as the canary's, may be there for a moment longer, and its
/// group is not.
async fn group_of_a_cell(bench: &Bench) -> PathBuf {
    let zygote = bench.zygote_pid();
    let waiting = async {
        loop {
            // Nothing ran, and what did was reaped: all there are wait.
            if let (_, 0) = bench.room.counts() {
                let mut groups = bench.processes().into_iter().filter(|pid| *pid != zygote).map(group_of);
                // On tier B a cell enters its group as its first act.
                if let Some(own) = groups.find(|group| group.to_string_lossy().contains("/wf-cells-")) {
                    break own;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("cells wait")
}

/// The folder of the room's cells.
async fn room_of(bench: &Bench) -> PathBuf {
    let group = group_of_a_cell(bench).await;
    group.parent().and_then(Path::parent).expect("room, zygote, cell").to_owned()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let inside = fs::read_dir(folder).into_iter().flatten().flatten();
    inside.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).expect("a file of the group").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cell_is_born_into_a_group_that_has_its_limits() {
    for tier in [Tier::A, Tier::B] {
        let change = |config: &mut CellConfig| {
            config.max_tier = tier;
            config.memory_budget_bytes = Some(1 << 30);
            config.memory_bytes_max = 100 << 20;
            config.threads_max = 20;
        };
        let Some(bench) = bench_with_groups(change).await else { return };
        let (cell, room) = (group_of_a_cell(&bench).await, room_of(&bench).await);
        assert!(
            room.file_name().is_some_and(|name| name.to_string_lossy().starts_with("wf-cells-")),
            "{room:?}"
        );
        assert_eq!(
            read(&cell, "memory.max"),
            (164_u64 << 20).to_string(),
            "its limit and the room beside it"
        );
        assert_eq!((read(&cell, "memory.oom.group"), read(&cell, "pids.max")), ("1".into(), "20".into()));
        assert_eq!(read(&room, "memory.max"), (1_u64 << 30).to_string());
        if cell.join("memory.swap.max").exists() {
            assert_eq!(
                (read(&cell, "memory.swap.max"), read(&room, "memory.swap.max")),
                ("0".into(), "0".into())
            );
        }
        if cell.join("cpu.max").exists() {
            assert_eq!(read(&cell, "cpu.max"), "100000 100000");
        }
        assert_eq!(read(&cell, "cgroup.procs").lines().count(), 1, "one process each");
        // Neither this process nor the zygote is limited with the cells.
        assert!(!group_of(std::process::id().cast_signed()).starts_with(&room));
        assert!(!group_of(bench.zygote_pid()).starts_with(&room));
        bench.end().await;
        assert!(!room.exists(), "it goes with the room");
    }
}

/// Its address space is not limited as tightly: nothing but the group is in its way.
#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_ends_a_program_at_the_limit_of_its_group_and_its_neighbours_live() {
    for tier in [Tier::A, Tier::B] {
        let change = |config: &mut CellConfig| {
            config.max_tier = tier;
            config.memory_bytes_max = 64 << 20;
        };
        let Some(bench) = bench_with_groups(change).await else { return };
        let bench = Arc::new(bench);
        let waits = "import asyncio\nasync def execute_workflow(x):\n    held = bytearray(b'x') * 50_000_000\n    \
                     return [await paradigm_search(x), len(held)]";
        let neighbours: Vec<_> = (0..3)
            .map(|_| {
                let (bench, host) = (bench.clone(), Answers::together(1, "lives"));
                tokio::spawn(async move {
                    bench.run(waits, "x", RunLimits::default(), host, CancellationToken::new()).await
                })
            })
            .collect();
        let grows = "def execute_workflow(x):\n    data = []\n    while True:\n        data.append(bytearray(b'x') * 1_000_000)";
        let report = bench.execute(grows, "x").await;
        let failure = expect_failure(&report, grows);
        assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
        assert!(failure.message.contains("kernel") && failure.message.contains("536870912"), "{failure:?}");
        for neighbour in neighbours {
            let report = neighbour.await.expect("no run panics");
            assert_eq!(expect_value(&report, waits), json!(["lives", 50_000_000]));
        }
        let small = "def execute_workflow(x): return 'next'";
        assert_eq!(expect_value(&bench.execute(small, "x").await, small), json!("next"));
        Arc::into_inner(bench).expect("one owner").end().await;
    }
}

/// All cells together are limited by the kernel, so one that outgrows the watch between two looks ends there.
#[tokio::test(flavor = "multi_thread")]
async fn at_the_budget_of_all_cells_the_kernel_ends_the_largest() {
    let change = |config: &mut CellConfig| config.memory_budget_bytes = Some(200 << 20);
    let Some(bench) = bench_with_groups(change).await else { return };
    let grows = "def execute_workflow(x):\n    return len(bytearray(b'x') * 400_000_000)";
    let mut by_the_kernel = 0;
    for _ in 0..5 {
        let report = bench.execute(grows, "x").await;
        let failure = expect_failure(&report, grows);
        assert_eq!(failure.code, FailureCode::OutOfMemory, "{failure:?}");
        assert!(failure.message.contains("WORKER_MEMORY_BYTES_MAX"), "{failure:?}");
        by_the_kernel = read(&room_of(&bench).await, "memory.events.local")
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill ").or(line.strip_prefix("oom ")))
            .and_then(|count| count.parse().ok())
            .unwrap_or(0);
    }
    println!("{by_the_kernel} of 5 were ended by the kernel, the others by the watch");
    bench.end().await;
}

/// Without the limits of the process and without the filter, only the group counts threads and processes.
#[tokio::test(flavor = "multi_thread")]
async fn threads_and_forks_end_at_the_limit_of_the_group() {
    let runner = std::env::var_os("CELL_TEST_ABLATION_RUNNER").map(PathBuf::from);
    if runner.is_none() {
        // Built only where it is needed.
        let Some(bench) = bench_with_groups(|_| {}).await else { return };
        bench.end().await;
    }
    let change = |config: &mut CellConfig| {
        config.runner_path = runner.unwrap_or_else(build_ablation_runner);
        config.layers_off = ["limits", "seccomp"].map(str::to_owned).to_vec();
        config.threads_max = 20;
        config.pool_size = 1;
    };
    let Some(bench) = bench_with_groups(change).await else { return };
    let threads = "import threading\ndef execute_workflow(x):\n    for n in range(100):\n        try:\n            \
                   threading.Thread(target=threading.Event().wait, daemon=True).start()\n        except RuntimeError:\n            \
                   return n\n    return 100";
    let forks = "import os, time\ndef execute_workflow(x):\n    for n in range(100):\n        try:\n            if os.fork() == 0:\n                \
                 time.sleep(60)\n                os._exit(0)\n        except BlockingIOError:\n            return n\n    return 100";
    for program in [threads, forks] {
        // One is the program's own; the watch may be the faster one, where it looks.
        let report = bench.execute(program, "x").await;
        assert_eq!(expect_value(&report, program), json!(19), "{program}");
    }
    let generation = folders_in(&room_of(&bench).await).into_iter().next().expect("of the zygote");
    let room = room_of(&bench).await;
    bench.room.close().await;
    assert!(!generation.exists() && !room.exists(), "the forked sleepers went with their group");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_left_is_ended_and_removed_by_the_next() {
    let Some(bench) = bench_with_groups(|_| {}).await else { return };
    let home = room_of(&bench).await.parent().expect("the worker's own group").to_owned();
    let dead = home.join("wf-cells-of-a-dead-worker");
    // Its owner lives until it is furnished: the rooms of the tests beside this one sweep too.
    let owner = loop {
        let _ = fs::create_dir(&dead); // one that is being swept away is there for a moment more
        if let Ok(owner) = fs::File::open(&dead)
            && owner.try_lock().is_ok()
            && dead.exists()
        {
            break owner;
        }
    };
    fs::create_dir_all(dead.join("1/17")).expect("a group");
    let mut left = Command::new("sleep").arg("1000").spawn().expect("a process");
    fs::write(dead.join("1/17/cgroup.procs"), left.id().to_string()).expect("it is moved");
    drop(owner);
    let next = Bench::start().await;
    // By the next, or by one of those beside it that is still at it.
    let removed = async {
        while dead.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), removed).await.expect("it is removed");
    assert!(left.wait().expect("it has ended").code().is_none(), "it is killed");
    assert!(room_of(&bench).await.exists(), "the living one stays");
    next.end().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_groups_of_a_killed_zygote_go_with_it() {
    let Some(bench) = bench_with_groups(|_| {}).await else { return };
    let room = room_of(&bench).await;
    let old = folders_in(&room);
    let killed = bench.zygote_pid();
    let zygote = rustix::process::Pid::from_raw(killed).expect("a pid");
    rustix::process::kill_process(zygote, rustix::process::Signal::KILL).expect("it lives");
    let replaced = async {
        while bench.zygote_pid() == killed {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced).await.expect("in time");
    let small = "def execute_workflow(x): return 'again'";
    assert_eq!(expect_value(&bench.execute(small, "x").await, small), json!("again"));
    let gone = async {
        while old.iter().any(|folder| folder.exists()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("in time");
    assert_eq!(folders_in(&room).len(), 1, "that of the zygote which forks now");
    bench.end().await;
}
