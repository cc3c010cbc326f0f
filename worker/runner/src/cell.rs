//! The life of one cell: descriptors, walls, interpreter, one run, end.
//!
//! Invariant: [`live`] never returns, whatever happens.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use pyo3::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use wire::codec::{PREFIX_BYTES, TO_CELL_FRAME_BYTES_MAX};
use wire::control::Refusal;
use wire::frame::{CellLimits, FromCell, Start, ToCell};

use crate::interpreter::{Glue, LoopDescriptors};
use crate::jail::{Group, Walls, WorkFolder};
use crate::kernel;
use crate::zygote::socket_pair;

/// Where a cell finds its socket.
pub const CHANNEL: i32 = 3;

/// What the zygote tries itself with, before it says that it is ready.
pub const FIRST_CELL: u64 = 0;

/// 16 MiB on top of a program's own limit: room to report a `MemoryError` in.
const REPORT_MEMORY_BYTES: u64 = 16 * 1024 * 1024;

/// Exit codes, for the log: the worker decides by frames, not by these.
const EXIT_WALL: i32 = 71;
const EXIT_GLUE: i32 = 72;
const FIX_PYTHON: &str =
    "build the runner with a Python whose library all users can read: the distribution's";

/// Both ends of what connects a cell with the worker.
#[derive(Debug)]
pub struct Pipes {
    /// The conversation.
    pub channel: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    pidfd: Option<OwnedFd>,
    work: Option<OwnedFd>,
}

impl Pipes {
    /// The worker's ends and the cell's ends.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (worker_channel, cell_channel) = socket_pair()?;
        let (stdout, cell_stdout) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (stderr, cell_stderr) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok((
            Self { channel: worker_channel, stdout, stderr, pidfd: None, work: None },
            Self { channel: cell_channel, stdout: cell_stdout, stderr: cell_stderr, pidfd: None, work: None },
        ))
    }

    /// Adds what is known only after the fork.
    pub fn with(mut self, pidfd: OwnedFd, work: Option<OwnedFd>) -> Self {
        self.pidfd = Some(pidfd);
        self.work = work;
        self
    }

    /// In the order of `CellDescriptors::ORDER`.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut all = vec![self.channel.as_fd(), self.stdout.as_fd(), self.stderr.as_fd()];
        all.extend(self.pidfd.as_ref().map(AsFd::as_fd));
        all.extend(self.work.as_ref().map(AsFd::as_fd));
        all
    }
}

/// Becomes a cell, for good.
pub fn live(
    py: Python<'_>,
    (walls, glue): (&Walls, &Glue),
    (cell, rehearses): (u64, bool),
    (work, group): (&WorkFolder, Option<&Group>),
    pipes: &Pipes,
) -> ! {
    kernel::unblock_child_signal();
    let own_loop = || own_loop(glue.loop_descriptors);
    if let Err(refusal) = arrange(pipes) {
        // Descriptor 3 may not be in place; the one we were given is.
        send(pipes.channel.as_fd(), &FromCell::Wall(refusal));
        kernel::exit_now(EXIT_WALL);
    }
    if let Err(refusal) = walls.raise(cell, (work, group), own_loop) {
        // The one we were given may be closed by now.
        send_on_channel(&FromCell::Wall(refusal));
        kernel::exit_now(EXIT_WALL);
    }
    // SAFETY: the counterpart of PyOS_BeforeFork, in the child, which has this one thread.
    unsafe { pyo3::ffi::PyOS_AfterFork_Child() };
    let tried = if cell == FIRST_CELL { glue.check_library(py) } else { Ok(()) };
    if let Err(error) = tried.and_then(|()| glue.warm(py, &work.path_inside(), rehearses)) {
        let reason = error.to_string();
        send_on_channel(&FromCell::Wall(Refusal {
            layer: "python".to_owned(),
            reason,
            fix: FIX_PYTHON.to_owned(),
        }));
        kernel::exit_now(EXIT_GLUE);
    }
    let Some(start) = read_start_frame() else { kernel::exit_now(0) };
    let file_bytes_max = walls.file_bytes_max(start.limits.file_bytes_max);
    let limited =
        walls.base_memory_bytes().map_or(Ok(()), |base| limit_run(&start.limits, base, file_bytes_max));
    if let Err(error) = limited {
        eprintln!("the run cannot be limited: {error}");
        kernel::exit_now(EXIT_WALL);
    }
    send_on_channel(&FromCell::Begun);
    if let Err(error) = glue.run(py, start) {
        error.print(py);
        kernel::exit_now(EXIT_GLUE);
    }
    // The last frame is out. A process that ended now would take along what the worker is about to read of it: the worker
    // would have to wait for the end of its memory, which takes longer than the run.
    wait_for_the_end();
    kernel::exit_now(0)
}

/// Becomes a child without walls that goes the way of a run, says so and waits for its end.
pub fn rehearse_only(py: Python<'_>, glue: &Glue, channel: &OwnedFd) -> ! {
    let arranged = kernel::place_descriptor(channel.as_fd(), CHANNEL);
    // SAFETY: nothing but descriptors 0 to 3 is used from here on, and no owner is dropped: it ends with `_exit`.
    let closed = arranged.and_then(|()| unsafe { kernel::close_from(CHANNEL + 1) });
    let ready = closed.and_then(|()| own_loop(glue.loop_descriptors));
    // SAFETY: the counterpart of PyOS_BeforeFork, in the child, which has this one thread.
    unsafe { pyo3::ffi::PyOS_AfterFork_Child() };
    if ready.is_ok() && glue.run_typical(py).is_ok() {
        send_on_channel(&FromCell::Begun);
        wait_for_the_end();
    }
    kernel::exit_now(EXIT_GLUE)
}

