//! A worker process in miniature around the backend, put together as the worker crate does it, and the floor it
//! works on: where attempts tell that they began, and what holds them up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apalis_core::{error::BoxDynError, monitor::Monitor, task::data::Data, worker::builder::WorkerBuilder};
use shared::{
    id::{JobId, TenantId, WorkflowId},
    job::{EntryId, JobSpec, Queue},
    queue::{Attempt, Consumer, JobQueue, Leases, Slots, StopReason, enqueue},
    store::{Finish, Hub, Store},
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, execute, succeeded};

/// No test waits longer for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// An attempt that began.
#[derive(Debug)]
pub struct Started {
    pub id: EntryId,
    pub attempt: u32,
    pub worker: String,
    pub at: Instant,
}

/// What the handler needs: whom to tell, and when to go on.
#[derive(Clone)]
struct Work {
    store: Store,
    worker: String,
    started: mpsc::UnboundedSender<Started>,
    gate: Arc<Semaphore>,
}

/// A worker process in miniature: one queue, its leases, their renewal, and cancels.
pub struct Worker {
    pub leases: Leases,
    pub shutdown: CancellationToken,
    ended: CancellationToken,
    monitor: JoinHandle<()>,
}

/// Where attempts report and what holds them up. Closed gates: a job runs until a permit is given.
pub struct Floor {
    pub started: mpsc::UnboundedReceiver<Started>,
    pub gate: Arc<Semaphore>,
    tell: mpsc::UnboundedSender<Started>,
}

impl Floor {
    pub fn closed() -> Self {
        let (tell, started) = mpsc::unbounded_channel();
        Self { started, gate: Arc::new(Semaphore::new(0)), tell }
    }

    pub fn open() -> Self {
        let floor = Self::closed();
        floor.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        floor
    }

    pub async fn next(&mut self) -> Started {
        let next = tokio::time::timeout(DEADLINE, self.started.recv()).await;
        next.expect("an attempt starts in time").expect("workers live")
    }
}

impl Worker {
    pub fn start(store: Store, name: &str, slots: usize, floor: &Floor) -> Self {
        Self::keeping(store, name, slots, 0, floor)
    }

    /// With some slots more for tenants that have nothing running.
    pub fn keeping(store: Store, name: &str, slots: usize, kept: usize, floor: &Floor) -> Self {
        Self::serving(store, name, floor, |consumer| Consumer { slots: Slots::new(slots, kept), ..consumer })
    }

    /// With a consumer that is changed first; it has one slot.
    pub fn serving(
        store: Store,
        name: &str,
        floor: &Floor,
        change: impl FnOnce(Consumer) -> Consumer,
    ) -> Self {
        let (shutdown, ended) = (CancellationToken::new(), CancellationToken::new());
        let leases = Leases::new(store.clone());
        tokio::spawn(leases.clone().renew_until(ended.clone()));
        let (hub, _) = Hub::for_cancels(store.clone(), ended.clone());
        tokio::spawn(leases.clone().watch_cancels_until(hub, ended.clone()));
        let consumer = change(consumer(name, 1, &leases, &shutdown));
        let work = Work {
            store: store.clone(),
            worker: name.to_owned(),
            started: floor.tell.clone(),
            gate: floor.gate.clone(),
        };
        let name = name.to_owned();
        let monitor = Monitor::new().register(move |_| {
            WorkerBuilder::new(name.clone())
                .backend(JobQueue::consumer(store.clone(), consumer.clone()))
                .data(work.clone())
                .build(handle)
        });
        let stop = shutdown.clone();
        let monitor = tokio::spawn(async move {
            let signal = async move {
                stop.cancelled().await;
                Ok(())
            };
            monitor.run_with_signal(signal).await.expect("the worker ends well");
        });
        Self { leases, shutdown, ended, monitor }
    }

    /// No more claims; what runs is handed back.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.leases.stop_all(StopReason::Shutdown);
        tokio::time::timeout(DEADLINE, self.monitor).await.expect("it ends in time").expect("it ends well");
        self.ended.cancel();
    }

    /// As a kill -9 would: nothing is handed back, nothing is renewed.
    pub fn crash(self) {
        self.ended.cancel();
        self.monitor.abort();
    }
}

pub fn consumer(name: &str, slots: usize, leases: &Leases, shutdown: &CancellationToken) -> Consumer {
    Consumer {
        queue: Queue::Execute,
        worker: name.to_owned(),
        slots: Slots::new(slots, 0),
        tenant_running_max: 0,
        leases: leases.clone(),
        may_claim: watch::channel(true).1,
        shutdown: shutdown.clone(),
    }
}

/// Runs until its gate opens or it has to stop, and writes until Redis takes it, as the worker crate does.
async fn handle(job: JobSpec, attempt: Data<Attempt>, work: Data<Work>) -> Result<(), BoxDynError> {
    let (Data(attempt), Data(work)) = (attempt, work);
    let at = Instant::now();
    let started = Started { id: job.id, attempt: attempt.claim.attempt, worker: work.worker.clone(), at };
    let _ = work.started.send(started);
    tokio::select! {
        permit = work.gate.acquire() => permit?.forget(),
        () = attempt.stopped().cancelled_owned() => {}
    }
    let (id, fence) = (job.id, attempt.claim.fence);
    loop {
        let written = match attempt.reason() {
            None => work.store.finish(id, fence, &succeeded("1")).await,
            Some(StopReason::Cancelled) => {
                work.store.finish(id, fence, &Finish { cancelled: true, ..Finish::default() }).await
            }
            Some(StopReason::Shutdown) => work.store.retry_later(id, fence, Duration::ZERO, false, &[]).await,
            Some(StopReason::LeaseLost) => return Ok(()),
        };
        match written {
            Ok(_) => return Ok(()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

pub async fn submit_many(ground: &Ground, tenant: &TenantId, workflow: WorkflowId, n: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..n {
        ids.push(enqueue(&ground.store, execute(tenant, workflow)).await.unwrap().job_id);
    }
    ids
}

/// Waits until the job is final, woken by its events.
pub async fn wait_final(ground: &Ground, hub: &Hub, tenant: &TenantId, id: JobId) -> String {
    let mut listener = hub.listen(id);
    tokio::time::timeout(DEADLINE, async {
        loop {
            // Redis may be away in between.
            if let Ok(Some(status)) = ground.store.job_status(tenant, id).await
                && status.is_final()
            {
                return status.as_str().to_owned();
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), listener.news()).await;
        }
    })
    .await
    .expect("the job ends in time")
}

/// Looks until it is so. For what nobody announces; everything else is waited for.
pub async fn wait_until(mut so: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, looks).await.expect("it becomes so in time");
}
