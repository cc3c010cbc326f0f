//! Submits and finishes that come at the same moment go to Redis in one call, and to each it is as if it were alone.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use shared::{
    id::{JobId, TenantId, WorkflowId},
    job::{EntryId, ErrorCode, JobError, JobStatus, Queue},
    limits::BATCH_JOBS_MAX,
    store::{Finish, Room, Store, StoreConfig, StoreError, Submission, SubmitError, Submitted},
};

use crate::{
    floor::wait_until,
    ground::{
        Ground, execute, message_of, new_version, new_workflow, ready, succeeded, tenant, with_callback,
    },
    proxy::Proxy,
    redis_server::RedisServer,
};

/// On a server of its own, whose calls can be counted.
async fn ground() -> Ground {
    Ground::on(Arc::new(RedisServer::start(&[])), Duration::from_secs(60)).await
}

/// What comes of these, all asked for before any of them leaves; and how many calls it took.
async fn at_once<T>(ground: &Ground, asked: impl Iterator<Item = impl Future<Output = T>>) -> (Vec<T>, u64) {
    let before = calls(ground).await;
    let answers = join_all(asked).await;
    (answers, calls(ground).await - before)
}

async fn calls(ground: &Ground) -> u64 {
    let stats: String = ground.redis(&["INFO", "commandstats"]).await;
    let calls = |line: &str| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok();
    stats.lines().find_map(calls).unwrap_or(0)
}

async fn submit_at_once(
    ground: &Ground,
    submissions: &[Submission],
) -> (Vec<Result<Submitted, SubmitError>>, u64) {
    at_once(ground, submissions.iter().map(|submission| ground.store.submit(submission))).await
}

fn keyed(mut submission: Submission, key: &str, fingerprint: &str) -> Submission {
    submission.idempotency = Some((key.to_owned(), fingerprint.to_owned()));
    submission
}

fn id_of(submission: &Submission) -> JobId {
    let EntryId::Job(id) = submission.job.id else { panic!("a job") };
    id
}

/// The scripts are there: the first call of each is one more.
async fn warm(ground: &Ground, tenant: &TenantId) -> WorkflowId {
    let workflow = ground.workflow(tenant).await;
    ground.submit(execute(tenant, workflow)).await;
    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    workflow
}

