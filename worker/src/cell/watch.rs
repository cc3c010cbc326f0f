//! The memory of all cells together, and the folders of tier B: sampled, because no kernel limit covers either.
//!
//! Invariant: samples cost at most a tenth of a core, however many runs there are, and half of one while memory is short;
//! the worker's budget leaves room for what grows between two of them. Where cells have control groups the kernel keeps
//! the budget to the byte, and this is only the first to tell.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use wire::control::ExitStatus;

use super::claims::Claims;
use super::conversation::Order;
use super::hierarchy;
use super::pool::Exit;

/// Two cores can touch about 200 MB between two samples; a budget of 70 % of a small machine leaves more.
const SAMPLE_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Of each sample's own duration: sampling takes a tenth of a core at most.
const PAUSE_PER_SAMPLE: u32 = 9;
/// Above this share of the budget programs may reach it before the next look, so looks come as fast as they can: half a
/// core, as long as memory is short.
const HURRY_PERCENT: u64 = 50;
const HURRY_PAUSE_MIN: Duration = Duration::from_millis(5);
/// What a cell has written to of the zygote's memory before it does anything.
const CELL_BYTES_MIN: u64 = 1024 * 1024;
/// Claims stop at this share of the budget, so that what runs can finish.
const SHORT_PERCENT: u64 = 85;
/// Deeper or larger folders are over any limit already.
const FOLDER_ENTRIES_MAX: u64 = 20_000;

/// How much the cells use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// All cells together, at the last sample.
    pub used_bytes: u64,
    /// `WORKER_MEMORY_BYTES_MAX`.
    pub budget_bytes: u64,
}

impl MemoryUse {
    /// No new run should be taken on.
    pub fn is_short(self) -> bool {
        self.used_bytes >= self.budget_bytes / 100 * SHORT_PERCENT
    }
}

/// A run under watch; ends when dropped.
#[derive(Debug)]
pub(super) struct Watching {
    watch: Arc<Watch>,
    cell: u64,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watch.lock().runs.remove(&self.cell);
    }
}

/// What is known of a run.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) pid: u32,
    /// The same process, whatever its number is given to next.
    pub(super) pidfd: Arc<OwnedFd>,
    /// Tier A: its tmpfs.
    pub(super) work: Option<OwnedFd>,
    /// Tier B: its folder.
    pub(super) folder: Option<PathBuf>,
    pub(super) work_bytes_max: u64,
    pub(super) work_inodes_max: u64,
    /// The kernel's own limit is of a user, and where cells have no user of their own it is none.
    pub(super) threads_max: u64,
    pub(super) orders: mpsc::Sender<Order>,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<u64, Watched>,
    used_bytes: u64,
    /// Memory every cell shares with its zygote.
    shared_bytes: u64,
}

