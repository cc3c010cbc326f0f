//! What happens to the jobs of a worker that says nothing for longer than a lease.

use std::time::Duration;

use shared::{
    job::{EntryId, ErrorCode, JobStatus, Queue},
    store::{CancelAnswer, Progress, ProgressAnswer, RenewAnswer, Room},
    workflow::WorkflowStatus,
};

use crate::ground::{Ground, execute, message_of, new_workflow, succeeded, tenant, with_callback};

#[tokio::test]
async fn an_expired_lease_puts_the_job_first_and_counts_the_attempt() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, first) = ground.running_job(&acme).await;
    let entry = EntryId::Job(id);
    let workflow = ground.job(&acme, id).await.workflow_id;
    ground.submit(execute(&acme, workflow)).await;
    ground.end_lease(Queue::Execute, id).await;
    let (job, second) = ground.claim_one(Queue::Execute).await;
    assert_eq!((job.id, second.attempt), (entry, 2), "before the job that was submitted later");
    assert!(second.fence > first.fence);
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.started", "job.retrying", "job.started"]);
    ground.assert_sound().await;

    // Nothing the first attempt still does counts.
    let progress = Progress { log: b"late".to_vec(), ..Progress::default() };
    let recorded = ground.store.progress(entry, first.fence, &progress, 1000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Stale);
    assert_eq!(ground.store.renew(&[(entry, first.fence)]).await.unwrap(), [RenewAnswer::Lost]);
    assert!(!ground.store.finish(entry, first.fence, &succeeded("1")).await.unwrap());
    assert!(!ground.store.retry_later(entry, first.fence, Duration::ZERO, true, &[]).await.unwrap());
    assert_eq!(ground.store.log(&acme, id).await.unwrap(), Some(Vec::new()));
    assert!(ground.store.finish(entry, second.fence, &succeeded("2")).await.unwrap());
    assert_eq!(ground.job(&acme, id).await.result.expect("a result").get(), "2");
    ground.assert_sound().await;
}

#[tokio::test]
async fn an_attempt_that_was_lost_and_not_yet_taken_over_cannot_write_either() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    ground.end_lease(Queue::Execute, id).await;
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.status(id).await, "queued");
    assert!(!ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.status(id).await, "queued");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_lease_that_ended_may_still_be_renewed_while_nobody_took_it_back() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    ground.end_lease(Queue::Execute, id).await;
    let held = [(EntryId::Job(id), claim.fence)];
    assert_eq!(ground.store.renew(&held).await.unwrap(), [RenewAnswer::Held]);
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.status(id).await, "running");
}

#[tokio::test]
async fn a_job_that_crashed_its_last_worker_is_given_up() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submission = with_callback(execute(&acme, ground.workflow(&acme).await));
    let id = ground.submit(submission).await.job_id;
    let mut fence = 0;
    for attempt in 1..=3 {
        let (_, claim) = ground.claim_one(Queue::Execute).await;
        assert_eq!(claim.attempt, attempt);
        fence = claim.fence;
        ground.end_lease(Queue::Execute, id).await;
        ground.sweep(Queue::Execute).await;
        ground.assert_sound().await;
    }
    let job = ground.job(&acme, id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Failed, 3));
    assert_eq!(job.error.expect("an error").code, ErrorCode::WorkerLost);
    assert_eq!(ground.status(message_of(id)).await, "queued");
    assert!(
        !ground.store.finish(EntryId::Job(id), fence, &succeeded("1")).await.unwrap(),
        "it was not this finish"
    );
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
}

#[tokio::test]
async fn a_generate_job_that_is_given_up_fails_its_workflow() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let mut submission = new_workflow(&acme);
    submission.job.max_attempts = 1;
    let submitted = ground.submit(submission).await;
    ground.claim_one(Queue::Generate).await;
    ground.end_lease(Queue::Generate, submitted.job_id).await;
    ground.sweep(Queue::Generate).await;
    let workflow = ground.store.workflow(&acme, submitted.workflow_id).await.unwrap().expect("it exists");
    assert_eq!(workflow.status, WorkflowStatus::Failed);
    assert_eq!(workflow.error.expect("an error").code, ErrorCode::WorkerLost);
    let version = ground.store.version_status(submitted.workflow_id, 1).await.unwrap();
    assert_eq!(version, Some(WorkflowStatus::Failed));
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_job_whose_cancelled_attempt_is_lost_is_cancelled() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, _) = ground.running_job(&acme).await;
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Requested);
    ground.end_lease(Queue::Execute, id).await;
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.status(id).await, "cancelled");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_lost_job_that_expired_meanwhile_is_not_tried_again() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, _) = ground.running_job(&acme).await;
    let _: i64 = ground.redis(&["HSET", &ground.job_key(id), "expires_at", "1"]).await;
    ground.end_lease(Queue::Execute, id).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
    assert_eq!(ground.job(&acme, id).await.error.expect("an error").code, ErrorCode::Expired);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_lost_delivery_is_sent_again() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.submit(with_callback(execute(&acme, ground.workflow(&acme).await))).await.job_id;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    let (message, _) = ground.claim_one(Queue::Deliver).await;
    ground.end_lease(Queue::Deliver, message.id).await;
    let (again, claim) = ground.claim_one(Queue::Deliver).await;
    assert_eq!((again.id, again.subject, claim.attempt), (message.id, Some(id), 2));
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_crashed_workers_hundred_jobs_come_back_in_bounded_steps() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..100 {
        ground.submit(execute(&acme, workflow)).await;
    }
    let mut jobs = ground.claim_ids(Queue::Execute, 64).await;
    jobs.extend(ground.claim_ids(Queue::Execute, 64).await);
    for id in &jobs {
        ground.end_lease(Queue::Execute, id).await;
    }
    let answer = ground.store.claim(Queue::Execute, "w", Room::of(0)).await.unwrap();
    assert_eq!(answer.look_again_in, Duration::ZERO);
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 64);
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 100);
    ground.assert_sound().await;
}
