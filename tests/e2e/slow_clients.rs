//! Hundreds of clients that are slow on purpose: everybody else is served as if they were not there.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tests::stack::Stack;
use tokio::process::Command;

/// How many, and for how long.
const CONNECTIONS: u32 = 500;
const SECONDS: u32 = 12;
/// 1 s for an answer that takes a millisecond, on two cores that also run the attack.
const NORMAL: Duration = Duration::from_secs(1);

/// Slow headers, and slow bodies.
#[tokio::test]
async fn five_hundred_slow_connections_delay_nobody_else() {
    let stack = Stack::builder().workers(0).alone().start().await;
    for mode in ["-H", "-B"] {
        let attack = Command::new("slowhttptest")
            .args([mode, "-c", &CONNECTIONS.to_string(), "-i", "2", "-r", "250", "-x", "16", "-p", "3"])
            .args(["-l", &SECONDS.to_string(), "-u", &format!("{}/workflows", stack.client().base())])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let Ok(attack) = attack else {
            println!("NOT RUN: slowhttptest is not installed (.ci/deps test installs it)");
            break;
        };
        let attacking = tokio::spawn(tokio::time::timeout(tests::DEADLINE, attack.wait_with_output()));
        let (mut slowest, mut most) = (Duration::ZERO, 0);
        while !attacking.is_finished() {
            for path in ["/readyz", "/jobs"] {
                let began = Instant::now();
                stack.client().get(path).await.expect(200);
                slowest = slowest.max(began.elapsed());
            }
            most = most.max(open_connections(stack.api.pid()));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let output = attacking.await.unwrap().expect("slowhttptest ends").expect("it ran");
        println!("{mode}: at most {most} connections were open; the slowest answer took {slowest:?}");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(most > CONNECTIONS as usize / 2, "the attack was one: {most}\n{told}");
        assert!(slowest < NORMAL, "{mode}: {slowest:?}");
    }
    stack.finish().await;
}

/// Sockets a process holds.
fn open_connections(pid: i32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}
