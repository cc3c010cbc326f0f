//! Redis at its memory limit: submits are refused, what runs is finished.

use std::{sync::Arc, time::Duration};

use shared::{
    job::{EntryId, Queue},
    store::{Progress, ProgressAnswer, RenewAnswer, Room, StoreError, SubmitError},
};

use crate::{
    ground::{Ground, execute, message_of, succeeded, tenant, with_callback},
    redis_server::RedisServer,
};

#[tokio::test]
async fn without_memory_nothing_is_accepted_and_everything_accepted_is_finished() {
    let server = Arc::new(RedisServer::start(&["--maxmemory-policy", "noeviction"]));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let workflow = ground.workflow(&acme).await;
    let id = ground.submit(with_callback(execute(&acme, workflow))).await.job_id;
    let waiting = ground.submit(execute(&acme, workflow)).await.job_id;
    let _: String = ground.redis(&["CONFIG", "SET", "maxmemory", "1"]).await;

    let refused = execute(&acme, workflow);
    let answer = ground.store.submit(&refused).await;
    assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    assert_eq!(ground.field(refused.job.id, "status").await, None);

    let (job, claim) = ground.claim_one(Queue::Execute).await;
    assert_eq!(job.id, EntryId::Job(id));
    assert_eq!(ground.store.renew(&[(job.id, claim.fence)]).await.unwrap(), [RenewAnswer::Held]);
    let progress = Progress { log: b"x".to_vec(), ..Progress::default() };
    let recorded = ground.store.progress(job.id, claim.fence, &progress, 1000).await.unwrap();
    assert_eq!(recorded, ProgressAnswer::Recorded);
    assert!(ground.store.finish(job.id, claim.fence, &succeeded("1")).await.unwrap());
    assert_eq!(ground.status(message_of(id)).await, "queued");
    ground.store.cancel(&acme, waiting).await.unwrap();
    ground.store.tick(10).await.unwrap();
    ground.assert_sound().await;

    let _: String = ground.redis(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(!ground.submit(refused).await.replayed);
    ground.assert_sound().await;
}

#[tokio::test]
async fn a_replica_refuses_what_it_cannot_keep() {
    let server = Arc::new(RedisServer::start(&[]));
    let (ground, acme) = (Ground::on(server, Duration::from_secs(60)).await, tenant("acme"));
    let (id, claim) = ground.running_job(&acme).await;
    let workflow = ground.job(&acme, id).await.workflow_id;
    let _: String = ground.redis(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let submitted = ground.store.submit(&execute(&acme, workflow)).await;
    assert!(matches!(submitted, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{submitted:?}");
    let finished = ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await;
    assert!(matches!(finished, Err(StoreError::Unavailable(_))), "{finished:?}");
    assert!(ground.store.claim(Queue::Execute, "w", Room::of(1)).await.is_err());

    let _: String = ground.redis(&["REPLICAOF", "NO", "ONE"]).await;
    assert!(ground.store.finish(EntryId::Job(id), claim.fence, &succeeded("1")).await.unwrap());
    ground.assert_sound().await;
}
