//! Waiting until replicas have what was written, for those who want more than one disk.
//!
//! `WAIT` blocks its connection, so it has one of its own, on which a marker is written first: whatever was written
//! before the marker, on any connection, stands before it in the stream that replicas acknowledge. One round serves
//! all who came before it began.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Mutex;

use super::{StoreError, link::Link, state::millis};

/// 1 s: a replica in the same place answers within milliseconds; one that does not is away.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(1);

/// How many replicas have to have a submit before it is acknowledged.
#[derive(Clone)]
pub(super) struct Replication(Option<Arc<Rounds>>);

struct Rounds {
    link: Link,
    marker: String,
    replicas: usize,
    /// The number of the round that began last.
    begun: AtomicU64,
    /// The number and the outcome of the round that ended last.
    ended: Mutex<(u64, Result<(), StoreError>)>,
}

impl Replication {
    /// 0 replicas: nothing is waited for.
    pub(super) fn new(client: redis::Client, marker: String, replicas: usize) -> Self {
        let rounds = || Rounds {
            link: Link::new(client),
            marker,
            replicas,
            begun: AtomicU64::new(0),
            ended: Mutex::new((0, Ok(()))),
        };
        Self((replicas > 0).then(|| Arc::new(rounds())))
    }

    /// Until the replicas have everything that Redis answered before this call. An error leaves open whether they
    /// will: who submits again has to use the same idempotency key.
    pub(super) async fn wait(&self) -> Result<(), StoreError> {
        let Some(rounds) = &self.0 else { return Ok(()) };
        let needed = rounds.begun.load(Ordering::SeqCst) + 1;
        let mut ended = rounds.ended.lock().await;
        if ended.0 < needed {
            let round = rounds.begun.fetch_add(1, Ordering::SeqCst) + 1;
            *ended = (round, rounds.take().await);
        }
        ended.1.clone()
    }
}

impl Rounds {
    async fn take(&self) -> Result<(), StoreError> {
        let (acknowledged,): (usize,) = redis::pipe()
            .cmd("SET")
            .arg(&self.marker)
            .arg(1)
            .ignore()
            .cmd("WAIT")
            .arg(self.replicas)
            .arg(millis(ACKNOWLEDGED_WITHIN))
            .query_async(&mut self.link.clone())
            .await?;
        if acknowledged >= self.replicas {
            return Ok(());
        }
        let needed = self.replicas;
        Err(StoreError::Unavailable(format!("{acknowledged} of {needed} replicas have what was submitted")))
    }
}
