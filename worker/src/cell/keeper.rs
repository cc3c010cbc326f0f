//! Keeps a zygote alive and the pool filled: the one task that forks.
//!
//! A zygote that dies is replaced; one that is old is replaced ahead of time and ends when its last cell has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::control::{FromZygote, ToZygote, ZygoteSettings};

use super::control_socket::Received;
use super::groups::Groups;
use super::pool::{Exit, Pool, ReadyCell};
use super::watch::Watch;
use super::work_root::WorkRoot;
use super::zygote::Zygote;

/// Messages of all zygotes that wait for the keeper; the sockets hold the rest.
const MESSAGES_WAITING_MAX: usize = 256;
/// Between two tries to start a zygote, growing: a broken installation must not spin.
pub(super) const RESTART_PAUSE_MIN: Duration = Duration::from_millis(20);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(5);
/// From a cell's start to the fork of the next: a short run is over by then, and has had the processor to itself.
const FILL_PAUSE: Duration = Duration::from_millis(3);
/// A fork that failed (no memory, no pids) is tried again after this.
const FORK_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// What a zygote's listener tells the keeper; `None` is its death.
type Event = (u64, Option<Received>);

#[derive(Debug)]
struct Living {
    generation: u64,
    zygote: Zygote,
    listener: tokio::task::JoinHandle<()>,
    forks: u64,
    /// Ordered forks that it has not answered yet.
    unanswered: u64,
    replace_at: Instant,
}

#[derive(Debug)]
pub(super) struct Keeper {
    runner: PathBuf,
    settings: ZygoteSettings,
    forks_max: u64,
    age_max: Duration,
    pool: Arc<Pool>,
    watch: Arc<Watch>,
    groups: Option<Arc<Groups>>,
    work_root: Option<Arc<WorkRoot>>,
    current: Option<Living>,
    retiring: Vec<Living>,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    last_generation: u64,
    last_cell: u64,
    restart_pause: Duration,
    /// When the pool is filled up next, and when it was last.
    fill_at: Instant,
    filled_at: Instant,
}

impl Keeper {
    pub(super) fn new(
        runner: PathBuf,
        settings: ZygoteSettings,
        (forks_max, age_max): (u64, Duration),
        (pool, watch): (Arc<Pool>, Arc<Watch>),
        first: Zygote,
        (groups, work_root): (Option<Arc<Groups>>, Option<Arc<WorkRoot>>),
    ) -> Self {
        let mut keeper = Self {
            runner,
            settings,
            forks_max,
            age_max,
            pool,
            watch,
            groups,
            work_root,
            current: None,
            retiring: Vec::new(),
            events: mpsc::channel(MESSAGES_WAITING_MAX),
            last_generation: 0,
            last_cell: 0,
            restart_pause: RESTART_PAUSE_MIN,
            fill_at: Instant::now(),
            filled_at: Instant::now(),
        };
        keeper.adopt(first);
        keeper
    }

