//! The one subscription of a process and shard, which wakes whoever waits for news of a job.
//!
//! A notification carries nothing but the job's id: who is woken reads the truth from the record. Only who waits for the
//! end of a job, and said so when it was submitted, is told the record itself, as it was written then; that comes before
//! everybody hears of the end, and a final record does not change. When the subscription was interrupted, everybody is
//! woken, so a lost message costs a read and never a wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt as _;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::{Shards, Store, record, record::Fields};
use crate::{
    id::{JobId, TenantId},
    job::{Job, JobStatus},
    limits,
    seal::random_bytes,
};

/// Wakes those who wait for a job, over one connection per process and shard.
#[derive(Debug, Clone)]
pub struct Hub {
    listeners: Arc<Mutex<HashMap<String, watch::Sender<News>>>>,
    all: broadcast::Sender<Option<String>>,
    name: Arc<str>,
}

/// What was said of a job so far.
#[derive(Debug, Default, Clone)]
struct News {
    said: u64,
    /// How often it was, or may have been, that the job is final.
    ended: u64,
    /// The job as it ended, if that was told.
    told: Option<Arc<Told>>,
}

impl News {
    fn add(&mut self, may_be_the_end: bool) {
        self.said += 1;
        self.ended += u64::from(may_be_the_end);
    }
}

/// A job as it ended, and whose it is.
#[derive(Debug)]
struct Told {
    tenant: String,
    job: Job,
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
        let mut name = [0; 8];
        random_bytes(&mut name);
        let name = format!("{:016x}", u64::from_be_bytes(name)).into();
        Self { listeners: Arc::default(), all: broadcast::channel(ALL_BACKLOG_MAX).0, name }
    }

    /// Listens to events of a store's jobs until `shutdown`, and to the ends of those that were submitted with its name.
    pub fn for_events(store: Store, shutdown: CancellationToken) -> (Self, tokio::task::JoinHandle<()>) {
        let hub = Self::new();
        let task = tokio::spawn(hub.clone().run(store, hub.channels(), shutdown));
        (hub, task)
    }

    /// The same for the jobs of all shards, over one connection for each.
    pub fn for_all_events(
        shards: Shards,
        shutdown: CancellationToken,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let hub = Self::new();
        let listening = hub.clone();
        let task = tokio::spawn(async move {
            let listen = |store| listening.clone().run(store, listening.channels(), shutdown.clone());
            shards.serve_each(shutdown.clone(), listen).await;
        });
        (hub, task)
    }

    /// Listens to requests to cancel running jobs until `shutdown`.
    pub fn for_cancels(store: Store, shutdown: CancellationToken) -> (Self, tokio::task::JoinHandle<()>) {
        let hub = Self::new();
        let task = tokio::spawn(hub.clone().run(store, vec!["cancels".to_owned()], shutdown));
        (hub, task)
    }

    fn channels(&self) -> Vec<String> {
        vec![format!("{ENDS}{}", self.name), "events".to_owned()]
    }

    /// Under which a job is submitted whose end this one waits for; nobody else's.
    pub fn name(&self) -> &str {
        &self.name
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

    async fn run(self, store: Store, channels: Vec<String>, shutdown: CancellationToken) {
        let mut backoff = limits::REDIS_BACKOFF_MIN;
        loop {
            let listening = self.listen_once(&store, &channels, &mut backoff);
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
    async fn listen_once(&self, store: &Store, channels: &[String], backoff: &mut Duration) {
        let connected = tokio::time::timeout(limits::REDIS_RESPONSE_TIMEOUT, async {
            let mut connection = store.connection.node().await.get_async_pubsub().await?;
            for channel in channels {
                connection.subscribe(store.key(channel)).await?;
            }
            Ok::<_, redis::RedisError>(connection)
        });
        let Ok(Ok(connection)) = connected.await else { return };
        *backoff = limits::REDIS_BACKOFF_MIN;
        self.wake_all(); // whatever was said while nobody listened
        let mut messages = connection.into_on_message();
        while let Some(message) = messages.next().await {
            let Ok(text) = message.get_payload::<String>() else { continue };
            match message.get_channel_name().strip_prefix(&store.prefix) {
                Some(channel) if channel.starts_with(ENDS) => self.tell(&text),
                _ => self.wake(&text),
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

    /// The record of a job that ended, its input and its result. What does not read is left to those who hear of its end.
    fn tell(&self, message: &str) {
        let Some(mut fields) = told(message).map(Fields) else { return };
        let (input, result) = (fields.0.remove(":input"), fields.0.remove(":result"));
        let (Some(tenant), Ok(Some(job))) = (fields.0.remove("tenant"), record::job(&fields, input, result))
        else {
            return;
        };
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = listeners.get(&job.id.to_string()) {
            let told = Some(Arc::new(Told { tenant, job }));
            sender.send_modify(|news| {
                news.add(true);
                news.told = told;
            });
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

    /// Waits until the job is said to be final, or something was missed, since the last call. The tenant's job when it was
    /// told with it.
    pub async fn end(&mut self, tenant: &TenantId) -> Option<Job> {
        let (Some(news), heard) = (&mut self.news, self.ended) else { return None };
        match news.wait_for(|news| news.ended != heard).await.map(|news| (news.ended, news.told.clone())) {
            Ok((ended, told)) => {
                self.ended = ended;
                told.filter(|told| told.tenant == tenant.as_str()).map(|told| told.job.clone())
            }
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

/// The channel of those who wait for the end of their own jobs begins so.
const ENDS: &str = "ends:";

/// Fields and values of a message, each with its length before it.
fn told(mut rest: &str) -> Option<HashMap<String, String>> {
    let mut fields = HashMap::new();
    while !rest.is_empty() {
        let (field, value);
        (field, rest) = word(rest)?;
        (value, rest) = word(rest)?;
        fields.insert(field.to_owned(), value.to_owned());
    }
    Some(fields)
}

fn word(rest: &str) -> Option<(&str, &str)> {
    let (bytes, rest) = rest.split_once(':')?;
    rest.split_at_checked(bytes.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_reads_as_it_was_written_and_what_is_cut_off_does_not() {
        let fields = told("2:id3:a:16:result0:5:naïf2:é").expect("it is whole");
        let expected = [("id", "a:1"), ("result", ""), ("naïf", "é")];
        assert_eq!(fields, expected.map(|(field, value)| (field.to_owned(), value.to_owned())).into());
        for cut in ["2", "2:", "2:i", "2:id", "2:id9:abc", "x:id", "1:é1:x"] {
            assert!(told(cut).is_none(), "{cut}");
        }
    }
}
