//! `retry_later`: a job given back by the worker that holds it.

use std::time::Duration;

use shared::{
    job::{EntryId, ErrorCode, Queue},
    store::CancelAnswer,
};

use crate::ground::{Ground, execute, succeeded, tenant};

const LATER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_job_handed_back_is_the_next_to_be_claimed_and_burns_no_attempt() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    ground.submit(execute(&acme, workflow)).await;
    assert!(
        ground.store.retry_later(EntryId::Job(id), claim.fence, Duration::ZERO, false, &[]).await.unwrap()
    );
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
    ground.assert_sound().await;
    let (job, again) = ground.claim_one(Queue::Execute).await;
    assert_eq!((job.id, again.attempt), (EntryId::Job(id), 1));
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.started", "job.retrying", "job.started"]);
}

#[tokio::test]
async fn a_delay_is_kept_and_told() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let before = ground.now_ms().await;
    assert!(ground.store.retry_later(EntryId::Job(id), claim.fence, LATER, false, &[]).await.unwrap());
    let due = ground.score(Queue::Execute, "due", id).await.expect("it is due some time");
    assert!((before + 60_000..before + 61_000).contains(&due));
    assert_eq!(ground.events(&acme, id).await.last().unwrap(), "job.retrying");
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
    ground.assert_sound().await;
}

#[tokio::test]
async fn an_attempt_that_is_counted_is_counted_with_its_delay() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    assert!(ground.store.retry_later(EntryId::Job(id), claim.fence, LATER, true, &[]).await.unwrap());
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
    ground.assert_sound().await;
    ground.come_due(Queue::Execute, id).await;
    let (_, second) = ground.claim_one(Queue::Execute).await;
    assert_eq!(second.attempt, 2);
    assert!(
        ground.store.retry_later(EntryId::Job(id), second.fence, Duration::ZERO, true, &[]).await.unwrap()
    );
    let (_, third) = ground.claim_one(Queue::Execute).await;
    assert_eq!(third.attempt, 3);
    assert!(
        ground.store.retry_later(EntryId::Job(id), third.fence, Duration::ZERO, true, &[]).await.unwrap()
    );
    let error = ground.job(&acme, id).await.error.expect("an error");
    assert_eq!(error.code, ErrorCode::WorkerLost);
    ground.assert_sound().await;
}

#[tokio::test]
async fn only_the_current_attempt_can_give_a_job_back_and_only_once() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let give_back = async |fence| {
        ground.store.retry_later(EntryId::Job(id), fence, Duration::ZERO, false, &[]).await.unwrap()
    };
    assert!(!give_back(claim.fence + 1).await);
    assert!(give_back(claim.fence).await);
    assert!(!give_back(claim.fence).await);
    assert!(!give_back(0).await);
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 1);
    ground.assert_sound().await;
    let (_, second) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(EntryId::Job(id), second.fence, &succeeded("1")).await.unwrap());
    assert!(!give_back(second.fence).await);
    assert_eq!(ground.status(id).await, "succeeded");
}

#[tokio::test]
async fn a_job_cancelled_meanwhile_is_not_tried_again() {
    for counts_as_lost in [false, true] {
        let (ground, acme) = (Ground::new().await, tenant("acme"));
        let (id, claim) = ground.running_job(&acme).await;
        assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Requested);
        assert!(
            ground
                .store
                .retry_later(EntryId::Job(id), claim.fence, LATER, counts_as_lost, &[])
                .await
                .unwrap()
        );
        assert_eq!(ground.status(id).await, "cancelled");
        assert!(!ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
        ground.assert_sound().await;
    }
}

#[tokio::test]
async fn fields_are_written_with_it_and_not_when_it_is_refused() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let fields = |tries: &str| [("tries", tries.to_owned()), ("last_error", "503".to_owned())];
    let entry = EntryId::Job(id);
    assert!(!ground.store.retry_later(entry, claim.fence + 1, LATER, false, &fields("9")).await.unwrap());
    assert_eq!(ground.field(id, "tries").await, None);
    assert!(ground.store.retry_later(entry, claim.fence, LATER, false, &fields("1")).await.unwrap());
    assert_eq!(ground.field(id, "tries").await.as_deref(), Some("1"));
    assert_eq!(ground.field(id, "last_error").await.as_deref(), Some("503"));
}
