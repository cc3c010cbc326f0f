//! From what was seen of a run to its one end. Pure; the only place that knows what leads to which error code.

use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use wire::control::{ExitStatus, KernelOom, Refusal};
use wire::frame::{CheckReport, Raised, RaisedKind};

use super::pool::Exit;
use super::types::{FailureCode, RunEnd, RunFailure, RunLimits};

/// Linux numbers on every architecture we build for.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
const SIGSYS: i32 = 31;

/// What ended the conversation.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The cell sent its last frame.
    Returned(Box<RawValue>),
    Checked(CheckReport),
    Raised(Raised),
    TooLarge {
        result_bytes: u64,
    },
    /// The socket ended without one.
    Silent,
    /// The same, and the process lived on.
    HungUp,
    /// The cell does not keep the protocol.
    Violation(String),
    /// A wall was not raised, so nothing was run.
    NoWall(Refusal),
    /// The worker ended it.
    WallClock,
    Stopped,
    MemoryBudget {
        bytes: u64,
        bytes_max: u64,
    },
    WorkFolder {
        bytes: u64,
        files: u64,
        files_max: u64,
    },
    Threads {
        threads: u64,
        threads_max: u64,
    },
    /// It sent frames as fast as it could for longer than makes sense.
    Flood {
        frames_per_sec_max: usize,
        lasted: Duration,
    },
    Host(RunEnd),
}

impl Outcome {
    /// The cell said what there is to say; how its process ends does not matter any more.
    pub(super) fn is_last_frame(&self) -> bool {
        matches!(self, Self::Returned(_) | Self::Checked(_) | Self::Raised(_) | Self::TooLarge { .. })
    }
}

/// The end of the run. `exit` is absent when the zygote died before it could tell.
pub(super) fn end_of(outcome: Outcome, exit: Option<Exit>, limits: &RunLimits) -> RunEnd {
    match outcome {
        Outcome::Returned(result) => returned(result, limits),
        Outcome::Checked(report) => RunEnd::Checked(report),
        Outcome::Raised(raised) => RunEnd::Failed(raised_by(raised, limits)),
        Outcome::TooLarge { result_bytes } => too_large(result_bytes, limits),
        Outcome::Silent => silent(exit, limits),
        Outcome::HungUp => failed(
            FailureCode::NoResult,
            "the program closed its connection before it sent a result".to_owned(),
        ),
        Outcome::Violation(what) => failed(
            FailureCode::SandboxViolation,
            format!("the program broke the protocol of its cell: {what}"),
        ),
        Outcome::NoWall(refusal) => RunEnd::Lost(format!("{}: {}", refusal.layer, refusal.reason)),
        Outcome::WallClock => failed(
            FailureCode::Timeout,
            format!("the program did not end within its limit of {} ms", limits.wall.as_millis()),
        ),
        Outcome::Stopped => RunEnd::Stopped,
        Outcome::MemoryBudget { bytes, bytes_max } => failed(
            FailureCode::OutOfMemory,
            format!(
                "all programs of this worker together reached its memory limit of {bytes_max} bytes \
                 (WORKER_MEMORY_BYTES_MAX), and this one was the largest with {bytes} bytes"
            ),
        ),
        Outcome::WorkFolder { bytes, files, files_max } => failed(
            FailureCode::BudgetExceeded,
            format!(
                "the program's folder holds {files} files with {bytes} bytes; the limits are {files_max} files and {} bytes",
                limits.work_bytes_max
            ),
        ),
        Outcome::Threads { threads, threads_max } => failed(
            FailureCode::BudgetExceeded,
            format!("the program runs {threads} threads; the limit is {threads_max} threads"),
        ),
        Outcome::Flood { frames_per_sec_max, lasted } => failed(
            FailureCode::BudgetExceeded,
            format!(
                "the program called tools and named steps without a pause for {} s, faster than its limit of \
                 {frames_per_sec_max} messages a second",
                lasted.as_secs()
            ),
        ),
        Outcome::Host(end) => end,
    }
}

fn failed(code: FailureCode, message: String) -> RunEnd {
    RunEnd::Failed(RunFailure::new(code, message))
}

/// The bytes are all we believe, so they are read here as strictly as any client will read them.
fn returned(result: Box<RawValue>, limits: &RunLimits) -> RunEnd {
    let result_bytes = result.get().len() as u64;
    if result_bytes > limits.result_bytes_max {
        return too_large(result_bytes, limits);
    }
    match serde_json::from_str::<Value>(result.get()) {
        Ok(_) => RunEnd::Returned(result),
        Err(error) => {
            failed(FailureCode::ResultNotJson, format!("the result is not JSON that can be stored: {error}"))
        }
    }
}

fn too_large(result_bytes: u64, limits: &RunLimits) -> RunEnd {
    let limit = limits.result_bytes_max;
    failed(
        FailureCode::OutputTooLarge,
        format!(
            "the result takes {result_bytes} bytes as JSON; the limit is {limit} bytes (RESULT_BYTES_MAX)"
        ),
    )
}

fn raised_by(raised: Raised, limits: &RunLimits) -> RunFailure {
    let Raised { kind, message, line, traceback } = raised;
    let (code, message) = match kind {
        RaisedKind::InvalidCode => (FailureCode::InvalidCode, message),
        RaisedKind::PythonError => (FailureCode::PythonError, message),
        RaisedKind::ToolError => (FailureCode::ToolError, message),
        RaisedKind::ResultNotJson => (FailureCode::ResultNotJson, message),
        RaisedKind::LimitReached => (FailureCode::BudgetExceeded, message),
        RaisedKind::NoResult => (FailureCode::NoResult, message),
        RaisedKind::OutOfMemory => (
            FailureCode::OutOfMemory,
            format!(
                "the program needed more memory than its limit of {} bytes (RUN_MEMORY_BYTES_MAX): {message}",
                limits.memory_bytes_max
            ),
        ),
    };
    RunFailure { code, message, line, traceback }
}

