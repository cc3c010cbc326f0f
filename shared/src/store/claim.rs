//! Claiming: the state change that gives jobs to a worker, and waiting for there being some.
//!
//! A claim whose answer nobody reads would leave its jobs to their leases and burn an attempt of each. So every
//! claim says until when it is of use, by the clock of Redis as the last answer told it: one that Redis carries
//! out later (it was paused, or the network was) gives nothing. And who claims again and again numbers its claims:
//! what one gave whose answer was lost, the next one gives again. Who waits for work sends its claim along with the wait.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use redis::{FromRedisValue, Value as Reply};

use super::{
    Store, StoreError, record,
    record::Fields,
    script,
    state::{millis, unexpected},
};
use crate::{
    job::{JobSpec, Queue},
    limits,
    time::Timestamp,
};

/// What a worker holds of a job it claimed.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Named in every write of this attempt.
    pub fence: u64,
    /// 1 for the first.
    pub attempt: u32,
    /// When this attempt began, by the clock of Redis.
    pub started_at: Timestamp,
    /// When the job expires; none for webhook messages.
    pub expires_at: Option<Timestamp>,
    /// An earlier attempt has recorded tool calls: this one is answered from them.
    pub resumed: bool,
}

/// For what a worker has room.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Slots for anybody's jobs.
    pub slots: usize,
    /// Slots that are kept for tenants with nothing running in this queue.
    pub kept: usize,
    /// How many jobs of a tenant may run, unless its own record says otherwise; 0 for no limit.
    pub tenant_running_max: u64,
}

impl Room {
    /// Takes nothing. Such a claim still sweeps the queue, and passes on a wake-up its caller took.
    pub const NONE: Self = Self { slots: 0, kept: 0, tenant_running_max: 0 };

    /// For so many jobs of anybody.
    pub fn of(slots: usize) -> Self {
        Self { slots, ..Self::NONE }
    }
}

/// Who claims, and what it has read of the answers so far.
#[derive(Debug, Clone)]
pub struct Claimant {
    name: String,
    /// The number of its last claim, and of the last one whose answer it read.
    claims: (u64, u64),
}

impl Claimant {
    /// A worker that has not claimed yet. Its name is nobody else's.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), claims: (0, 0) }
    }

    /// As who makes the next claim. Nothing is claimed beside it until its answer was heard or is given up.
    pub(crate) fn next(&mut self) -> Self {
        self.claims.0 += 1;
        self.clone()
    }

    /// The answer to the last claim was read.
    pub(crate) fn heard(&mut self) {
        self.claims.1 = self.claims.0;
    }
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Any work.
    Any,
    /// Work of a tenant that has nothing running.
    Idle,
}

/// What a claim found.
#[derive(Debug)]
pub struct ClaimAnswer {
    /// When the queue should be looked at again even without a wake-up.
    pub look_again_in: Duration,
    /// The jobs, each readable or to be failed as unreadable.
    pub jobs: Vec<(JobSpec, Claim)>,
}

/// What `claim.lua` reads of a record, in its order.
const RECORD: [&str; 20] = [
    "status",
    "fence",
    "attempt",
    "lost",
    "seq",
    "v",
    "created_at",
    "expires_at",
    "tenant",
    "workflow_id",
    "version",
    "timeout_ms",
    "max_attempts",
    "callback_url",
    "metadata",
    "retry_of",
    "subject",
    "tries",
    "traceparent",
    "journal_bytes",
];

/// The clock of Redis, as far as this process knows it.
#[derive(Debug, Default)]
pub(super) struct RedisClock(Mutex<Option<(Timestamp, Instant)>>);

impl RedisClock {
    fn saw(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }

    /// Never later than the clock of Redis really is, unless that stepped back; zero when not known.
    fn after(&self, duration: Duration) -> Timestamp {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.map_or(Timestamp::from_millis(0), |(now, at)| now.plus(at.elapsed()).plus(duration))
    }
}

impl Store {
    /// Takes jobs of a queue for a worker that has room for them.
    pub async fn claim(&self, queue: Queue, worker: &str, room: Room) -> Result<ClaimAnswer, StoreError> {
        let claim = self.claim_call(queue, &Claimant::new(worker), room, Duration::ZERO);
        self.claim_answer(queue, claim.invoke_async(&mut self.connection.clone()).await?)
    }

    /// The same for one that goes on claiming from this queue: what was given and not heard of is given again, with
    /// its fence, before anything else.
    pub async fn claim_next(
        &self,
        queue: Queue,
        claimant: &mut Claimant,
        room: Room,
    ) -> Result<ClaimAnswer, StoreError> {
        let claim = self.claim_call(queue, &claimant.next(), room, Duration::ZERO);
        let answer = self.claim_answer(queue, claim.invoke_async(&mut self.connection.clone()).await?)?;
        claimant.heard();
        Ok(answer)
    }

