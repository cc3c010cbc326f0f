//! What the queue costs Redis, and how much of it one Redis carries, in one table.
//!
//! `cargo bench -p shared --bench queue`, and with `-- --backlog 1000000` (some minutes) also the rate of claims in
//! front of such a backlog. Redis is a private one with its append-only file as shipped. Everything runs in this
//! process and that Redis: no api, no cells. Also writes `target/bench/queue.json`, from which docs/scaling.md is made.

#[path = "../../tests/queue/ground.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod ground;
#[path = "../../tests/queue/redis_server.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod redis_server;

mod cost;
mod rate;
mod table;

use std::{sync::Arc, time::Duration};

use ground::Ground;
use redis_server::RedisServer;
use table::{Goal, Table};

/// 1,000 jobs wait where the backlog counts as short.
const SHORT_BACKLOG: usize = 1_000;
/// A tenth of what is asked for in front of a long one may be lost to it.
const BACKLOG_SHARE_MIN: f64 = 0.9;

fn main() {
    let backlog = std::env::args().skip_while(|argument| argument != "--backlog").nth(1);
    let backlog = backlog.map(|text| text.parse().expect("--backlog takes a number of jobs"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(backlog)).write("queue");
}

async fn measure(backlog: Option<usize>) -> Table {
    let mut table = Table::default();
    table.section("Through submit, claim and finish, with no work in between");
    rate::passes(&mut table).await;
    table.section("What one job costs Redis");
    cost::of_each_script(&mut table).await;
    table.section("Claims in front of a backlog");
    let short = rate::claims(SHORT_BACKLOG).await;
    table.row("backlog 1,000: claims", short, "/s", Goal::None);
    match backlog {
        None => println!("NOT RUN: claims in front of 1,000,000 jobs: `-- --backlog 1000000` asks for it"),
        Some(jobs) => {
            let long = rate::claims(jobs).await;
            table.row(&format!("backlog {jobs}: claims"), long, "/s", Goal::None);
            let share = long / short;
            table.row(
                &format!("backlog {jobs}: share of 1,000"),
                share,
                "",
                Goal::AtLeast(BACKLOG_SHARE_MIN),
            );
        }
    }
    table
}

/// A Redis with its file as shipped, and the store on it with a lease that does not end.
async fn ground() -> Ground {
    let server = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    Ground::on(Arc::new(server), Duration::from_secs(600)).await
}
