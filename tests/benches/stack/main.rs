//! The whole system beside what people would use instead, on this machine, in one run.
//!
//! `cargo bench -p tests --bench stack [SECTION …]` with sections `compare`, `submit`, `density`,
//! `tools`, `scaling`, `start`. Prints one table, writes `target/bench/stack.json`. Every figure is of the release build;
//! ours and theirs are measured alternately, so that a disturbance meets both.

mod compare;
mod density;
mod load;
mod peers;
mod scaling;
mod start;

use std::process::ExitCode;

use tests::redis_server::Durability;

use self::peers::Packages;
use report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |section: &str| wanted.is_empty() || wanted.iter().any(|one| one == section);
    let mut report = Report::default();
    if wants("compare") {
        let packages = match Packages::install().await {
            Ok(packages) => Some(packages),
            Err(reason) => {
                report.not_run(format!("Celery and RQ cannot be installed here: {reason}"));
                None
            }
        };
        compare::measure(&mut report, packages.as_ref(), Durability::None).await;
        compare::measure(&mut report, packages.as_ref(), Durability::Always).await;
    }
    if wants("submit") {
        start::submit_latency(&mut report).await;
    }
    if wants("tools") {
        scaling::parallel_tools(&mut report).await;
    }
    if wants("density") {
        density::measure(&mut report).await;
    }
    if wants("scaling") {
        scaling::workers(&mut report).await;
    }
    if wants("start") {
        start::start(&mut report).await;
    }
    if let Err(error) = report.finish("stack") {
        eprintln!("target/bench/stack.json: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
