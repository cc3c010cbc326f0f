//! Events of jobs: the list kept with each job, and the one subscription of a process that wakes whoever waits.
//!
//! A notification carries nothing but the job's id: who is woken reads the truth from the record. When the
//! subscription was interrupted, everybody is woken, so a lost message costs a read and never a wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{Shards, Store, StoreError, script};
use crate::{
    id::{JobId, TenantId},
    job::JobStatus,
    limits,
    time::Timestamp,
};

/// One event of a job.
#[derive(Debug, Clone)]
pub struct JobEvent {
    /// Numbered from 1 without gaps.
    pub seq: u64,
    /// `job.started`, `tool_call.finished`, …
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub data: Value,
}

/// Events after a point.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events, in order.
    pub events: Vec<JobEvent>,
    /// Some events after the point were trimmed before they could be read.
    pub gap: bool,
    /// The state the job was in with these.
    pub status: JobStatus,
}

impl Store {
    /// The events of a job after number `after`. `None`: the tenant has no such job.
    pub async fn events(
        &self,
        tenant: &TenantId,
        id: JobId,
        after: u64,
    ) -> Result<Option<EventPage>, StoreError> {
        let answer: Vec<String> = script::EVENTS_AFTER
            .key(&self.prefix)
            .arg(id.to_string())
            .arg(tenant.as_str())
            .arg(after)
            .invoke_async(&mut self.connection.clone())
            .await?;
        let Some((status, entries)) = answer.split_first() else { return Ok(None) };
        let status = status.parse().map_err(|()| StoreError::Unreadable("field `status`".to_owned()))?;
        let events = entries.iter().map(|json| parse(json)).collect::<Result<Vec<_>, _>>()?;
        let gap = events.first().is_some_and(|first| first.seq > after + 1);
        Ok(Some(EventPage { events, gap, status }))
    }
}

fn parse(json: &str) -> Result<JobEvent, StoreError> {
    #[derive(Deserialize)]
    struct Stored {
        seq: u64,
        r#type: String,
        at: i64,
        data: Value,
    }
    let stored: Stored =
        serde_json::from_str(json).map_err(|_| StoreError::Unreadable("an event".to_owned()))?;
    Ok(JobEvent {
        seq: stored.seq,
        kind: stored.r#type,
        at: Timestamp::from_millis(stored.at),
        data: stored.data,
    })
}

/// Wakes those who wait for a job, over one connection per process and shard.
#[derive(Debug, Clone)]
pub struct Hub {
    listeners: Arc<Mutex<HashMap<String, watch::Sender<News>>>>,
    all: broadcast::Sender<Option<String>>,
}

/// What was said of a job so far.
#[derive(Debug, Default, Clone, Copy)]
struct News {
    said: u64,
    /// How often it was, or may have been, that the job is final.
    ended: u64,
}

impl News {
    fn add(&mut self, may_be_the_end: bool) {
        self.said += 1;
        self.ended += u64::from(may_be_the_end);
    }
}

/// Somebody who hears of every job.
#[derive(Debug)]
pub struct AllListener(broadcast::Receiver<Option<String>>);

