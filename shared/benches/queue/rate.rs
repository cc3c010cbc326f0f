//! How many jobs a second.

use std::time::{Duration, Instant};

use apalis_core::{error::BoxDynError, monitor::Monitor, task::data::Data, worker::builder::WorkerBuilder};
use futures_util::{StreamExt as _, stream};
use shared::{
    id::{TenantId, WorkflowId},
    job::{JobSpec, Queue},
    queue::{Attempt, Consumer, JobQueue, Leases, Slots, enqueue},
    store::{Room, Store, Submission},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use report::{Goal, Report};

use crate::ground::{Ground, execute, succeeded, tenant};

/// 32 jobs at once, on either side.
const CONCURRENCY: usize = 32;
/// 40,000 jobs: some seconds.
const JOBS: usize = 40_000;
/// The goal, in jobs a second.
const JOBS_PER_SECOND_MIN: f64 = 10_000.0;
/// 5 rounds of claims, the median counts.
const ROUNDS: usize = 5;
/// 20,000 claims, or what there is.
const CLAIMS_MAX: usize = 20_000;
/// 10 tenants: fairness has something to do.
const TENANTS: usize = 10;

/// Jobs of several tenants, each with an idempotency key.
pub fn submissions(workflows: &[(TenantId, WorkflowId)], jobs: usize) -> impl Iterator<Item = Submission> {
    (0..jobs).map(|number| {
        let (tenant, workflow) = &workflows[number % workflows.len()];
        let mut submission = execute(tenant, *workflow);
        let key = submission.job.id.to_string();
        submission.idempotency = Some((key, "a fingerprint of the request".to_owned()));
        submission.queued_max = 10_000_000;
        submission
    })
}

/// A workflow of each of some tenants.
pub async fn workflows(ground: &Ground) -> Vec<(TenantId, WorkflowId)> {
    let mut workflows = Vec::new();
    for number in 0..TENANTS {
        let tenant = tenant(&format!("tenant-{number}"));
        let workflow = ground.workflow(&tenant).await;
        workflows.push((tenant, workflow));
    }
    workflows
}

/// Submits that many jobs, so many at once.
pub async fn submit_all(store: &Store, workflows: &[(TenantId, WorkflowId)], jobs: usize, at_once: usize) {
    let submits = submissions(workflows, jobs).map(|submission| async {
        enqueue(store, submission).await.expect("Redis takes it");
    });
    stream::iter(submits).buffer_unordered(at_once).collect::<()>().await;
}

pub async fn passes(report: &mut Report) {
    let ground = crate::ground().await;
    let workflows = workflows(&ground).await;
    let (told, mut finished) = mpsc::unbounded_channel();
    let shutdown = CancellationToken::new();
    let worker = worker(ground.another_store(), told, &shutdown);
    let began = Instant::now();
    let all_finished = async {
        for _ in 0..JOBS {
            finished.recv().await.expect("the worker lives");
        }
    };
    tokio::join!(submit_all(&ground.store, &workflows, JOBS, CONCURRENCY), all_finished);
    let seconds = began.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let rate = JOBS as f64 / seconds;
    let what = format!("{CONCURRENCY} at once on either side, through apalis");
    let section = "Queue: through submit, claim and finish, with no work in between";
    report.add(section, what, rate, "jobs/s", Goal::AtLeast(JOBS_PER_SECOND_MIN));
    shutdown.cancel();
    worker.await.expect("the worker ends well");
}

/// A worker as the worker crate puts it together; its jobs end as soon as they begin.
fn worker(
    store: Store,
    told: mpsc::UnboundedSender<()>,
    shutdown: &CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let leases = Leases::new(store.clone());
    tokio::spawn(leases.clone().renew_until(shutdown.clone()));
    let consumer = Consumer {
        queue: Queue::Execute,
        worker: "bench".to_owned(),
        slots: Slots::new(CONCURRENCY, CONCURRENCY / 8),
        tenant_running_max: 1_000,
        leases,
        may_claim: watch::channel(true).1,
        shutdown: shutdown.clone(),
    };
    let monitor = Monitor::new().register(move |_| {
        WorkerBuilder::new("bench")
            .backend(JobQueue::consumer(store.clone(), consumer.clone()))
            .data((store.clone(), told.clone()))
            .build(handle)
    });
    let stop = shutdown.clone();
    tokio::spawn(async move {
        let signal = async move {
            stop.cancelled().await;
            Ok(())
        };
        monitor.run_with_signal(signal).await.expect("the worker ends well");
    })
}

async fn handle(
    job: JobSpec,
    attempt: Data<Attempt>,
    work: Data<(Store, mpsc::UnboundedSender<()>)>,
) -> Result<(), BoxDynError> {
    let (Data(attempt), Data((store, told))) = (attempt, work);
    tokio::spawn(async move {
        attempt.vacate(); // as the worker does, whose cell is over by then
        let written = store.finish(job.id, attempt.claim.fence, &succeeded(r#""done""#)).await;
        assert!(written.expect("Redis takes it"), "the attempt is current");
        drop(attempt);
        let _ = told.send(());
    });
    Ok(())
}

/// Claims a second, in claims of 32 jobs, with that many jobs waiting when it begins.
pub async fn claims(backlog: usize) -> f64 {
    let ground = crate::ground().await;
    let workflows = workflows(&ground).await;
    // The disk is not what is measured here.
    ground.redis::<()>(&["CONFIG", "SET", "appendfsync", "no"]).await;
    submit_all(&ground.store, &workflows, backlog, 512).await;
    ground.redis::<()>(&["CONFIG", "SET", "appendfsync", "always"]).await;
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let mut claimed = 0;
        let began = Instant::now();
        let mut ended = Vec::new();
        while claimed < CLAIMS_MAX.min(backlog) {
            let answer = ground.store.claim(Queue::Execute, "bench", Room::of(CONCURRENCY)).await;
            let jobs = answer.expect("Redis answers").jobs;
            assert!(!jobs.is_empty(), "jobs wait");
            claimed += jobs.len();
            ended.extend(jobs);
        }
        let took = began.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        rates.push(claimed as f64 / took.as_secs_f64());
        // The backlog stays as long as it was.
        let back = ended.into_iter().map(|(job, claim)| {
            let store = &ground.store;
            async move {
                store
                    .retry_later(job.id, claim.fence, Duration::ZERO, false, &[])
                    .await
                    .expect("Redis answers")
            }
        });
        stream::iter(back).buffer_unordered(CONCURRENCY).collect::<Vec<bool>>().await;
    }
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}