fn silent(exit: Option<Exit>, limits: &RunLimits) -> RunEnd {
    let Some(exit) = exit else {
        return RunEnd::Lost("the zygote died, and its cells with it".to_owned());
    };
    match exit.status {
        ExitStatus::Signal(SIGSYS) => failed(
            FailureCode::SandboxViolation,
            "the program made a system call that is never allowed".to_owned(),
        ),
        ExitStatus::Signal(SIGXCPU) => out_of_processor_time(limits),
        ExitStatus::Signal(SIGKILL) => killed(exit, limits),
        status => failed(
            FailureCode::NoResult,
            format!("the program's process ended without a result ({})", describe(status)),
        ),
    }
}

/// A program cannot send itself SIGKILL, so it came from the kernel or from outside.
fn killed(exit: Exit, limits: &RunLimits) -> RunEnd {
    // It comes a second after a SIGXCPU that was ignored. The kernel counts for the limit in ticks and for the report
    // exactly, and on a busy machine the two differ by tenths of a second: the second between them is more.
    if Duration::from_micros(exit.cpu_us) >= cpu_limit(limits) {
        return out_of_processor_time(limits);
    }
    let limit = limits.memory_bytes_max;
    if exit.oom == Some(KernelOom::OwnLimit) {
        return failed(
            FailureCode::OutOfMemory,
            format!(
                "the kernel ended the program: with its files and what the kernel keeps for it, it needed more memory \
                 than its limit of {limit} bytes (RUN_MEMORY_BYTES_MAX) and the room beside it"
            ),
        );
    }
    if exit.oom.is_some() || exit.max_rss_bytes >= limit / 10 * 9 {
        return failed(
            FailureCode::OutOfMemory,
            format!("the kernel ended the program for lack of memory; its own limit is {limit} bytes"),
        );
    }
    RunEnd::Lost("the cell was killed from outside".to_owned())
}

fn out_of_processor_time(limits: &RunLimits) -> RunEnd {
    let limit = cpu_limit(limits).as_secs();
    failed(FailureCode::Timeout, format!("the program used its limit of {limit} s of processor time"))
}

/// The kernel counts processor time in whole seconds.
pub(super) fn cpu_limit(limits: &RunLimits) -> Duration {
    Duration::from_secs(limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0))
        .max(Duration::from_secs(1))
}

fn describe(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exit status {code}"),
        ExitStatus::Signal(signal) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RunLimits {
        RunLimits { cpu: Duration::from_secs(2), ..RunLimits::default() }
    }

    fn code_of(outcome: Outcome, exit: Option<Exit>) -> Option<FailureCode> {
        match end_of(outcome, exit, &limits()) {
            RunEnd::Failed(failure) => Some(failure.code),
            _ => None,
        }
    }

    fn exit(status: ExitStatus, cpu_us: u64, max_rss_bytes: u64) -> Exit {
        Exit { status, cpu_us, max_rss_bytes, oom: None }
    }

    fn with_oom(oom: KernelOom) -> Exit {
        Exit { oom: Some(oom), ..exit(ExitStatus::Signal(9), 0, 0) }
    }

    #[test]
    fn the_way_a_silent_cell_ended_decides_its_code() {
        let cases = [
            (Some(exit(ExitStatus::Code(0), 0, 0)), Some(FailureCode::NoResult)),
            (Some(exit(ExitStatus::Signal(11), 0, 0)), Some(FailureCode::NoResult)),
            (Some(exit(ExitStatus::Signal(31), 0, 0)), Some(FailureCode::SandboxViolation)),
            (Some(exit(ExitStatus::Signal(24), 1_700_000, 0)), Some(FailureCode::Timeout)),
            (Some(exit(ExitStatus::Signal(9), 2_000_000, 0)), Some(FailureCode::Timeout)),
            (Some(exit(ExitStatus::Signal(9), 0, 512 << 20)), Some(FailureCode::OutOfMemory)),
            (Some(with_oom(KernelOom::OwnLimit)), Some(FailureCode::OutOfMemory)),
            (Some(with_oom(KernelOom::Elsewhere)), Some(FailureCode::OutOfMemory)),
            // Lost, not failed: the program is innocent.
            (Some(exit(ExitStatus::Signal(9), 0, 0)), None),
            (None, None),
        ];
        for (exit, expected) in cases {
            assert_eq!(code_of(Outcome::Silent, exit), expected, "{exit:?}");
        }
    }

    #[test]
    fn a_forged_result_must_still_be_strict_json() {
        for (text, expected) in [
            (r#"{"fine": [1, "\u00e9", null]}"#.to_owned(), None),
            (r#""\ud800""#.to_owned(), Some(FailureCode::ResultNotJson)),
            (format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), Some(FailureCode::ResultNotJson)),
            ("9".repeat(400), Some(FailureCode::ResultNotJson)),
            (format!("\"{}\"", "x".repeat(1 << 20)), Some(FailureCode::OutputTooLarge)),
        ] {
            let result = RawValue::from_string(text.clone()).expect("JSON on the surface");
            let shown: String = text.chars().take(20).collect();
            assert_eq!(code_of(Outcome::Returned(result), None), expected, "{shown}");
        }
    }
}