    /// The call; it may have to wait for so long before Redis carries it out.
    fn claim_call(
        &self,
        queue: Queue,
        claimant: &Claimant,
        room: Room,
        wait: Duration,
    ) -> redis::ScriptInvocation<'static> {
        let (number, read) = claimant.claims;
        // Half the time for which the answer is awaited: it has to travel back, too.
        let not_after = self.clock.after(wait + limits::REDIS_RESPONSE_TIMEOUT / 2);
        let mut call = script::CLAIM.key(&self.prefix);
        call.arg(queue.as_str())
            .arg(&claimant.name)
            .arg(room.slots.min(limits::CLAIM_BATCH_MAX))
            .arg(millis(self.lease))
            .arg(not_after.as_millis())
            .arg(room.kept.min(limits::CLAIM_BATCH_MAX))
            .arg(room.tenant_running_max)
            .arg(number)
            .arg(read);
        call
    }

    fn claim_answer(&self, queue: Queue, reply: Vec<Reply>) -> Result<ClaimAnswer, StoreError> {
        let mut reply = reply.into_iter();
        let look_again_in: u64 = take(reply.next())?;
        let now = Timestamp::from_millis(take(reply.next())?);
        self.clock.saw(now);
        let mut jobs = Vec::new();
        for claimed in reply {
            match claimed_job(claimed, queue, now) {
                Ok(job) => jobs.push(job),
                // Its attempts run out and it ends as `worker_lost`; other jobs go on.
                Err(error) => {
                    tracing::error!(%error, "A claimed job does not read; it is left to its lease.");
                }
            }
        }
        Ok(ClaimAnswer { look_again_in: Duration::from_millis(look_again_in), jobs })
    }

    /// Blocks on one of the queue's wake lists, at most for `block`. `true`: a token was taken, so that its taker
    /// has to claim, which puts it back while work remains.
    pub(crate) async fn wait_for_wake(
        &self,
        connection: &mut redis::aio::MultiplexedConnection,
        queue: Queue,
        wake: Wake,
        block: Duration,
    ) -> Result<bool, StoreError> {
        let token: Option<(String, String)> = self.blpop(queue, wake, block).query_async(connection).await?;
        Ok(token.is_some())
    }

    /// The same, and the claim that follows whether a token came or not. Redis has it already while it waits, and carries
    /// it out in the turn in which work arrives: one way instead of three, and one sync of its file instead of two.
    pub(crate) async fn wait_and_claim(
        &self,
        connection: &mut redis::aio::MultiplexedConnection,
        queue: Queue,
        claimant: &Claimant,
        room: Room,
        block: Duration,
    ) -> Result<ClaimAnswer, StoreError> {
        let claim = self.claim_call(queue, claimant, room, block);
        let mut both = redis::pipe();
        both.add_command(self.blpop(queue, Wake::Any, block)).ignore();
        both.invoke_script(&claim);
        let (reply,): (Vec<Reply>,) = both.query_async(connection).await?;
        self.claim_answer(queue, reply)
    }

    fn blpop(&self, queue: Queue, wake: Wake, block: Duration) -> redis::Cmd {
        let name = match wake {
            Wake::Any => "wake",
            Wake::Idle => "wake_idle",
        };
        let mut command = redis::cmd("BLPOP");
        command.arg(self.key(format_args!("q:{}:{name}", queue.as_str()))).arg(block.as_secs_f64());
        command
    }

    /// What Redis calls this connection.
    pub(crate) async fn client_id(
        &self,
        connection: &mut redis::aio::MultiplexedConnection,
    ) -> Result<i64, StoreError> {
        Ok(redis::cmd("CLIENT").arg("ID").query_async(connection).await?)
    }

    /// Ends what another connection waits for, as if its time were over. `false` when it did not wait.
    pub(crate) async fn end_wait(&self, client_id: i64) -> Result<bool, StoreError> {
        let mut connection = self.connection.clone();
        Ok(redis::cmd("CLIENT").arg("UNBLOCK").arg(client_id).query_async(&mut connection).await?)
    }
}

fn claimed_job(reply: Reply, queue: Queue, now: Timestamp) -> Result<(JobSpec, Claim), StoreError> {
    type Claimed = (String, u64, u32, String, Vec<Option<String>>);
    let (id, fence, attempt, input, values): Claimed = take(Some(reply))?;
    let fields = RECORD.into_iter().zip(values).filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let own = [("id".to_owned(), id.clone()), ("queue".to_owned(), queue.as_str().to_owned())];
    let fields = Fields(fields.chain(own).collect());
    let spec =
        record::spec(&fields, input).map_err(|error| StoreError::Unreadable(format!("{id}: {error}")))?;
    let expires_at = fields.time("expires_at").filter(|at| at.as_millis() > 0);
    let resumed = fields.number::<u64>("journal_bytes") > 0;
    Ok((spec, Claim { fence, attempt, started_at: now, expires_at, resumed }))
}

fn take<T: FromRedisValue>(reply: Option<Reply>) -> Result<T, StoreError> {
    let reply = reply.ok_or_else(|| unexpected("a short answer"))?;
    T::from_redis_value(reply).map_err(|error| unexpected(&error.to_string()))
}
