//! From a request to a program that has run, or to the reason why there is none: write, check, run, repair.
//!
//! Invariants:
//! - a program is accepted only when the checks found no error and every dry run ended with a result;
//! - at most [`limits::REPAIR_ROUNDS_MAX`] repairs, whatever is found; warnings alone are worth one;
//! - every attempt is kept, with its findings and its tokens;
//! - a repair that makes things worse, or does not come, never takes away a program that was accepted before.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use providers::{
    CallContext, GeneratedProgram, GenerationOutcome, GenerationRequest, Generator, PreviousAttempt,
    ProviderError, Question, Spent,
};
use shared::{
    limits,
    store::generation::{Finding, ProgramAttempt, Provenance},
};
use tokio_util::sync::CancellationToken;

use super::{checks, dry_run};
use crate::{
    cell::{CellRoom, RunEnd, RunHost, RunReport, RunSpec, RunTask},
    config::JobLimits,
};

/// Where programs are tried.
pub struct Bench<'a> {
    /// The cells.
    pub cells: &'a CellRoom,
    /// What a run may use.
    pub limits: &'a JobLimits,
    /// Ends every run.
    pub stop: CancellationToken,
    used: AtomicBool,
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").finish_non_exhaustive()
    }
}

/// A run that says nothing about the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// It was stopped from outside.
    Stopped,
    /// The cell died of nothing the program did: another attempt may do better.
    Cell(String),
}

impl<'a> Bench<'a> {
    /// One on which nothing was tried yet.
    pub fn new(cells: &'a CellRoom, limits: &'a JobLimits, stop: CancellationToken) -> Self {
        Self { cells, limits, stop, used: AtomicBool::new(false) }
    }

    /// Whether anything was run in a cell.
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) async fn run(
        &self,
        program: Arc<str>,
        task: RunTask,
        wall: Duration,
        host: Arc<dyn RunHost>,
    ) -> Result<RunReport, Lost> {
        self.used.store(true, Ordering::Relaxed);
        let spec = RunSpec { program, task, seed: 0, limits: self.limits.run(wall) };
        let report = self.cells.run(spec, host, self.stop.clone()).await;
        match report.end {
            RunEnd::Stopped => Err(Lost::Stopped),
            RunEnd::Lost(cause) => Err(Lost::Cell(cause)),
            _ => Ok(report),
        }
    }
}

/// What came of a request.
#[derive(Debug)]
pub enum Made {
    /// A program that has run.
    Program(Box<GeneratedProgram>),
    /// It depends on the user's answers.
    Questions(Vec<Question>),
    /// It cannot or must not be done.
    Cannot {
        /// Why, in the user's language.
        reason: String,
        /// What is missing.
        missing_capability: Option<String>,
    },
    /// The generator does not read this description.
    NotUnderstood(String),
    /// No attempt passed; the findings are of the last.
    Unusable(Vec<Finding>),
    /// The provider failed.
    Provider(ProviderError),
}

/// What came of a request, and how.
#[derive(Debug)]
pub struct Proof {
    /// What came of it.
    pub made: Made,
    /// How.
    pub provenance: Provenance,
}

/// A program without errors, waiting for a better one.
struct Accepted {
    program: GeneratedProgram,
    findings: Vec<Finding>,
    attempt: usize,
}

/// Writes a program and proves it. `Err`: a run was lost or stopped, nothing is known.
pub async fn prove(
    bench: &Bench<'_>,
    generator: &dyn Generator,
    mut request: GenerationRequest,
    cx: &CallContext,
) -> Result<Proof, Lost> {
    let provenance = Provenance {
        provider: Some(generator.provider().to_owned()),
        model: generator.model().map(str::to_owned),
        ..Provenance::default()
    };
    let mut proving = Proving { bench, generator, cx, provenance, accepted: None };
    let made = loop {
        match proving.round(&request).await? {
            Round::Over(made) => break made,
            Round::Repair(previous) => request.previous = Some(previous),
            Round::AskAgain => {}
        }
        proving.provenance.rounds += 1;
    };
    let mut provenance = proving.provenance;
    let spent = cx.meter.spent();
    provenance.input_tokens = spent.usage.input_tokens_total();
    provenance.output_tokens = spent.usage.output_tokens;
    Ok(Proof { made, provenance })
}

/// How a round ended.
enum Round {
    /// There is nothing left to do.
    Over(Made),
    /// The program is to be mended.
    Repair(PreviousAttempt),
    /// The reply could not be used: the same request once more.
    AskAgain,
}

struct Proving<'a> {
    bench: &'a Bench<'a>,
    generator: &'a dyn Generator,
    cx: &'a CallContext,
    provenance: Provenance,
    accepted: Option<Accepted>,
}

