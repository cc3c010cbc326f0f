//! Random interleavings of everything that can happen to jobs, against a model small enough to be seen through.
//!
//! The model says exactly what each script answers and which job is claimed next; after each step the records
//! are compared with it and the shard is checked for soundness. A job is named by its place in the model.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::join_all;
use proptest::{prelude::*, sample::Index, test_runner::Config};
use shared::{
    id::{TenantId, WorkflowId},
    job::{EntryId, ErrorCode, JobError, JobStatus, Queue},
    store::{CancelAnswer, Finish, Progress, ProgressAnswer, RenewAnswer, Room, Submission, SubmitError},
};

use crate::{
    ground::{Ground, execute, message_of, succeeded, tenant, with_callback},
    redis_server::RedisServer,
};

const TENANTS: usize = 3;
const QUEUES: [Queue; 2] = [Queue::Execute, Queue::Deliver];

#[derive(Debug, Clone)]
enum Step {
    /// At the same moment: they go together.
    Submit(Vec<New>),
    Claim {
        queue: usize,
        n: usize,
        kept: usize,
    },
    /// The tenant's record names other limits; 0 is none.
    Limit {
        tenant: usize,
        running: usize,
        queued: usize,
    },
    Renew(Index),
    Progress(Index),
    /// At the same moment, any attempt any number of times; whether it failed.
    Finish(Vec<(Index, bool)>),
    RetryLater {
        attempt: Index,
        delayed: bool,
        counts: bool,
    },
    Cancel(Index),
    /// The worker of a running job is silent for too long: it crashed, or it is only slow.
    LeaseEnds(Index),
    WaitEnds(Index),
    ComesDue(Index),
    Tick,
}

/// A job to be submitted.
#[derive(Debug, Clone)]
struct New {
    tenant: usize,
    callback: bool,
    max_attempts: u32,
    /// The one submitted before it comes once more, as after a lost answer, in its place.
    again: bool,
    /// Under the one idempotency key that the tenant uses again and again.
    keyed: bool,
}

fn new() -> impl Strategy<Value = New> {
    (0..TENANTS, any::<bool>(), 1..3_u32, prop::bool::weighted(0.1), prop::bool::weighted(0.2)).prop_map(
        |(tenant, callback, max_attempts, again, keyed)| New { tenant, callback, max_attempts, again, keyed },
    )
}

/// Mostly one, sometimes several at the same moment.
fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T> + Clone) -> impl Strategy<Value = Vec<T>> {
    prop_oneof![2 => prop::collection::vec(of.clone(), 1), 1 => prop::collection::vec(of, 2..8)]
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        4 => some(new().boxed()).prop_map(Step::Submit),
        5 => (0..2_usize, 0..4_usize, 0..3_usize).prop_map(|(queue, n, kept)| Step::Claim { queue, n, kept }),
        2 => (0..TENANTS, 0..4_usize, 0..6_usize)
            .prop_map(|(tenant, running, queued)| Step::Limit { tenant, running, queued }),
        2 => index().prop_map(Step::Renew),
        2 => index().prop_map(Step::Progress),
        4 => some((index(), any::<bool>())).prop_map(Step::Finish),
        4 => (index(), any::<bool>(), any::<bool>())
            .prop_map(|(attempt, delayed, counts)| Step::RetryLater { attempt, delayed, counts }),
        2 => index().prop_map(Step::Cancel),
        3 => index().prop_map(Step::LeaseEnds),
        1 => index().prop_map(Step::WaitEnds),
        2 => index().prop_map(Step::ComesDue),
        1 => Just(Step::Tick),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    id: EntryId,
    queue: usize,
    tenant: usize,
    status: JobStatus,
    /// Of the attempt that runs, or that ended the job; 0 when there is none.
    fence: u64,
    lost: u32,
    max_attempts: u32,
    callback: bool,
    cancel_requested: bool,
    delayed: bool,
}

#[derive(Debug, Default)]
struct Line {
    /// Jobs in order, some of them over by now.
    ready: VecDeque<usize>,
    running: usize,
    turn: u64,
}

