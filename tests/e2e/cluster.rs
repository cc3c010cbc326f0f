//! The whole system on a Redis Cluster of three nodes, which knows of it no more than one address.

use std::path::Path;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::client::Client;
use tests::cluster::Cluster;
use tests::events;
use tests::fakes::Receiver;
use tests::stack::{self, Stack};

use crate::SEARCH;
use crate::replay::{asked, begin, builder};
use crate::tenants::{ask, everything, workflow};

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

/// Tenants on three shards, each shard on a node of its own.
async fn three_tenants(stack: &Stack) -> Vec<Client> {
    let mut clients = Vec::new();
    for (shard, name) in ["acme", "mill", "zeta"].into_iter().enumerate() {
        clients.push(stack.tenant(name).await);
        let path = format!("/tenants/{name}");
        let granted = json!({"operator_credentials": true});
        let set = ask(stack.client(), "PUT", &path, Some(&granted)).await.expect(200);
        assert_eq!(set["shard"], shard, "{set:#}");
    }
    clients
}

#[tokio::test]
async fn three_tenants_on_three_shards_are_served_side_by_side_and_see_nothing_of_each_other() {
    let (_folder, cluster) = on_cluster().await;
    let receiver = Receiver::start().await;
    let shards = builder().tenants().env("REDIS_URL", &cluster.url()).env("REDIS_SHARDS", "3");
    let mut stack = shards.workers(2).start().await;
    let tenants = three_tenants(&stack).await;
    let workflows = join_all(tenants.iter().map(workflow)).await;

    // Five runs of each, all at once; each webhook signed with its own tenant's secret.
    let run = async |tenant: usize, number: usize| {
        let question = format!("question {number} of {tenant}");
        let body = json!({"user_input": question, "callback_url": receiver.url(&format!("/{tenant}"))});
        let path = format!("/workflows/{}/execute", workflows[tenant]);
        let job = tenants[tenant].post_and_wait(&path, &body, 60).await.expect(200);
        assert_eq!(job["result"], format!("Answer to: {question}"), "{job:#}");
        stack::id(&job)
    };
    let runs = (0..15).map(|number| run(number % 3, number));
    let jobs = join_all(runs).await;
    receiver.delivery(15).await;
    let secrets = join_all(tenants.iter().map(async |client| {
        let told = client.get("/webhook-secret").await.expect(200);
        told["secret"].as_str().expect("a text").to_owned()
    }))
    .await;
    for delivery in receiver.deliveries().all() {
        let tenant: usize = delivery.path.trim_start_matches('/').parse().expect("a number");
        for (other, secret) in secrets.iter().enumerate() {
            assert_eq!(delivery.verify(secret).is_ok(), other == tenant, "{}", delivery.path);
        }
    }

    isolated(&tenants, &workflows, &jobs).await;
    counted(&stack, &tenants).await;
    let keys = cluster.keys().await;
    assert!(keys.iter().all(|&keys| keys > 0), "each node has a shard: {keys:?}");

    // A worker that dies with runs of all three: another one takes them, on each shard.
    stack.paradigm.withhold();
    let begun = join_all(tenants.iter().zip(&workflows).map(async |(client, workflow)| {
        let body = json!({"user_input": "once more"});
        let path = format!("/workflows/{workflow}/execute");
        stack::id(&client.post(&path, &body).await.expect(202))
    }))
    .await;
    stack.paradigm.searches().wait_for(18).await;
    for number in 0..2 {
        stack.signal_worker(number, Signal::KILL);
        stack.workers[number].end().await;
    }
    stack.start_worker();
    stack.paradigm.release();
    for (client, job) in tenants.iter().zip(&begun) {
        let ended = client.get(&format!("/jobs/{job}?wait=60")).await.expect(200);
        assert_eq!(ended["result"], "Answer to: once more", "{ended:#}");
    }
    stack.finish().await;
    cluster.stop().await;
}

/// Nobody finds anything of another tenant, whichever shard it is on.
async fn isolated(tenants: &[Client], workflows: &[String], jobs: &[String]) {
    for (own, client) in tenants.iter().enumerate() {
        for foreign in (0..tenants.len()).filter(|foreign| *foreign != own) {
            for (method, path, body) in everything(&workflows[foreign], &jobs[foreign]) {
                ask(client, method, &path, body.as_ref()).await.expect_problem(404);
            }
        }
        let listed = client.get("/workflows").await.expect(200);
        assert_eq!(listed["data"].as_array().map(Vec::len), Some(1), "{listed:#}");
        assert_eq!(listed["data"][0]["id"], workflows[own]);
    }
}

/// What is counted is of all shards together, and each tenant's usage is its own.
async fn counted(stack: &Stack, tenants: &[Client]) {
    for client in tenants {
        let usage = client.get("/usage").await.expect(200);
        assert_eq!(
            (&usage["jobs"]["used"], &usage["tool_calls"]["used"]),
            (&json!(6), &json!(5)),
            "{usage:#}"
        );
    }
    let metrics = stack.client().get("/metrics").await.text;
    for counted in [
        r#"wf_jobs_finished_total{queue="execute",status="succeeded",code=""} 15"#,
        r#"wf_jobs_finished_total{queue="generate",status="succeeded",code=""} 3"#,
        r#"wf_queue_jobs{queue="execute",state="running"} 0"#,
    ] {
        assert!(metrics.lines().any(|line| line == counted), "{counted} is missing:\n{metrics}");
    }
    for shard in 0..3 {
        assert!(metrics.contains(&format!("wf_store_memory_bytes{{shard=\"{shard}\"}}")), "{metrics}");
    }
    let health = stack.client().get("/healthz").await.expect(200);
    assert_eq!((&health["store"], health["workers"].as_array().map(Vec::len)), (&json!("ok"), Some(2)));
}
