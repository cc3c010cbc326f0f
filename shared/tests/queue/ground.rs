//! What a test stands on: a shard of its own, the store on it, and a look past the store at the keys themselves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use redis::{FromRedisValue, aio::MultiplexedConnection};
use shared::{
    id::{JobId, MessageId, TenantId, WorkflowId},
    job::{EntryId, Job, JobSpec, Queue},
    store::{Claim, Finish, NewVersion, NewWorkflow, Room, Shard, Store, StoreConfig, Submission, Submitted},
    workflow::Source,
};

use crate::{day, machine, redis_server::RedisServer};

static SHARDS: AtomicU16 = AtomicU16::new(0);

pub struct Ground {
    pub server: Arc<RedisServer>,
    pub store: Store,
    pub config: StoreConfig,
    raw: MultiplexedConnection,
}

impl Ground {
    /// On the shared server, with a lease that does not end by itself.
    pub async fn new() -> Self {
        Self::on(RedisServer::shared(), Duration::from_secs(60)).await
    }

    pub async fn on(server: Arc<RedisServer>, lease: Duration) -> Self {
        let mut config = StoreConfig::new(server.url());
        config.shard = Shard(SHARDS.fetch_add(1, Ordering::Relaxed));
        config.lease = lease;
        Self::standing(server, config).await
    }

    /// The same shard on another server: a replica, or the one there was, started again.
    pub async fn over(&self, server: Arc<RedisServer>) -> Self {
        Self::standing(server.clone(), StoreConfig { url: server.url(), ..self.config.clone() }).await
    }

    async fn standing(server: Arc<RedisServer>, config: StoreConfig) -> Self {
        day::well_within().await;
        machine::share();
        let store = Store::new(&config).expect("a valid address");
        let client = redis::Client::open(server.url_of(config.shard)).expect("a valid address");
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let raw =
            client.get_multiplexed_async_connection_with_config(&patient).await.expect("Redis is there");
        Self { server, store, config, raw }
    }

    /// Another process's handle on the same shard.
    pub fn another_store(&self) -> Store {
        Store::new(&self.config).expect("a valid address")
    }

    // --- keys -------------------------------------------------------------------------------------------------

    pub fn key(&self, name: impl std::fmt::Display) -> String {
        format!("{}{name}", self.config.shard.prefix())
    }

    pub fn job_key(&self, id: impl std::fmt::Display) -> String {
        self.key(format_args!("job:{id}"))
    }

    pub fn queue_key(&self, queue: Queue, name: impl std::fmt::Display) -> String {
        self.key(format_args!("q:{}:{name}", queue.as_str()))
    }

    pub async fn redis<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        cmd.query_async(&mut self.raw.clone()).await.expect("Redis answers")
    }

    pub async fn pipe<T: FromRedisValue>(&self, pipe: &redis::Pipeline) -> T {
        pipe.query_async(&mut self.raw.clone()).await.expect("Redis answers")
    }

    pub async fn now_ms(&self) -> i64 {
        let (seconds, micros): (i64, i64) = self.redis(&["TIME"]).await;
        seconds * 1000 + micros / 1000
    }

    pub async fn field(&self, id: impl std::fmt::Display, name: &str) -> Option<String> {
        self.redis(&["HGET", &self.job_key(id), name]).await
    }

    pub async fn status(&self, id: impl std::fmt::Display) -> String {
        self.field(id, "status").await.expect("the job exists")
    }

    pub async fn score(&self, queue: Queue, set: &str, id: impl std::fmt::Display) -> Option<i64> {
        let score: Option<f64> = self.redis(&["ZSCORE", &self.queue_key(queue, set), &id.to_string()]).await;
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds fit")]
        score.map(|score| score as i64)
    }

    pub async fn set_score(&self, queue: Queue, set: &str, id: impl std::fmt::Display, score: i64) {
        let key = self.queue_key(queue, set);
        let _: i64 = self.redis(&["ZADD", &key, &score.to_string(), &id.to_string()]).await;
    }

    pub async fn waiting(&self, queue: Queue, tenant: &TenantId) -> Vec<String> {
        self.redis(&["LRANGE", &self.queue_key(queue, format_args!("ready:{tenant}")), "0", "-1"]).await
    }

    pub async fn wake_tokens(&self, queue: Queue) -> i64 {
        self.redis(&["LLEN", &self.queue_key(queue, "wake")]).await
    }

    // --- time -------------------------------------------------------------------------------------------------

    /// The worker of this job has been silent for longer than its lease.
    pub async fn end_lease(&self, queue: Queue, id: impl std::fmt::Display) {
        self.set_score(queue, "leases", id, 1).await;
    }

    /// The delay of this job is over.
    pub async fn come_due(&self, queue: Queue, id: impl std::fmt::Display) {
        self.set_score(queue, "due", id, 1).await;
    }

    /// This waiting job has waited as long as its client wanted.
    pub async fn end_wait(&self, queue: Queue, id: impl std::fmt::Display + Copy) {
        let _: i64 = self.redis(&["HSET", &self.job_key(id), "expires_at", "1"]).await;
        self.set_score(queue, "expiry", id, 1).await;
    }

    /// What a claim does beside claiming.
    pub async fn sweep(&self, queue: Queue) {
        assert!(self.store.claim(queue, "sweeper", Room::of(0)).await.unwrap().jobs.is_empty());
    }

    // --- jobs -------------------------------------------------------------------------------------------------

    /// A workflow whose first version is ready.
    pub async fn workflow(&self, tenant: &TenantId) -> WorkflowId {
        let submission = new_workflow(tenant);
        let submitted = self.store.submit(&submission).await.unwrap();
        let (_, claim) = self.claim_one(Queue::Generate).await;
        assert!(self.store.finish(submission.job.id, claim.fence, &ready()).await.unwrap());
        submitted.workflow_id
    }

    /// An execute job of a new workflow, waiting.
    pub async fn waiting_job(&self, tenant: &TenantId) -> JobId {
        let workflow = self.workflow(tenant).await;
        self.submit(execute(tenant, workflow)).await.job_id
    }

    /// An execute job of a new workflow, claimed.
    pub async fn running_job(&self, tenant: &TenantId) -> (JobId, Claim) {
        let id = self.waiting_job(tenant).await;
        let (job, claim) = self.claim_one(Queue::Execute).await;
        assert_eq!(job.id, EntryId::Job(id));
        (id, claim)
    }

    pub async fn submit(&self, submission: Submission) -> Submitted {
        self.store.submit(&submission).await.unwrap()
    }

    pub async fn claim_one(&self, queue: Queue) -> (JobSpec, Claim) {
        let mut jobs = self.store.claim(queue, "worker-1", Room::of(1)).await.unwrap().jobs;
        jobs.pop().expect("a job waits")
    }

    pub async fn claim_ids(&self, queue: Queue, n: usize) -> Vec<EntryId> {
        let jobs = self.store.claim(queue, "worker-1", Room::of(n)).await.unwrap().jobs;
        jobs.into_iter().map(|(job, _)| job.id).collect()
    }

    pub async fn job(&self, tenant: &TenantId, id: JobId) -> Job {
        self.store.job(tenant, id).await.unwrap().expect("the job exists")
    }

    /// The types of a job's events, which are numbered from 1.
    pub async fn events(&self, tenant: &TenantId, id: JobId) -> Vec<String> {
        let page = self.store.events(tenant, id, 0).await.unwrap().expect("the job exists");
        let numbers: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
        page.events.into_iter().map(|event| event.kind).collect()
    }
}