#[derive(Debug, Default)]
struct Limits {
    running: usize,
    queued: usize,
    /// It was seen at its limit: until one of its jobs ends, or a tick, nothing of it is offered.
    parked: bool,
}

struct Model {
    jobs: Vec<Job>,
    /// Every attempt there ever was: the job and the fence.
    attempts: Vec<(usize, u64)>,
    lines: [[Line; TENANTS]; 2],
    turns: [u64; 2],
    /// They hold for client jobs, which are of queue 0.
    limits: [Limits; TENANTS],
    /// The job that the tenant's idempotency key stands for.
    keys: [Option<EntryId>; TENANTS],
}

impl Model {
    fn line(&mut self, job: usize) -> &mut Line {
        &mut self.lines[self.jobs[job].queue][self.jobs[job].tenant]
    }

    fn add(&mut self, job: Job) {
        self.jobs.push(job);
        let job = self.jobs.len() - 1;
        self.line(job).ready.push_back(job);
    }

    /// Which jobs a claim gives, in order.
    fn claim(&mut self, queue: usize, n: usize, kept: usize) -> Vec<usize> {
        let mut claimed = Vec::new();
        while claimed.len() < n + kept {
            let lines = self.lines[queue].iter_mut().zip(&mut self.limits);
            let waiting =
                lines.filter(|(line, limits)| !line.ready.is_empty() && (queue == 1 || !limits.parked));
            // Names and turns go the same way: tenants that were never served are ordered by name.
            let Some((line, limits)) = waiting.min_by_key(|(line, _)| (line.running, line.turn)) else {
                break;
            };
            if claimed.len() >= n && line.running > 0 {
                break; // what is left is for those who have nothing running
            }
            let is_full = |line: &Line| queue == 0 && limits.running > 0 && line.running >= limits.running;
            if !is_full(line) {
                let job = line.ready.pop_front().expect("not empty");
                if self.jobs[job].status == JobStatus::Queued {
                    self.turns[queue] += 1;
                    line.turn = self.turns[queue];
                    line.running += 1;
                    self.jobs[job].status = JobStatus::Running;
                    claimed.push(job);
                }
            }
            limits.parked |= !line.ready.is_empty() && is_full(line);
        }
        claimed
    }

    fn is_full(&self, tenant: usize) -> bool {
        let waits = |job: &&Job| job.queue == 0 && job.tenant == tenant && job.status == JobStatus::Queued;
        let max = self.limits[tenant].queued;
        max > 0 && self.jobs.iter().filter(waits).count() >= max
    }

    fn end(&mut self, job: usize, status: JobStatus) {
        self.jobs[job].status = status;
        let Job { id, queue, tenant, callback, .. } = self.jobs[job];
        if let (EntryId::Job(id), 0, true) = (id, queue, callback) {
            let id = EntryId::Message(message_of(id));
            self.add(Job { id, queue: 1, max_attempts: 1000, ..waiting(id, tenant) });
        }
    }

    fn stop_running(&mut self, job: usize) {
        self.line(job).running -= 1;
        if self.jobs[job].queue == 0 {
            self.limits[self.jobs[job].tenant].parked = false;
        }
    }

    /// The attempt is over and the job is not.
    fn wait_again(&mut self, job: usize, delayed: bool, counts: bool) {
        self.stop_running(job);
        self.jobs[job].fence = 0;
        self.jobs[job].lost += u32::from(counts);
        if self.jobs[job].cancel_requested {
            self.end(job, JobStatus::Cancelled);
        } else if counts && self.jobs[job].lost >= self.jobs[job].max_attempts {
            self.end(job, JobStatus::Failed);
        } else {
            self.jobs[job].status = JobStatus::Queued;
            self.jobs[job].delayed = delayed;
            if !delayed {
                self.line(job).ready.push_front(job);
            }
        }
    }

    fn is_current(&self, (job, fence): (usize, u64)) -> bool {
        self.jobs[job].status == JobStatus::Running && self.jobs[job].fence == fence
    }