#[tokio::test]
async fn each_submit_of_a_call_has_the_answer_it_would_have_had_alone() {
    let (ground, acme, other) = (ground().await, tenant("acme"), tenant("other"));
    let workflow = warm(&ground, &acme).await;
    let theirs = warm(&ground, &other).await;
    let earlier = keyed(execute(&acme, workflow), "earlier", "f");
    ground.submit(earlier.clone()).await;
    let (first, fresh) = (keyed(execute(&acme, workflow), "k 1\n", "f g"), new_workflow(&acme));
    let plain = with_callback(execute(&other, theirs));
    let submissions = [
        first.clone(),
        keyed(execute(&acme, workflow), "k 1\n", "f g"),
        keyed(execute(&acme, workflow), "k 1\n", "other"),
        keyed(execute(&acme, workflow), "earlier", "f"),
        execute(&acme, theirs),
        plain.clone(),
        plain.clone(),
        fresh.clone(),
        execute(&acme, fresh.job.workflow_id.unwrap()),
        new_version(&acme, workflow),
        new_version(&acme, workflow),
    ];
    let (answers, calls) = submit_at_once(&ground, &submissions).await;
    assert_eq!(calls, 1);
    let told: Vec<Option<(JobId, bool)>> = answers
        .iter()
        .map(|answer| answer.as_ref().ok().map(|submitted| (submitted.job_id, submitted.replayed)))
        .collect();
    let new = |at: usize| Some((id_of(&submissions[at]), false));
    let again = |submission: &Submission| Some((id_of(submission), true));
    let expected = [
        new(0),
        again(&first),
        None,
        again(&earlier),
        None,
        new(5),
        again(&plain),
        new(7),
        new(8),
        new(9),
        new(10),
    ];
    assert_eq!(told, expected);
    assert!(
        matches!(answers[2], Err(SubmitError::KeyReused))
            && matches!(answers[4], Err(SubmitError::UnknownWorkflow))
    );
    assert_eq!(ground.job(&acme, id_of(&submissions[9])).await.version, 2);
    assert_eq!(ground.job(&acme, id_of(&submissions[10])).await.version, 3);
    let today = ground.store.usage(&acme).await.unwrap();
    assert_eq!((today.jobs, today.queued), (8, 6), "two of before, one of which ended, and a workflow");
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_limit_is_met_in_the_middle_of_a_call() {
    let (ground, acme, other) = (ground().await, tenant("acme"), tenant("other"));
    let (workflow, theirs) = (warm(&ground, &acme).await, warm(&ground, &other).await);
    let mut submissions = Vec::new();
    for number in 0..10 {
        let mut submission = if number % 2 == 0 { execute(&acme, workflow) } else { execute(&other, theirs) };
        submission.queued_max = if number % 2 == 0 { 3 } else { 0 };
        submissions.push(submission);
    }
    let (answers, calls) = submit_at_once(&ground, &submissions).await;
    assert_eq!(calls, 1);
    for (number, answer) in answers.iter().enumerate() {
        let refused = matches!(answer, Err(SubmitError::QueueFull));
        assert_eq!(refused, number % 2 == 0 && number >= 6, "{number}: {answer:?}");
    }
    let waiting: Vec<String> =
        submissions.iter().step_by(2).take(3).map(|job| job.job.id.to_string()).collect();
    assert_eq!(ground.waiting(Queue::Execute, &acme).await, waiting, "in the order in which they came");
    ground.assert_sound().await;
}

#[tokio::test]
async fn without_room_for_all_of_a_call_some_of_it_are_accepted() {
    let (mut ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let info: String = ground.redis(&["INFO", "memory"]).await;
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap()
        .trim()
        .parse::<u64>()
        .unwrap();
    ground.config.bytes_max = used + (2 << 20);
    ground.store = ground.another_store();
    let _: i64 = ground.redis(&["DEL", &ground.key("room")]).await;
    let mut submissions: Vec<Submission> = (0..40).map(|_| execute(&acme, workflow)).collect();
    for submission in &mut submissions {
        submission.job.input = format!("\"{}\"", "x".repeat(20_000));
    }
    let mut accepted = 0;
    for _ in 0..20 {
        let (answers, _) = submit_at_once(&ground, &submissions).await;
        for (submission, answer) in submissions.iter_mut().zip(answers) {
            match answer {
                Ok(submitted) => {
                    accepted += 1;
                    assert!(!submitted.replayed);
                    submission.job.id = EntryId::Job(JobId::new());
                }
                Err(SubmitError::Store(StoreError::Unavailable(_))) => {
                    assert_eq!(ground.field(submission.job.id, "status").await, None);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!((20..120).contains(&accepted), "{accepted} of 20,000 bytes in 2 MiB");
    ground.assert_sound().await;
}

#[tokio::test]
async fn each_finish_of_a_call_has_the_answer_it_would_have_had_alone() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let version = new_version(&acme, workflow);
    ground.submit(version.clone()).await;
    let (_, writing) = ground.claim_one(Queue::Generate).await;
    for _ in 0..5 {
        ground.submit(with_callback(execute(&acme, workflow))).await;
    }
    let held: Vec<(EntryId, u64)> = ground
        .store
        .claim(Queue::Execute, "w", Room::of(5))
        .await
        .unwrap()
        .jobs
        .into_iter()
        .map(|(job, claim)| (job.id, claim.fence))
        .collect();
    let job = |at: usize| {
        let EntryId::Job(id) = held[at].0 else { panic!("a job") };
        id
    };
    assert!(ground.store.finish(held[0].0, held[0].1, &succeeded("0")).await.unwrap());
    let (message, sending) = ground.claim_one(Queue::Deliver).await;
    ground.store.cancel(&acme, job(3)).await.unwrap();
    let failed = Finish { error: Some(JobError::new(ErrorCode::PythonError, "no")), ..Finish::default() };
    let ends = [
        (held[1].0, held[1].1, succeeded("1")),
        (held[2].0, held[2].1 + 100, succeeded("2")),
        (held[1].0, held[1].1, failed.clone()),
        (held[3].0, held[3].1, succeeded("3")),
        (message.id, sending.fence, succeeded("null")),
        (held[4].0, held[4].1, failed),
        (version.job.id, writing.fence, ready()),
        (EntryId::Job(JobId::new()), 1, succeeded("5")),
        (held[0].0, held[0].1, succeeded("again")),
    ];
    let finishes = ends.iter().map(|(id, fence, finish)| ground.store.finish(*id, *fence, finish));
    let (answers, calls) = at_once(&ground, finishes).await;
    assert_eq!(calls, 1);
    let taken: Vec<bool> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken, [true, false, true, true, true, true, true, false, true]);
    let status = async |at: usize| ground.job(&acme, job(at)).await.status;
    assert_eq!(status(1).await, JobStatus::Succeeded, "the first of two ends");
    assert_eq!(status(2).await, JobStatus::Running);
    assert_eq!(status(3).await, JobStatus::Cancelled);
    assert_eq!(status(4).await, JobStatus::Failed);
    assert_eq!(ground.status(message.id).await, "succeeded");
    assert_eq!(ground.job(&acme, job(0)).await.result.unwrap().get(), "0", "a repeat writes nothing");
    for at in [1, 3, 4] {
        assert_eq!(ground.status(message_of(job(at))).await, "queued");
    }
    assert_eq!(ground.events(&acme, job(4)).await, ["job.queued", "job.started", "job.failed"]);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_job_that_fails_in_the_script_fails_no_other() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let broken = WorkflowId::new();
    let _: i64 = ground.redis(&["LPUSH", &ground.key(format_args!("wf:{broken}")), "no hash"]).await;
    let submissions = [execute(&acme, workflow), execute(&acme, broken), execute(&acme, workflow)];
    let (answers, _) = submit_at_once(&ground, &submissions).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(
        matches!(&answers[1], Err(SubmitError::Store(StoreError::Unavailable(told))) if told.contains("WRONGTYPE")),
        "{:?}",
        answers[1]
    );
    assert_eq!(ground.field(submissions[1].job.id, "status").await, None);
    ground.assert_sound().await;

    let held = ground.store.claim(Queue::Execute, "w", Room::of(2)).await.unwrap().jobs;
    let log = format!("{}:log", ground.job_key(held[0].0.id));
    let _: i64 = ground.redis(&["LPUSH", &log, "no text"]).await;
    let finish = Finish { log: b"bye".to_vec(), ..succeeded("1") };
    let finishes = held.iter().map(|(job, claim)| ground.store.finish(job.id, claim.fence, &finish));
    let (answers, _) = at_once(&ground, finishes).await;
    assert!(
        matches!(&answers[0], Err(StoreError::Unavailable(_))) && matches!(answers[1], Ok(true)),
        "{answers:?}"
    );
    ground.assert_sound().await;
    let _: i64 = ground.redis(&["DEL", &log]).await;
    assert!(
        ground.store.finish(held[0].0.id, held[0].1.fence, &finish).await.unwrap(),
        "it is still its own"
    );
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_call_is_bounded_in_jobs_and_in_bytes() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let submissions: Vec<Submission> = (0..BATCH_JOBS_MAX + 10).map(|_| execute(&acme, workflow)).collect();
    let (answers, calls) = submit_at_once(&ground, &submissions).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(calls, 2);
    let mut large: Vec<Submission> = (0..5).map(|_| execute(&acme, workflow)).collect();
    for submission in &mut large[1..4] {
        submission.job.input = format!("\"{}\"", "x".repeat(600 << 10));
    }
    let (answers, calls) = submit_at_once(&ground, &large).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(calls, 3, "no two large ones in one");
    ground.assert_sound().await;
}

#[tokio::test]
async fn one_who_stops_waiting_before_its_call_leaves_is_left_out() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let (given_up, wanted) = (execute(&acme, workflow), execute(&acme, workflow));
    tokio::select! {
        biased;
        _ = ground.store.submit(&given_up) => unreachable!("it has not left"),
        () = std::future::ready(()) => {}
    }
    ground.submit(wanted.clone()).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await, [wanted.job.id.to_string()]);
    assert_eq!(ground.field(given_up.job.id, "status").await, None);
}

#[tokio::test]
async fn a_runtime_that_ends_in_the_middle_of_a_call_leaves_the_store_usable() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    let (store, lost) = (ground.another_store(), execute(&acme, workflow));
    ground.server.pause();
    let elsewhere = {
        let (store, lost) = (store.clone(), lost.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    answer = store.submit(&lost) => panic!("Redis stands still: {answer:?}"),
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                }
            });
        })
    };
    elsewhere.join().unwrap();
    ground.server.resume();
    let submitted = async || store.submit(&lost).await.is_ok();
    wait_until(submitted).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await, [lost.job.id.to_string()]);
}

