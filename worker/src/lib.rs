//! The worker: claims jobs, writes programs, runs them in cells, delivers webhooks.
//!
//! ```text
//! serving    all shards side by side, sharing the slots
//! consume    a claimed job to its end; the only file that knows apalis
//! execute    program + input → cell → result          tools, recorder: what the cell may ask for
//! generate   description → program that was checked   outside: the providers behind traits
//! deliver    final job → signed webhook               guard, destinations: where, and how many at once
//! cell       the jailed Python processes
//! ```
//!
//! Secrets stop here: they are in [`outside`] and [`deliver`], never in a cell, a record or a log line.

pub mod budget;
pub mod cell;
pub mod config;
pub mod consume;
pub mod deliver;
pub mod destinations;
pub mod environment;
pub mod execute;
pub mod generate;
pub mod guard;
pub mod origin;
pub mod outside;
pub mod patience;
pub mod presence;
pub mod programs;
pub mod recorder;
pub mod replay;
pub mod serving;
pub mod tools;

use std::{path::PathBuf, sync::Arc};

use shared::{
    job::Sandbox,
    store::{Shards, WorkerReport},
    trace::Tracer,
};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cell::{CellConfig, CellRoom},
    config::Config,
    deliver::Deliverer,
    environment::Environment,
    outside::{Clients, Outside},
    programs::Programs,
    serving::Serving,
};

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the store.
    #[error("REDIS_URL: {0}")]
    Store(#[from] shared::store::StoreError),
    /// A provider's settings.
    #[error(transparent)]
    Outside(#[from] outside::OutsideError),
    /// The sandbox.
    #[error(transparent)]
    Cells(#[from] cell::CellError),
    /// The client that sends traces.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Traces(String),
    /// The webhook client.
    #[error(transparent)]
    Deliverer(#[from] providers::ConfigError),
}

/// Works until `shutdown`, then drains: nothing new is claimed, runs may finish for a while, the rest is handed
/// back at once.
pub async fn run(config: Config, runner: PathBuf, shutdown: CancellationToken) -> Result<(), StartError> {
    let name = format!("worker-{}", uuid::Uuid::now_v7().simple());
    let shards = Shards::new(&config.store)?;
    let outside = Outside::new(&config.providers)?;
    let operators = outside.operators();
    let ended = CancellationToken::new();
    let cells = CellRoom::start(cells(&config, runner), ended.clone()).await?;
    let concurrency = affordable(config.concurrency, &cells);
    let report = presence::report(&name, (&config, concurrency), &cells);
    say_ready(&name, (&report, &cells), &operators, (config.concurrency, concurrency));
    let (tracer, exporting) = tracer(&config, &shards, &ended)?;
    let environment = Environment {
        store: shards.own_home().store().clone(),
        cells: cells.clone(),
        sandbox: Sandbox { tier: report.sandbox_tier.clone(), layers: report.sandbox_layers.clone() },
        programs: Arc::new(Programs::default()),
        outside: Arc::new(outside),
        deliverer: Deliverer::new(config.webhook_schedule.into(), config.webhook_allow_private)?,
        sealer: config.sealer,
        tracer,
        limits: config.limits,
        daily: config.daily,
    };
    let background = TaskTracker::new();
    let serving = Serving::new(
        name.clone(),
        &config.queues,
        (concurrency, config.tenant_running_max),
        environment,
        background.clone(),
        (ended.clone(), shutdown.clone()),
    );
    background.spawn(shards.clone().learn_until(ended.clone()));
    background.spawn(presence::tell_until(
        shards.clone(),
        cells.clone(),
        serving.leases(),
        report,
        ended.clone(),
    ));
    serving.run(&shards, config.drain).await;
    shutdown.cancel();
    ended.cancel();
    background.close();
    background.wait().await;
    cells.close().await;
    if let Some(exporting) = exporting {
        let _ = exporting.await; // it only sent what there was to send
    }
    tracing::info!(worker = name, "Worker {name} has ended.");
    Ok(())
}

/// Where spans go, and the task that sends them when they go anywhere.
fn tracer(
    config: &Config,
    shards: &Shards,
    ended: &CancellationToken,
) -> Result<(Tracer, Option<JoinHandle<()>>), StartError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok((Tracer::default(), None)) };
    let started = Tracer::start(endpoint, "worker", shards.counters(), ended.clone());
    let (tracer, task) = started.map_err(|error| StartError::Traces(error.to_string()))?;
    Ok((tracer, Some(task)))
}

/// The first thing a worker says, so that what stands around programs is known whatever comes next.
fn say_ready(
    name: &str,
    (report, cells): (&WorkerReport, &CellRoom),
    operators: &Clients,
    (wanted, affordable): (usize, usize),
) {
    let sandbox = cells.sandbox();
    tracing::info!(
        worker = name,
        tier = report.sandbox_tier,
        layers = report.sandbox_layers.join(", "),
        without = presence::without(&sandbox),
        python = report.python_version,
        hot_pages = sandbox.hot_pages.map_or_else(|reason| reason, |pages| pages.to_string()),
        generator = operators.generator.provider(),
        search = operators.search.provider(),
        chat = operators.chat.provider(),
        concurrency = affordable,
        "Worker {name} is ready."
    );
    if affordable < wanted {
        tracing::warn!(
            wanted,
            affordable,
            "WORKER_CONCURRENCY is more than this process has open files for; raise its limit (ulimit -n, LimitNOFILE)"
        );
    }
}

/// As many runs at once as there are open files for; one more for each 8 is kept for tenants with nothing running.
fn affordable(wanted: usize, cells: &CellRoom) -> usize {
    wanted.min((cells.runs_max() / 9 * 8).max(1))
}

fn cells(config: &Config, runner: PathBuf) -> CellConfig {
    let cells = CellConfig::new(runner, config.min_tier, config.max_tier, config.memory_bytes_max);
    CellConfig { tools: tools::declarations(), memory_bytes_max: config.limits.memory_bytes_max, ..cells }
}
