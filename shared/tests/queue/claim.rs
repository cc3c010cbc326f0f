//! `claim`: what a worker gets, what it does not get, and what a claim does for the queue beside giving jobs.

use std::time::Duration;

use shared::{
    job::{EntryId, ErrorCode, JobStatus, Queue},
    store::{CancelAnswer, ClaimAnswer, Claimant, Room},
};

use crate::ground::{Ground, execute, succeeded, tenant};

#[tokio::test]
async fn an_empty_queue_answers_nothing_and_when_to_look_again() {
    let ground = Ground::new().await;
    let answer = ground.store.claim(Queue::Execute, "w", Room::of(8)).await.unwrap();
    assert!(answer.jobs.is_empty());
    assert_eq!(answer.look_again_in, ground.store.lease() / 4, "the waiting tell that Redis is there");
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 0);
}

#[tokio::test]
async fn a_tenants_jobs_come_in_the_order_of_their_submission_and_exactly_as_many_as_asked_for() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let mut ids = Vec::new();
    for _ in 0..7 {
        let submission = execute(&acme, workflow);
        ids.push(submission.job.id);
        ground.submit(submission).await;
    }
    assert_eq!(ground.claim_ids(Queue::Execute, 0).await, []);
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, ids[..3]);
    ground.assert_sound().await;
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, ids[3..6]);
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, ids[6..]);
    assert_eq!(ground.claim_ids(Queue::Execute, 3).await, []);
    ground.assert_sound().await;
}

#[tokio::test]
async fn one_claim_is_bounded_however_much_is_asked_for() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..70 {
        ground.submit(execute(&acme, workflow)).await;
    }
    assert_eq!(ground.claim_ids(Queue::Execute, 1000).await.len(), shared::limits::CLAIM_BATCH_MAX);
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1, "the rest wakes somebody else");
}

#[tokio::test]
async fn queues_are_apart() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    assert_eq!(ground.claim_ids(Queue::Generate, 1).await, []);
    assert_eq!(ground.claim_ids(Queue::Deliver, 1).await, []);
    assert_eq!(ground.status(id).await, "queued");
}

#[tokio::test]
async fn every_claim_has_a_new_and_greater_fence() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, first) = ground.running_job(&acme).await;
    let mut last = first.fence;
    for _ in 0..3 {
        assert!(
            ground
                .store
                .retry_later(id.to_string().parse().unwrap(), last, Duration::ZERO, false, &[])
                .await
                .unwrap()
        );
        let (_, claim) = ground.claim_one(Queue::Execute).await;
        assert!(claim.fence > last);
        assert_eq!(claim.attempt, 1, "a hand-back is not a lost attempt");
        last = claim.fence;
    }
    // Of another queue and tenant, too.
    let (_, other) = ground.running_job(&tenant("other")).await;
    assert!(other.fence > last);
}

#[tokio::test]
async fn what_was_given_and_not_heard_of_is_given_again_under_the_same_fence() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..5 {
        ground.submit(execute(&acme, workflow)).await;
    }
    let given = |answer: ClaimAnswer| -> Vec<(EntryId, u64, u32)> {
        answer.jobs.into_iter().map(|(job, claim)| (job.id, claim.fence, claim.attempt)).collect()
    };
    let next = async |claimant: &mut Claimant, slots| {
        given(ground.store.claim_next(Queue::Execute, claimant, Room::of(slots)).await.unwrap())
    };
    let mut worker = Claimant::new("w");
    assert_eq!(next(&mut worker, 1).await.len(), 1);
    let mut deaf = worker.clone();
    let lost = next(&mut worker, 2).await;
    assert_eq!(lost.len(), 2);
    ground.store.finish(lost[1].0, lost[1].1, &succeeded("1")).await.unwrap();
    assert_eq!(next(&mut deaf.clone(), 0).await, [], "without a slot there is nothing to be told");
    let again = next(&mut deaf, 2).await;
    assert_eq!(again[0], lost[0], "the one it holds, and not the one that ended");
    assert_eq!((again.len(), again[1].2), (2, 1), "and what there is room for beside it");
    assert!(lost.iter().all(|(id, ..)| *id != again[1].0));
    // What was heard of is not told again, nor to another worker.
    assert_eq!(next(&mut deaf, 5).await.len(), 1);
    assert_eq!(next(&mut Claimant::new("other"), 5).await, []);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_claimed_job_is_running_under_the_name_of_its_worker() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let job = ground.job(&acme, id).await;
    assert_eq!((job.status, job.attempt, job.started_at), (JobStatus::Running, 1, Some(claim.started_at)));
    assert_eq!(ground.field(id, "worker").await.as_deref(), Some("worker-1"));
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.started"]);
    let lease_ends = ground.score(Queue::Execute, "leases", id).await;
    assert_eq!(lease_ends, Some(claim.started_at.as_millis() + 60_000));
}

#[tokio::test]
async fn cancelled_jobs_are_passed_over() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let (cancelled, wanted) = (ground.submit(execute(&acme, workflow)).await, execute(&acme, workflow));
    ground.submit(wanted.clone()).await;
    assert_eq!(ground.store.cancel(&acme, cancelled.job_id).await.unwrap(), CancelAnswer::Cancelled);
    assert_eq!(ground.claim_ids(Queue::Execute, 5).await, [wanted.job.id]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_long_row_of_cancelled_jobs_is_passed_in_bounded_steps_and_somebody_goes_on() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let ready = ground.queue_key(Queue::Execute, "ready:acme");
    let wanted = execute(&acme, workflow);
    ground.submit(wanted.clone()).await;
    let mut pipe = redis::pipe();
    for number in 0..1500 {
        pipe.cmd("LPUSH").arg(&ready).arg(format!("job_gone{number}")).ignore();
    }
    let () = ground.pipe(&pipe).await;
    let _: i64 = ground.redis(&["DEL", &ground.queue_key(Queue::Execute, "wake")]).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [wanted.job.id]);
}