    fn pick_job(&self, index: Index, wanted: impl Fn(&Job) -> bool) -> Option<usize> {
        let found: Vec<usize> = (0..self.jobs.len()).filter(|&job| wanted(&self.jobs[job])).collect();
        (!found.is_empty()).then(|| *index.get(&found))
    }

    fn pick_attempt(&self, index: Index) -> Option<(usize, u64)> {
        (!self.attempts.is_empty()).then(|| *index.get(&self.attempts))
    }
}

fn waiting(id: EntryId, tenant: usize) -> Job {
    Job {
        id,
        queue: 0,
        tenant,
        status: JobStatus::Queued,
        fence: 0,
        lost: 0,
        max_attempts: 0,
        callback: false,
        cancel_requested: false,
        delayed: false,
    }
}

struct Check {
    ground: Ground,
    tenants: Vec<(TenantId, WorkflowId)>,
    model: Model,
}

impl Check {
    async fn start(server: Arc<RedisServer>) -> Self {
        let ground = Ground::on(server, Duration::from_secs(600)).await;
        let _: String = ground.redis(&["FLUSHALL"]).await;
        let mut tenants = Vec::new();
        for number in 0..TENANTS {
            let name = tenant(&format!("t{number}"));
            let workflow = ground.workflow(&name).await;
            tenants.push((name, workflow));
        }
        let model = Model {
            jobs: Vec::new(),
            attempts: Vec::new(),
            lines: Default::default(),
            turns: [0, 0],
            limits: Default::default(),
            keys: [None; TENANTS],
        };
        Self { ground, tenants, model }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Submit(jobs) => self.submit(jobs).await,
            Step::Claim { queue, n, kept } => self.claim(queue, n, kept).await,
            Step::Limit { tenant, running, queued } => self.limit(tenant, running, queued).await,
            Step::Renew(index) => self.renew(index).await,
            Step::Progress(index) => self.progress(index).await,
            Step::Finish(ends) => self.finish(ends).await,
            Step::RetryLater { attempt, delayed, counts } => self.retry_later(attempt, delayed, counts).await,
            Step::Cancel(index) => self.cancel(index).await,
            Step::Tick => {
                self.ground.store.tick(10).await.unwrap();
                self.model.limits.iter_mut().for_each(|limits| limits.parked = false);
            }
            Step::LeaseEnds(_) | Step::WaitEnds(_) | Step::ComesDue(_) => self.time_passes(step).await,
        }
    }

    async fn submit(&mut self, jobs: Vec<New>) {
        let mut submissions: Vec<(New, Submission)> = Vec::new();
        for new in jobs {
            let (name, workflow) = &self.tenants[new.tenant];
            let mut submission = execute(name, *workflow);
            submission.job.max_attempts = new.max_attempts;
            submission.idempotency = new.keyed.then(|| ("key".to_owned(), "f".to_owned()));
            let submission = if new.callback { with_callback(submission) } else { submission };
            let before = submissions.last().filter(|_| new.again).cloned();
            submissions.push(before.unwrap_or((new, submission)));
        }
        let answers = join_all(submissions.iter().map(|(_, job)| self.ground.store.submit(job))).await;
        for ((new, submission), answer) in submissions.into_iter().zip(answers) {
            let id = submission.job.id;
            let there = self.model.jobs.iter().find(|job| job.id == id).map(|job| job.id);
            let keyed = new.keyed.then(|| self.model.keys[new.tenant]).flatten();
            if let Some(first) = keyed.or(there) {
                let answer = answer.expect("it is there");
                assert_eq!((EntryId::Job(answer.job_id), answer.replayed), (first, true));
            } else if self.model.is_full(new.tenant) {
                assert!(matches!(answer, Err(SubmitError::QueueFull)), "{answer:?}");
            } else {
                let answer = answer.expect("it is taken");
                assert_eq!((EntryId::Job(answer.job_id), answer.replayed), (id, false));
                let New { tenant, callback, max_attempts, keyed, .. } = new;
                self.model.add(Job { max_attempts, callback, ..waiting(id, tenant) });
                if keyed {
                    self.model.keys[tenant] = Some(id);
                }
            }
        }
    }

    async fn limit(&mut self, tenant: usize, running: usize, queued: usize) {
        let record = self.ground.key(format_args!("tenant:{}", self.tenants[tenant].0));
        let (running_max, queued_max) = (running.to_string(), queued.to_string());
        let fields = ["HSET", &record, "running_max", &running_max, "queued_max", &queued_max];
        let _: i64 = self.ground.redis(&fields).await;
        let parked = self.model.limits[tenant].parked;
        self.model.limits[tenant] = Limits { running, queued, parked };
    }

    async fn claim(&mut self, queue: usize, n: usize, kept: usize) {
        let room = Room { kept, ..Room::of(n) };
        let answer = self.ground.store.claim(QUEUES[queue], "w", room).await.unwrap();
        let expected = self.model.claim(queue, n, kept);
        let claimed: Vec<EntryId> = answer.jobs.iter().map(|(job, _)| job.id).collect();
        assert_eq!(claimed, expected.iter().map(|&job| self.model.jobs[job].id).collect::<Vec<_>>());
        for (job, (_, claim)) in expected.into_iter().zip(answer.jobs) {
            assert!(self.model.attempts.iter().all(|&(_, fence)| fence < claim.fence), "fences only grow");
            assert_eq!(claim.attempt, self.model.jobs[job].lost + 1);
            self.model.jobs[job].fence = claim.fence;
            self.model.attempts.push((job, claim.fence));
        }
    }

    async fn renew(&mut self, index: Index) {
        let Some(attempt) = self.model.pick_attempt(index) else { return };
        let job = &self.model.jobs[attempt.0];
        let expected = match (self.model.is_current(attempt), job.cancel_requested) {
            (false, _) => RenewAnswer::Lost,
            (true, true) => RenewAnswer::Cancel,
            (true, false) => RenewAnswer::Held,
        };
        assert_eq!(self.ground.store.renew(&[(job.id, attempt.1)]).await.unwrap(), [expected]);
    }

    async fn progress(&mut self, index: Index) {
        let Some(attempt) = self.model.pick_attempt(index) else { return };
        let job = &self.model.jobs[attempt.0];
        let expected = match (self.model.is_current(attempt), job.cancel_requested) {
            (false, _) => ProgressAnswer::Stale,
            (true, true) => ProgressAnswer::Cancel,
            (true, false) => ProgressAnswer::Recorded,
        };
        let progress = Progress { log: b"x".to_vec(), ..Progress::default() };
        assert_eq!(self.ground.store.progress(job.id, attempt.1, &progress, 0).await.unwrap(), expected);
    }

    async fn finish(&mut self, ends: Vec<(Index, bool)>) {
        let picked = |(index, fails)| self.model.pick_attempt(index).map(|attempt| (attempt, fails));
        let ends: Vec<((usize, u64), bool)> = ends.into_iter().filter_map(picked).collect();
        let finishes = ends.iter().map(|&((job, fence), fails)| {
            let (store, id) = (&self.ground.store, self.model.jobs[job].id);
            let error = fails.then(|| JobError::new(ErrorCode::PythonError, "no"));
            let finish = if fails { Finish { error, ..Finish::default() } } else { succeeded("1") };
            async move { store.finish(id, fence, &finish).await.unwrap() }
        });
        let taken = join_all(finishes).await;
        for ((attempt, fails), taken) in ends.into_iter().zip(taken) {
            let job = self.model.jobs[attempt.0].clone();
            let current = self.model.is_current(attempt);
            let repeated = job.status.is_final() && job.fence == attempt.1;
            assert_eq!(taken, current || repeated);
            if current {
                self.model.stop_running(attempt.0);
                let status = if fails { JobStatus::Failed } else { JobStatus::Succeeded };
                self.model.end(attempt.0, if job.cancel_requested { JobStatus::Cancelled } else { status });
            }
        }
    }

    async fn retry_later(&mut self, index: Index, delayed: bool, counts: bool) {
        let Some(attempt) = self.model.pick_attempt(index) else { return };
        let delay = if delayed { Duration::from_secs(3600) } else { Duration::ZERO };
        let id = self.model.jobs[attempt.0].id;
        let taken = self.ground.store.retry_later(id, attempt.1, delay, counts, &[]).await.unwrap();
        assert_eq!(taken, self.model.is_current(attempt));
        if taken {
            self.model.wait_again(attempt.0, delayed, counts);
        }
    }

    async fn cancel(&mut self, index: Index) {
        let Some(job) = self.model.pick_job(index, |job| job.queue == 0) else { return };
        let EntryId::Job(id) = self.model.jobs[job].id else { unreachable!("of the execute queue") };
        let expected = match self.model.jobs[job].status {
            JobStatus::Queued => CancelAnswer::Cancelled,
            JobStatus::Running => CancelAnswer::Requested,
            _ => CancelAnswer::Final,
        };
        let (name, _) = &self.tenants[self.model.jobs[job].tenant];
        assert_eq!(self.ground.store.cancel(name, id).await.unwrap(), expected);
        match expected {
            CancelAnswer::Cancelled => self.model.end(job, JobStatus::Cancelled),
            CancelAnswer::Requested => self.model.jobs[job].cancel_requested = true,
            _ => {}
        }
    }

    async fn time_passes(&mut self, step: Step) {
        let queued = |job: &Job| job.status == JobStatus::Queued;
        let job = match step {
            Step::LeaseEnds(index) => self.model.pick_job(index, |job| job.status == JobStatus::Running),
            Step::WaitEnds(index) => self.model.pick_job(index, |job| queued(job) && job.queue == 0),
            Step::ComesDue(index) => self.model.pick_job(index, |job| queued(job) && job.delayed),
            other => unreachable!("{other:?} is not time"),
        };
        let Some(job) = job else { return };
        let (id, queue) = (self.model.jobs[job].id, QUEUES[self.model.jobs[job].queue]);
        match step {
            Step::LeaseEnds(_) => {
                self.ground.end_lease(queue, id).await;
                self.model.wait_again(job, false, true);
            }
            Step::WaitEnds(_) => {
                self.ground.end_wait(queue, id).await;
                self.model.end(job, JobStatus::Failed);
            }
            _ => {
                self.ground.come_due(queue, id).await;
                self.model.jobs[job].delayed = false;
                self.model.line(job).ready.push_back(job);
            }
        }
        self.ground.sweep(queue).await;
    }

    async fn compare(&self) {
        if self.model.jobs.is_empty() {
            return;
        }
        let mut pipe = redis::pipe();
        for job in &self.model.jobs {
            pipe.cmd("HMGET").arg(self.ground.job_key(job.id)).arg(&["status", "fence"]);
        }
        let read: Vec<[String; 2]> = self.ground.pipe(&pipe).await;
        for (job, read) in self.model.jobs.iter().zip(read) {
            assert_eq!(read, [job.status.as_str().to_owned(), job.fence.to_string()], "{}", job.id);
        }
        let mut pipe = redis::pipe();
        let mut expected = Vec::new();
        for (queue, lines) in QUEUES.into_iter().zip(&self.model.lines) {
            for ((name, _), line) in self.tenants.iter().zip(lines) {
                pipe.lrange(self.ground.queue_key(queue, format_args!("ready:{name}")), 0, -1);
                let ids = line.ready.iter().map(|&job| self.model.jobs[job].id.to_string());
                expected.push(ids.collect::<Vec<_>>());
            }
        }
        assert_eq!(self.ground.pipe::<Vec<Vec<String>>>(&pipe).await, expected, "who waits, in order");
        self.ground.assert_sound().await;
    }
}

#[test]
fn the_scripts_do_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = Arc::new(RedisServer::start(&[]));
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..60))| {
        runtime.block_on(async {
            let mut check = Check::start(server.clone()).await;
            for step in steps {
                check.take(step).await;
                check.compare().await;
            }
        });
    });
}