impl Proving<'_> {
    async fn round(&mut self, request: &GenerationRequest) -> Result<Round, Lost> {
        let before = self.cx.meter.spent();
        let mut cx = self.cx.clone();
        if !self.provenance.attempts.is_empty() {
            cx.pause_max = None; // what was paid for so far would be lost with the place
        }
        let answer = self.generator.generate(request, &cx).await;
        let mut attempt = empty_attempt(before, self.cx.meter.spent());
        let program = match answer {
            Ok(generation) => {
                self.provenance.prompt_version = generation.prompt_version;
                match generation.outcome {
                    GenerationOutcome::Program(program) => program,
                    other => return Ok(Round::Over(self.accepted_or(without_program(other)))),
                }
            }
            Err(ProviderError::Malformed { reason, .. }) => {
                attempt.findings = vec![Finding::error("E_REPLY", None, reason)];
                let findings = attempt.findings.clone();
                self.provenance.attempts.push(attempt);
                return Ok(if self.may_repair() && self.accepted.is_none() {
                    Round::AskAgain
                } else {
                    Round::Over(self.accepted_or(Made::Unusable(findings)))
                });
            }
            Err(error) => return Ok(Round::Over(self.accepted_or(Made::Provider(error)))),
        };
        let findings = look(self.bench, &program, &mut attempt).await?;
        self.provenance.attempts.push(attempt);
        let repaired_already = self.accepted.is_some();
        self.consider(&program, &findings);
        let wanting = match &self.accepted {
            None => true,
            Some(_) => !repaired_already && findings.iter().any(is_worth_a_repair),
        };
        if wanting && self.may_repair() {
            let findings = findings.iter().map(ToString::to_string).collect();
            return Ok(Round::Repair(PreviousAttempt { code: program.code, findings }));
        }
        Ok(Round::Over(self.accepted_or(Made::Unusable(findings))))
    }

    /// Accepts a program without errors, unless one with fewer doubts was accepted before.
    fn consider(&mut self, program: &GeneratedProgram, findings: &[Finding]) {
        let better = self.accepted.as_ref().is_none_or(|old| findings.len() <= old.findings.len());
        if better && !findings.iter().any(Finding::is_error) {
            let attempt = self.provenance.attempts.len() - 1;
            self.accepted = Some(Accepted { program: program.clone(), findings: findings.to_vec(), attempt });
        }
    }

    /// Only a model can mend its program; a compiler would give the same again.
    fn may_repair(&self) -> bool {
        self.generator.model().is_some() && self.provenance.rounds < limits::REPAIR_ROUNDS_MAX
    }

    /// What was accepted, else what would be said without it.
    fn accepted_or(&mut self, otherwise: Made) -> Made {
        let Some(Accepted { program, findings, attempt }) = self.accepted.take() else { return otherwise };
        let provenance = &mut self.provenance;
        provenance.findings = findings;
        provenance.assumptions.clone_from(&program.assumptions);
        provenance.self_tests =
            provenance.attempts.get(attempt).map(|tried| tried.dry_runs.clone()).unwrap_or_default();
        Made::Program(Box::new(program))
    }
}

/// Checks a program, and runs it when the checks found no error. What was found is noted in `attempt`.
async fn look(
    bench: &Bench<'_>,
    program: &GeneratedProgram,
    attempt: &mut ProgramAttempt,
) -> Result<Vec<Finding>, Lost> {
    attempt.code = Some(program.code.clone());
    let mut findings = match checks::startable(bench, &program.code).await? {
        Err(failure) => vec![checks::not_startable(&failure)],
        Ok(()) => checks::findings(bench, &program.code, Some(&program.steps)).await?,
    };
    if !findings.iter().any(Finding::is_error) {
        let code: Arc<str> = program.code.as_str().into();
        let shown = dry_run::dry_runs(bench, &code, &program.self_tests).await?;
        findings.extend(shown.findings);
        attempt.dry_runs = shown.runs;
    }
    findings.truncate(limits::FINDINGS_MAX);
    attempt.findings.clone_from(&findings);
    Ok(findings)
}

/// An error, a self-test that does not come out as its own author expects, or an input that a program should survive.
fn is_worth_a_repair(finding: &Finding) -> bool {
    finding.is_error() || matches!(finding.code.as_str(), "E_EXPECTATION" | "E_RAISED")
}

fn without_program(outcome: GenerationOutcome) -> Made {
    match outcome {
        GenerationOutcome::Questions(questions) => Made::Questions(questions),
        GenerationOutcome::Cannot { reason, missing_capability } => {
            Made::Cannot { reason, missing_capability }
        }
        GenerationOutcome::NotUnderstood { reason } => Made::NotUnderstood(reason),
        _ => Made::Unusable(vec![Finding::error("E_REPLY", None, "the generator gave an unknown answer")]),
    }
}

fn empty_attempt(before: Spent, after: Spent) -> ProgramAttempt {
    ProgramAttempt {
        code: None,
        findings: Vec::new(),
        dry_runs: Vec::new(),
        input_tokens: after.usage.input_tokens_total().saturating_sub(before.usage.input_tokens_total()),
        output_tokens: after.usage.output_tokens.saturating_sub(before.usage.output_tokens),
    }
}
