//! The loop between control socket and children: forks on demand, reaps, reports. Nothing else.
//!
//! Invariants: one thread; no secret; every child is reaped; the end of the control socket is the end of the zygote,
//! and with it (parent death signal) of every cell.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::WaitOptions;
use wire::control::{
    CELL_DESCRIPTORS_MAX, DATAGRAM_BYTES_MAX, ExitStatus, FromZygote, Refusal, ToZygote, ZygoteSettings,
};

use crate::cell::{self, Pipes};
use crate::hot_pages::HotPages;
use crate::interpreter::{self, Glue};
use crate::jail::{WORK, Walls};
use crate::kernel;
use crate::memory::{self, Maps};

/// 256 bytes: an order to fork takes a fifth.
const ORDER_BYTES_MAX: usize = 256;

/// What ends the zygote. The worker learns the reason from the log and starts another.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The control socket does not work.
    #[error("the control socket: {0}")]
    Control(#[from] io::Error),
    /// The worker does not keep the protocol.
    #[error("a control message that cannot be read: {0}")]
    Message(#[from] serde_json::Error),
    /// The worker's first message is another.
    #[error("the first control message is not the configuration")]
    NotConfigured,
}

/// Serves the control socket on standard input until it ends.
pub fn serve() -> Result<(), ZygoteError> {
    let control = take_control_socket()?;
    send(&control, &FromZygote::Hello { build_id: wire::BUILD_ID.to_owned() }, &[])?;
    let Some(first) = receive::<DATAGRAM_BYTES_MAX>(&control)? else { return Ok(()) };
    let ToZygote::Configure(settings) = first else { return Err(ZygoteError::NotConfigured) };
    let mut zygote = match Zygote::prepare(&settings) {
        Ok(zygote) => zygote,
        Err(refusal) => return Ok(send(&control, &FromZygote::Refused(refusal), &[])?),
    };
    let ready = FromZygote::Ready {
        python_version: zygote.python_version.clone(),
        layers: zygote.walls.report(),
        hot_pages: zygote.hot_pages.as_ref().map(HotPages::count).map_err(Clone::clone),
    };
    send(&control, &ready, &[])?;
    let result = Python::attach(|py| zygote.run(py, &control));
    zygote.end_cells();
    match result {
        // The worker closed in the middle of a sentence.
        Err(ZygoteError::Control(error))
            if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Standard input is the control socket; moved away, so that no child finds it under a well-known number.
fn take_control_socket() -> io::Result<OwnedFd> {
    // SAFETY: nothing but the three standard descriptors is in use yet.
    unsafe { kernel::close_from(3)? };
    let control = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 10)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    kernel::place_descriptor(null.as_fd(), 0)?;
    Ok(control)
}

struct Zygote {
    walls: Walls,
    glue: Glue,
    /// Why there are none, where there are none.
    hot_pages: Result<HotPages, String>,
    /// Keeps the number on which a cell has its channel: whatever else lay there would be gone in the cell.
    _channel_number: OwnedFd,
    python_version: String,
    ended: OwnedFd,
    /// Cells by pid.
    living: HashMap<i32, u64>,
}

impl Zygote {
    fn prepare(settings: &ZygoteSettings) -> Result<Self, Refusal> {
        kernel::use_one_arena();
        kernel::ignore_signal(libc::SIGPIPE);
        kernel::ignore_signal(libc::SIGXFSZ);
        // A terminal's Ctrl-C reaches the whole group; the worker decides when to stop.
        kernel::ignore_signal(libc::SIGINT);
        let channel_number = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), cell::CHANNEL)
            .map_err(|error| Refusal {
                layer: "descriptors".to_owned(),
                reason: error.to_string(),
                fix: "raise the limit of open files".to_owned(),
            })?;
        let tools = serde_json::to_string(&settings.tools).unwrap_or_default();
        let limits = limits_of_all(settings).to_string();
        let library = interpreter::start(&tools, &limits, WORK).map_err(|error| Refusal {
            layer: "python".to_owned(),
            reason: error.to_string(),
            fix: "build the runner again with the installed Python: cargo build -p runner".to_owned(),
        })?;
        let walls = Walls::build(settings, &library)?;
        let hot_pages = prepare_memory(&walls, &library.glue);
        let ended = kernel::child_signal_descriptor().map_err(|error| Refusal {
            layer: "signalfd".to_owned(),
            reason: error.to_string(),
            fix: "allow signalfd4 in the container's seccomp profile".to_owned(),
        })?;
        let mut zygote = Self {
            walls,
            glue: library.glue,
            hot_pages,
            _channel_number: channel_number,
            python_version: library.version,
            ended,
            living: HashMap::new(),
        };
        Python::attach(|py| zygote.try_one_cell(py))?;
        Ok(zygote)
    }

    /// A first cell raises every wall and ends; what fails is known before the worker counts on it.
    fn try_one_cell(&mut self, py: Python<'_>) -> Result<(), Refusal> {
        // With groups it may be for their sake that it fails: the worker tries again without.
        let layer = if self.walls.have_groups() { "cgroup" } else { "fork" };
        let refused = |error: io::Error| Refusal {
            layer: layer.to_owned(),
            reason: error.to_string(),
            fix: "allow clone3 or fork, pidfd_open and socketpair".to_owned(),
        };
        let (pid, pipes) = self.fork(py, (cell::FIRST_CELL, true)).map_err(refused)?;
        rustix::net::shutdown(&pipes.channel, rustix::net::Shutdown::Write)
            .map_err(|error| refused(error.into()))?;
        let verdict = cell::read_verdict(&pipes.channel);
        let status = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
        self.walls.forget(cell::FIRST_CELL);
        verdict?;
        match status {
            Ok(Some((_, status))) if status.exit_status() == Some(0) => Ok(()),
            other => Err(Refusal {
                layer: "first cell".to_owned(),
                reason: format!("it ended before it was ready: {other:?}"),
                fix: "report this platform".to_owned(),
            }),
        }
    }

    fn run(&mut self, py: Python<'_>, control: &OwnedFd) -> Result<(), ZygoteError> {
        loop {
            let mut waiting = [PollFd::new(control, PollFlags::IN), PollFd::new(&self.ended, PollFlags::IN)];
            poll(&mut waiting, None).map_err(io::Error::from)?;
            let asked = !waiting[0].revents().is_empty();
            let ended = !waiting[1].revents().is_empty();
            if ended {
                let mut signals = [0_u8; 1024];
                let _ = rustix::io::read(&self.ended, &mut signals);
                self.reap(control)?;
            }
            if asked {
                match receive::<ORDER_BYTES_MAX>(control)? {
                    None => return Ok(()),
                    Some(ToZygote::Fork { cell, rehearses }) => {
                        self.hand_over(py, (cell, rehearses), control)?;
                    }
                    Some(ToZygote::Configure(_)) => return Err(ZygoteError::NotConfigured),
                }
            }
        }
    }

    fn hand_over(
        &mut self,
        py: Python<'_>,
        (cell, rehearses): (u64, bool),
        control: &OwnedFd,
    ) -> Result<(), ZygoteError> {
        match self.fork(py, (cell, rehearses)) {
            Ok((pid, pipes)) => {
                self.living.insert(pid, cell);
                send(control, &FromZygote::Cell { cell, pid }, &pipes.descriptors())?;
            }
            Err(error) => {
                self.walls.forget(cell);
                send(control, &FromZygote::ForkFailed { cell, reason: error.to_string() }, &[])?;
            }
        }
        Ok(())
    }

    /// The child's copy of the control socket goes with the other descriptors.
    fn fork(&mut self, py: Python<'_>, (cell, rehearses): (u64, bool)) -> io::Result<(i32, Pipes)> {
        if let Ok(hot_pages) = &mut self.hot_pages {
            hot_pages.follow(self.living.len());
        }
        let (ours, theirs) = Pipes::pair()?;
        let work = self.walls.work_folder(cell)?;
        let group = self.walls.group(cell)?;
        let (pid, pidfd) = interpreter::fork(
            py,
            // SAFETY: the zygote has a single thread: no runtime, no logger, no Python thread.
            || unsafe { self.walls.fork(group.as_ref()) },
            || {
                let made = (&work, group.as_ref());
                cell::live(py, (&self.walls, &self.glue), (cell, rehearses), made, &theirs)
            },
        )?;
        Ok((pid, ours.with(pidfd, work.into_descriptor())))
    }

    /// The worker is gone or wants no more: no cell outlives its zygote.
    fn end_cells(&mut self) {
        for (pid, cell) in self.living.drain() {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                // Not reaped yet, so the number is still its own; it may have ended by itself just now.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            }
            self.walls.forget(cell);
        }
    }

    fn reap(&mut self, control: &OwnedFd) -> Result<(), ZygoteError> {
        while let Some(ended) = kernel::reap() {
            let Some(cell) = self.living.remove(&ended.pid) else { continue };
            let status = exit_status(ended.status);
            let killed = matches!(status, ExitStatus::Signal(libc::SIGKILL));
            let oom = if killed { self.walls.oom(cell) } else { None };
            self.walls.forget(cell);
            let report = FromZygote::Exited {
                cell,
                status,
                cpu_us: micros(ended.usage.ru_utime) + micros(ended.usage.ru_stime),
                max_rss_bytes: u64::try_from(ended.usage.ru_maxrss).unwrap_or(0) * 1024,
                oom,
            };
            send(control, &report, &[])?;
        }
        Ok(())
    }
}

