//! `submit`: all of a job or nothing, once per idempotency key.

use shared::{
    id::{JobId, WorkflowId},
    job::{EntryId, JobStatus, Queue},
    queue::enqueue,
    store::{Finish, Submission, SubmitError},
    workflow::WorkflowStatus,
};

use crate::ground::{Ground, execute, new_version, new_workflow, tenant, version_ready, with_callback};

fn job_id(id: EntryId) -> JobId {
    let EntryId::Job(id) = id else { panic!("a job") };
    id
}

#[tokio::test]
async fn a_new_workflow_its_version_and_its_job_come_into_being_together() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submission = new_workflow(&acme);
    let id = job_id(submission.job.id);
    let submitted = ground.submit(submission).await;
    assert_eq!((submitted.job_id, submitted.replayed), (id, false));

    let workflow = ground.store.workflow(&acme, submitted.workflow_id).await.unwrap().expect("it exists");
    assert_eq!((workflow.status, workflow.version), (WorkflowStatus::Generating, 0));
    assert_eq!(workflow.metadata["team"], "a");
    let job = workflow.job.expect("its generate job");
    assert_eq!((job.id, job.status, job.version, job.attempt), (id, JobStatus::Queued, 1, 0));
    assert_eq!(job.deadline_at.as_millis() - job.created_at.as_millis(), 3_600_000);
    assert_eq!(ground.events(&acme, id).await, ["job.queued"]);
    assert_eq!(ground.store.workflows(&acme, None, 10).await.unwrap().items.len(), 1);
    ground.assert_sound().await;
}

#[tokio::test]
async fn the_same_key_and_request_answer_the_first_job() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let keyed = |key: &str, fingerprint: &str| {
        let mut submission = execute(&acme, workflow);
        submission.idempotency = Some((key.to_owned(), fingerprint.to_owned()));
        submission
    };
    let first = ground.submit(keyed("order 7:{x}", "f1")).await;
    let again = ground.submit(keyed("order 7:{x}", "f1")).await;
    assert_eq!((again.job_id, again.workflow_id, again.replayed), (first.job_id, workflow, true));
    assert!(matches!(ground.store.submit(&keyed("order 7:{x}", "f2")).await, Err(SubmitError::KeyReused)));
    assert_ne!(ground.submit(keyed("order 8", "f1")).await.job_id, first.job_id);

    // The same key of another tenant is another key.
    let other = tenant("other");
    let mut foreign = execute(&other, ground.workflow(&other).await);
    foreign.idempotency = Some(("order 7:{x}".to_owned(), "f2".to_owned()));
    assert!(!ground.submit(foreign).await.replayed);
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 2);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let mut submission = execute(&acme, ground.workflow(&acme).await);
    submission.idempotency = Some(("k".to_owned(), "f".to_owned()));
    ground.submit(submission).await;
    let left_ms: i64 = ground.redis(&["PTTL", &ground.key("idem:acme:k")]).await;
    assert!((86_390_000..=86_400_000).contains(&left_ms), "{left_ms}");
}

#[tokio::test]
async fn a_push_that_is_repeated_because_its_answer_was_lost_makes_one_job() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submission = execute(&acme, ground.workflow(&acme).await);
    let first = ground.submit(submission.clone()).await;
    let again = ground.submit(submission).await;
    assert_eq!((again.job_id, again.replayed), (first.job_id, true));
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 1);
    ground.assert_sound().await;
}

