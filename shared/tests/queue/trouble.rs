//! Everything a Redis can do to its clients beside working. Each kind of trouble is an error that says "later", or a
//! wait; who tries again finds every job once, and nothing has to be started anew for it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    id::{TenantId, WorkflowId},
    job::{EntryId, Queue},
    limits::REDIS_RESPONSE_TIMEOUT,
    store::{Hub, Room, Store, StoreConfig, StoreError, Submission, SubmitError},
};
use tokio_util::sync::CancellationToken;

use crate::{
    floor::{DEADLINE, Floor, Worker, wait_final},
    ground::{Ground, execute, succeeded, tenant},
    machine,
    proxy::Proxy,
    redis_server::RedisServer,
};

const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// 10 ms between tries: Redis is here and does not have to be spared.
const PAUSE: Duration = Duration::from_millis(10);

/// What a handle that says "later" says.
fn told<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Unavailable(told)) => told,
        other => panic!("not a reason to try later: {other:?}"),
    }
}

/// Submits as a client does that is told to try later; answers how often it was.
async fn submit_at_last(store: &Store, submission: &Submission) -> usize {
    let tries = async {
        for refused in 0.. {
            match store.submit(submission).await {
                Ok(_) => return refused,
                Err(SubmitError::Store(StoreError::Unavailable(_))) => tokio::time::sleep(PAUSE).await,
                Err(other) => panic!("{other}"),
            }
        }
        unreachable!("it is tried for ever")
    };
    tokio::time::timeout(DEADLINE, tries).await.expect("it is taken at last")
}

