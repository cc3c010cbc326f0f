//! One run, frame by frame.
//!
//! Invariants: never waits for the cell alone (every wait ends with the deadline or the stop token); holds at most
//! [`CALLS_IN_FLIGHT_MAX`] calls and one frame; the first final frame ends it.

use std::collections::VecDeque;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::codec::{self, Decoder, FrameError, TO_CELL_FRAME_BYTES_MAX};
use wire::frame::{CellLimits, FromCell, ReplyOutcome, Start, Task, ToCell};

use super::classify::{Outcome, cpu_limit};
use super::log_tap::LogTap;
use super::types::{
    RunEnd, RunHost, RunLimits, RunSpec, RunTask, StepEntered, StepLeft, Stream, ToolCall, ToolVerdict,
};

/// 256: more than any budget of calls; the rest waits in the cell's socket.
const CALLS_IN_FLIGHT_MAX: usize = 256;
/// 16 KiB, on the stack for as long as it is looked at: thousands of runs wait for a model at once.
const READ_BYTES: usize = 16 * 1024;
/// 20,000 frames a second: tiny frames cost us more than the program that sends them.
const FRAMES_PER_SEC_MAX: usize = 20_000;
/// A program that fills its window is read again in the next.
const FRAME_WINDOW: Duration = Duration::from_millis(100);
const FRAMES_PER_WINDOW_MAX: usize = FRAMES_PER_SEC_MAX / 10;
/// 50: a program that fills every window for five seconds does nothing else any more.
const FULL_WINDOWS_MAX: u32 = 50;
/// 10,000 steps: more say nothing to anybody; the run goes on without telling.
const STEPS_TOLD_MAX: usize = 10_000;
/// 200 characters, as the cell cuts them; a forged frame is cut here.
const TITLE_CHARS_MAX: usize = 200;
/// From the end of the process to the last of its output, which is in the kernel's buffers by then.
const DRAIN_TIME_MAX: Duration = Duration::from_millis(500);

/// What somebody else in the worker decides about a run.
#[derive(Debug)]
pub(super) enum Order {
    /// The cells together are at the worker's memory limit, and this one is the largest.
    FreeMemory { bytes: u64, bytes_max: u64 },
    /// Its files take too much room.
    WorkFolderFull { bytes: u64, files: u64, files_max: u64 },
    /// They take the kernel's room for processes from others.
    TooManyThreads { threads: u64, threads_max: u64 },
}

/// Both output pipes of a cell.
pub(super) struct Output {
    pub(super) stdout: Option<pipe::Receiver>,
    pub(super) stderr: Option<pipe::Receiver>,
    pub(super) tap: LogTap,
}

/// The conversation with one cell.
pub(super) struct Conversation<'a> {
    pub(super) channel: UnixStream,
    pub(super) output: Output,
    pub(super) host: &'a dyn RunHost,
    pub(super) deadline: Instant,
    pub(super) stop: &'a CancellationToken,
    pub(super) orders: mpsc::Receiver<Order>,
    decoder: Decoder,
    outgoing: VecDeque<Vec<u8>>,
    written_bytes: usize,
    calls: FuturesUnordered<BoxFuture<'a, (u64, ToolVerdict)>>,
    frames_in_window: usize,
    /// Above those that were not, up to now.
    full_windows: u32,
    window_end: Instant,
    steps_told: usize,
    begun: bool,
}

/// The first frame. Errors only when program and input together are beyond any limit of the API.
pub(super) fn start_frame(spec: &RunSpec) -> Result<Vec<u8>, FrameError> {
    let limits = &spec.limits;
    let start = Start {
        program: spec.program.to_string(),
        task: match &spec.task {
            RunTask::Execute { user_input } => Task::Execute { user_input: user_input.clone() },
            RunTask::Check => Task::Check,
        },
        seed: spec.seed,
        limits: CellLimits {
            memory_bytes_max: limits.memory_bytes_max,
            cpu_secs: cpu_limit(limits).as_secs(),
            result_bytes_max: limits.result_bytes_max,
            file_bytes_max: limits.work_bytes_max,
            arguments_bytes_max: limits.arguments_bytes_max,
        },
    };
    let frame = codec::encode(&ToCell::Start(Box::new(start)))?;
    if frame.len() > TO_CELL_FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge {
            frame_bytes: frame.len(),
            frame_bytes_max: TO_CELL_FRAME_BYTES_MAX,
        });
    }
    Ok(frame)
}

