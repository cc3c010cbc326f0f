//! The door: starts the zygote at the best tier there is, and runs programs.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::control::{Refusal, Tier, ZygoteSettings};

use super::canary::{self, Cage, Canary};
use super::claims::Claims;
use super::classify::{self, Outcome};
use super::conversation::{Conversation, Order, Output, start_frame};
use super::keeper::Keeper;
use super::log_tap::LogTap;
use super::pool::{Exit, Pool, ReadyCell};
use super::types::{
    CellConfig, FailureCode, RunEnd, RunFailure, RunHost, RunReport, RunSpec, RunUsage, SandboxReport,
};
use super::watch::{self, MemoryUse, Watch, Watched};
use super::work_root::WorkRoot;
use super::zygote::{Zygote, ZygoteStartError};

/// 30 s for a cell: a fork takes milliseconds, and a zygote that died is replaced within a second.
const CELL_WAIT_MAX: Duration = Duration::from_secs(30);
/// From the end of its socket to the end of a process that is really ending: memory is given back in between.
const SILENT_END_TIME_MAX: Duration = Duration::from_secs(2);
const SILENT_END_TIME_MIN: Duration = Duration::from_millis(300);
/// From SIGKILL to the zygote's report; a dying process first gives back its memory.
const EXIT_TIME_MAX: Duration = Duration::from_millis(600);
/// A cell that is lost before its program began is replaced by another, this often.
const CELLS_PER_RUN_MAX: usize = 3;

/// Why there is no room.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// Build the sibling binary.
    #[error("{} is missing; build it with `cargo build{} -p runner`", path.display(), release_flag())]
    RunnerMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Build the sibling binary again.
    #[error(
        "{} was built from other sources (build {theirs}, this worker is {}); build both with `cargo build{}`",
        path.display(),
        wire::BUILD_ID,
        release_flag()
    )]
    RunnerStale {
        /// Where it lies.
        path: PathBuf,
        /// Its build id.
        theirs: String,
    },
    /// Give the machine what is missing, or accept a lower tier.
    #[error("the sandbox does not reach tier {min_tier}: {}: {}. To get it: {}", refusal.layer, refusal.reason, refusal.fix)]
    BelowMinTier {
        /// `SANDBOX_MIN_TIER`.
        min_tier: Tier,
        /// The missing layer and how to get it.
        refusal: Refusal,
    },
    /// Do not run anything here: the walls were raised and do not hold.
    #[error("the sandbox does not hold: a canary program could {}", breaches.join(", "))]
    CanaryEscaped {
        /// What it could do.
        breaches: Vec<String>,
    },
    /// The walls stand, and no program runs behind them.
    #[error("the sandbox cannot be shown to hold: the canary program gave no answer: {reason}")]
    CanarySilent {
        /// Why.
        reason: String,
    },
    /// The system is short of something.
    #[error("the cells cannot be started: {0}")]
    Io(#[from] io::Error),
}

fn release_flag() -> &'static str {
    if cfg!(debug_assertions) { "" } else { " --release" }
}

/// Where programs run. Clones share one room.
#[derive(Debug, Clone)]
pub struct CellRoom {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) cage: Cage,
    claims: Arc<Claims>,
    config: CellConfig,
    pool: Arc<Pool>,
    watch: Arc<Watch>,
    report: SandboxReport,
    shutdown: CancellationToken,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Tier B's private folders. Removed when the room is closed.
    work_root: Mutex<Option<WorkRoot>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A room that nobody closed ends too, only nobody waits for it.
        self.shutdown.cancel();
    }
}