pub fn tenant(name: &str) -> TenantId {
    name.parse().expect("a valid name")
}

/// The webhook message of a job.
pub fn message_of(job: JobId) -> MessageId {
    job.to_string().replace("job_", "msg_").parse().expect("a valid id")
}

pub fn spec(tenant: &TenantId, queue: Queue, workflow: WorkflowId, input: &str) -> JobSpec {
    JobSpec {
        id: EntryId::Job(JobId::new()),
        queue,
        tenant: tenant.clone(),
        workflow_id: Some(workflow),
        version: 1,
        timeout: Duration::from_secs(60),
        expires_in: Duration::from_secs(3600),
        max_attempts: 3,
        callback_url: None,
        metadata: serde_json::Map::new(),
        retry_of: None,
        input: input.to_owned(),
        subject: None,
        tries: 0,
        trace: None,
    }
}

pub fn execute(tenant: &TenantId, workflow: WorkflowId) -> Submission {
    let job = spec(tenant, Queue::Execute, workflow, r#"{"user_input":"a question"}"#);
    Submission { job, creates: None, idempotency: None, queued_max: 0, watcher: None }
}

pub fn with_callback(mut submission: Submission) -> Submission {
    submission.job.callback_url = Some("https://example.org/done".parse().expect("a URL"));
    submission
}

pub fn new_workflow(tenant: &TenantId) -> Submission {
    let job = spec(tenant, Queue::Generate, WorkflowId::new(), r#"{"description":"Answer each line."}"#);
    let workflow = NewWorkflow {
        name: "Answers".to_owned(),
        description: "Answer each line.".to_owned(),
        metadata: r#"{"team":"a"}"#.to_owned(),
    };
    let creates =
        NewVersion { source: Source::Generated, workflow: Some(workflow), after: None, answers: Vec::new() };
    Submission { job, creates: Some(creates), idempotency: None, queued_max: 0, watcher: None }
}

pub fn new_version(tenant: &TenantId, workflow: WorkflowId) -> Submission {
    let job = spec(tenant, Queue::Generate, workflow, r#"{"description":"Answer each line."}"#);
    let creates = NewVersion { source: Source::Edited, workflow: None, after: None, answers: Vec::new() };
    Submission { job, creates: Some(creates), idempotency: None, queued_max: 0, watcher: None }
}

/// How a generate job ends that wrote a program.
pub fn ready() -> Finish {
    version_ready(1)
}

pub fn version_ready(version: u32) -> Finish {
    Finish {
        becomes_current: true,
        workflow: vec![
            ("status", "ready".to_owned()),
            ("version", version.to_string()),
            ("error", String::new()),
        ],
        version: vec![("status", "ready".to_owned()), ("code", format!("# version {version}"))],
        ..Finish::default()
    }
}

pub fn succeeded(result: &str) -> Finish {
    Finish { result: Some(result.to_owned()), ..Finish::default() }
}