/// When everything that lasts is made. The reason when each cell has to copy what it writes to itself.
fn prepare_memory(walls: &Walls, glue: &Glue) -> Result<HotPages, String> {
    let proc = walls.proc().ok_or("there is no /proc")?;
    memory::fill_gaps();
    let maps = Maps::read(proc).map_err(|error| format!("maps: {error}"))?;
    memory::gather(&maps, proc);
    Python::attach(|py| HotPages::pin(py, glue, (&maps, proc))).map_err(|error| {
        memory::collapse(&maps); // it may have come apart before it failed
        error.to_string()
    })
}

/// As messages to users name them.
fn limits_of_all(settings: &ZygoteSettings) -> serde_json::Value {
    serde_json::json!({
        "work_bytes_max": settings.work_bytes_max,
        "work_inodes_max": settings.work_inodes_max,
        "open_files_max": settings.open_files_max,
        "threads_max": settings.threads_max,
    })
}

fn exit_status(raw: i32) -> ExitStatus {
    if libc::WIFSIGNALED(raw) {
        ExitStatus::Signal(libc::WTERMSIG(raw))
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(raw))
    }
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec).unwrap_or(0)
}

/// A pair of connected sockets that no exec would inherit.
pub fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// On the stack, and small after the first: what the zygote writes to, its cells keep a copy of.
fn receive<const BYTES_MAX: usize>(control: &OwnedFd) -> Result<Option<ToZygote>, ZygoteError> {
    let mut buffer = [0; BYTES_MAX];
    let (bytes, _) =
        rustix::net::recv(control, &mut buffer[..], RecvFlags::empty()).map_err(io::Error::from)?;
    if bytes == 0 { Ok(None) } else { Ok(Some(serde_json::from_slice(&buffer[..bytes])?)) }
}

fn send(control: &OwnedFd, message: &FromZygote, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CELL_DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::net::sendmsg(control, &[IoSlice::new(&body)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}
