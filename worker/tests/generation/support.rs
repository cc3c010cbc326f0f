//! What these tests share: a room of cells, a generator that follows a script, and the programs it gives.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use providers::{
    CallContext, GeneratedProgram, Generation, GenerationOutcome, GenerationRequest, Generator, PlannedStep,
    ProviderError, SelfTest, TokenUsage,
};
use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, CellRoom, Tier};
use worker::config::JobLimits;
use worker::generate::proof::{Bench, Lost, Proof, prove};

/// The runner of these very sources, built once.
fn runner() -> PathBuf {
    static RUNNER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let executable = std::env::current_exe().expect("a test has an executable");
        let profile = executable.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .args(["build", "-q", "-p", "runner", "--target-dir"])
            .arg(profile.parent().expect("target/<profile>"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo starts").success(), "the runner does not build");
        profile.join("runner")
    };
    RUNNER.get_or_init(build).clone()
}

/// Cells, and what a run in them may use.
pub struct Room {
    cells: CellRoom,
    limits: JobLimits,
}

impl Room {
    pub async fn start() -> Self {
        let mut config = CellConfig::new(runner(), Tier::B, Tier::A, None);
        config.tools = worker::tools::declarations();
        let cells = CellRoom::start(config, CancellationToken::new()).await.expect("the sandbox stands here");
        let limits = JobLimits {
            memory_bytes_max: 256 << 20,
            tokens_max: 1_000_000,
            tool_calls_max: 200,
            result_bytes_max: 1 << 20,
            log_bytes_max: 1 << 20,
            journal_bytes_max: 1 << 20,
        };
        Self { cells, limits }
    }

    pub fn bench(&self) -> Bench<'_> {
        Bench::new(&self.cells, &self.limits, CancellationToken::new())
    }

    pub async fn prove(&self, generator: &Scripted) -> Proof {
        self.try_to_prove(generator).await.expect("nothing stops it")
    }

    pub async fn try_to_prove(&self, generator: &Scripted) -> Result<Proof, Lost> {
        let cx = CallContext::within(Duration::from_secs(60));
        prove(&self.bench(), generator, GenerationRequest::new("Do it."), &cx).await
    }

    pub async fn end(self) {
        self.cells.close().await;
    }
}

/// A generator that gives its answers in order, and remembers what it was asked.
pub struct Scripted {
    answers: Mutex<VecDeque<Result<GenerationOutcome, ProviderError>>>,
    asked: Mutex<Vec<GenerationRequest>>,
    model: Option<&'static str>,
}

impl Scripted {
    pub fn new(answers: impl IntoIterator<Item = Result<GenerationOutcome, ProviderError>>) -> Self {
        Self {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            model: Some("a-model"),
        }
    }

    /// Gives these programs, one after the other.
    pub fn programs<'a>(codes: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(codes.into_iter().map(|code| Ok(GenerationOutcome::Program(program(code)))))
    }

    pub fn without_model(self) -> Self {
        Self { model: None, ..self }
    }

    pub fn asked(&self) -> Vec<GenerationRequest> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Generator for Scripted {
    fn generate<'a>(
        &'a self,
        request: &'a GenerationRequest,
        cx: &'a CallContext,
    ) -> BoxFuture<'a, Result<Generation, ProviderError>> {
        self.asked.lock().expect("no panic").push(request.clone());
        let answer = self.answers.lock().expect("no panic").pop_front().expect("nobody asks more often");
        let usage = TokenUsage { input_tokens: 100, output_tokens: 10, ..TokenUsage::default() };
        cx.meter.add(providers::Spent { usage, requests: 1 });
        let generation =
            answer.map(|outcome| Generation { outcome, usage, requests: 1, prompt_version: Some(7) });
        Box::pin(async move { generation })
    }

    fn provider(&self) -> &'static str {
        "scripted"
    }

    fn model(&self) -> Option<&str> {
        self.model
    }
}

/// A program without plan and self-tests.
pub fn program(code: &str) -> GeneratedProgram {
    GeneratedProgram {
        name: "A workflow".to_owned(),
        summary: "It does it.".to_owned(),
        language: "en".to_owned(),
        assumptions: vec!["It is wanted.".to_owned()],
        steps: Vec::<PlannedStep>::new(),
        code: code.to_owned(),
        self_tests: Vec::new(),
    }
}

/// The same with one self-test.
pub fn tested(code: &str, input: &str, must_contain: &[&str]) -> GeneratedProgram {
    let must_contain = must_contain.iter().map(|text| (*text).to_owned()).collect();
    let test = SelfTest { input: input.to_owned(), tool_replies: Vec::new(), must_contain };
    GeneratedProgram { self_tests: vec![test], ..program(code) }
}

/// An async program with this body.
pub fn body(lines: &str) -> String {
    let indented: Vec<String> = lines.lines().map(|line| format!("    {line}")).collect();
    format!(
        "import asyncio\n\n\nasync def execute_workflow(user_input: str) -> str:\n{}\n",
        indented.join("\n")
    )
}