impl State {
    fn end_those_with_too_many_threads(&self, seen: &[(u64, Resident)]) {
        for (cell, Resident { threads, .. }) in seen {
            let Some(watched) = self.runs.get(cell) else { continue };
            if *threads > watched.threads_max {
                let order = Order::TooManyThreads { threads: *threads, threads_max: watched.threads_max };
                let _ = watched.orders.try_send(order);
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct Watch {
    budget_bytes: u64,
    claims: Arc<Claims>,
    state: Mutex<State>,
}

impl Watch {
    pub(super) fn new(budget_bytes: u64, claims: Arc<Claims>) -> Self {
        Self { budget_bytes, claims, state: Mutex::default() }
    }

    pub(super) fn memory(&self) -> MemoryUse {
        MemoryUse { used_bytes: self.lock().used_bytes, budget_bytes: self.budget_bytes }
    }

    pub(super) fn begin(self: &Arc<Self>, cell: u64, watched: Watched) -> Watching {
        self.lock().runs.insert(cell, watched);
        Watching { watch: self.clone(), cell }
    }

    /// Learns what a fresh cell of this zygote shares with it.
    pub(super) fn zygote_is(&self, pid: Option<u32>) {
        if let Some(resident) = pid.and_then(resident) {
            self.lock().shared_bytes = resident.anonymous_bytes;
        }
    }

    pub(super) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut pause = SAMPLE_PAUSE_MIN;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = sleep(pause) => {}
            }
            let started = Instant::now();
            let watch = self.clone();
            // It reads files, thousands of them with thousands of runs: not on a thread that serves sockets.
            if tokio::task::spawn_blocking(move || watch.sample()).await.is_err() {
                tracing::error!("A sample of the cells' memory panicked");
            }
            self.claims.memory_is_short(self.memory().is_short());
            pause = self.pause_after(started.elapsed());
        }
    }

    fn pause_after(&self, sample: Duration) -> Duration {
        let MemoryUse { used_bytes, budget_bytes } = self.memory();
        if used_bytes >= budget_bytes / 100 * HURRY_PERCENT {
            return sample.max(HURRY_PAUSE_MIN);
        }
        (sample * PAUSE_PER_SAMPLE).max(SAMPLE_PAUSE_MIN)
    }

    /// Looks at every run once, and gives orders.
    fn sample(&self) {
        let (cells, shared_bytes): (Vec<(u64, u32)>, u64) = {
            let state = self.lock();
            (state.runs.iter().map(|(cell, watched)| (*cell, watched.pid)).collect(), state.shared_bytes)
        };
        // Files are read without the lock: runs come and go meanwhile.
        let seen: Vec<(u64, Resident)> =
            cells.into_iter().filter_map(|(cell, pid)| Some((cell, resident(pid)?))).collect();
        let mut sizes: Vec<(u64, u64)> =
            seen.iter().map(|(cell, resident)| (*cell, resident.beyond(shared_bytes))).collect();
        let folders: Vec<(u64, PathBuf)> = {
            let state = self.lock();
            for (cell, bytes) in &mut sizes {
                *bytes +=
                    state.runs.get(cell).and_then(|watched| watched.work.as_ref()).map_or(0, mounted_bytes);
            }
            state.runs.iter().filter_map(|(cell, watched)| Some((*cell, watched.folder.clone()?))).collect()
        };
        let folders: Vec<(u64, Contents)> =
            folders.into_iter().map(|(cell, folder)| (cell, Contents::of(&folder))).collect();
        let mut state = self.lock();
        state.end_those_with_too_many_threads(&seen);
        for (cell, contents) in folders {
            let Some(watched) = state.runs.get(&cell) else { continue };
            if contents.bytes > watched.work_bytes_max || contents.entries > watched.work_inodes_max {
                let order = Order::WorkFolderFull {
                    bytes: contents.bytes,
                    files: contents.entries,
                    files_max: watched.work_inodes_max,
                };
                // A full queue holds an order already.
                let _ = watched.orders.try_send(order);
            }
        }
        state.used_bytes = sizes.iter().map(|(_, bytes)| bytes).sum();
        sizes.sort_unstable_by_key(|(_, bytes)| *bytes);
        let mut over_bytes = state.used_bytes.saturating_sub(self.budget_bytes);
        while over_bytes > 0
            && let Some((cell, bytes)) = sizes.pop()
        {
            if let Some(watched) = state.runs.get(&cell) {
                let _ = watched.orders.try_send(Order::FreeMemory { bytes, bytes_max: self.budget_bytes });
                // At once: its conversation gets the order first and says why, but a crowd may keep it from its turn.
                let _ = rustix::process::pidfd_send_signal(&watched.pidfd, rustix::process::Signal::KILL);
                over_bytes = over_bytes.saturating_sub(bytes);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Samples are replaced whole; a poisoned state is an old one at worst.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy)]
struct Resident {
    anonymous_bytes: u64,
    /// Memory mapped as shared, which Python's `mmap` does unasked.
    shared_memory_bytes: u64,
    threads: u64,
}

impl Resident {
    fn beyond(self, shared_bytes: u64) -> u64 {
        self.anonymous_bytes.saturating_sub(shared_bytes) + CELL_BYTES_MIN + self.shared_memory_bytes
    }
}

/// What the kernel says of a process. `status`, not `smaps`: it may be read of any process, and it is cheap.
struct Status(String);

impl Status {
    fn of(pid: u32) -> Option<Self> {
        read_once(&format!("/proc/{pid}/status")).map(Self)
    }

    /// The first number behind a name such as `Threads:`.
    fn number(&self, name: &str) -> Option<u64> {
        let rest = self.0.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    }
}

fn resident(pid: u32) -> Option<Resident> {
    let status = Status::of(pid)?;
    Some(Resident {
        anonymous_bytes: status.number("RssAnon:")? * 1024,
        shared_memory_bytes: status.number("RssShmem:")? * 1024,
        threads: status.number("Threads:")?,
    })
}

/// What a living process has used so far. `None` when it is gone, or cannot be seen. Its report waits for this: as few
/// calls as it takes.
pub(super) fn usage_of(pid: u32) -> Option<Exit> {
    let status = Status::of(pid)?;
    // Exact, of the threads that live; and of all there ever were, in whole ticks.
    let exact_ns = match status.number("Threads:")? {
        1 => first_number(&format!("/proc/{pid}/schedstat"))?,
        _ => fs::read_dir(format!("/proc/{pid}/task"))
            .ok()?
            .flatten()
            .filter_map(|task| first_number(task.path().join("schedstat").to_str()?))
            .sum(),
    };
    let ticks = ticks_of(pid)?;
    Some(Exit {
        status: ExitStatus::Code(0),
        cpu_us: (exact_ns / 1000).max(ticks * MICROS_PER_TICK),
        max_rss_bytes: status.number("VmHWM:")? * 1024,
        oom: None,
    })
}

/// Of the kernel's user interface: 100 per second on every architecture we build for.
const MICROS_PER_TICK: u64 = 10_000;

fn ticks_of(pid: u32) -> Option<u64> {
    let stat = read_once(&format!("/proc/{pid}/stat"))?;
    // The name before the last parenthesis may hold anything; user and system time are the 12th and 13th after it.
    let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(numbers.next()?.ok()? + numbers.next()?.ok()?)
}

fn first_number(path: &str) -> Option<u64> {
    read_once(path)?.split_whitespace().next()?.parse().ok()
}

/// 4 KiB: more than the kernel says of a process in one of these files.
const PROC_FILE_BYTES_MAX: usize = 4096;

/// A small file of `/proc` in one read: it tells no length, and would be read in ever larger pieces.
fn read_once(path: &str) -> Option<String> {
    let mut text = vec![0; PROC_FILE_BYTES_MAX];
    let count = fs::File::open(path).ok()?.read(&mut text).ok()?;
    text.truncate(count);
    String::from_utf8(text).ok()
}

fn mounted_bytes(work: &OwnedFd) -> u64 {
    rustix::fs::fstatvfs(work).map_or(0, |volume| (volume.f_blocks - volume.f_bfree) * volume.f_frsize)
}

/// The number of a process as this process sees it, whatever namespace it came from.
pub(super) fn pid_of(pidfd: &OwnedFd) -> Option<u32> {
    let info = read_once(&format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
    info.lines().find_map(|line| line.strip_prefix("Pid:")).and_then(|pid| pid.trim().parse().ok())
}

#[derive(Debug, Clone, Copy, Default)]
struct Contents {
    bytes: u64,
    entries: u64,
}

impl Contents {
    /// Counts a folder of a program that goes on writing; never follows a link.
    fn of(folder: &Path) -> Self {
        let mut contents = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                contents.entries += 1;
                if contents.entries > FOLDER_ENTRIES_MAX {
                    return contents;
                }
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else {
                    use std::os::unix::fs::MetadataExt;
                    // What it takes, not how long it claims to be: files may have holes.
                    contents.bytes += metadata.blocks() * 512;
                }
            }
        }
        contents
    }
}

/// 70 % of the machine, or of the tightest cgroup around this process when that is less.
pub(super) fn default_budget_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .into_iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .chain(hierarchy::memory_bytes_max())
        .min();
    // Without /proc there is no way to watch either; a cautious number then.
    let bytes = machine.unwrap_or(1024 * 1024 * 1024).min(group.unwrap_or(u64::MAX));
    bytes / 10 * 7
}
