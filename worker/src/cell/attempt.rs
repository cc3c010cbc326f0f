//! One try of a run, in one cell: given its program, heard out, killed, judged by its end.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::control::KernelOom;

use super::classify::Outcome;
use super::conversation::{Conversation, Order, Output};
use super::log_tap::LogTap;
use super::pool::{Exit, ReadyCell};
use super::room::Inner;
use super::types::{RunHost, RunSpec};
use super::watch::{self, Watched};

/// From the end of its socket to the end of a process that is really ending: memory is given back in between.
const SILENT_END_TIME_MAX: Duration = Duration::from_secs(2);
const SILENT_END_TIME_MIN: Duration = Duration::from_millis(300);
/// From SIGKILL to the zygote's report; a dying process first gives back its memory.
const EXIT_TIME_MAX: Duration = Duration::from_millis(600);

/// One try of a run, in one cell.
pub(super) struct Attempt<'a> {
    pub(super) inner: &'a Inner,
    pub(super) spec: &'a RunSpec,
    pub(super) host: &'a dyn RunHost,
    pub(super) stop: &'a CancellationToken,
    pub(super) deadline: Instant,
}

impl Attempt<'_> {
    fn watched(
        &self,
        (pid, pidfd): (u32, Arc<OwnedFd>),
        (work, folder): (Option<OwnedFd>, Option<PathBuf>),
        orders: mpsc::Sender<Order>,
    ) -> Watched {
        let config = &self.inner.config;
        Watched {
            pid,
            pidfd,
            work,
            folder,
            work_bytes_max: self.spec.limits.work_bytes_max.min(config.work_bytes_max),
            work_inodes_max: config.work_inodes_max,
            threads_max: config.threads_max,
            orders,
        }
    }

    /// Whether the program began, what it came to, how its process ended, and the log.
    pub(super) async fn in_cell(
        &self,
        cell: ReadyCell,
        start: Vec<u8>,
        tap: LogTap,
    ) -> (bool, Outcome, Option<Exit>, LogTap) {
        let ReadyCell { id, channel, stdout, stderr, pidfd, pid, work, folder, exit } = cell;
        let output = Output { stdout: Some(stdout), stderr: Some(stderr), tap };
        let (orders_sender, orders) = mpsc::channel(1);
        let pidfd = Arc::new(pidfd);
        let watched = self.watched((pid, pidfd.clone()), (work, folder), orders_sender);
        let _watching = self.inner.watch.begin(id, watched);
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
            // Its socket ends after its memory: where there is none, the process is dying, however long that takes among
            // thousands that die with it, and how it ends is all there is to be said.
            if ended.is_none() && watch::usage_of(pid).is_some() {
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
        (begun, self.beyond_the_budget(exit).unwrap_or(outcome), exit, tap)
    }

    /// The kernel was faster than the watch: all cells together were at the worker's limit, and this was the largest.
    fn beyond_the_budget(&self, exit: Option<Exit>) -> Option<Outcome> {
        let exit = exit.filter(|exit| exit.oom == Some(KernelOom::Elsewhere))?;
        let groups = self.inner.groups()?;
        groups.were_at_their_limit().then(|| Outcome::MemoryBudget {
            bytes: exit.max_rss_bytes,
            bytes_max: self.inner.watch.memory().budget_bytes,
        })
    }
}
