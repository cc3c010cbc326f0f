//! The event stream: in order, complete, resumable, and ended with its job or its server.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{job::Queue, store::Progress};
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::{
    client::{read_head, read_line, request},
    fixture::{Fixture, id, success},
};

/// An open stream of events.
struct Events {
    stream: BufReader<TcpStream>,
    headers: Vec<(String, String)>,
}

impl Events {
    async fn open(api: &Fixture, job: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = api.client.connect().await;
        let bytes = request("GET", &format!("/jobs/{job}/events"), headers, b"");
        stream.get_mut().write_all(&bytes).await.unwrap();
        let (status, headers) = read_head(&mut stream).await;
        assert_eq!(status, 200);
        Self { stream, headers }
    }

    /// The next event: number, type, data. `None` at the end of the stream.
    async fn next(&mut self) -> Option<(u64, String, Value)> {
        let (mut seq, mut kind) = (0, String::new());
        loop {
            let line = read_line(&mut self.stream).await;
            if line == "0" {
                return None; // the last chunk
            }
            match line.split_once(": ") {
                Some(("id", id)) => seq = id.parse().unwrap(),
                Some(("event", name)) => name.clone_into(&mut kind),
                Some(("data", data)) => return Some((seq, kind, serde_json::from_str(data).unwrap())),
                _ => {} // chunk sizes, blank lines, comments, retry
            }
        }
    }

    async fn rest(mut self) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        while let Some((seq, kind, _)) = self.next().await {
            all.push((seq, kind));
        }
        all
    }
}

fn told(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(seq, kind)| (*seq, (*kind).to_owned())).collect()
}

#[tokio::test]
async fn a_stream_tells_what_happened_and_what_happens_until_the_end() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let mut events = Events::open(&api, id(&job), &[("accept", "text/event-stream")]).await;
    for (name, value) in [("content-type", "text/event-stream"), ("x-accel-buffering", "no")] {
        assert!(events.headers.iter().any(|(n, v)| n == name && v == value), "{name}");
    }
    assert_eq!(events.next().await.unwrap().1, "job.queued");
    let claimed = api.claim(Queue::Execute).await;
    let (seq, kind, data) = events.next().await.unwrap();
    assert_eq!((seq, kind.as_str()), (2, "job.started"));
    assert_eq!(
        (&data["seq"], &data["type"], &data["data"]),
        (&json!(2), &json!("job.started"), &json!({"attempt": 1}))
    );
    let progress = Progress {
        events: vec![("log", r#"{"text":"a\nb"}"#.to_owned()), ("step.started", "{}".to_owned())],
        ..Progress::default()
    };
    api.store.progress(claimed.0.id, claimed.1.fence, &progress, 1 << 20).await.unwrap();
    let (_, _, log) = events.next().await.unwrap();
    assert_eq!(log["data"]["text"], "a\nb");
    api.end(&claimed, success()).await;
    assert_eq!(events.rest().await, told(&[(4, "step.started"), (5, "job.succeeded")]));
    api.finish().await;
}

#[tokio::test]
async fn a_client_that_comes_back_misses_and_repeats_nothing() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    api.end(&api.claim(Queue::Execute).await, success()).await;
    let all = told(&[(1, "job.queued"), (2, "job.started"), (3, "job.succeeded")]);
    assert_eq!(Events::open(&api, id(&job), &[]).await.rest().await, all);
    for seen in 1..3_usize {
        let events = Events::open(&api, id(&job), &[("last-event-id", &seen.to_string())]).await;
        assert_eq!(events.rest().await, all[seen..]);
    }
    let path = format!("/jobs/{}/events", id(&job));
    let drained = api.client.send("GET", &path, &[("last-event-id", "3")], None).await;
    assert_eq!(drained.status, 204);
    api.finish().await;
}

#[tokio::test]
async fn events_may_be_read_as_a_page() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let path = format!("/jobs/{}/events", id(&job));
    let page = api.client.send("GET", &path, &[("accept", "application/json")], None).await.expect(200);
    assert_eq!(page["data"][0]["type"], "job.queued");
    assert_eq!(
        (&page["has_more"], &page["next_cursor"], &page["gap"]),
        (&json!(false), &json!("1"), &json!(false))
    );
    let path = format!("{path}?after=1");
    let page = api.client.send("GET", &path, &[("accept", "application/json")], None).await.expect(200);
    assert_eq!((&page["data"], &page["next_cursor"]), (&json!([]), &json!("1")));
    api.finish().await;
}

#[tokio::test]
async fn history_that_was_trimmed_shows_as_a_gap() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let claimed = api.claim(Queue::Execute).await;
    let many = Progress { events: vec![("log", "{}".to_owned()); 1100], ..Progress::default() };
    api.store.progress(claimed.0.id, claimed.1.fence, &many, 1 << 20).await.unwrap();
    let mut events = Events::open(&api, id(&job), &[]).await;
    assert_eq!(events.next().await.unwrap().1, "gap");
    assert_eq!(events.next().await.unwrap().0, 103);
    api.finish().await;
}

#[tokio::test]
async fn shutdown_ends_streams_first() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let mut events = Events::open(&api, id(&job), &[]).await;
    assert_eq!(events.next().await.unwrap().1, "job.queued");
    let began = std::time::Instant::now();
    api.finish().await;
    assert!(events.next().await.is_none());
    assert!(began.elapsed() < Duration::from_secs(8), "within the drain, not at its end");
}

#[tokio::test]
async fn a_stream_outlives_an_outage_of_the_store() {
    let mut api = Fixture::start().await;
    let job = api.queued_job().await;
    let mut events = Events::open(&api, id(&job), &[]).await;
    assert_eq!(events.next().await.unwrap().1, "job.queued");
    // Without an append-only file the job is gone with Redis: the stream ends then, and not before.
    api.redis.stop();
    let ended = tokio::time::timeout(Duration::from_millis(1500), events.next()).await;
    assert!(ended.is_err(), "the stream ended with the store away");
    api.redis.restart().await;
    assert!(events.next().await.is_none());
    api.finish().await;
}

/// 15 s pass before the first: shorter than any proxy's patience, longer than a test likes.
#[tokio::test]
async fn a_stream_on_which_nothing_happens_shows_signs_of_life() {
    let api = Fixture::start().await;
    let job = api.queued_job().await;
    let mut events = Events::open(&api, id(&job), &[]).await;
    assert_eq!(events.next().await.map(|event| event.1).as_deref(), Some("job.queued"));
    let alive = async { while !read_line(&mut events.stream).await.starts_with(':') {} };
    tokio::time::timeout(Duration::from_secs(20), alive).await.expect("a comment in time");
    drop(events);
    api.finish().await;
}
