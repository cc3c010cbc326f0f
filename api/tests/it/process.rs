//! The program itself: its arguments, its settings, its first words and its end.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use crate::fixture::{Redis, SECRETS_KEY};

fn api() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api"));
    let folder = std::env::temp_dir(); // no .env there
    command
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = api().args(arguments).output().unwrap();
    (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// The api, with the address it told first.
fn listening(command: &mut Command, redis: &Redis) -> (Child, String) {
    let settings = [("REDIS_URL", redis.url()), ("SECRETS_KEY", SECRETS_KEY.to_owned())];
    let more = [("API_BIND", "127.0.0.1:0"), ("LOG_FORMAT", "json")];
    let mut child = command.envs(settings).envs(more).spawn().unwrap();
    let mut first = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    log.read_line(&mut first).unwrap();
    std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(drop));
    let line: Value = serde_json::from_str(&first).unwrap();
    (child, line["addr"].as_str().unwrap_or_else(|| panic!("{first}")).to_owned())
}

#[test]
fn it_explains_itself() {
    let (code, help) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for setting in api::config::SETTINGS {
        assert!(help.contains(setting.name), "{}", setting.name);
    }
    assert!(run(&["--version"]).1.starts_with("api "));
    let (code, id) = run(&["--build-id"]);
    assert!(code == Some(0) && id.trim().len() == 16, "{id}");
    assert_eq!(run(&["--nonsense"]).0, Some(2));
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let output = api().envs([("API_BIND", "x"), ("LEASE_MS", "soon")]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    for name in ["API_BIND", "LEASE_MS", "SECRETS_KEY"] {
        assert!(told.contains(name), "{told}");
    }
}

#[tokio::test]
async fn it_tells_its_address_first_and_ends_when_it_is_told_to() {
    let redis = Redis::start().await;
    let (mut child, address) = listening(&mut api(), &redis);
    let client = crate::client::Client { address: address.parse().unwrap() };
    client.get("/readyz").await.expect(200);
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success() && child.wait().unwrap().success());
}

#[tokio::test]
async fn it_starts_without_a_store_and_ends_with_its_parent() {
    let mut redis = Redis::start().await;
    redis.stop();
    let (mut child, address) = listening(api().arg("--exit-with-parent").stdin(Stdio::piped()), &redis);
    let client = crate::client::Client { address: address.parse().unwrap() };
    client.get("/healthz").await.expect(200);
    client.get("/readyz").await.problem(503, "store_unavailable");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_and_not_a_panic() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = api().envs([("API_BIND", address.as_str()), ("SECRETS_KEY", SECRETS_KEY)]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("API_BIND"), "{told}");
}