#[tokio::test]
async fn a_due_job_is_claimed_and_a_job_that_is_not_due_is_announced() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let entry = id.to_string().parse().unwrap();
    assert!(ground.store.retry_later(entry, claim.fence, Duration::from_secs(5), false, &[]).await.unwrap());
    let answer = ground.store.claim(Queue::Execute, "w", Room::of(1)).await.unwrap();
    assert!(answer.jobs.is_empty());
    let announced = answer.look_again_in.as_millis();
    assert!((4_900..=5_000).contains(&announced), "{announced}");
    ground.assert_sound().await;

    ground.come_due(Queue::Execute, id).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, [entry]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn more_jobs_come_due_than_one_claim_moves_and_the_next_is_asked_for_at_once() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..100 {
        ground.submit(execute(&acme, workflow)).await;
    }
    let mut jobs = ground.store.claim(Queue::Execute, "w", Room::of(64)).await.unwrap().jobs;
    jobs.extend(ground.store.claim(Queue::Execute, "w", Room::of(64)).await.unwrap().jobs);
    for (job, claim) in jobs {
        let later = ground.store.retry_later(job.id, claim.fence, Duration::from_secs(9), false, &[]);
        assert!(later.await.unwrap());
        ground.come_due(Queue::Execute, job.id).await;
    }
    let answer = ground.store.claim(Queue::Execute, "w", Room::of(0)).await.unwrap();
    assert_eq!(answer.look_again_in, Duration::ZERO);
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 64);
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 100);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_job_that_waited_too_long_expires_and_says_what_it_waited_for() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    ground.end_wait(Queue::Execute, id).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 1).await, []);
    let job = ground.job(&acme, id).await;
    assert_eq!(job.status, JobStatus::Failed);
    let error = job.error.expect("an error");
    assert_eq!(error.code, ErrorCode::Expired);
    assert!(error.message.contains("for a free worker"), "{}", error.message);
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.failed"]);
    ground.assert_sound().await;

    // Between two attempts, too.
    let (id, claim) = ground.running_job(&acme).await;
    let entry = id.to_string().parse().unwrap();
    assert!(ground.store.retry_later(entry, claim.fence, Duration::from_secs(60), false, &[]).await.unwrap());
    ground.end_wait(Queue::Execute, id).await;
    ground.sweep(Queue::Execute).await;
    let error = ground.job(&acme, id).await.error.expect("an error");
    assert!(error.message.contains("to be tried again"), "{}", error.message);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_running_job_does_not_expire_while_its_attempt_lives() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let _: i64 = ground.redis(&["HSET", &ground.job_key(id), "expires_at", "1"]).await;
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.status(id).await, "running");
    let finish = succeeded("1");
    assert!(ground.store.finish(id.to_string().parse().unwrap(), claim.fence, &finish).await.unwrap());
}

#[tokio::test]
async fn no_expired_job_is_given_out_though_more_expired_than_one_sweep_takes() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..200 {
        let submitted = ground.submit(execute(&acme, workflow)).await;
        ground.end_wait(Queue::Execute, submitted.job_id).await;
    }
    let wanted = execute(&acme, workflow);
    ground.submit(wanted.clone()).await;
    let mut claimed = Vec::new();
    for _ in 0..4 {
        claimed.extend(ground.claim_ids(Queue::Execute, 10).await);
        ground.assert_sound().await;
    }
    assert_eq!(claimed, [wanted.job.id]);
}

#[tokio::test]
async fn the_token_is_put_back_while_work_remains_and_not_after() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for _ in 0..3 {
        ground.submit(execute(&acme, workflow)).await;
        assert_eq!(ground.wake_tokens(Queue::Execute).await, 1, "one token is enough");
    }
    let wake = ground.queue_key(Queue::Execute, "wake");
    let _: Option<String> = ground.redis(&["LPOP", &wake]).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await.len(), 2);
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
    let _: Option<String> = ground.redis(&["LPOP", &wake]).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await.len(), 1);
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 0);
}

#[tokio::test]
async fn a_token_that_was_taken_and_not_used_is_put_back_by_a_claim_of_nothing() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    ground.waiting_job(&acme).await;
    let _: Option<String> = ground.redis(&["LPOP", &ground.queue_key(Queue::Execute, "wake")]).await;
    ground.sweep(Queue::Execute).await;
    assert_eq!(ground.wake_tokens(Queue::Execute).await, 1);
}

#[tokio::test]
async fn an_entry_without_a_record_stops_nobody() {
    // What a Redis that evicts keys, or a hand that deletes them, leaves behind.
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.waiting_job(&acme).await;
    for set in ["leases", "expiry", "due"] {
        ground.set_score(Queue::Execute, set, "job_gone", 1).await;
    }
    let ready = ground.queue_key(Queue::Execute, "ready:acme");
    let _: i64 = ground.redis(&["LPUSH", &ready, "job_gone"]).await;
    let _: i64 = ground.redis(&["ZADD", &ground.queue_key(Queue::Execute, "tenants"), "0", "nobody"]).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await, [id.to_string().parse().unwrap()]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_record_that_does_not_read_leaves_the_other_claimed_jobs_alone() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let (bad, good) = (execute(&acme, workflow), execute(&acme, workflow));
    ground.submit(bad.clone()).await;
    ground.submit(good.clone()).await;
    let _: i64 = ground.redis(&["HSET", &ground.job_key(bad.job.id), "metadata", "{no json"]).await;
    assert_eq!(ground.claim_ids(Queue::Execute, 2).await, [good.job.id]);
    ground.assert_sound().await;
}
