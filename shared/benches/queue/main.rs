//! What the queue costs Redis, and how much of it one Redis carries, in one table.
//!
//! `cargo bench -p shared --bench queue`, and with `-- --backlog 1000000` (some minutes) also the rate of claims in
//! front of such a backlog. Redis is a private one with its append-only file as shipped. Everything runs in this
//! process and that Redis: no api, no cells. Also writes `target/bench/queue.json`, from which docs/scaling.md is made.

#[path = "../../tests/queue/day.rs"]
mod day;
#[path = "../../tests/queue/ground.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "shared with the tests")]
mod ground;
#[path = "../../tests/queue/machine.rs"]
#[expect(dead_code, reason = "nothing else runs in this process")]
mod machine;
#[path = "../../tests/queue/redis_server.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod redis_server;

mod cost;
mod rate;

use std::{sync::Arc, time::Duration};

use ground::Ground;
use redis_server::RedisServer;
use report::{Goal, Report};

/// 1,000 jobs wait where the backlog counts as short.
const SHORT_BACKLOG: usize = 1_000;
/// A tenth of what is asked for in front of a long one may be lost to it.
const BACKLOG_SHARE_MIN: f64 = 0.9;

fn main() {
    let backlog = std::env::args().skip_while(|argument| argument != "--backlog").nth(1);
    let backlog = backlog.map(|text| text.parse().expect("--backlog takes a number of jobs"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(backlog)).finish("queue").expect("the target folder can be written");
}

async fn measure(backlog: Option<usize>) -> Report {
    let mut report = Report::default();
    rate::passes(&mut report).await;
    cost::of_each_script(&mut report).await;
    let section = "Queue: claims in front of a backlog";
    let short = rate::claims(SHORT_BACKLOG).await;
    report.add(section, "claims with 1,000 jobs waiting", short, "1/s", Goal::None);
    match backlog {
        None => report.not_run("claims in front of 1,000,000 jobs: `-- --backlog 1000000` asks for it"),
        Some(jobs) => {
            let long = rate::claims(jobs).await;
            report.add(section, format!("claims with {jobs} jobs waiting"), long, "1/s", Goal::None);
            let name = format!("{jobs} waiting / 1,000 waiting");
            report.add(section, name, long / short, "", Goal::AtLeast(BACKLOG_SHARE_MIN));
        }
    }
    report
}

/// A Redis with its file as shipped, and the store on it with a lease that does not end.
async fn ground() -> Ground {
    let server = RedisServer::start(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--hash-max-listpack-value",
        "512",
    ]);
    Ground::on(Arc::new(server), Duration::from_secs(600)).await
}
