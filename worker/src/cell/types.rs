//! What goes into a run and what comes out of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use wire::control::{LayerReport, Refusal, Tier};
use wire::frame::{CheckReport, ToolDeclaration, ToolParameter};

/// How the cells of one worker are made.
#[derive(Debug, Clone)]
pub struct CellConfig {
    /// The sibling binary.
    pub runner_path: PathBuf,
    /// Cells that wait, forked and jailed, for the next run.
    pub pool_size: usize,
    /// Below it [`CellRoom::start`](super::CellRoom::start) refuses.
    pub min_tier: Tier,
    /// Above it nothing is tried.
    pub max_tier: Tier,
    /// All cells together, with their `/work`; at it the largest run ends as out of memory. `None`: 70 % of the
    /// machine or of the cgroup.
    pub memory_budget_bytes: Option<u64>,
    /// What runs may have at most, for the kernel's limit on a cell's group; `RunLimits::memory_bytes_max` is each run's.
    pub memory_bytes_max: u64,
    /// Size of `/work`; `RunLimits::work_bytes_max` can only lower it.
    pub work_bytes_max: u64,
    /// Files and folders in `/work`.
    pub work_inodes_max: u64,
    /// Open files of one cell.
    pub open_files_max: u64,
    /// Threads of one cell.
    pub threads_max: u64,
    /// A zygote is replaced after so many forks: its cells share hash seed, canaries and memory layout.
    pub zygote_forks_max: u64,
    /// And after this time.
    pub zygote_age_max: Duration,
    /// The functions every program finds; the host answers them.
    pub tools: Arc<[ToolDeclaration]>,
    /// Walls to leave out; only a runner built with its `ablation` feature obeys.
    pub layers_off: Vec<String>,
}

impl CellConfig {
    /// What is usual, between two tiers and within a memory budget.
    pub fn new(
        runner_path: PathBuf,
        min_tier: Tier,
        max_tier: Tier,
        memory_budget_bytes: Option<u64>,
    ) -> Self {
        Self {
            runner_path,
            // Four: a refill takes 2 ms, so bursts of one job per millisecond and core find a cell ready.
            pool_size: 4,
            min_tier,
            max_tier,
            memory_budget_bytes,
            memory_bytes_max: RunLimits::default().memory_bytes_max,
            work_bytes_max: 16 * 1024 * 1024,
            work_inodes_max: 1024,
            open_files_max: 64,
            threads_max: 64,
            zygote_forks_max: 10_000,
            zygote_age_max: Duration::from_secs(3600),
            tools: standard_tools(),
            layers_off: Vec::new(),
        }
    }
}

/// One program and what to do with it.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Source text.
    pub program: Arc<str>,
    /// Run it, or look at it.
    pub task: RunTask,
    /// For `random`; the same job has the same seed on every attempt.
    pub seed: u64,
    /// Where it ends at the latest.
    pub limits: RunLimits,
}

/// What is wanted of a program.
#[derive(Debug, Clone)]
pub enum RunTask {
    /// Call its entry point.
    Execute {
        /// With this argument.
        user_input: String,
    },
    /// Syntax and entry point only; nothing is run.
    Check,
}

/// Each ends in an error of its own that names it.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// From the moment a cell has the program to its end.
    pub wall: Duration,
    /// Processor time of all threads; the kernel counts whole seconds.
    pub cpu: Duration,
    /// Beyond the interpreter's own.
    pub memory_bytes_max: u64,
    /// The result's JSON.
    pub result_bytes_max: u64,
    /// stdout and stderr together; more is cut, the run goes on.
    pub log_bytes_max: u64,
    /// Files in `/work`.
    pub work_bytes_max: u64,
    /// The JSON of one tool call's arguments.
    pub arguments_bytes_max: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            cpu: Duration::from_secs(300),
            memory_bytes_max: 512 * 1024 * 1024,
            result_bytes_max: 1024 * 1024,
            log_bytes_max: 1024 * 1024,
            work_bytes_max: 16 * 1024 * 1024,
            // Half of a frame: JSON escapes can double what a program sees as its arguments.
            arguments_bytes_max: 1024 * 1024,
        }
    }
}

/// `paradigm_search(query)` and `chat_completion(prompt)`.
pub fn standard_tools() -> Arc<[ToolDeclaration]> {
    let tool = |name: &str, parameter: &str| ToolDeclaration {
        name: name.to_owned(),
        parameters: vec![ToolParameter { name: parameter.to_owned(), keyword_only: false, default: None }],
    };
    Arc::new([tool("paradigm_search", "query"), tool("chat_completion", "prompt")])
}

