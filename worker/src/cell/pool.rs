//! The ready cells, those who wait for one, and those who wait for one's end.
//!
//! All bookkeeping is here, under one short lock; nothing in this file waits.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot};
use wire::control::{ExitStatus, KernelOom};

use super::watch;

/// Orders under way at once. They must fit the control socket: a keeper that waits to send, while the zygote waits for
/// the keeper to read, would wait for ever.
const FORKS_ORDERED_MAX: usize = 16;

/// A jailed interpreter that waits for its one program.
#[derive(Debug)]
pub(super) struct ReadyCell {
    pub(super) id: u64,
    pub(super) channel: UnixStream,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
    pub(super) pidfd: OwnedFd,
    /// Its number as this process sees it; 0 when it is gone already.
    pub(super) pid: u32,
    /// Tier A's `/work`.
    pub(super) work: Option<OwnedFd>,
    /// Tier B's.
    pub(super) folder: Option<PathBuf>,
    /// Resolves with its end; an error means that the zygote went first.
    pub(super) exit: oneshot::Receiver<Exit>,
}

impl ReadyCell {
    /// From the descriptors that came with it, and its folder on tier B.
    pub(super) fn new(
        id: u64,
        (descriptors, folder): (Vec<OwnedFd>, Option<PathBuf>),
        exit: oneshot::Receiver<Exit>,
    ) -> io::Result<Self> {
        let mut descriptors = descriptors.into_iter();
        let mut next =
            || descriptors.next().ok_or_else(|| io::Error::other("a cell came without its descriptors"));
        let channel = std::os::unix::net::UnixStream::from(next()?);
        channel.set_nonblocking(true)?;
        let channel = UnixStream::from_std(channel)?;
        let stdout = pipe::Receiver::from_owned_fd(next()?)?;
        let stderr = pipe::Receiver::from_owned_fd(next()?)?;
        let pidfd = next()?;
        Ok(Self {
            id,
            channel,
            stdout,
            stderr,
            // Looked up here: now nobody waits for this cell.
            pid: watch::pid_of(&pidfd).unwrap_or(0),
            pidfd,
            work: descriptors.next(),
            folder,
            exit,
        })
    }
}

/// How a cell's process ended, as the kernel told its parent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exit {
    pub(super) status: ExitStatus,
    pub(super) cpu_us: u64,
    pub(super) max_rss_bytes: u64,
    /// The kernel ended it for memory, as its group says.
    pub(super) oom: Option<KernelOom>,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<ReadyCell>,
    waiting: VecDeque<oneshot::Sender<ReadyCell>>,
    /// Asked for, not here yet.
    forking: usize,
    /// Of every living cell: its zygote's generation, and who wants to know its end.
    exits: HashMap<u64, (u64, oneshot::Sender<Exit>)>,
    closed: bool,
    zygote_pid: Option<u32>,
    zygotes_died: u64,
}

#[derive(Debug)]
pub(super) struct Pool {
    state: Mutex<State>,
    size: usize,
    /// More than this process can hold are not ordered.
    cells_max: usize,
    /// Told when there are fewer cells than wanted.
    pub(super) wanted: Notify,
}

impl Pool {
    pub(super) fn new(size: usize, cells_max: usize) -> Self {
        Self { state: Mutex::default(), size, cells_max, wanted: Notify::new() }
    }

    /// A cell, now or later; an error when the room is closed.
    pub(super) fn take(&self) -> oneshot::Receiver<ReadyCell> {
        let (sender, receiver) = oneshot::channel();
        let mut state = self.lock();
        if !state.closed {
            match state.ready.pop_front() {
                // The receiver is in our hands: the send cannot fail.
                Some(cell) => drop(sender.send(cell)),
                None => state.waiting.push_back(sender),
            }
        }
        drop(state);
        self.wanted.notify_one();
        receiver
    }

    /// Runs that can have a cell at once, beside those that wait for a run.
    pub(super) fn runs_max(&self) -> usize {
        self.cells_max.saturating_sub(self.size).max(1)
    }