    /// Works until the token, then ends every zygote and cell.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            if !self.pool.can_wait() || Instant::now() >= self.fill_at {
                self.fill().await;
            }
            let fill_at = self.fill_at;
            let replace_at = self.current.as_ref().map_or_else(Instant::now, |current| current.replace_at);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = sleep_until(replace_at) => self.replace(&shutdown).await,
                Some((generation, received)) = self.events.1.recv() => self.heed(generation, received).await,
                () = self.pool.wanted.notified() => self.fill_soon(),
                () = sleep_until(fill_at), if fill_at > self.filled_at => self.fill().await,
            }
        }
        self.pool.close();
        for living in self.current.take().into_iter().chain(self.retiring) {
            living.listener.abort();
            living.zygote.end().await;
            self.pool.generation_died(living.generation, true);
        }
    }

    fn adopt(&mut self, zygote: Zygote) {
        self.last_generation += 1;
        let generation = self.last_generation;
        self.pool.forked_by(zygote.process.id());
        self.watch.zygote_is(zygote.process.id());
        let control = zygote.control.clone();
        let events = self.events.0.clone();
        let listener = tokio::spawn(async move {
            loop {
                let received = control.receive().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "The control socket of a zygote failed");
                    None
                });
                let ended = received.is_none();
                if events.send((generation, received)).await.is_err() || ended {
                    break;
                }
            }
        });
        let replace_at = Instant::now() + self.age_max;
        self.current = Some(Living { generation, zygote, listener, forks: 0, unanswered: 0, replace_at });
    }

    /// A run was just started, or a cell has just died: they come first.
    fn fill_soon(&mut self) {
        if self.fill_at <= self.filled_at {
            self.fill_at = Instant::now() + FILL_PAUSE;
        }
    }

    /// Orders as many cells as are missing.
    async fn fill(&mut self) {
        self.filled_at = Instant::now().max(self.fill_at);
        let Some(current) = &mut self.current else { return };
        // Somebody waits or will at once: what a rehearsal saves a run is not worth what it costs all of them.
        let rehearses = !self.pool.is_drained();
        for _ in 0..self.pool.order() {
            self.last_cell += 1;
            current.forks += 1;
            current.unanswered += 1;
            if current.zygote.control.send(&ToZygote::Fork { cell: self.last_cell, rehearses }).await.is_err()
            {
                break; // its listener will tell
            }
        }
        if current.forks >= self.forks_max {
            current.replace_at = Instant::now();
        }
    }

    async fn heed(&mut self, generation: u64, received: Option<Received>) {
        match received {
            None => self.bury(generation).await,
            Some((FromZygote::Cell { cell, .. }, descriptors)) => {
                let folder = self.answered(generation).and_then(|zygote| zygote.work_folder(cell));
                let exit = self.pool.expect_exit(cell, generation);
                match ReadyCell::new(cell, (descriptors, folder), exit) {
                    Ok(ready) => self.pool.arrived(ready, self.is_current(generation)),
                    Err(error) => {
                        tracing::error!(%error, "A cell cannot be used");
                        self.pool.failed_to_arrive();
                        sleep(FORK_RETRY_PAUSE).await;
                    }
                }
            }
            Some((FromZygote::ForkFailed { reason, .. }, _)) => {
                self.answered(generation);
                tracing::error!(reason, "A cell cannot be forked");
                self.pool.failed_to_arrive();
                sleep(FORK_RETRY_PAUSE).await;
            }
            Some((FromZygote::Exited { cell, status, cpu_us, max_rss_bytes, oom }, _)) => {
                self.pool.exited(cell, Exit { status, cpu_us, max_rss_bytes, oom });
                self.end_the_retired().await;
            }
            Some((other, _)) => tracing::warn!(?other, "A zygote said something out of place"),
        }
    }

    fn is_current(&self, generation: u64) -> bool {
        self.current.as_ref().is_some_and(|current| current.generation == generation)
    }

    /// One of a zygote's ordered forks is settled: it may not end before all are.
    fn answered(&mut self, generation: u64) -> Option<&Zygote> {
        let mut all = self.current.iter_mut().chain(&mut self.retiring);
        let living = all.find(|living| living.generation == generation)?;
        living.unanswered = living.unanswered.saturating_sub(1);
        Some(&living.zygote)
    }

    /// A zygote died: its cells died with it; the next is started at once, by way of `replace_at`.
    async fn bury(&mut self, generation: u64) {
        let is_current = self.is_current(generation);
        let dead = if is_current {
            tracing::error!(generation, "The zygote died; starting another");
            self.pool.zygote_died();
            self.current.take()
        } else {
            let place = self.retiring.iter().position(|living| living.generation == generation);
            place.map(|place| self.retiring.swap_remove(place))
        };
        if let Some(dead) = dead {
            for _ in 0..dead.unanswered {
                self.pool.failed_to_arrive();
            }
            dead.zygote.end().await;
        }
        self.pool.generation_died(generation, is_current);
    }

    async fn replace(&mut self, shutdown: &CancellationToken) {
        let own = (self.groups.as_deref(), self.work_root.as_deref());
        let started = tokio::select! {
            () = shutdown.cancelled() => return,
            started = Zygote::start(&self.runner, self.settings.clone(), own) => started,
        };
        match started {
            Ok(zygote) => {
                self.restart_pause = RESTART_PAUSE_MIN;
                if let Some(old) = self.current.take() {
                    // What was ordered from it still arrives, for those who wait; what waits unused goes with it.
                    self.pool.discard_ready();
                    self.retiring.push(old);
                }
                self.adopt(zygote);
                self.end_the_retired().await;
            }
            Err(error) => {
                tracing::error!(%error, "No zygote can be started");
                let pause = self.restart_pause;
                self.restart_pause = (pause * 2).min(RESTART_PAUSE_MAX);
                match &mut self.current {
                    Some(current) => current.replace_at = Instant::now() + pause,
                    None => tokio::select! {
                        () = shutdown.cancelled() => {}
                        () = sleep(pause) => {}
                    },
                }
            }
        }
    }

    async fn end_the_retired(&mut self) {
        let pool = self.pool.clone();
        let (done, still): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retiring)
            .into_iter()
            .partition(|living| living.unanswered == 0 && pool.living(living.generation) == 0);
        self.retiring = still;
        for living in done {
            living.listener.abort();
            living.zygote.end().await;
        }
    }
}