impl<'a> Conversation<'a> {
    pub(super) fn new(
        channel: UnixStream,
        output: Output,
        host: &'a dyn RunHost,
        limits: RunLimits,
        deadline: Instant,
        stop: &'a CancellationToken,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        Self {
            channel,
            output,
            host,
            deadline,
            stop,
            orders,
            decoder: Decoder::new(codec::from_cell_frame_bytes_max(limits.result_bytes_max)),
            outgoing: VecDeque::new(),
            written_bytes: 0,
            calls: FuturesUnordered::new(),
            frames_in_window: 0,
            full_windows: 0,
            window_end: Instant::now() + FRAME_WINDOW,
            steps_told: 0,
            begun: false,
        }
    }

    /// Whether the program may have run.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Sends the start frame and talks until there is an outcome.
    pub(super) async fn hold(&mut self, start: Vec<u8>) -> Outcome {
        self.outgoing.push_back(start);
        loop {
            let throttled = self.frames_in_window >= FRAMES_PER_WINDOW_MAX;
            // A program that reads no answers gets no more of its calls answered.
            let listening = self.calls.len() + self.outgoing.len() < CALLS_IN_FLIGHT_MAX && !throttled;
            let writing = !self.outgoing.is_empty();
            let outcome = tokio::select! {
                biased;
                () = self.stop.cancelled() => Some(Outcome::Stopped),
                () = sleep_until(self.deadline) => Some(Outcome::WallClock),
                Some(order) = self.orders.recv() => Some(obeyed(&order)),
                () = sleep_until(self.window_end), if throttled => self.open_window(),
                Some((id, verdict)) = self.calls.next() => self.answer(id, verdict),
                () = has_something(self.output.stdout.as_ref()) => { self.read_output(Stream::Stdout); None }
                () = has_something(self.output.stderr.as_ref()) => { self.read_output(Stream::Stderr); None }
                ready = self.channel.readable(), if listening => self.read_channel(ready),
                ready = self.channel.writable(), if writing => { self.write_some(ready); None }
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
    }

    /// After the last frame, which follows everything the program printed: passes on what is in the pipes by now. The kernel
    /// is asked, not the runtime, which may not have heard yet that there is something.
    pub(super) fn take_what_was_printed(mut self) -> LogTap {
        let mut buffer = [0; READ_BYTES];
        let Output { stdout, stderr, tap } = &mut self.output;
        for (stream, pipe) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let Some(pipe) = pipe else { continue };
            while let Ok(count @ 1..) = rustix::io::read(&*pipe, &mut buffer) {
                tap.pass(self.host, stream, &buffer[..count]);
            }
        }
        self.output.tap
    }

    /// After the process was killed: passes on what it had printed, to the end of the pipes.
    pub(super) async fn drain(mut self) -> LogTap {
        let deadline = Instant::now() + DRAIN_TIME_MAX;
        while self.output.stdout.is_some() || self.output.stderr.is_some() {
            tokio::select! {
                biased;
                () = sleep_until(deadline) => break,
                () = has_something(self.output.stdout.as_ref()) => self.read_output(Stream::Stdout),
                () = has_something(self.output.stderr.as_ref()) => self.read_output(Stream::Stderr),
            }
        }
        self.output.tap
    }

    fn open_window(&mut self) -> Option<Outcome> {
        let was_full = self.frames_in_window >= FRAMES_PER_WINDOW_MAX;
        self.full_windows =
            if was_full { self.full_windows + 1 } else { self.full_windows.saturating_sub(1) };
        self.frames_in_window = 0;
        self.window_end = Instant::now() + FRAME_WINDOW;
        (self.full_windows > FULL_WINDOWS_MAX).then(|| Outcome::Flood {
            frames_per_sec_max: FRAMES_PER_SEC_MAX,
            lasted: FRAME_WINDOW * FULL_WINDOWS_MAX,
        })
    }

    /// Reads once from an output pipe.
    fn read_output(&mut self, stream: Stream) {
        let pipe = match stream {
            Stream::Stdout => &mut self.output.stdout,
            Stream::Stderr => &mut self.output.stderr,
        };
        let mut buffer = [0; READ_BYTES];
        match pipe.as_ref().map(|pipe| pipe.try_read(&mut buffer)) {
            Some(Ok(count @ 1..)) => self.output.tap.pass(self.host, stream, &buffer[..count]),
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => *pipe = None,
        }
    }

    fn read_channel(&mut self, ready: io::Result<()>) -> Option<Outcome> {
        let mut buffer = [0; READ_BYTES];
        match ready.and_then(|()| self.channel.try_read(&mut buffer)) {
            Ok(0) => Some(Outcome::Silent),
            Ok(count) => {
                self.decoder.push(&buffer[..count]);
                self.take()
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(_) => Some(Outcome::Silent),
        }
    }

    /// Writes what fits: a cell that does not read keeps its own frames waiting, nothing else.
    fn write_some(&mut self, ready: io::Result<()>) {
        let Some(frame) = self.outgoing.front() else { return };
        match ready.and_then(|()| self.channel.try_write(&frame[self.written_bytes..])) {
            Ok(count) => {
                self.written_bytes += count;
                if self.written_bytes == frame.len() {
                    self.outgoing.pop_front();
                    self.written_bytes = 0;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // It hung up; reading tells how the run ends.
            Err(_) => self.outgoing.clear(),
        }
    }

    fn take(&mut self) -> Option<Outcome> {
        if Instant::now() >= self.window_end
            && let Some(flood) = self.open_window()
        {
            return Some(flood);
        }
        loop {
            let frame = match self.decoder.next_frame() {
                Ok(Some(body)) => codec::decode::<FromCell>(body),
                Ok(None) => return None,
                Err(error) => Err(error),
            };
            self.frames_in_window += 1;
            let outcome = match frame {
                Ok(frame) => self.heed(frame),
                Err(error) => Some(Outcome::Violation(error.to_string())),
            };
            if outcome.is_some() {
                return outcome;
            }
        }
    }

    fn heed(&mut self, frame: FromCell) -> Option<Outcome> {
        match frame {
            FromCell::Wall(refusal) if !self.begun => Some(Outcome::NoWall(refusal)),
            FromCell::Wall(_) => Some(Outcome::Violation("a wall is reported too late".to_owned())),
            FromCell::Begun => {
                self.begun = true;
                None
            }
            FromCell::Call(call) => {
                let id = call.id;
                let call = ToolCall { id, tool: call.tool, arguments: call.arguments, step: call.step };
                let answer = AssertUnwindSafe(self.host.call_tool(call)).catch_unwind();
                let answer = answer.map(move |verdict| (id, verdict.unwrap_or_else(|_| broken_host())));
                self.calls.push(answer.boxed());
                None
            }
            FromCell::Entered { id, parent, title } => {
                self.steps_told += 1;
                if self.steps_told <= STEPS_TOLD_MAX {
                    let title = title.chars().take(TITLE_CHARS_MAX).collect();
                    self.host.step_entered(StepEntered { id, parent, title });
                }
                None
            }
            FromCell::Left { id, failed } => {
                if self.steps_told <= STEPS_TOLD_MAX {
                    self.host.step_left(StepLeft { id, ok: !failed });
                }
                None
            }
            FromCell::Returned(result) => Some(Outcome::Returned(result)),
            FromCell::Checked(report) => Some(Outcome::Checked(report)),
            FromCell::Raised(raised) => Some(Outcome::Raised(raised)),
            FromCell::TooLarge { result_bytes } => Some(Outcome::TooLarge { result_bytes }),
        }
    }

    fn answer(&mut self, id: u64, verdict: ToolVerdict) -> Option<Outcome> {
        let outcome = match verdict {
            ToolVerdict::Answer(value) => ReplyOutcome::Value(value),
            ToolVerdict::Fail(message) => ReplyOutcome::Error(message),
            ToolVerdict::End(end) => return Some(Outcome::Host(end)),
        };
        let frame = codec::encode(&ToCell::Reply { id, outcome }).ok();
        let fitting = frame.filter(|frame| frame.len() <= TO_CELL_FRAME_BYTES_MAX).or_else(|| {
            let message = format!("the tool's answer is larger than {TO_CELL_FRAME_BYTES_MAX} bytes");
            codec::encode(&ToCell::Reply { id, outcome: ReplyOutcome::Error(message) }).ok()
        });
        self.outgoing.extend(fitting);
        None
    }
}

fn obeyed(order: &Order) -> Outcome {
    match *order {
        Order::FreeMemory { bytes, bytes_max } => Outcome::MemoryBudget { bytes, bytes_max },
        Order::WorkFolderFull { bytes, files, files_max } => Outcome::WorkFolder { bytes, files, files_max },
        Order::TooManyThreads { threads, threads_max } => Outcome::Threads { threads, threads_max },
    }
}

fn broken_host() -> ToolVerdict {
    ToolVerdict::End(RunEnd::Lost("a tool of this worker panicked".to_owned()))
}

/// Resolves when an open pipe can be read; never for one that is not open.
async fn has_something(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error shows itself in the reading.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}
