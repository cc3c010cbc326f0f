//! `finish`: the end of a job, its workflow and its webhook message in one step.

use std::time::Duration;

use shared::{
    job::{EntryId, ErrorCode, JobError, JobStatus, Queue, Usage},
    store::{CancelAnswer, Finish},
    workflow::WorkflowStatus,
};

use crate::ground::{
    Ground, execute, message_of, new_version, new_workflow, ready, succeeded, tenant, version_ready,
    with_callback,
};

fn failed(code: ErrorCode, message: &str) -> Finish {
    Finish { error: Some(JobError::new(code, message)), ..Finish::default() }
}

#[tokio::test]
async fn a_success_is_recorded_whole() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let finish = Finish {
        result: Some(r#"{"answer":[1,2.50,"é"]}"#.to_owned()),
        usage: Usage { tool_calls: 3, ..Usage::default() },
        provider: Some("offline".to_owned()),
        log: b"bye\n".to_vec(),
        ..Finish::default()
    };
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &finish).await.unwrap());
    let job = ground.job(&acme, id).await;
    assert_eq!(job.status, JobStatus::Succeeded);
    assert_eq!(job.result.expect("a result").get(), r#"{"answer":[1,2.50,"é"]}"#, "byte for byte");
    assert_eq!((job.usage.tool_calls, job.provider.as_deref(), job.error), (3, Some("offline"), None));
    assert!(job.finished_at >= job.started_at);
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"bye\n");
    assert_eq!(ground.events(&acme, id).await, ["job.queued", "job.started", "job.succeeded"]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_failure_keeps_its_error_word_for_word() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let mut finish = failed(ErrorCode::PythonError, "KeyError: 'a\"b'\n\u{1F600}");
    if let Some(error) = &mut finish.error {
        error.line = Some(7);
        error.traceback = Some("File \"<workflow>\", line 7".to_owned());
    }
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &finish).await.unwrap());
    let job = ground.job(&acme, id).await;
    assert_eq!((job.status, job.error), (JobStatus::Failed, finish.error.clone()));
    let page = ground.store.events(&acme, id, 2).await.unwrap().unwrap();
    assert_eq!(page.events[0].data["error"], serde_json::to_value(finish.error).unwrap());
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_finish_that_is_repeated_is_taken_once_and_answered_well() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.submit(with_callback(execute(&acme, ground.workflow(&acme).await))).await.job_id;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    let entry = EntryId::Job(id);
    let finish = Finish { log: b"once".to_vec(), ..succeeded("1") };
    assert!(ground.store.finish(entry, claim.fence, &finish).await.unwrap());
    assert!(ground.store.finish(entry, claim.fence, &finish).await.unwrap());
    // Not even with something else to say.
    assert!(ground.store.finish(entry, claim.fence, &failed(ErrorCode::Timeout, "late")).await.unwrap());
    let job = ground.job(&acme, id).await;
    assert_eq!((job.status, job.result.expect("a result").get()), (JobStatus::Succeeded, "1"));
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"once");
    assert_eq!(ground.events(&acme, id).await.len(), 3);
    assert_eq!(ground.claim_ids(Queue::Deliver, 5).await, [EntryId::Message(message_of(id))]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_finish_under_a_wrong_fence_is_refused() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    for fence in [0, claim.fence - 1, claim.fence + 1] {
        assert!(!ground.store.finish(EntryId::Job(id), fence, &succeeded("1")).await.unwrap());
    }
    let unknown = "job_00000000000000000000000000000000".parse().unwrap();
    assert!(!ground.store.finish(unknown, claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.status(id).await, "running");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_requested_cancel_wins_over_a_late_result() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    assert_eq!(ground.store.cancel(&acme, id).await.unwrap(), CancelAnswer::Requested);
    let finish = Finish { log: b"printed".to_vec(), ..succeeded("1") };
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &finish).await.unwrap());
    let job = ground.job(&acme, id).await;
    assert_eq!(job.status, JobStatus::Cancelled);
    assert!(job.result.is_none() && job.error.is_none());
    assert_eq!(ground.store.log(&acme, id).await.unwrap().unwrap(), b"printed");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_webhook_message_is_made_with_the_final_state_and_only_where_one_is_wanted() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let plain = ground.submit(execute(&acme, workflow)).await.job_id;
    let wanted = ground.submit(with_callback(execute(&acme, workflow))).await.job_id;
    for _ in 0..2 {
        let (job, claim) = ground.claim_one(Queue::Execute).await;
        assert_eq!(ground.claim_ids(Queue::Deliver, 5).await, [], "not before the end");
        if job.callback_url.is_none() {
            assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
        } else {
            assert!(
                ground.store.finish(job.id, claim.fence, &failed(ErrorCode::Timeout, "slow")).await.unwrap()
            );
        }
    }
    assert_eq!(ground.field(message_of(plain), "status").await, None);
    let (message, claim) = ground.claim_one(Queue::Deliver).await;
    assert_eq!(message.id, EntryId::Message(message_of(wanted)));
    assert_eq!((message.subject, message.tries, message.queue), (Some(wanted), 0, Queue::Deliver));
    assert_eq!((message.tenant.as_str(), claim.attempt, claim.expires_at), ("acme", 1, None));
    let url = ground.store.callback_url(wanted).await.unwrap();
    assert_eq!(url.as_deref(), Some("https://example.org/done"));

    // Sent: over, without a message of its own.
    assert!(ground.store.finish(message.id, claim.fence, &Finish::default()).await.unwrap());
    assert_eq!(ground.claim_ids(Queue::Deliver, 5).await, []);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_delivery_that_is_tried_again_keeps_count_and_name() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let id = ground.submit(with_callback(execute(&acme, ground.workflow(&acme).await))).await.job_id;
    let (_, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    for tries in 0..3 {
        let (message, claim) = ground.claim_one(Queue::Deliver).await;
        assert_eq!((message.id, message.tries, claim.attempt), (EntryId::Message(message_of(id)), tries, 1));
        let fields = [("tries", (tries + 1).to_string())];
        let later =
            ground.store.retry_later(message.id, claim.fence, Duration::from_secs(60), false, &fields);
        assert!(later.await.unwrap());
        assert_eq!(ground.claim_ids(Queue::Deliver, 1).await, []);
        ground.assert_sound().await;
        ground.come_due(Queue::Deliver, message.id).await;
    }
}

