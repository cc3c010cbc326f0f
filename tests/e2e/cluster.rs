//! The whole system on a Redis Cluster of three nodes, which knows of it no more than one address.

use std::path::Path;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::cluster::Cluster;
use tests::events;
use tests::fakes::Receiver;
use tests::stack;

use crate::SEARCH;
use crate::replay::{asked, begin, builder};

async fn on_cluster() -> (tempfile::TempDir, Cluster) {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(Path::new(folder.path())).await;
    (folder, cluster)
}

#[tokio::test]
async fn a_job_and_its_webhook_pass_through_a_cluster_of_three_nodes() {
    let (_folder, cluster) = on_cluster().await;
    let receiver = Receiver::start().await;
    let stack = builder().env("REDIS_URL", &cluster.url()).start().await;
    let workflow = stack.workflow_from_code(SEARCH).await;
    let body = json!({"user_input": "question", "callback_url": receiver.url("/done")});
    let job = stack::id(&stack.execute(&workflow, &body).await.expect(202));
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["result"], "Answer to: question", "{ended:#}");
    receiver.delivery(1).await;
    let page = stack.client().get("/jobs").await.expect(200);
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2), "the workflow's and the run's: {page:#}");
    let keys = cluster.keys().await;
    assert!(keys.iter().sum::<usize>() > 0, "{keys:?}");
    stack.finish().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_workers_run_is_replayed_on_a_cluster_and_a_cancel_arrives() {
    let (_folder, cluster) = on_cluster().await;
    let mut stack = builder().env("REDIS_URL", &cluster.url()).start().await;
    let code = "
async def execute_workflow(user_input):
    return [await paradigm_search('first'), await paradigm_search('second')]
";
    let workflow = stack.workflow_from_code(code).await;
    stack.paradigm.answer_only(1);
    let job = begin(&stack, &workflow, "").await;
    stack.paradigm.searches().wait_for(2).await;
    stack.signal_worker(0, Signal::KILL);
    stack.workers[0].end().await;
    stack.start_worker();
    stack.paradigm.release();
    let ended = stack.wait_job(&job).await;
    assert_eq!(ended["result"], json!(["Answer to: first", "Answer to: second"]), "{ended:#}");
    assert_eq!(ended["replay"], json!({"reused": 1, "diverged": false}), "{ended:#}");
    assert_eq!(asked(&stack)["first"], 1);

    stack.paradigm.withhold();
    let job = begin(&stack, &workflow, "").await;
    events::until(stack.client(), &job, "tool_call.started", 1).await;
    stack.client().post(&format!("/jobs/{job}/cancel"), &json!({})).await.expect(202);
    let ended: Value = stack.wait_job(&job).await;
    assert_eq!(ended["status"], "cancelled", "{ended:#}");
    stack.paradigm.release();
    stack.finish().await;
    cluster.stop().await;
}

#[tokio::test]
async fn keys_and_what_they_open_may_lie_on_different_nodes() {
    let (_folder, cluster) = on_cluster().await;
    let stack = builder().tenants().env("REDIS_URL", &cluster.url()).start().await;
    let acme = stack.tenant("acme").await;
    // Each request looks at the key and then at what it opens, many at once.
    let requests = (0..200).map(|_| acme.get("/usage"));
    for answer in join_all(requests).await {
        answer.expect(200);
    }
    assert!(cluster.keys().await.iter().filter(|&&keys| keys > 0).count() > 1, "they lie apart");
    stack.finish().await;
    cluster.stop().await;
}