#[tokio::test]
async fn an_unknown_and_a_foreign_workflow_are_refused_alike_and_leave_nothing() {
    let (ground, acme, other) = (Ground::new().await, tenant("acme"), tenant("other"));
    let theirs = ground.workflow(&other).await;
    for workflow in [WorkflowId::new(), theirs] {
        for submission in [execute(&acme, workflow), new_version(&acme, workflow)] {
            let answer = ground.store.submit(&submission).await;
            assert!(matches!(answer, Err(SubmitError::UnknownWorkflow)), "{answer:?}");
            assert_eq!(ground.field(submission.job.id, "status").await, None);
        }
    }
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_full_queue_refuses_until_a_job_leaves_it() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let limited = || {
        let mut submission = execute(&acme, workflow);
        submission.queued_max = 2;
        submission
    };
    ground.submit(limited()).await;
    ground.submit(limited()).await;
    let refused = limited();
    assert!(matches!(ground.store.submit(&refused).await, Err(SubmitError::QueueFull)));
    assert_eq!(ground.field(refused.job.id, "status").await, None);
    ground.claim_one(Queue::Execute).await;
    ground.submit(limited()).await;
    assert!(matches!(ground.store.submit(&limited()).await, Err(SubmitError::QueueFull)));
    // Another tenant's queue is its own.
    let other = tenant("other");
    let mut foreign = execute(&other, ground.workflow(&other).await);
    foreign.queued_max = 2;
    ground.submit(foreign).await;
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_tenants_own_limit_goes_before_the_configured_one_and_counts_all_its_jobs() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let record = ground.key("tenant:acme");
    let _: i64 = ground.redis(&["HSET", &record, "queued_max", "2"]).await;
    let limited = |mut submission: Submission| {
        submission.queued_max = 1;
        submission
    };
    ground.submit(limited(execute(&acme, workflow))).await;
    ground.submit(limited(new_version(&acme, workflow))).await;
    for refused in [execute(&acme, workflow), new_version(&acme, workflow), new_workflow(&acme)] {
        let answer = ground.store.submit(&limited(refused)).await;
        assert!(matches!(answer, Err(SubmitError::QueueFull)), "{answer:?}");
    }
    let _: i64 = ground.redis(&["HSET", &record, "queued_max", "0"]).await;
    ground.submit(limited(execute(&acme, workflow))).await;
    let _: i64 = ground.redis(&["HDEL", &record, "queued_max"]).await;
    assert!(matches!(
        ground.store.submit(&limited(execute(&acme, workflow))).await,
        Err(SubmitError::QueueFull)
    ));
    ground.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn submits_at_the_same_moment_do_not_pass_the_limit_together() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let submits = (0..50).map(|_| {
        let (store, mut submission) = (ground.another_store(), execute(&acme, workflow));
        submission.queued_max = 10;
        tokio::spawn(async move { store.submit(&submission).await })
    });
    let (mut taken, mut refused) = (0, 0);
    for submit in submits.collect::<Vec<_>>() {
        match submit.await.unwrap() {
            Ok(_) => taken += 1,
            Err(SubmitError::QueueFull) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((taken, refused), (10, 40));
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_refused_submit_does_not_take_its_idempotency_key() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    ground.submit(execute(&acme, workflow)).await;
    let mut submission = execute(&acme, workflow);
    submission.idempotency = Some(("k".to_owned(), "f".to_owned()));
    submission.queued_max = 1;
    assert!(matches!(ground.store.submit(&submission).await, Err(SubmitError::QueueFull)));
    submission.queued_max = 0;
    assert!(!ground.submit(submission).await.replayed);
}

#[tokio::test]
async fn new_versions_are_numbered_in_the_order_of_their_submission() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    for number in 2..=4 {
        let submission = new_version(&acme, workflow);
        let id = job_id(submission.job.id);
        ground.submit(submission).await;
        assert_eq!(ground.job(&acme, id).await.version, number);
    }
    let record = ground.store.workflow(&acme, workflow).await.unwrap().expect("it exists");
    assert_eq!((record.status, record.version), (WorkflowStatus::Ready, 1), "once ready it stays ready");
    assert_eq!(record.code.as_deref(), Some("# version 1"));
    ground.assert_sound().await;
}

#[tokio::test]
async fn supplied_code_stands_in_its_version_at_once() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let mut submission = new_workflow(&acme);
    submission.job.input = r#"{"description":"d","code":"print('é')"}"#.to_owned();
    let submitted = ground.submit(submission).await;
    let version = ground.store.version(submitted.workflow_id, 1).await.unwrap().expect("it has code");
    assert_eq!((version.code.as_str(), version.status), ("print('é')", WorkflowStatus::Generating));
}

#[tokio::test]
async fn apalis_pushes_go_through_the_same_door() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let mut submission = with_callback(execute(&acme, workflow));
    submission.idempotency = Some(("k".to_owned(), "f".to_owned()));
    submission.queued_max = 1;
    let first = enqueue(&ground.store, submission.clone()).await.unwrap();
    assert_eq!(EntryId::Job(first.job_id), submission.job.id);
    let again = enqueue(&ground.store, submission).await.unwrap();
    assert_eq!((again.job_id, again.replayed), (first.job_id, true));
    let mut refused = execute(&acme, workflow);
    refused.queued_max = 1;
    assert!(matches!(enqueue(&ground.store, refused).await, Err(SubmitError::QueueFull)));
    ground.assert_sound().await;
}