#[tokio::test]
async fn a_generate_job_writes_its_version_and_its_workflow() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submission = new_workflow(&acme);
    let submitted = ground.submit(submission.clone()).await;
    let (job, claim) = ground.claim_one(Queue::Generate).await;
    assert_eq!(job.version, 1);
    assert!(ground.store.finish(job.id, claim.fence, &ready()).await.unwrap());
    let workflow = ground.store.workflow(&acme, submitted.workflow_id).await.unwrap().expect("it exists");
    assert_eq!((workflow.status, workflow.version), (WorkflowStatus::Ready, 1));
    assert_eq!(workflow.code.as_deref(), Some("# version 1"));
    assert!(workflow.updated_at >= workflow.created_at);
    ground.assert_sound().await;
}

#[tokio::test]
async fn questions_are_the_workflows_until_it_is_ready() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submitted = ground.submit(new_workflow(&acme)).await;
    let asks = Finish {
        workflow: vec![
            ("status", "needs_clarification".to_owned()),
            ("questions", r#"[{"id":"q","text":"?"}]"#.to_owned()),
        ],
        version: vec![("status", "needs_clarification".to_owned())],
        ..Finish::default()
    };
    let (job, claim) = ground.claim_one(Queue::Generate).await;
    assert!(ground.store.finish(job.id, claim.fence, &asks).await.unwrap());
    let read =
        async || ground.store.workflow(&acme, submitted.workflow_id).await.unwrap().expect("it exists");
    let workflow = read().await;
    assert_eq!((workflow.status, workflow.questions.len()), (WorkflowStatus::NeedsClarification, 1));
    assert_eq!(workflow.job.expect("a job").status, JobStatus::Succeeded);

    ground.submit(new_version(&acme, submitted.workflow_id)).await;
    assert_eq!(read().await.status, WorkflowStatus::Generating);
    let (job, claim) = ground.claim_one(Queue::Generate).await;
    assert!(ground.store.finish(job.id, claim.fence, &version_ready(2)).await.unwrap());
    assert_eq!((read().await.status, read().await.version), (WorkflowStatus::Ready, 2));

    // Ready stays ready: questions and failures of later tries show in their own versions only.
    for finish in [asks, failed(ErrorCode::GenerationFailed, "no")] {
        ground.submit(new_version(&acme, submitted.workflow_id)).await;
        let (job, claim) = ground.claim_one(Queue::Generate).await;
        assert!(ground.store.finish(job.id, claim.fence, &finish).await.unwrap());
        let workflow = read().await;
        assert_eq!((workflow.status, workflow.version), (WorkflowStatus::Ready, 2));
        assert_eq!((workflow.error, workflow.code.as_deref()), (None, Some("# version 2")));
    }
    let versions = [(3, WorkflowStatus::NeedsClarification), (4, WorkflowStatus::Failed)];
    for (number, status) in versions {
        let read = ground.store.version_status(submitted.workflow_id, number).await.unwrap();
        assert_eq!(read, Some(status));
    }
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_generation_that_fails_fails_its_workflow_with_the_same_error() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submitted = ground.submit(new_workflow(&acme)).await;
    let (job, claim) = ground.claim_one(Queue::Generate).await;
    let finish = failed(ErrorCode::InvalidCode, "line 3");
    assert!(ground.store.finish(job.id, claim.fence, &finish).await.unwrap());
    let workflow = ground.store.workflow(&acme, submitted.workflow_id).await.unwrap().expect("it exists");
    assert_eq!((workflow.status, workflow.error), (WorkflowStatus::Failed, finish.error));
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_workflow_that_was_deleted_meanwhile_is_not_made_again() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let submitted = ground.submit(new_workflow(&acme)).await;
    let (job, claim) = ground.claim_one(Queue::Generate).await;
    let key = ground.key(format_args!("wf:{}", submitted.workflow_id));
    let _: i64 = ground.redis(&["DEL", &key, &format!("{key}:v:1")]).await;
    assert!(ground.store.finish(job.id, claim.fence, &ready()).await.unwrap());
    let left: i64 = ground.redis(&["EXISTS", &key, &format!("{key}:v:1")]).await;
    assert_eq!(left, 0);
    assert_eq!(ground.status(job.id).await, "succeeded");
}
