//! Waiting for what a job does, told by the api's stream of events.

use std::time::Duration;

use reqwest::Method;

use crate::DEADLINE;
use crate::client::Client;

/// 100 ms before a stream that broke is opened again.
const REOPEN_AFTER: Duration = Duration::from_millis(100);

/// Waits until the job has `count` events of this kind: `tool_call.finished`, `job.started`…
///
/// # Panics
/// When the deadline passes; the message says how many there were.
pub async fn until(client: &Client, job: &str, kind: &str, count: usize) {
    let wanted = format!("event: {kind}");
    let mut seen = 0;
    let listening = async {
        loop {
            // A new stream tells everything from the start.
            seen = 0;
            let request = client.request(Method::GET, &format!("/jobs/{job}/events"));
            if let Ok(mut stream) = request.header("accept", "text/event-stream").send().await {
                let mut rest = String::new();
                while let Ok(Some(chunk)) = stream.chunk().await {
                    rest.push_str(&String::from_utf8_lossy(&chunk));
                    while let Some((line, tail)) = rest.split_once('\n') {
                        seen += usize::from(line.trim_end() == wanted);
                        rest = tail.to_owned();
                    }
                    if seen >= count {
                        return;
                    }
                }
            }
            tokio::time::sleep(REOPEN_AFTER).await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, listening).await;
    assert!(waited.is_ok(), "{seen} of {count} {kind} of {job} within {DEADLINE:?}");
}