impl AllListener {
    /// The next job there is news of; `None` when messages may have been missed.
    pub async fn next(&mut self) -> Option<String> {
        match self.0.recv().await {
            Ok(id) => id,
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// 1,024 messages a slow listener may be behind; then it is told that it missed some.
const ALL_BACKLOG_MAX: usize = 1024;

/// Somebody waiting for news of one job. Dropping it ends the wait.
#[derive(Debug)]
pub struct Listener {
    hub: Hub,
    id: String,
    /// Given back under the hub's lock, so that the last listener of a job also takes its entry away.
    news: Option<watch::Receiver<News>>,
    /// How many of the ends were heard.
    ended: u64,
}

impl Hub {
    fn new() -> Self {
        Self { listeners: Arc::default(), all: broadcast::channel(ALL_BACKLOG_MAX).0 }
    }

    /// Starts listening to a channel of the store until `shutdown`.
    fn start(
        store: Store,
        channel: &'static str,
        shutdown: CancellationToken,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let hub = Self::new();
        let task = tokio::spawn(hub.clone().run(store, channel, shutdown));
        (hub, task)
    }

    /// Listens to events of jobs until `shutdown`.
    pub fn for_events(store: Store, shutdown: CancellationToken) -> (Self, tokio::task::JoinHandle<()>) {
        Self::start(store, "events", shutdown)
    }

    /// Listens to events of the jobs of all shards until `shutdown`, over one connection for each.
    pub fn for_all_events(
        shards: Shards,
        shutdown: CancellationToken,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let hub = Self::new();
        let listening = hub.clone();
        let task = tokio::spawn(async move {
            let listen = |store| listening.clone().run(store, "events", shutdown.clone());
            shards.serve_each(shutdown.clone(), listen).await;
        });
        (hub, task)
    }

    /// Listens to requests to cancel running jobs until `shutdown`.
    pub fn for_cancels(store: Store, shutdown: CancellationToken) -> (Self, tokio::task::JoinHandle<()>) {
        Self::start(store, "cancels", shutdown)
    }

    /// News of `id` from now on: read the record after this call, then wait.
    pub fn listen(&self, id: JobId) -> Listener {
        let id = id.to_string();
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = listeners.entry(id.clone()).or_insert_with(|| watch::channel(News::default()).0);
        let news = sender.subscribe();
        let ended = news.borrow().ended;
        Listener { hub: self.clone(), id, news: Some(news), ended }
    }

    /// News of every job from now on.
    pub fn listen_all(&self) -> AllListener {
        AllListener(self.all.subscribe())
    }

    async fn run(self, store: Store, channel: &'static str, shutdown: CancellationToken) {
        let mut backoff = limits::REDIS_BACKOFF_MIN;
        loop {
            let listening = self.listen_once(&store, channel, &mut backoff);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = listening => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff) => backoff = (backoff * 2).min(limits::REDIS_BACKOFF_MAX),
            }
        }
    }

    /// Listens until the connection ends.
    async fn listen_once(&self, store: &Store, channel: &str, backoff: &mut Duration) {
        let connected = tokio::time::timeout(limits::REDIS_RESPONSE_TIMEOUT, async {
            let mut connection = store.connection.node().await.get_async_pubsub().await?;
            connection.subscribe(store.key(channel)).await?;
            Ok::<_, redis::RedisError>(connection)
        });
        let Ok(Ok(connection)) = connected.await else { return };
        *backoff = limits::REDIS_BACKOFF_MIN;
        self.wake_all(); // whatever was said while nobody listened
        let mut messages = connection.into_on_message();
        while let Some(message) = messages.next().await {
            if let Ok(text) = message.get_payload::<String>() {
                self.wake(&text);
            }
        }
    }

    /// A message may tell of several jobs, a line of each.
    fn wake(&self, message: &str) {
        message.lines().for_each(|line| self.wake_one(line));
    }

    /// The line names a job, and the event with its number where it is about one.
    fn wake_one(&self, line: &str) {
        let mut words = line.split(' ');
        let id = words.next().unwrap_or_default();
        let state = words.nth(1).and_then(|kind| kind.strip_prefix("job.")?.parse::<JobStatus>().ok());
        let _ = self.all.send(Some(id.to_owned())); // an error only says that nobody listens
        if let Some(sender) = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            sender.send_modify(|news| news.add(state.is_some_and(JobStatus::is_final)));
        }
    }

    fn wake_all(&self) {
        let _ = self.all.send(None);
        for sender in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).values() {
            sender.send_modify(|news| news.add(true));
        }
    }
}

impl Listener {
    /// Waits for news since the last call.
    pub async fn news(&mut self) {
        let Some(news) = &mut self.news else { return };
        if news.changed().await.is_err() {
            std::future::pending::<()>().await; // the hub outlives its listeners
        }
    }

    /// Waits until the job is said to be final, or something was missed, since the last call.
    pub async fn end(&mut self) {
        let (Some(news), heard) = (&mut self.news, self.ended) else { return };
        match news.wait_for(|news| news.ended != heard).await.map(|news| news.ended) {
            Ok(ended) => self.ended = ended,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listeners = self.hub.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.news.take());
        if listeners.get(&self.id).is_some_and(|sender| sender.receiver_count() == 0) {
            listeners.remove(&self.id);
        }
    }
}