#[tokio::test]
async fn what_was_submitted_is_what_a_worker_claims() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let mut submission = with_callback(execute(&acme, workflow));
    submission.job.metadata.insert("k".to_owned(), "vé".into());
    submission.job.retry_of = Some(JobId::new());
    submission.job.input = "{\"user_input\":\"line\\nünïcode \u{1F600}\"}".to_owned();
    ground.submit(submission.clone()).await;
    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(format!("{job:?}"), format!("{:?}", submission.job));
    assert_eq!((claim.attempt, claim.resumed), (1, false));
    assert_eq!(claim.expires_at.map(|at| at.as_millis() > claim.started_at.as_millis()), Some(true));
}

#[tokio::test]
async fn of_two_tries_at_a_workflow_the_latest_speaks_for_it_until_one_is_ready() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let first = new_workflow(&acme);
    let workflow = ground.submit(first.clone()).await.workflow_id;
    let second = new_version(&acme, workflow);
    ground.submit(second.clone()).await;
    let (_, one) = ground.claim_one(Queue::Generate).await;
    let (_, two) = ground.claim_one(Queue::Generate).await;
    let status = async || {
        let workflow = ground.store.workflow(&acme, workflow).await.unwrap().expect("it exists");
        (workflow.status, workflow.version)
    };

    // The first asks questions while the second is being written.
    let asks = Finish {
        workflow: vec![("status", "needs_clarification".to_owned())],
        version: vec![("status", "needs_clarification".to_owned())],
        ..Finish::default()
    };
    assert!(ground.store.finish(first.job.id, one.fence, &asks).await.unwrap());
    assert_eq!(status().await, (WorkflowStatus::Generating, 0));
    assert!(ground.store.finish(second.job.id, two.fence, &version_ready(2)).await.unwrap());
    assert_eq!(status().await, (WorkflowStatus::Ready, 2));
    ground.assert_sound().await;
}

#[tokio::test]
async fn an_older_version_that_is_ready_later_does_not_replace_a_newer_one() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let (older, newer) = (new_version(&acme, workflow), new_version(&acme, workflow));
    ground.submit(older.clone()).await;
    ground.submit(newer.clone()).await;
    let (_, two) = ground.claim_one(Queue::Generate).await;
    let (_, three) = ground.claim_one(Queue::Generate).await;
    assert!(ground.store.finish(newer.job.id, three.fence, &version_ready(3)).await.unwrap());
    assert!(ground.store.finish(older.job.id, two.fence, &version_ready(2)).await.unwrap());
    let record = ground.store.workflow(&acme, workflow).await.unwrap().expect("it exists");
    assert_eq!((record.version, record.code.as_deref()), (3, Some("# version 3")));
    assert_eq!(
        ground.store.version_status(workflow, 2).await.unwrap(),
        Some(WorkflowStatus::Ready),
        "it can still be executed by its number"
    );
}

/// A run that names no version.
fn of_the_current_version(tenant: &shared::id::TenantId, workflow: WorkflowId) -> Submission {
    let mut submission = execute(tenant, workflow);
    submission.job.version = 0;
    submission
}

#[tokio::test]
async fn a_run_that_names_no_version_is_of_the_one_that_is_current_when_it_is_accepted() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let first = ground.submit(of_the_current_version(&acme, workflow)).await.job_id;
    let (newer, claim) = {
        ground.submit(new_version(&acme, workflow)).await;
        ground.claim_one(Queue::Generate).await
    };
    let before = ground.submit(of_the_current_version(&acme, workflow)).await.job_id;
    assert!(ground.store.finish(newer.id, claim.fence, &version_ready(2)).await.unwrap());
    let after = ground.submit(of_the_current_version(&acme, workflow)).await.job_id;
    for (id, version) in [(first, 1), (before, 1), (after, 2)] {
        assert_eq!(ground.job(&acme, id).await.version, version, "{id}");
    }
    let claimed = ground.claim_one(Queue::Execute).await.0;
    assert_eq!((claimed.id, claimed.version), (EntryId::Job(first), 1), "the worker is told which");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_workflow_without_a_program_is_not_run_but_what_was_accepted_stays() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let making = ground.submit(new_workflow(&acme)).await.workflow_id;
    let refused = ground.store.submit(&of_the_current_version(&acme, making)).await.unwrap_err();
    assert!(matches!(refused, SubmitError::NotReady(WorkflowStatus::Generating)), "{refused:?}");
    for (tenant, workflow) in [(&tenant("other"), making), (&acme, WorkflowId::new())] {
        let unknown = ground.store.submit(&of_the_current_version(tenant, workflow)).await.unwrap_err();
        assert!(matches!(unknown, SubmitError::UnknownWorkflow), "{unknown:?}");
    }
    assert_eq!(ground.waiting(Queue::Execute, &acme).await, [""; 0]);
    ground.assert_sound().await;
}