/// The other side of a run: answers its calls, hears its steps and prints.
pub trait RunHost: Send + Sync + 'static {
    /// Many are in flight at once. Dropped when the run ends first.
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict>;
    /// A named stretch begins.
    fn step_entered(&self, step: StepEntered);
    /// A named stretch ends.
    fn step_left(&self, step: StepLeft);
    /// What the program prints, as it comes, byte by byte its own, capped in total.
    fn printed(&self, stream: Stream, chunk: &[u8]);
}

/// The host of a [`RunTask::Check`], in which nothing runs and nothing calls.
#[derive(Debug, Clone, Copy)]
pub struct CheckedRun;

impl RunHost for CheckedRun {
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        Box::pin(async move { ToolVerdict::Fail(format!("{} cannot be called in a check", call.tool)) })
    }

    fn step_entered(&self, _: StepEntered) {}

    fn step_left(&self, _: StepLeft) {}

    fn printed(&self, _: Stream, _: &[u8]) {}
}

/// One call of a predeclared function. Name and arguments are the program's claims.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The program's number for it.
    pub id: u64,
    /// One of `CellConfig::tools`, when the program is honest.
    pub tool: String,
    /// By name; parameters left out are absent.
    pub arguments: Map<String, Value>,
    /// The step it was made in.
    pub step: Option<u64>,
}

/// The host's answer to a call.
#[derive(Debug)]
pub enum ToolVerdict {
    /// The function's value.
    Answer(Value),
    /// A Python `ToolError` with this message.
    Fail(String),
    /// The run is over; nothing is raised.
    End(RunEnd),
}

/// A step begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEntered {
    /// Unique in the run.
    pub id: u64,
    /// The step around it.
    pub parent: Option<u64>,
    /// As the program names it, at most 200 characters.
    pub title: String,
}

/// A step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepLeft {
    /// As entered.
    pub id: u64,
    /// Not by an exception.
    pub ok: bool,
}

/// Where something was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a run went.
#[derive(Debug)]
pub struct RunReport {
    /// Its one end.
    pub end: RunEnd,
    /// Measured by worker and kernel.
    pub usage: RunUsage,
    /// More was printed than the limit allows.
    pub log_truncated: bool,
}

/// What a run used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunUsage {
    /// From the call of `run` to its end.
    pub wall: Duration,
    /// User and system time of all its threads; zero when the zygote died with it.
    pub cpu: Duration,
    /// Peak resident memory, that of the warm interpreter included.
    pub max_rss_bytes: u64,
}

/// How a run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// With a value: valid JSON within the limit.
    Returned(Box<RawValue>),
    /// The answer to [`RunTask::Check`].
    Checked(CheckReport),
    /// By the program's fault.
    Failed(RunFailure),
    /// By the stop token.
    Stopped,
    /// The cell or its zygote died of nothing the program did; the caller may try again.
    Lost(String),
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFailure {
    /// One of the job's error codes.
    pub code: FailureCode,
    /// Names the limit and its value where there is one.
    pub message: String,
    /// Last line of the program's own frames.
    pub line: Option<u32>,
    /// With the program's own frames only.
    pub traceback: Option<String>,
}

impl RunFailure {
    /// A failure that has no place in the program.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), line: None, traceback: None }
    }
}

/// The error codes a run can end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the contract's, explained there")]
pub enum FailureCode {
    PythonError,
    Timeout,
    OutOfMemory,
    OutputTooLarge,
    NoResult,
    ResultNotJson,
    SandboxViolation,
    ToolError,
    BudgetExceeded,
    InvalidCode,
}

impl FailureCode {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PythonError => "python_error",
            Self::Timeout => "timeout",
            Self::OutOfMemory => "out_of_memory",
            Self::OutputTooLarge => "output_too_large",
            Self::NoResult => "no_result",
            Self::ResultNotJson => "result_not_json",
            Self::SandboxViolation => "sandbox_violation",
            Self::ToolError => "tool_error",
            Self::BudgetExceeded => "budget_exceeded",
            Self::InvalidCode => "invalid_code",
        }
    }
}

/// What stands around the cells of this worker.
#[derive(Debug, Clone)]
pub struct SandboxReport {
    /// In force.
    pub tier: Tier,
    /// Every wall.
    pub layers: Vec<LayerReport>,
    /// Of the loaded library.
    pub python_version: String,
    /// How many pages each fork copies at once, or why a cell copies each when it writes to it.
    pub hot_pages: Result<usize, String>,
    /// Why it is not a higher tier, when a higher one was allowed.
    pub higher_tier_refused: Option<Refusal>,
}
