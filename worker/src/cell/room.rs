//! The door: starts the zygote at the best tier there is, and runs programs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::canary::{self, Cage, Canary};
use super::claims::Claims;
use super::classify::{self, Outcome};
use super::conversation::start_frame;
use super::descriptors;
use super::error::CellError;
use super::groups::Groups;
use super::keeper::Keeper;
use super::log_tap::LogTap;
use super::pool::{Exit, Pool, ReadyCell};
use super::start::{Beginning, highest_tier};
use super::types::{
    CellConfig, FailureCode, RunEnd, RunFailure, RunHost, RunReport, RunSpec, RunUsage, SandboxReport,
};
use super::watch::{self, MemoryUse, Watch};
use super::work_root::WorkRoot;

/// 30 s for a cell: a fork takes milliseconds, and a zygote that died is replaced within a second.
const CELL_WAIT_MAX: Duration = Duration::from_secs(30);
/// A cell that is lost before its program began is replaced by another, this often.
const CELLS_PER_RUN_MAX: usize = 3;

/// Where programs run. Clones share one room.
#[derive(Debug, Clone)]
pub struct CellRoom {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) cage: Cage,
    claims: Arc<Claims>,
    pub(super) config: CellConfig,
    pool: Arc<Pool>,
    pub(super) watch: Arc<Watch>,
    report: SandboxReport,
    shutdown: CancellationToken,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Tier B's private folders. Removed when the room is closed.
    work_root: Mutex<Option<Arc<WorkRoot>>>,
    /// Removed when the room is closed, too.
    groups: Mutex<Option<Arc<Groups>>>,
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
    pub(super) fn groups(&self) -> Option<Arc<Groups>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CellRoom {
    /// Starts the zygote at the highest tier that stands, and fills the pool. Ends with `shutdown` or `close`.
    pub async fn start(config: CellConfig, shutdown: CancellationToken) -> Result<Self, CellError> {
        let shutdown = shutdown.child_token();
        let budget_bytes = config.memory_budget_bytes.unwrap_or_else(watch::default_budget_bytes);
        let Beginning { zygote, settings, work_root, groups, higher_tier_refused } =
            highest_tier(&config, budget_bytes).await?;
        let report = SandboxReport {
            tier: settings.tier,
            layers: zygote.layers.clone(),
            python_version: zygote.python_version.clone(),
            hot_pages: zygote.hot_pages.clone(),
            higher_tier_refused,
        };
        let pool = Arc::new(Pool::new(config.pool_size, descriptors::cells_max()));
        let claims = Arc::new(Claims::default());
        let watch = Arc::new(Watch::new(budget_bytes, claims.clone()));
        let replacement = (config.zygote_forks_max, config.zygote_age_max);
        let keeper = Keeper::new(
            config.runner_path.clone(),
            settings,
            replacement,
            (pool.clone(), watch.clone()),
            zygote,
            (groups.clone(), work_root.clone()),
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
                groups: Mutex::new(groups),
            }),
        };
        if !room.inner.config.layers_off.is_empty() {
            // Only a test build of the runner comes this far: the canary would tell what was left out on purpose.
            return Ok(room);
        }
        let verdict = match canary::ask_first(&room).await {
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

    /// Zygotes that died, and were replaced.
    pub(super) fn zygotes_died(&self) -> u64 {
        self.inner.pool.zygotes_died()
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

    /// Runs that can have a cell at once: each takes open files of this process.
    pub fn runs_max(&self) -> usize {
        self.inner.pool.runs_max()
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
        drop(self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner).take());
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

fn report(end: RunEnd, started: Instant, exit: Option<Exit>, log_truncated: bool) -> RunReport {
    let usage = RunUsage {
        wall: started.elapsed(),
        cpu: exit.map_or(Duration::ZERO, |exit| Duration::from_micros(exit.cpu_us)),
        max_rss_bytes: exit.map_or(0, |exit| exit.max_rss_bytes),
    };
    RunReport { end, usage, log_truncated }
}
