//! Receivers written with the published libraries take what this system sends, also while its secret is being rotated.

use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tests::fakes::Receiver;
use tests::fakes::receiver::Delivery;
use tests::published;
use tests::stack::Stack;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::ECHO;

/// From PyPI.
const PYTHON: [&str; 2] = ["standardwebhooks==1.1.0", "svix==2.9.1"];
/// From npm.
const JAVASCRIPT: [&str; 1] = ["standardwebhooks@1.1.1"];
fn line(delivery: &Delivery, secrets: &[&str]) -> String {
    let header = |name: &str| delivery.headers[name].to_str().expect("text").to_owned();
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: Value = names.map(|name| (name.to_owned(), Value::from(header(name)))).into_iter().collect();
    json!({"secrets": secrets, "headers": headers, "body": BASE64_STANDARD.encode(&delivery.body)})
        .to_string()
}

/// Gives the deliveries to a peer; how many verifications it reports.
async fn verified_by(command: &mut Command, deliveries: &str) -> usize {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the interpreter starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(deliveries.as_bytes()).await.expect("the peer reads");
    drop(input);
    let output = tokio::time::timeout(tests::DEADLINE, child.wait_with_output()).await;
    let output = output.expect("the peer ends").expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a count")
}

#[tokio::test]
async fn the_published_libraries_verify_real_deliveries_also_during_rotation() {
    let stack = Stack::builder().start().await;
    let receiver = Receiver::start().await;
    let workflow = stack.workflow_from_code(ECHO).await;
    let run = async |input: &str| {
        let body = json!({"user_input": input, "callback_url": receiver.url("/hook")});
        stack.execute(&workflow, &body).await.expect(202);
    };
    let first = stack.client().get("/webhook-secret").await.expect(200);
    run("plain").await;
    run("été ✓ \u{1f980} \"quoted\"").await;
    receiver.delivery(2).await;
    let second = stack.client().post("/webhook-secret/rotate", &json!({})).await.expect(200);
    assert_eq!(second["previous"], first["secret"], "{second}");
    run("rotated").await;
    receiver.delivery(3).await;
    let (old, new) = (first["secret"].as_str().unwrap(), second["secret"].as_str().unwrap());
    assert_ne!(old, new);
    let (before, during) = ([old], [old, new]);
    let lines: Vec<String> = receiver
        .deliveries()
        .all()
        .iter()
        .enumerate()
        .map(|(n, delivery)| line(delivery, if n < 2 { &before[..] } else { &during[..] }))
        .collect();
    let lines = lines.join("\n") + "\n";
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/peers");

    let target = env!("CARGO_TARGET_TMPDIR");
    match published::from_pypi(target, &PYTHON).await {
        Ok(folder) => {
            let mut python = Command::new("python3");
            python.arg(peers.join("verify.py")).env("PYTHONPATH", folder);
            assert_eq!(verified_by(&mut python, &lines).await, 2 * 4, "two libraries, four pairs");
        }
        Err(reason) => println!("NOT RUN: the Python libraries cannot be installed here: {reason}"),
    }
    match published::from_npm(target, &JAVASCRIPT).await {
        Ok(folder) => {
            let mut node = Command::new("node");
            node.arg(peers.join("verify.mjs")).arg(folder);
            assert_eq!(verified_by(&mut node, &lines).await, 4);
        }
        Err(reason) => println!("NOT RUN: the JavaScript library cannot be installed here: {reason}"),
    }
    stack.finish().await;
}