/// Submits and finishes go through a connection that is cut when Redis has them and has not answered.
#[tokio::test]
async fn when_the_answer_to_a_call_is_lost_each_of_its_jobs_is_found_by_trying_again() {
    let (ground, acme) = (ground().await, tenant("acme"));
    let workflow = warm(&ground, &acme).await;
    for _ in 0..3 {
        ground.submit(execute(&acme, workflow)).await;
    }
    let held = ground.store.claim(Queue::Execute, "w", Room::of(3)).await.unwrap().jobs;
    let proxy = Proxy::to(ground.server.socket()).await;
    let store = Store::new(&StoreConfig { url: proxy.url(), ..ground.config.clone() }).unwrap();
    store.ping().await.unwrap();
    let mut submissions: Vec<Submission> =
        (0..5).map(|n| keyed(execute(&acme, workflow), &format!("k{n}"), "f")).collect();
    let long = format!("\"{}\"", "x".repeat(2000));
    for submission in &mut submissions {
        submission.job.input.clone_from(&long);
    }
    ground.server.pause();
    let before = proxy.carried();
    let cut = async {
        // Both calls are with Redis: five inputs and three results.
        wait_until(async || proxy.carried() > before + 8 * 2000).await;
        proxy.cut();
    };
    let end = succeeded(&long);
    let finishes = held.iter().map(|(job, claim)| store.finish(job.id, claim.fence, &end));
    let submits = submissions.iter().map(|submission| store.submit(submission));
    let (submitted, finished, ()) = tokio::join!(join_all(submits), join_all(finishes), cut);
    assert!(
        submitted.iter().all(|answer| matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))))
    );
    assert!(finished.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable(_)))));
    ground.server.resume();
    wait_until(async || ground.waiting(Queue::Execute, &acme).await.len() == 5).await;
    for (submission, (job, claim)) in submissions.iter().zip(held.iter().cycle()) {
        assert!(store.submit(submission).await.unwrap().replayed);
        assert!(store.finish(job.id, claim.fence, &end).await.unwrap());
    }
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 5);
    ground.assert_sound().await;
}
