//! Does every key in Redis have an owner? Asked when nothing is under way any more.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::AsyncTypedCommands as _;

use crate::stack::Stack;

/// 100 ms between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// 30 s for deliveries that are to be sent again, and for what a killed worker held.
const REST_MAX: Duration = Duration::from_secs(30);
/// 100 s: retention and what a sweep leaves for the next second.
const FORGET_MAX: Duration = Duration::from_secs(100);

/// What a shard has once, whatever happened: counters, the clock watch, who is there.
const SINGLE: &[&str] =
    &["fence", "last_seen", "hold_until", "workers", "tenants", "audit", "metrics", "room", "shards"];
/// What a queue keeps when nothing waits in it and nothing runs.
const IDLE: &[&str] = &["wake", "wake_idle", "turn", "turns"];

type Record = BTreeMap<String, String>;

/// What Redis holds.
struct Held {
    /// Without the prefix; with the time to live where there is one.
    keys: BTreeMap<String, Option<i64>>,
    jobs: BTreeMap<String, Record>,
    finals: Vec<String>,
    listed: Vec<String>,
}

/// Waits until all is at rest, and gives what does not belong. `expected`: accepted jobs of this round.
pub(super) async fn unowned(stack: &Stack, expected: &[String]) -> Vec<String> {
    settle(REST_MAX, || async { complaints(&read(stack).await, expected) }).await
}

/// Waits until all jobs were forgotten, and gives what is left of them.
pub(super) async fn until_forgotten(stack: &Stack) -> Vec<String> {
    settle(FORGET_MAX, || async {
        let held = read(stack).await;
        let mut left = complaints(&held, &[]);
        left.extend(held.jobs.keys().map(|id| format!("{id} is kept beyond its retention")));
        left
    })
    .await
}

/// Asks again until there is nothing to say, or the time is over: a queue at rest tells nobody.
async fn settle<F: Future<Output = Vec<String>>>(most: Duration, look: impl Fn() -> F) -> Vec<String> {
    let deadline = tokio::time::Instant::now() + most;
    loop {
        let found = look().await;
        if found.is_empty() || tokio::time::Instant::now() >= deadline {
            return found;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The name of a key without its shard.
fn on_a_shard(name: &str) -> Option<&str> {
    let (number, short) = name.strip_prefix("{wf:")?.split_once("}:")?;
    number.parse::<u16>().ok().map(|_| short)
}

async fn read(stack: &Stack) -> Held {
    let mut connection = stack.redis.connection().await.expect("Redis is there");
    let names: Vec<String> = connection.keys("*").await.expect("names");
    let mut held =
        Held { keys: BTreeMap::new(), jobs: BTreeMap::new(), finals: Vec::new(), listed: Vec::new() };
    for name in names {
        let ttl: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut connection).await.expect("a ttl");
        let Some(short) = on_a_shard(&name) else {
            held.keys.insert(name, (ttl >= 0).then_some(ttl));
            continue;
        };
        if let Some(id) = short.strip_prefix("job:").filter(|id| !id.contains(':')) {
            let record: Record =
                redis::cmd("HGETALL").arg(&name).query_async(&mut connection).await.expect("a record");
            if !record.is_empty() {
                held.jobs.insert(id.to_owned(), record);
            }
        } else if short.ends_with(":jobs") {
            held.listed.extend(connection.zrange(&name, 0, -1).await.expect("a list"));
        } else if short == "finals" {
            held.finals.extend(connection.zrange(&name, 0, -1).await.expect("a list"));
        }
        if ttl != -2 {
            held.keys.insert(short.to_owned(), (ttl >= 0).then_some(ttl));
        }
    }
    held
}

fn complaints(held: &Held, expected: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (key, ttl) in &held.keys {
        if ttl.is_none() && !has_owner(held, key) {
            found.push(format!("{key} has no owner"));
        }
    }
    for (id, record) in &held.jobs {
        let status = record.get("status").map_or("", String::as_str);
        if !matches!(status, "succeeded" | "failed" | "cancelled") {
            found.push(format!("{id} is still {status:?}"));
        }
        if !held.finals.contains(id) {
            found.push(format!("{id} will never be forgotten"));
        }
    }
    for id in held.finals.iter().chain(&held.listed).filter(|id| !held.jobs.contains_key(*id)) {
        found.push(format!("{id} is listed and does not exist"));
    }
    for id in expected {
        if !held.jobs.contains_key(id) {
            found.push(format!("{id} was accepted and has no record"));
        }
    }
    found
}

fn has_owner(held: &Held, key: &str) -> bool {
    let mut parts = key.split(':');
    match (parts.next().unwrap_or_default(), parts.next(), parts.next()) {
        ("job", Some(id), _) => held.jobs.contains_key(id),
        ("wf", Some(id), None) => id.starts_with("wf_"),
        ("wf", Some(id), Some(_)) => held.keys.contains_key(&format!("wf:{id}")),
        ("q", Some(_), Some(place)) => IDLE.contains(&place),
        ("t", Some(_), Some(what)) => ["jobs", "workflows", "webhook_secret", "files"].contains(&what),
        ("tenant", Some(_), None) => true,
        ("finals", None, None) => !held.jobs.is_empty(),
        (single, None, None) => SINGLE.contains(&single),
        _ => false,
    }
}
