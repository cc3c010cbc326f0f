//! What the tests of the cell share: a room with a fresh runner, a host that answers and remembers, a clean end.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;
use worker::cell::{
    CellConfig, CellRoom, RunEnd, RunFailure, RunHost, RunLimits, RunReport, RunSpec, RunTask, StepEntered,
    StepLeft, Stream, Tier, ToolCall, ToolVerdict,
};

/// Where `make test` counts what is not shown on this machine.
const NOT_RUN: &str = "TESTS_NOT_RUN";

/// Says that something cannot be shown here, past the harness, which keeps to itself what a test prints that passes.
pub fn not_run(reason: &str) {
    let line = format!("NOT RUN: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(NOT_RUN)
        && let Ok(mut file) = OpenOptions::new().append(true).open(path)
    {
        let _ = file.write_all(line.as_bytes());
    }
}

/// The runner of these very sources, built once per test binary.
pub fn runner() -> PathBuf {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    let given = || std::env::var_os(super::elsewhere::RUNNER).map(PathBuf::from);
    RUNNER.get_or_init(|| given().unwrap_or_else(|| build_runner(&[]))).clone()
}

/// Builds the runner beside the test's own executable.
pub fn build_runner(extra: &[&str]) -> PathBuf {
    build_runner_in("", extra)
}

/// The runner that can leave out walls. In a folder of its own: it must never lie where a worker looks for its sibling.
#[allow(dead_code, reason = "for the ablation of walls only")]
pub fn build_ablation_runner() -> PathBuf {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    RUNNER.get_or_init(|| build_runner_in("ablation", &["--features", "ablation"])).clone()
}

fn build_runner_in(folder: &str, extra: &[&str]) -> PathBuf {
    let executable = std::env::current_exe().expect("a test has an executable");
    let profile =
        executable.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>").to_owned();
    let target = profile.parent().expect("target/<profile>").join(folder);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace)
        .args(["build", "-q", "-p", "runner", "--target-dir"])
        .arg(&target)
        .args(extra);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo starts").success(), "the runner does not build");
    target.join(profile.file_name().expect("a name")).join("runner")
}

/// A "runner" that says this on its control socket, one message after the other.
pub fn speaker(folder: &Path, says: &[&str]) -> PathBuf {
    let path = folder.join("runner");
    let says: Vec<_> = says.iter().map(|message| format!("s.send(b'''{message}''')\n")).collect();
    let says = says.concat();
    let script = format!("#!/usr/bin/python3\nimport socket\ns = socket.socket(fileno=0)\n{says}s.recv(1)\n");
    std::fs::write(&path, script).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path
}

/// A room of one's own.
pub struct Bench {
    pub room: CellRoom,
}

