//! The evaluation: every case from its description to its checks, with the configured provider.
//!
//! `eval [--samples N] [CASE …]`. Programs are written and proved as in a worker, and run in real cells; the answers
//! of their tools are salted anew for each sample, so that no program can know them. It reads the worker's
//! environment variables: with a provider's key it measures that model, without one the offline compiler.

#[path = "eval/cost.rs"]
mod cost;
#[path = "eval/report.rs"]
mod report;
#[path = "eval/run.rs"]
mod run;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use providers::{CallContext, GenerationRequest};
use serde_json::Value;
use shared::config::{Vars, process_vars};
use tests::binaries;
use tokio_util::sync::CancellationToken;
use worker::cell::{CellConfig, CellRoom};
use worker::config::Config;
use worker::generate::proof::{Bench, Lost, Made, prove};
use worker::outside::Outside;

use self::report::{Report, Sample, Verdict};
use self::run::Tried;

/// 10 min: what a worker allows a generation.
const GENERATE_TIMEOUT: Duration = Duration::from_secs(600);
/// 1 sample shows a compiler; a model is worth several.
const SAMPLES_DEFAULT: usize = 1;

#[tokio::main]
async fn main() -> ExitCode {
    let (samples, wanted) = match arguments() {
        Ok(arguments) => arguments,
        Err(told) => {
            eprintln!("eval: {told}\nusage: eval [--samples N] [CASE …]");
            return ExitCode::from(2);
        }
    };
    match evaluate(samples, &wanted).await {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(told) => {
            eprintln!("eval: {told}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<(usize, Vec<String>), String> {
    let mut given = std::env::args().skip(1);
    let (mut samples, mut wanted) = (SAMPLES_DEFAULT, Vec::new());
    while let Some(argument) = given.next() {
        if argument == "--samples" {
            let number = given.next().and_then(|number| number.parse().ok()).filter(|n| *n > 0);
            samples = number.ok_or("--samples takes a number from 1")?;
        } else {
            wanted.push(argument);
        }
    }
    Ok((samples, wanted))
}

async fn evaluate(samples: usize, wanted: &[String]) -> Result<Report, String> {
    // Nothing is stored here: the settings of the store are the worker's defaults and never used.
    let unused = ("SECRETS_KEY".to_owned(), "A".repeat(43) + "=");
    let config = Config::from_vars(Vars::new(std::iter::once(unused).chain(process_vars())))
        .map_err(|mistakes| mistakes.to_string())?;
    let outside = Outside::new(&config.providers).map_err(|error| error.to_string())?;
    let runner = binaries::directory().join("runner");
    let mut room = CellConfig::new(runner, config.min_tier, config.max_tier, config.memory_bytes_max);
    room.tools = worker::tools::declarations();
    let cells = CellRoom::start(room, CancellationToken::new()).await.map_err(|error| error.to_string())?;
    let bench = Bench::new(&cells, &config.limits, CancellationToken::new());
    let operators = outside.operators();
    let generator = operators.generator.as_ref();
    let mut report = Report::new(generator.provider(), generator.model(), samples);
    let cases = run::cases();
    for case in cases.iter().filter(|case| wanted.is_empty() || wanted.iter().any(|id| case["id"] == **id)) {
        for number in 0..samples {
            let sample = sample(&bench, generator, case, number).await;
            let sample = sample.map_err(|lost| format!("{}: a run was lost: {lost:?}", case["id"]))?;
            eprintln!("{}", sample.line());
            report.add(sample);
        }
    }
    cells.close().await;
    Ok(report)
}

async fn sample(
    bench: &Bench<'_>,
    generator: &dyn providers::Generator,
    case: &Value,
    number: usize,
) -> Result<Sample, Lost> {
    let text = |field: &str| case[field].as_str().unwrap_or_default().to_owned();
    let request = GenerationRequest::new(text("description"));
    let cx = CallContext::within(GENERATE_TIMEOUT);
    let began = Instant::now();
    let proof = prove(bench, generator, request, &cx).await?;
    let took = began.elapsed();
    let salt = format!("{}-{number}-{:?}", text("id"), SystemTime::now().duration_since(UNIX_EPOCH));
    let tried = Tried { bench, case, salt };
    let first = proof.provenance.attempts.first().and_then(|attempt| attempt.code.as_deref());
    let (verdict, first_passes) = match &proof.made {
        Made::Program(program) => {
            let verdict = tried.program(&program.code).await?;
            let first_passes = match first {
                Some(code) if code != program.code => tried.program(code).await?.passes(),
                _ => verdict.passes(),
            };
            (verdict, first_passes)
        }
        Made::Questions(_) => tried.declined("needs_clarification", ""),
        Made::Cannot { reason, .. } => tried.declined("refused", reason),
        Made::NotUnderstood(reason) => tried.declined("not_understood", reason),
        Made::Unusable(findings) => {
            let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
            tried.declined("failed", &told.join("; "))
        }
        Made::Provider(error) => (Verdict::Broken(format!("provider: {error}")), false),
    };
    Ok(Sample {
        id: text("id"),
        language: text("lang"),
        level: text("level"),
        is_runnable: case["expect"].is_null(),
        verdict,
        first_passes,
        rounds: proof.provenance.rounds,
        tokens: (proof.provenance.input_tokens, proof.provenance.output_tokens),
        took,
    })
}