impl From<Arc<Inner>> for CellRoom {
    fn from(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

impl Inner {
    /// Where tier B's zygote makes the folder of a cell.
    fn work_folder(&self, cell: u64) -> Option<PathBuf> {
        let root = self.work_root.lock().unwrap_or_else(PoisonError::into_inner);
        Some(root.as_ref()?.path().join(cell.to_string()))
    }
}

impl CellRoom {
    /// Starts the zygote at the highest tier that stands, and fills the pool. Ends with `shutdown` or `close`.
    pub async fn start(config: CellConfig, shutdown: CancellationToken) -> Result<Self, CellError> {
        let shutdown = shutdown.child_token();
        let (zygote, settings, work_root, higher_tier_refused) = highest_tier(&config).await?;
        let report = SandboxReport {
            tier: settings.tier,
            layers: zygote.layers.clone(),
            python_version: zygote.python_version.clone(),
            higher_tier_refused,
        };
        let pool = Arc::new(Pool::new(config.pool_size));
        let claims = Arc::new(Claims::default());
        let budget_bytes = config.memory_budget_bytes.unwrap_or_else(watch::default_budget_bytes);
        let watch = Arc::new(Watch::new(budget_bytes, claims.clone()));
        let replacement = (config.zygote_forks_max, config.zygote_age_max);
        let keeper = Keeper::new(
            config.runner_path.clone(),
            settings,
            replacement,
            (pool.clone(), watch.clone()),
            zygote,
        );
        let keeper = tokio::spawn(keeper.run(shutdown.clone()));
        tokio::spawn(watch.clone().run(shutdown.clone()));
        let room = Self {
            inner: Arc::new(Inner {
                cage: Cage::new(claims.clone()),
                claims,
                config,
                pool,
                watch,
                report,
                shutdown,
                keeper: Mutex::new(Some(keeper)),
                work_root: Mutex::new(work_root),
            }),
        };
        if !room.inner.config.layers_off.is_empty() {
            // Only a test build of the runner comes this far: the canary would tell what was left out on purpose.
            return Ok(room);
        }
        let verdict = match canary::ask(&room).await {
            Canary::Contained { .. } => {
                let inner = Arc::downgrade(&room.inner);
                tokio::spawn(canary::ask_until(inner, room.inner.shutdown.clone()));
                return Ok(room);
            }
            Canary::Escaped { breaches } => CellError::CanaryEscaped { breaches },
            Canary::Silent { reason } => CellError::CanarySilent { reason },
        };
        room.close().await;
        Err(verdict)
    }

    /// What the last canary found; after an escape nothing is run, and nothing should be claimed.
    pub fn canary(&self) -> Canary {
        self.inner.cage.last()
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.inner
    }

    /// Tier, walls and Python version.
    pub fn sandbox(&self) -> SandboxReport {
        self.inner.report.clone()
    }

    /// How much memory the cells take. Near the budget no more jobs should be claimed.
    pub fn memory(&self) -> MemoryUse {
        self.inner.watch.memory()
    }

    /// Cells that wait for a program, and cells that run one.
    pub fn counts(&self) -> (usize, usize) {
        self.inner.pool.counts()
    }

    /// `false` while no more jobs should be claimed: the walls do not hold, or memory is short.
    pub fn may_claim(&self) -> tokio::sync::watch::Receiver<bool> {
        self.inner.claims.open()
    }

    /// The process of the zygote that forks now, for tests that kill it.
    pub fn zygote_pid(&self) -> Option<u32> {
        self.inner.pool.zygote_pid()
    }

    /// Runs one program to its one end. Never panics; never takes longer than `spec.limits.wall` and a second.
    pub async fn run(&self, spec: RunSpec, host: Arc<dyn RunHost>, stop: CancellationToken) -> RunReport {
        if matches!(self.canary(), Canary::Escaped { .. }) {
            let end = RunEnd::Lost("the sandbox of this worker does not hold; it runs nothing".to_owned());
            return report(end, Instant::now(), None, false);
        }
        self.run_untrusted(spec, host, stop).await
    }

    /// Runs it without asking whether the walls hold: the canary comes this way.
    pub(super) async fn run_untrusted(
        &self,
        spec: RunSpec,
        host: Arc<dyn RunHost>,
        stop: CancellationToken,
    ) -> RunReport {
        let mut started = Instant::now();
        let start = match start_frame(&spec) {
            Ok(start) => start,
            Err(error) => {
                let failure =
                    RunFailure::new(FailureCode::InvalidCode, format!("program and input are {error}"));
                return report(RunEnd::Failed(failure), started, None, false);
            }
        };
        let mut tap = LogTap::new(spec.limits.log_bytes_max);
        let mut lost = RunEnd::Lost("no cell could be had".to_owned());
        for _ in 0..CELLS_PER_RUN_MAX {
            let cell = match self.ready_cell(&stop).await {
                Ok(cell) => cell,
                Err(outcome) => {
                    let end = classify::end_of(outcome, None, &spec.limits);
                    return report(end, started, None, tap.truncated());
                }
            };
            // The program's time begins when it has a cell: that a crowd waits for cells is not its fault.
            started = Instant::now();
            // A wall clock beyond what the clock can hold is no limit; a year is as good.
            let deadline = started + spec.limits.wall.min(Duration::from_secs(365 * 24 * 3600));
            let attempt = Attempt { inner: &self.inner, spec: &spec, host: &*host, stop: &stop, deadline };
            let (begun, outcome, exit, used_tap) = attempt.in_cell(cell, start.clone(), tap).await;
            tap = used_tap;
            let unused = !begun && matches!(outcome, Outcome::Silent | Outcome::HungUp | Outcome::NoWall(_));
            if !unused {
                let end = classify::end_of(outcome, exit, &spec.limits);
                return report(end, started, exit, tap.truncated());
            }
            if let Outcome::NoWall(refusal) = outcome {
                tracing::error!(?refusal, "A cell could not raise its walls");
                lost = classify::end_of(Outcome::NoWall(refusal), exit, &spec.limits);
            }
        }
        report(lost, started, None, tap.truncated())
    }

    /// Ends every zygote and every cell, and removes their folders. Runs in flight end as lost.
    pub async fn close(&self) {
        self.inner.shutdown.cancel();
        let keeper = self.inner.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper
            && let Err(error) = keeper.await
        {
            tracing::error!(%error, "The keeper of the cells did not end well");
        }
        drop(self.inner.work_root.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    async fn ready_cell(&self, stop: &CancellationToken) -> Result<ReadyCell, Outcome> {
        let cell = self.inner.pool.take();
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(Outcome::Stopped),
            taken = cell => taken.map_err(|_| Outcome::Host(RunEnd::Lost("the cells are being closed".to_owned()))),
            () = tokio::time::sleep(CELL_WAIT_MAX) => {
                let seconds = CELL_WAIT_MAX.as_secs();
                Err(Outcome::Host(RunEnd::Lost(format!("no cell was free within {seconds} s"))))
            }
        }
    }
}

/// One try of a run, in one cell.
struct Attempt<'a> {
    inner: &'a Inner,
    spec: &'a RunSpec,
    host: &'a dyn RunHost,
    stop: &'a CancellationToken,
    deadline: Instant,
}

impl Attempt<'_> {
    fn watched(&self, cell: u64, pid: u32, work: Option<OwnedFd>, orders: mpsc::Sender<Order>) -> Watched {
        let config = &self.inner.config;
        let folder = match &work {
            Some(_) => None,
            None => self.inner.work_folder(cell),
        };
        Watched {
            pid,
            work,
            folder,
            work_bytes_max: self.spec.limits.work_bytes_max.min(config.work_bytes_max),
            work_inodes_max: config.work_inodes_max,
            threads_max: config.threads_max,
            orders,
        }
    }

    async fn in_cell(
        &self,
        cell: ReadyCell,
        start: Vec<u8>,
        tap: LogTap,
    ) -> (bool, Outcome, Option<Exit>, LogTap) {
        let ReadyCell { id, channel, stdout, stderr, pidfd, pid, work, exit } = cell;
        let output = Output { stdout: Some(stdout), stderr: Some(stderr), tap };
        let (orders_sender, orders) = mpsc::channel(1);
        let _watching = self.inner.watch.begin(id, self.watched(id, pid, work, orders_sender));
        let limits = self.spec.limits;
        let mut conversation =
            Conversation::new(channel, output, self.host, limits, self.deadline, self.stop, orders);
        let mut outcome = conversation.hold(start).await;
        let begun = conversation.begun();
        if outcome.is_last_frame()
            && let Some(usage) = watch::usage_of(pid)
        {
            // The report need not wait for the process to give back its memory: that takes longer than the run.
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
            return (begun, outcome, Some(usage), conversation.take_what_was_printed());
        }
        let mut exit = std::pin::pin!(exit);
        let mut ended = None;
        if matches!(outcome, Outcome::Silent) {
            // How it ends by itself decides what it was.
            let patience = Instant::now() + SILENT_END_TIME_MIN;
            let patience = patience.max(self.deadline.min(Instant::now() + SILENT_END_TIME_MAX));
            ended = timeout_at(patience, &mut exit).await.ok();
            if ended.is_none() {
                outcome = Outcome::HungUp;
            }
        }
        if ended.is_none() {
            // Whatever it still does, nobody listens. It fails when the process was faster.
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        }
        let end = async {
            match ended {
                Some(ended) => ended.ok(),
                None => timeout(EXIT_TIME_MAX, exit).await.ok().and_then(Result::ok),
            }
        };
        let (exit, tap) = tokio::join!(end, conversation.drain());
        (begun, outcome, exit, tap)
    }
}

fn report(end: RunEnd, started: Instant, exit: Option<Exit>, log_truncated: bool) -> RunReport {
    let usage = RunUsage {
        wall: started.elapsed(),
        cpu: exit.map_or(Duration::ZERO, |exit| Duration::from_micros(exit.cpu_us)),
        max_rss_bytes: exit.map_or(0, |exit| exit.max_rss_bytes),
    };
    RunReport { end, usage, log_truncated }
}

/// The first tier from the top that a zygote accepts, and why a higher one was not.
async fn highest_tier(
    config: &CellConfig,
) -> Result<(Zygote, ZygoteSettings, Option<WorkRoot>, Option<Refusal>), CellError> {
    let mut refused = None;
    for tier in tiers(config) {
        let work_root = match tier {
            Tier::A => None,
            Tier::B => Some(WorkRoot::new(&std::env::temp_dir())?),
        };
        let settings = ZygoteSettings {
            tier,
            work_bytes_max: config.work_bytes_max,
            work_inodes_max: config.work_inodes_max,
            open_files_max: config.open_files_max,
            threads_max: config.threads_max,
            work_root: work_root.as_ref().map(|root| root.path().to_string_lossy().into_owned()),
            tools: config.tools.to_vec(),
            layers_off: config.layers_off.clone(),
        };
        match Zygote::start(&config.runner_path, settings.clone()).await {
            Ok(zygote) => return Ok((zygote, settings, work_root, refused)),
            Err(ZygoteStartError::Refused(refusal)) => refused = Some(refusal),
            Err(ZygoteStartError::Missing(path)) => return Err(CellError::RunnerMissing { path }),
            Err(ZygoteStartError::Stale { theirs }) => {
                return Err(CellError::RunnerStale { path: config.runner_path.clone(), theirs });
            }
            Err(ZygoteStartError::Io(error)) => return Err(CellError::Io(error)),
        }
    }
    let min_tier = config.min_tier;
    let refusal = refused.unwrap_or_else(|| Refusal {
        layer: "configuration".to_owned(),
        reason: format!("SANDBOX_MIN_TIER={min_tier} is above SANDBOX_MAX_TIER={}", config.max_tier),
        fix: "raise SANDBOX_MAX_TIER".to_owned(),
    });
    Err(CellError::BelowMinTier { min_tier, refusal })
}

fn tiers(config: &CellConfig) -> impl Iterator<Item = Tier> {
    let (min_tier, max_tier) = (config.min_tier, config.max_tier);
    [Tier::A, Tier::B].into_iter().filter(move |tier| match tier {
        Tier::A => max_tier == Tier::A,
        Tier::B => min_tier == Tier::B,
    })
}