impl Bench {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut CellConfig)) -> Self {
        let mut config = CellConfig::new(runner(), Tier::B, Tier::A, None);
        change(&mut config);
        let room = CellRoom::start(config, CancellationToken::new()).await.expect("the sandbox stands here");
        Self { room }
    }

    pub fn spec(program: &str, task: RunTask) -> RunSpec {
        RunSpec { program: program.into(), task, seed: 7, limits: RunLimits::default() }
    }

    pub async fn execute(&self, program: &str, input: &str) -> RunReport {
        self.run(program, input, RunLimits::default(), Answers::none(), CancellationToken::new()).await
    }

    pub async fn check(&self, program: &str) -> RunReport {
        self.room.run(Self::spec(program, RunTask::Check), Answers::none(), CancellationToken::new()).await
    }

    pub async fn run(
        &self,
        program: &str,
        input: &str,
        limits: RunLimits,
        host: Arc<Answers>,
        stop: CancellationToken,
    ) -> RunReport {
        let task = RunTask::Execute { user_input: input.to_owned() };
        self.room.run(RunSpec { limits, ..Self::spec(program, task) }, host, stop).await
    }

    /// The zygote, a direct child of this process. Tests of one process share it, so: the youngest is ours only when
    /// each test runs in a process of its own or counts on nothing else.
    pub fn zygote_pid(&self) -> i32 {
        self.room.zygote_pid().expect("there is a zygote").cast_signed()
    }

    /// Zygote and cells.
    pub fn processes(&self) -> Vec<i32> {
        let zygote = self.zygote_pid();
        let mut all = children_of(zygote);
        all.push(zygote);
        all
    }

    /// Closes the room and asserts that nothing is left.
    pub async fn end(self) {
        let processes = self.processes();
        self.room.close().await;
        // A zygote that needs too long for it is killed itself, and its cells are on their way out of the kernel then.
        let deadline = Instant::now() + Duration::from_secs(20);
        for pid in processes {
            while !has_ended(pid) {
                assert!(Instant::now() < deadline, "process {pid} is left");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

pub fn children_of(parent: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// One that nobody has collected yet has ended too.
fn has_ended(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

#[derive(Default)]
struct Heard {
    calls: Vec<ToolCall>,
    steps: Vec<StepEntered>,
    steps_left: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

type Answer = Box<dyn Fn(&ToolCall) -> ToolVerdict + Send + Sync>;

/// A host that answers by a function and remembers what it heard.
pub struct Answers {
    answer: Answer,
    together: Option<Barrier>,
    heard: Mutex<Heard>,
}

impl Answers {
    pub fn new(answer: impl Fn(&ToolCall) -> ToolVerdict + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { answer: Box::new(answer), together: None, heard: Mutex::default() })
    }

    /// For programs that call nothing.
    pub fn none() -> Arc<Self> {
        Self::new(|call| ToolVerdict::Fail(format!("nobody expected {}", call.tool)))
    }

    /// Answers when `count` calls are waiting.
    pub fn together(count: usize, answer: &str) -> Arc<Self> {
        let answer = json!(answer);
        Arc::new(Self {
            answer: Box::new(move |_| ToolVerdict::Answer(answer.clone())),
            together: Some(Barrier::new(count)),
            heard: Mutex::default(),
        })
    }

    pub fn calls(&self) -> Vec<ToolCall> {
        self.heard.lock().expect("no panic").calls.clone()
    }

    pub fn steps(&self) -> Vec<StepEntered> {
        self.heard.lock().expect("no panic").steps.clone()
    }

    pub fn steps_left(&self) -> usize {
        self.heard.lock().expect("no panic").steps_left
    }

    pub fn stdout(&self) -> Vec<u8> {
        self.heard.lock().expect("no panic").stdout.clone()
    }

    pub fn stderr(&self) -> Vec<u8> {
        self.heard.lock().expect("no panic").stderr.clone()
    }
}

impl RunHost for Answers {
    fn call_tool(&self, call: ToolCall) -> BoxFuture<'_, ToolVerdict> {
        Box::pin(async move {
            if let Some(together) = &self.together {
                together.wait().await;
            }
            let verdict = (self.answer)(&call);
            self.heard.lock().expect("no panic").calls.push(call);
            verdict
        })
    }

    fn step_entered(&self, step: StepEntered) {
        self.heard.lock().expect("no panic").steps.push(step);
    }

    fn step_left(&self, step: StepLeft) {
        assert!(step.ok || step.id > 0);
        self.heard.lock().expect("no panic").steps_left += 1;
    }

    fn printed(&self, stream: Stream, chunk: &[u8]) {
        let mut heard = self.heard.lock().expect("no panic");
        match stream {
            Stream::Stdout => heard.stdout.extend_from_slice(chunk),
            Stream::Stderr => heard.stderr.extend_from_slice(chunk),
        }
    }
}

pub fn expect_value(report: &RunReport, program: &str) -> Value {
    match &report.end {
        RunEnd::Returned(result) => serde_json::from_str(result.get()).expect("the worker checked it"),
        other => panic!("no result but {other:?} from\n{program}"),
    }
}

pub fn expect_failure<'a>(report: &'a RunReport, program: &str) -> &'a RunFailure {
    match &report.end {
        RunEnd::Failed(failure) => failure,
        other => panic!("no failure but {other:?} from\n{program}"),
    }
}
