//! The worker tells of itself: which sandbox it has, what it serves, how busy it is, what it has counted. It has no port
//! of its own: any api tells operators what workers reported.

use shared::{
    store::{Cells, REPORT_EVERY, Shards, WorkerReport},
    time::Timestamp,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cell::{CellRoom, LayerState, SandboxReport},
    config::Config,
    serving::AllLeases,
};

/// What is true of a worker from its start.
pub fn report(name: &str, (config, concurrency): (&Config, usize), cells: &CellRoom) -> WorkerReport {
    let sandbox = cells.sandbox();
    let active = sandbox.layers.iter().filter(|layer| layer.state == LayerState::Active);
    WorkerReport {
        name: name.to_owned(),
        sandbox_tier: sandbox.tier.to_string(),
        sandbox_layers: active.map(|layer| layer.name.clone()).collect(),
        python_version: sandbox.python_version.clone(),
        queues: config.queues.iter().map(|queue| queue.as_str().to_owned()).collect(),
        concurrency: concurrency as u64,
        running: 0,
        cells: Cells::default(),
        reported_at: Timestamp::now(),
    }
}

/// The walls that are not there, each with its reason, and why it is not a higher tier; for whoever reads the log.
pub fn without(sandbox: &SandboxReport) -> String {
    let absent = sandbox.layers.iter().filter(|layer| layer.state == LayerState::Absent);
    let mut told: Vec<String> = absent.map(|layer| format!("{} ({})", layer.name, layer.detail)).collect();
    if let Some(refusal) = &sandbox.higher_tier_refused {
        told.push(format!("tier A ({}: {}; to get it: {})", refusal.layer, refusal.reason, refusal.fix));
    }
    told.join(", ")
}

/// Reports until `ended`, then says goodbye. Redis being away is nothing to report: other tasks do.
pub async fn tell_until(
    shards: Shards,
    cells: CellRoom,
    leases: AllLeases,
    mut report: WorkerReport,
    ended: CancellationToken,
) {
    loop {
        let (ready, busy) = cells.counts();
        let memory_bytes = cells.memory().used_bytes;
        report.cells = Cells { ready: ready as u64, busy: busy as u64, memory_bytes };
        report.running = leases.count() as u64;
        report.reported_at = Timestamp::now();
        let told = shards.report_worker(&report).await;
        let counted = shards.report_counters().await;
        if let Err(error) = told.and(counted) {
            shards.counters().count("wf_store_errors_total", &[("process", "worker")]);
            tracing::debug!(%error, "This worker could not tell of itself.");
        }
        tokio::select! {
            () = ended.cancelled() => break,
            () = tokio::time::sleep(REPORT_EVERY) => {}
        }
    }
    let _ = shards.report_counters().await; // what was counted while draining
    let _ = shards.forget_worker(&report.name).await; // forgotten after a while anyway
}
