//! The worker: claims jobs, writes programs, runs them in cells, delivers webhooks.
//!
//! ```text
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
pub mod tools;

use std::{path::PathBuf, sync::Arc};

use apalis::prelude::Monitor;
use shared::{
    job::{Queue, Sandbox},
    queue::{Consumer, Leases, StopReason},
    store::{Hub, Store},
    trace::Tracer,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    cell::{CellConfig, CellRoom},
    config::Config,
    deliver::Deliverer,
    environment::Environment,
    outside::Outside,
    programs::Programs,
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

/// 8 generations at once: each is a long call to a large model.
const GENERATE_SLOTS: usize = 8;
/// 64 webhooks at once: each is mostly waiting for a receiver.
const DELIVER_SLOTS: usize = 64;

/// 1 slot more for each 8, kept for tenants with nothing running: their first job never waits for other tenants' runs.
const SLOTS_PER_KEPT_SLOT: usize = 8;

/// Works until `shutdown`, then drains: nothing new is claimed, runs may finish for a while, the rest is handed
/// back at once.
pub async fn run(config: Config, runner: PathBuf, shutdown: CancellationToken) -> Result<(), StartError> {
    let name = format!("worker-{}", uuid::Uuid::now_v7().simple());
    let Config { concurrency, tenant_running_max, .. } = config;
    let store = Store::new(&config.store)?;
    let outside = Outside::new(&config.providers)?;
    let operators = outside.operators();
    let ended = CancellationToken::new();
    let cells = CellRoom::start(cells(&config, runner), ended.clone()).await?;
    let report = presence::report(&name, &config, &cells);
    tracing::info!(
        worker = name,
        tier = report.sandbox_tier,
        layers = report.sandbox_layers.join(", "),
        python = report.python_version,
        generator = operators.generator.provider(),
        search = operators.search.provider(),
        chat = operators.chat.provider(),
        concurrency = config.concurrency,
        "Worker {name} is ready."
    );
    let (tracer, exporting) = tracer(&config, &store, &ended)?;
    let environment = Arc::new(Environment {
        store: store.clone(),
        cells: cells.clone(),
        sandbox: Sandbox { tier: report.sandbox_tier.clone(), layers: report.sandbox_layers.clone() },
        programs: Programs::default(),
        outside,
        deliverer: Deliverer::new(config.webhook_schedule.into(), config.webhook_allow_private)?,
        sealer: config.sealer,
        tracer,
        limits: config.limits,
        daily: config.daily,
    });
    let leases = Leases::new(store.clone());
    let background = TaskTracker::new();
    background.spawn(leases.clone().renew_until(ended.clone()));
    let (hub, _) = Hub::for_cancels(store.clone(), ended.clone());
    background.spawn(leases.clone().watch_cancels_until(hub, ended.clone()));
    background.spawn(presence::tell_until(
        store.clone(),
        cells.clone(),
        leases.clone(),
        report,
        ended.clone(),
    ));
    background.spawn(stop_after_grace(leases.clone(), config.drain, shutdown.clone()));

    let consumer =
        |queue| consumer(queue, &name, concurrency, tenant_running_max, &leases, &cells, &shutdown);
    serve(&config.queues, &environment, &store, consumer, &shutdown).await;
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

/// Serves the queues until shutdown, and until what they hold has ended.
async fn serve(
    queues: &[Queue],
    environment: &Arc<Environment>,
    store: &Store,
    consumer: impl Fn(Queue) -> Consumer,
    shutdown: &CancellationToken,
) {
    let mut monitor = Monitor::new();
    for queue in queues.iter().copied() {
        monitor = consume::serve(monitor, environment, store, consumer(queue));
    }
    let signal = {
        let shutdown = shutdown.clone();
        async move {
            shutdown.cancelled().await;
            Ok(())
        }
    };
    if let Err(error) = monitor.run_with_signal(signal).await {
        tracing::error!(%error, "The worker's queues ended badly; what they held is left to its leases.");
    }
}

/// Where spans go, and the task that sends them when they go anywhere.
fn tracer(
    config: &Config,
    store: &Store,
    ended: &CancellationToken,
) -> Result<(Tracer, Option<JoinHandle<()>>), StartError> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok((Tracer::default(), None)) };
    let started = Tracer::start(endpoint, "worker", store.counters().clone(), ended.clone());
    let (tracer, task) = started.map_err(|error| StartError::Traces(error.to_string()))?;
    Ok((tracer, Some(task)))
}

/// How this worker serves a queue.
fn consumer(
    queue: Queue,
    worker: &str,
    concurrency: usize,
    tenant_running_max: u64,
    leases: &Leases,
    cells: &CellRoom,
    shutdown: &CancellationToken,
) -> Consumer {
    let slots = match queue {
        Queue::Execute => concurrency,
        Queue::Generate => concurrency.min(GENERATE_SLOTS),
        Queue::Deliver => DELIVER_SLOTS,
    };
    let kept = slots.div_ceil(SLOTS_PER_KEPT_SLOT);
    let may_claim = match queue {
        Queue::Execute | Queue::Generate => cells.may_claim(),
        Queue::Deliver => watch::channel(true).1, // needs no cell
    };
    Consumer {
        queue,
        worker: worker.to_owned(),
        slots: Arc::new(Semaphore::new(slots + kept)),
        kept,
        tenant_running_max,
        leases: leases.clone(),
        may_claim,
        shutdown: shutdown.clone(),
    }
}

/// Runs may finish for a while after shutdown; then they are stopped, and their jobs handed back.
async fn stop_after_grace(leases: Leases, grace: std::time::Duration, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    tracing::info!(running = leases.count(), grace_ms = grace.as_millis(), "Draining: no more claims.");
    let deadline = tokio::time::Instant::now() + grace;
    while leases.count() > 0 && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    leases.stop_all(StopReason::Shutdown);
}

/// 20 ms between looks at what still runs while draining.
const DRAIN_LOOK: std::time::Duration = std::time::Duration::from_millis(20);

fn cells(config: &Config, runner: PathBuf) -> CellConfig {
    let cells = CellConfig::new(runner, config.min_tier, config.max_tier, config.memory_bytes_max);
    CellConfig { tools: tools::declarations(), memory_bytes_max: config.limits.memory_bytes_max, ..cells }
}
