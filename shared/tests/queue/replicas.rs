//! Submits that are acknowledged only when replicas have them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use shared::store::{Store, StoreConfig, StoreError, SubmitError};

use crate::{
    floor::wait_until,
    ground::{Ground, execute, tenant},
    proxy::Proxy,
    redis_server::RedisServer,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submit_is_acknowledged_when_the_replica_has_it_and_refused_while_there_is_none() {
    let (first, second) = (Arc::new(RedisServer::start(&[])), Arc::new(RedisServer::start(&[])));
    let ground = Ground::on(first.clone(), Duration::from_secs(60)).await;
    let replica = ground.over(second.clone()).await;
    let replication = Proxy::to(first.socket()).await;
    let acme = tenant("acme");
    let workflow = ground.workflow(&acme).await;
    let careful = Store::new(&StoreConfig { wait_replicas: 1, ..ground.config.clone() }).unwrap();

    // Without a replica it is 503, and the job may exist: the same request again finds it.
    let submission = execute(&acme, workflow);
    let answer = careful.submit(&submission).await;
    assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");

    let port = replication.address().port().to_string();
    let _: String = replica.redis(&["REPLICAOF", "127.0.0.1", &port]).await;
    wait_until(async || careful.submit(&submission).await.is_ok_and(|again| again.replayed)).await;
    assert_eq!(replica.status(submission.job.id).await, "queued", "acknowledged, so it is there");

    // Many at once share rounds: each is on the replica by the time it is acknowledged.
    let began = Instant::now();
    let submits = (0..200).map(|_| {
        let (careful, submission) = (careful.clone(), execute(&acme, workflow));
        tokio::spawn(async move {
            careful.submit(&submission).await.unwrap();
            submission.job.id
        })
    });
    let submits: Vec<_> = submits.collect();
    for submit in submits {
        assert_eq!(replica.status(submit.await.unwrap()).await, "queued");
    }
    println!("200 submits were on the replica after {:?}", began.elapsed());

    second.kill();
    let answer = careful.submit(&execute(&acme, workflow)).await;
    assert!(matches!(answer, Err(SubmitError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    assert!(!ground.submit(execute(&acme, workflow)).await.replayed, "who does not ask for it goes on");
}
