//! `cancel`: a waiting job at once, a running one through its worker, a final one not at all.

use std::time::Duration;

use shared::{
    id::JobId,
    job::{EntryId, JobStatus, Queue},
    store::CancelAnswer,
    workflow::WorkflowStatus,
};

use crate::ground::{
    Ground, execute, message_of, new_version, new_workflow, succeeded, tenant, with_callback,
};

#[tokio::test]
async fn unknown_and_foreign_jobs_answer_alike() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&tenant("other")).await;
    assert_eq!(ground.store.cancel(&acme, JobId::new()).await.unwrap(), CancelAnswer::Unknown);
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Unknown);
    assert_eq!(ground.status(id).await, "queued");
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_wherever_it_waits() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let ready = ground.submit(with_callback(execute(&acme, ground.workflow(&acme).await))).await.job_id;
    assert_eq!(ground.store.cancel(&acme, ready).await.unwrap(), CancelAnswer::Cancelled);
    assert_eq!(ground.events(&acme, ready).await, ["job.queued", "job.cancelled"]);
    assert_eq!(ground.status(message_of(ready)).await, "queued", "its webhook tells of it");
    ground.assert_sound().await;

    let (due, claim) = ground.running_job(&acme).await;
    let later = ground.store.retry_later(EntryId::Job(due), claim.fence, Duration::from_secs(9), false, &[]);
    assert!(later.await.unwrap());
    assert_eq!(ground.store.cancel(&acme, due).await.unwrap(), CancelAnswer::Cancelled);
    assert_eq!(ground.job(&acme, due).await.status, JobStatus::Cancelled);
    assert_eq!(ground.claim_ids(Queue::Execute, 5).await, []);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_running_job_is_asked_to_end_and_its_worker_is_told() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    for _ in 0..2 {
        assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Requested);
        assert_eq!(ground.status(id).await, "running");
    }
    let finish = shared::store::Finish { cancelled: true, ..Default::default() };
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &finish).await.unwrap());
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Final);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_final_job_stays_as_it_is() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Final);
    let job = ground.job(&acme, id).await;
    assert_eq!((job.status, job.result.is_some()), (JobStatus::Succeeded, true));
    assert_eq!(ground.events(&acme, id).await.len(), 3);
}

#[tokio::test]
async fn a_webhook_message_cannot_be_cancelled() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.submit(with_callback(execute(&acme, ground.workflow(&acme).await))).await.job_id;
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Cancelled);
    // Under its own name, should that ever reach the script.
    let key = ground.job_key(message_of(id));
    let as_job = ground.job_key(id);
    let _: i64 = ground.redis(&["COPY", &key, &as_job, "REPLACE"]).await;
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Unknown);
    assert_eq!(ground.status(message_of(id)).await, "queued");
}

#[tokio::test]
async fn a_cancelled_generation_fails_its_workflow_unless_that_is_ready() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let first = ground.submit(new_workflow(&acme)).await;
    assert_eq!(ground.store.cancel(&acme, first.job_id).await.unwrap(), CancelAnswer::Cancelled);
    let workflow = ground.store.workflow(&acme, first.workflow_id).await.unwrap().expect("it exists");
    assert_eq!(workflow.status, WorkflowStatus::Failed);
    assert!(workflow.error.expect("an error").message.contains("cancelled"));

    let workflow = ground.workflow(&acme).await;
    let second = ground.submit(new_version(&acme, workflow)).await;
    assert_eq!(ground.store.cancel(&acme, second.job_id).await.unwrap(), CancelAnswer::Cancelled);
    let record = ground.store.workflow(&acme, workflow).await.unwrap().expect("it exists");
    assert_eq!((record.status, record.error), (WorkflowStatus::Ready, None));
    assert_eq!(ground.store.version_status(workflow, 2).await.unwrap(), Some(WorkflowStatus::Failed));
    ground.assert_sound().await;
}