    /// Cells that wait for a program, and cells that run one.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.ready.len(), state.exits.len().saturating_sub(state.ready.len()))
    }

    /// Whether nobody waits and half of the cells are there: then filling up can wait until a run has had its start.
    pub(super) fn can_wait(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.ready.len() * 2 >= self.size
    }

    /// Whether runs come faster than cells.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.ready.is_empty() && !state.exits.is_empty()
    }

    /// How many cells to fork now; they are counted as coming.
    pub(super) fn order(&self) -> usize {
        let mut state = self.lock();
        state.waiting.retain(|waiter| !waiter.is_closed());
        let wanted = if state.closed { 0 } else { self.size + state.waiting.len() };
        let missing = wanted.saturating_sub(state.ready.len() + state.forking);
        let missing = missing.min(FORKS_ORDERED_MAX.saturating_sub(state.forking));
        let missing = missing.min(self.cells_max.saturating_sub(state.exits.len() + state.forking));
        state.forking += missing;
        missing
    }

    /// Registers a cell of a zygote generation; what it returns resolves with its end.
    pub(super) fn expect_exit(&self, cell: u64, generation: u64) -> oneshot::Receiver<Exit> {
        let (sender, receiver) = oneshot::channel();
        self.lock().exits.insert(cell, (generation, sender));
        receiver
    }

    /// An ordered cell is here. One of a zygote that is retired (`is_current` is false) does not wait for a run: it would keep
    /// its zygote for as long as no run comes.
    pub(super) fn arrived(&self, cell: ReadyCell, is_current: bool) {
        let mut state = self.lock();
        state.forking = state.forking.saturating_sub(1);
        let mut cell = cell;
        while let Some(waiter) = state.waiting.pop_front() {
            match waiter.send(cell) {
                Ok(()) => return,
                Err(unwanted) => cell = unwanted,
            }
        }
        if is_current && !state.closed {
            state.ready.push_back(cell);
        }
        drop(state);
        if !is_current {
            self.wanted.notify_one();
        }
    }

    /// An ordered cell will not come.
    pub(super) fn failed_to_arrive(&self) {
        let mut state = self.lock();
        state.forking = state.forking.saturating_sub(1);
    }

    /// A cell is gone.
    pub(super) fn exited(&self, cell: u64, exit: Exit) {
        let mut state = self.lock();
        state.ready.retain(|ready| ready.id != cell);
        if let Some((_, sender)) = state.exits.remove(&cell) {
            // Nobody listens when the run was dropped.
            let _ = sender.send(exit);
        }
        drop(state);
        self.wanted.notify_one();
    }

    /// A zygote is gone, and with it all its cells and what was ordered from it.
    pub(super) fn generation_died(&self, generation: u64, is_current: bool) {
        let mut state = self.lock();
        let exits = &mut state.exits;
        exits.retain(|_, (of, _)| *of != generation);
        let alive: Vec<u64> = exits.keys().copied().collect();
        state.ready.retain(|cell| alive.contains(&cell.id));
        if is_current {
            state.forking = 0;
        }
    }

    /// Which process forks now.
    pub(super) fn forked_by(&self, zygote_pid: Option<u32>) {
        self.lock().zygote_pid = zygote_pid;
    }

    pub(super) fn zygote_pid(&self) -> Option<u32> {
        self.lock().zygote_pid
    }

    /// The one that forked is gone, before its cells are known to be.
    pub(super) fn zygote_died(&self) {
        self.lock().zygotes_died += 1;
    }

    /// How many died while they were the one that forks.
    pub(super) fn zygotes_died(&self) -> u64 {
        self.lock().zygotes_died
    }

    /// Cells of a generation that were not used: they go before their zygote is replaced.
    pub(super) fn discard_ready(&self) {
        self.lock().ready.clear();
    }

    /// Living cells of a generation.
    pub(super) fn living(&self, generation: u64) -> usize {
        self.lock().exits.values().filter(|(of, _)| *of == generation).count()
    }

    /// No more cells for anybody.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ready.clear();
        state.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change above is complete before the lock is released, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_cells_are_ordered_than_can_be_held() {
        let pool = Pool::new(4, 6);
        assert_eq!(pool.order(), 4);
        let _held: Vec<_> = (0..4)
            .map(|cell| {
                pool.failed_to_arrive(); // it is given away as soon as it comes
                pool.expect_exit(cell, 1)
            })
            .collect();
        assert_eq!((pool.order(), pool.order(), pool.runs_max()), (2, 0, 2));
        pool.exited(0, Exit { status: ExitStatus::Code(0), cpu_us: 0, max_rss_bytes: 0, oom: None });
        assert_eq!(pool.order(), 1);
    }

    /// With descriptors of the right kinds, and nobody behind them.
    fn cell(pool: &Pool, id: u64) -> ReadyCell {
        let (channel, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let (stdout, stderr) = (io::pipe().unwrap().0, io::pipe().unwrap().0);
        let pidfd = std::fs::File::open("/dev/null").unwrap();
        let descriptors = vec![channel.into(), stdout.into(), stderr.into(), pidfd.into()];
        ReadyCell::new(id, (descriptors, None), pool.expect_exit(id, 1)).unwrap()
    }

    #[tokio::test]
    async fn a_cell_of_a_retired_zygote_is_for_who_waits_and_waits_for_nobody_itself() {
        let pool = Pool::new(4, 6);
        let waiting = pool.take();
        assert_eq!(pool.order(), 5);
        pool.arrived(cell(&pool, 1), false);
        assert_eq!(waiting.await.unwrap().id, 1);
        pool.arrived(cell(&pool, 2), false);
        assert_eq!((pool.counts().0, pool.order()), (0, 1), "another one is ordered for it");
        pool.arrived(cell(&pool, 3), true);
        assert_eq!(pool.counts().0, 1);
    }
}