/// In the zygote: an error when it ended before.
pub fn wait_for_rehearsal(channel: &OwnedFd) -> io::Result<()> {
    match rustix::io::read(channel, &mut [0; 64])? {
        0 => Err(io::Error::other("the rehearsal ended before its end")),
        _ => Ok(()),
    }
}

/// Until the worker kills this process or hangs up. The interpreter stays locked: no other thread of the program's goes on.
fn wait_for_the_end() {
    let mut unread = [0; 256];
    while read_exactly(&mut unread).is_some() {}
}

/// Puts the four descriptors of a cell in place. The others go after the last wall that needs one.
fn arrange(pipes: &Pipes) -> Result<(), Refusal> {
    // Its own: flags of a descriptor that all cells share could be set in one and read in another.
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty());
    let placed = null
        .map_err(io::Error::from)
        .and_then(|null| kernel::place_descriptor(null.as_fd(), 0))
        .and_then(|()| kernel::place_descriptor(pipes.stdout.as_fd(), 1))
        .and_then(|()| kernel::place_descriptor(pipes.stderr.as_fd(), 2))
        .and_then(|()| kernel::place_descriptor(pipes.channel.as_fd(), CHANNEL));
    placed.map_err(|error| Refusal {
        layer: "descriptors".to_owned(),
        reason: error.to_string(),
        fix: "raise the limit of open files".to_owned(),
    })
}

/// Opens a selector and a self-pipe of this cell's own where the event loop believes to have them. The zygote opened
/// its in the same order with the same numbers free, so the kernel gives the same numbers.
fn own_loop(numbers: LoopDescriptors) -> io::Result<()> {
    use rustix::event::epoll;
    let selector = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (reader, writer) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let got = [&selector, &reader, &writer].map(AsRawFd::as_raw_fd);
    if got != [numbers.selector, numbers.wake_reader, numbers.wake_writer] {
        return Err(io::Error::other(format!("descriptors {got:?} instead of {numbers:?}")));
    }
    let number = epoll::EventData::new_u64(u64::from(numbers.wake_reader.unsigned_abs()));
    epoll::add(&selector, &reader, number, epoll::EventFlags::IN)?;
    // They are the interpreter's from here on.
    for descriptor in [selector, reader, writer] {
        let _ = descriptor.into_raw_fd();
    }
    Ok(())
}

/// The kernel's part of a run's limits.
fn limit_run(limits: &CellLimits, base_memory_bytes: u64, file_bytes_max: u64) -> io::Result<()> {
    let memory_bytes_max = base_memory_bytes.saturating_add(limits.memory_bytes_max);
    kernel::limit_softly(
        libc::RLIMIT_AS,
        memory_bytes_max,
        memory_bytes_max.saturating_add(REPORT_MEMORY_BYTES),
    )?;
    // First SIGXCPU, which says what it is for; SIGKILL only for a program that ignores it.
    kernel::limit_softly(libc::RLIMIT_CPU, limits.cpu_secs, limits.cpu_secs.saturating_add(1))?;
    kernel::limit(libc::RLIMIT_FSIZE, file_bytes_max)
}

/// `None` when the worker wants nothing of this cell.
fn read_start_frame() -> Option<Start> {
    let mut prefix = [0; PREFIX_BYTES];
    read_exactly(&mut prefix)?;
    let frame_bytes = u32::from_be_bytes(prefix) as usize;
    if frame_bytes > TO_CELL_FRAME_BYTES_MAX {
        return None;
    }
    let mut frame = vec![0; frame_bytes];
    read_exactly(&mut frame)?;
    match wire::codec::decode::<ToCell>(&frame) {
        Ok(ToCell::Start(start)) => Some(*start),
        Ok(ToCell::Reply { .. }) | Err(_) => None,
    }
}

fn read_exactly(mut buffer: &mut [u8]) -> Option<()> {
    // SAFETY: descriptor 3 is the channel, put there by `arrange`, and stays open.
    let channel = unsafe { BorrowedFd::borrow_raw(CHANNEL) };
    while !buffer.is_empty() {
        match rustix::io::read(channel, &mut *buffer) {
            Ok(0) => return None,
            Ok(count) => buffer = &mut buffer[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

fn send_on_channel(frame: &FromCell) {
    // SAFETY: descriptor 3 is the channel, put there by `arrange`, and stays open.
    send(unsafe { BorrowedFd::borrow_raw(CHANNEL) }, frame);
}

fn send(channel: BorrowedFd<'_>, frame: &FromCell) {
    if let Ok(bytes) = wire::codec::encode(frame) {
        // A frame of a few hundred bytes fits the empty socket buffer whole; nobody hears a failure any more.
        let _ = rustix::io::write(channel, &bytes);
    }
}

/// In the zygote: what a first cell said about its walls before it ended.
pub fn read_verdict(channel: &OwnedFd) -> Result<(), Refusal> {
    let mut said = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count) = rustix::io::read(channel, &mut chunk) {
        if count == 0 {
            break;
        }
        said.extend_from_slice(&chunk[..count]);
    }
    let Some(body) = said.get(PREFIX_BYTES..) else { return Ok(()) };
    match wire::codec::decode(body) {
        Ok(FromCell::Wall(refusal)) => Err(refusal),
        _ => Ok(()),
    }
}