/// Writes a result as a worker does: until Redis takes it.
async fn finish_at_last(store: &Store, id: EntryId, fence: u64) {
    let tries = async {
        loop {
            match store.finish(id, fence, &succeeded("1")).await {
                Ok(taken) => return assert!(taken, "{id} is still ours"),
                Err(error) => drop(told(Err::<(), _>(error))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, tries).await.expect("it is taken at last");
}

/// Tries until it works; answers what was said until then.
async fn until_it_answers(store: &Store) -> Vec<String> {
    let mut said = Vec::new();
    let tries = async {
        while let Err(error) = store.ping().await {
            said.push(told(Err::<(), _>(error)));
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(DEADLINE, tries).await.expect("it answers at last");
    said
}

fn store_at(ground: &Ground, url: String) -> Store {
    Store::new(&StoreConfig { url, ..ground.config.clone() }).expect("an address")
}

#[tokio::test]
async fn a_connection_that_swallows_everything_is_given_up_after_one_timeout() {
    let (ground, acme) = (Ground::new().await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let proxy = Proxy::to(ground.server.socket()).await;
    let store = store_at(&ground, proxy.url());
    store.ping().await.unwrap();
    proxy.swallow();
    let (began, submission) = (Instant::now(), execute(&acme, workflow));
    let answer = store.submit(&submission).await;
    assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    let waited = began.elapsed();
    assert!(waited < REDIS_RESPONSE_TIMEOUT + Duration::from_secs(2), "{waited:?}");
    assert_eq!(submit_at_last(&store, &submission).await, 0, "a new connection is there");
    finish_at_last(&store, EntryId::Job(id), claim.fence).await;
    println!("a deaf connection was given up after {waited:?}");
    ground.assert_sound().await;
}

/// Jobs go through submit, claim and finish while something happens all the time; each starts once and succeeds.
async fn jobs_pass_through(ground: &Ground, trouble: &[&str], every: Duration) -> (usize, usize) {
    const JOBS: usize = 200;
    let (acme, mut floor) = (tenant("acme"), Floor::open());
    let workflow = ground.workflow(&acme).await;
    let (hub, _) = Hub::for_events(ground.another_store(), CancellationToken::new());
    let worker = Worker::start(ground.another_store(), "w", 8, &floor);
    let (mut times, mut refused, mut ids) = (0, 0, Vec::new());
    {
        let happens = async {
            loop {
                let _: redis::Value = ground.redis(trouble).await;
                times += 1;
                tokio::time::sleep(every).await;
            }
        };
        let submits = async {
            for _ in 0..JOBS {
                let submission = execute(&acme, workflow);
                refused += submit_at_last(&ground.store, &submission).await;
                ids.push(submission.job.id);
            }
            let mut starts: HashMap<EntryId, usize> = HashMap::new();
            for _ in 0..JOBS {
                let started = floor.next().await;
                assert_eq!(started.attempt, 1, "a claim whose answer was lost costs no attempt");
                *starts.entry(started.id).or_default() += 1;
            }
            assert!(ids.iter().all(|id| starts.get(id) == Some(&1)), "each starts once: {starts:?}");
        };
        tokio::select! {
            () = happens => unreachable!("it goes on"),
            () = submits => {}
        }
    }
    for id in ids {
        let EntryId::Job(id) = id else { unreachable!("jobs only") };
        assert_eq!(wait_final(ground, &hub, &acme, id).await, "succeeded");
    }
    worker.stop().await;
    assert!(floor.started.try_recv().is_err(), "nothing started twice");
    ground.assert_sound().await;
    (times, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_killed_in_the_middle_of_commands_lose_and_double_nothing() {
    machine::alone();
    let ground = Ground::on(Arc::new(RedisServer::start(&AOF)), Duration::from_secs(2)).await;
    let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
    let (times, refused) = jobs_pass_through(&ground, &kill, Duration::from_millis(15)).await;
    println!(
        "200 jobs passed while all connections were killed {times} times; {refused} submits were tried again"
    );
    assert!(times > 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_redis_forgot_are_sent_again() {
    let ground = Ground::on(Arc::new(RedisServer::start(&[])), Duration::from_secs(2)).await;
    let (times, _) = jobs_pass_through(&ground, &["SCRIPT", "FLUSH"], Duration::from_millis(2)).await;
    println!("200 jobs passed while the scripts were flushed {times} times");
    assert!(times > 20);
}

#[tokio::test]
async fn a_redis_that_is_loading_is_waited_for() {
    let server = Arc::new(RedisServer::start(&AOF));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    for _ in 0..100 {
        ground.submit(execute(&acme, workflow)).await;
    }
    let filler = "for i = 1, 20000 do redis.call('SET', KEYS[1] .. i, i) end";
    let _: redis::Value = ground.redis(&["EVAL", filler, "1", &ground.key("filler:")]).await;
    ground.server.kill();
    // So slow that it takes a second and more; every thousand commands it looks at its clients.
    ground.server.start_loading(&["--key-load-delay", "50"]);
    let said = until_it_answers(&ground.store).await;
    let loading = said.iter().filter(|told| told.contains("LOADING") || told.contains("BusyLoading")).count();
    println!("{loading} of {} answers said that it was loading", said.len());
    assert!(loading > 0, "{said:?}");
    finish_at_last(&ground.store, EntryId::Job(id), claim.fence).await;
    let jobs = ground.store.claim(Queue::Execute, "w", Room::of(64)).await.unwrap().jobs.len();
    assert_eq!(jobs + ground.store.claim(Queue::Execute, "w", Room::of(64)).await.unwrap().jobs.len(), 100);
}

#[tokio::test]
async fn a_redis_busy_with_a_slow_script_is_waited_for() {
    let server = Arc::new(RedisServer::start(&["--busy-reply-threshold", "50"]));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let slow = {
        let client = redis::Client::open(ground.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        tokio::spawn(async move {
            let endless = redis::Script::new("while true do end");
            let _: Result<(), _> = endless.invoke_async(&mut connection).await; // it is killed
        })
    };
    let busy = async {
        while ground.store.claim(Queue::Deliver, "w", Room::NONE).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, busy).await.expect("it is busy");
    let submission = execute(&acme, workflow);
    for _ in 0..3 {
        let answer = ground.store.submit(&submission).await;
        assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
        let said = told(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await);
        assert!(said.contains("BUSY") || said.contains("busy"), "{said}");
    }
    let killer = redis::Client::open(ground.server.url()).unwrap();
    let mut killer = killer.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("SCRIPT").arg("KILL").query_async::<()>(&mut killer).await.unwrap();
    submit_at_last(&ground.store, &submission).await;
    finish_at_last(&ground.store, EntryId::Job(id), claim.fence).await;
    slow.await.unwrap();
    ground.assert_sound().await;
}

#[tokio::test]
async fn with_a_wrong_password_everything_waits_until_it_is_right() {
    let (ground, acme) =
        (Ground::on(Arc::new(RedisServer::start(&[])), Duration::from_secs(60)).await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let _: String = ground.redis(&["CONFIG", "SET", "requirepass", "right"]).await;
    let proxy = Proxy::to(ground.server.socket()).await;
    let store = store_at(&ground, format!("redis://:wrong-secret@{}", proxy.address()));
    for _ in 0..3 {
        let said = told(store.ping().await);
        assert!(!said.contains("wrong-secret"), "{said}");
    }
    let submission = execute(&acme, workflow);
    assert!(matches!(store.submit(&submission).await, Err(SubmitError::Store(StoreError::Unavailable(_)))));
    // It is put right on the side of Redis: nobody has to start anything again.
    let _: String = ground.redis(&["CONFIG", "SET", "requirepass", "wrong-secret"]).await;
    submit_at_last(&store, &submission).await;
    assert_eq!(ground.waiting(Queue::Execute, &acme).await.len(), 1);
}

/// Submits until one is refused; answers the accepted ones, and the refused one.
async fn fill_the_disk(ground: &Ground, acme: &TenantId, workflow: WorkflowId) -> (Vec<EntryId>, Submission) {
    let mut accepted = Vec::new();
    loop {
        let mut submission = execute(acme, workflow);
        submission.job.input = format!(r#"{{"user_input":"{}"}}"#, "x".repeat(20_000));
        match ground.store.submit(&submission).await {
            Ok(_) => accepted.push(submission.job.id),
            Err(SubmitError::Store(StoreError::Unavailable(_))) => return (accepted, submission),
            Err(other) => panic!("{other}"),
        }
        assert!(accepted.len() < 1000, "the disk is never full");
    }
}

/// A file that may not grow is what a full disk is to Redis.
const FULL_DISK: &str = "trap '' XFSZ; ulimit -f 2000";

#[tokio::test]
async fn a_full_disk_ends_redis_and_loses_nothing_that_was_accepted() {
    let server = Arc::new(RedisServer::start_after(FULL_DISK, &AOF));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let (accepted, refused) = fill_the_disk(&ground, &acme, workflow).await;
    // Redis ends itself rather than acknowledge what it could not write. With room again, it goes on.
    ground.server.kill();
    ground.server.start_again_after("");
    until_it_answers(&ground.store).await;
    let again = ground.over(ground.server.clone()).await;
    for id in &accepted {
        assert_eq!(again.status(id).await, "queued");
    }
    println!("{} jobs were accepted until the disk was full, all there afterwards", accepted.len());
    submit_at_last(&ground.store, &refused).await;
    again.assert_sound().await;
}

#[tokio::test]
async fn a_full_disk_under_everysec_refuses_submits_until_there_is_room() {
    let options = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let server = Arc::new(RedisServer::start_after(FULL_DISK, &options));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let (accepted, refused) = fill_the_disk(&ground, &acme, workflow).await;
    let said = told(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await);
    assert!(said.contains("MISCONF"), "{said}");
    assert_eq!(ground.field(refused.job.id, "status").await, None);
    // The limit is the process's: without a file there is nothing to fill.
    let _: String = ground.redis(&["CONFIG", "SET", "appendonly", "no"]).await;
    submit_at_last(&ground.store, &refused).await;
    finish_at_last(&ground.store, EntryId::Job(id), claim.fence).await;
    for id in accepted {
        assert_eq!(ground.status(id).await, "queued");
    }
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_failover_to_a_replica_is_followed_and_loses_nothing_it_had() {
    let (first, second) = (Arc::new(RedisServer::start(&AOF)), Arc::new(RedisServer::start(&AOF)));
    let (replication, service) = (Proxy::to(first.socket()).await, Proxy::to(first.socket()).await);
    let (ground, acme) = (Ground::on(first.clone(), Duration::from_secs(60)).await, tenant("acme"));
    let replica = ground.over(second.clone()).await;
    let port = replication.address().port().to_string();
    let _: String = replica.redis(&["REPLICAOF", "127.0.0.1", &port]).await;
    // The service address leads to whoever is the primary, as a virtual address or a DNS name does.
    let store = store_at(&ground, service.url());
    let workflow = ground.workflow(&acme).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        let submission = execute(&acme, workflow);
        store.submit(&submission).await.unwrap();
        ids.push(submission.job.id);
    }
    let (job, claim) = store.claim(Queue::Execute, "w", Room::of(1)).await.unwrap().jobs.pop().unwrap();
    // The claim is the last write of this connection; a marker on the raw one stands behind it.
    let _: String = ground.redis(&["SET", "marker", "1"]).await;
    let caught_up: i64 = ground.redis(&["WAIT", "1", "10000"]).await;
    assert_eq!(caught_up, 1, "the replica has everything");

    // The old primary lives on as a replica that refuses writes; connections to it stay open.
    let _: String = replica.redis(&["REPLICAOF", "NO", "ONE"]).await;
    let _: String = ground.redis(&["REPLICAOF", "127.0.0.1", "1"]).await;
    service.lead_to(second.socket());
    let said = told(store.finish(job.id, claim.fence, &succeeded("1")).await);
    assert!(said.contains("READONLY") || said.contains("ReadOnly"), "{said}");
    finish_at_last(&store, job.id, claim.fence).await;
    assert_eq!(submit_at_last(&store, &execute(&acme, workflow)).await, 0, "the new primary is followed");
    let claimed = store.claim(Queue::Execute, "w", Room::of(64)).await.unwrap().jobs;
    let claimed: Vec<EntryId> = claimed.iter().map(|(job, _)| job.id).collect();
    assert_eq!(claimed.len(), 20, "19 of before and one of after");
    assert!(!claimed.contains(&job.id) && claimed[..19] == ids[1..]);
    replica.assert_sound().await;
}
