//! What a tenant uses, and how much of it it may: requests a minute, and by day (UTC) jobs, tool calls and tokens.
//!
//! The limits of a tenant's own record come first, then the configured ones; 0 is no limit. What a run uses is counted
//! in the same step that records its tool call, before the call is made.

use std::{collections::HashMap, time::Duration};

use super::{Store, StoreError, script, state::unexpected};
use crate::{id::TenantId, job::Queue, time::Timestamp};

/// 24 h, as in the scripts.
const DAY_MS: i64 = 86_400_000;

/// What is configured for tenants whose record says nothing; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyLimits {
    /// Tool calls of all runs.
    pub tool_calls: u64,
    /// Tokens read and written by models.
    pub tokens: u64,
}

/// What is about to be used, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spending {
    /// Tool calls about to be made.
    pub tool_calls: u64,
    /// Tokens set aside for a call about to be made, because only its answer tells how many it needs.
    pub set_aside: u64,
    /// Tokens that were read.
    pub input_tokens: u64,
    /// Tokens that were written.
    pub output_tokens: u64,
    /// Tokens that were set aside and are not any more.
    pub released: u64,
}

/// A budget of the tenant's day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DailyBudget {
    /// `tool_calls_per_day`.
    ToolCalls,
    /// `tokens_per_day`.
    Tokens,
}

/// The tenant's day is used up; nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySpent {
    /// Which budget.
    pub budget: DailyBudget,
    /// How much of it was used.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
}

impl DaySpent {
    /// From a script's answer, if it is one of these.
    pub(super) fn parse(answer: &str) -> Option<Self> {
        let mut words = answer.strip_prefix("spent ")?.split(' ');
        let budget = match words.next()? {
            "tool_calls" => DailyBudget::ToolCalls,
            "tokens" => DailyBudget::Tokens,
            _ => return None,
        };
        Some(Self { budget, used: words.next()?.parse().ok()?, limit: words.next()?.parse().ok()? })
    }
}

/// Whether a request may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// It may.
    pub allowed: bool,
    /// How many a minute.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// Until all are back.
    pub reset: Duration,
    /// Until one more may come.
    pub retry_after: Duration,
}

/// What a tenant used today, and has waiting and running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// When the day began.
    pub day: Timestamp,
    /// When the next one begins.
    pub resets_at: Timestamp,
    /// Jobs that were accepted.
    pub jobs: u64,
    /// Tool calls.
    pub tool_calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
}

/// The day's counts, then waiting and running jobs of each queue.
type Counts = (HashMap<String, u64>, Option<u64>, Option<u64>, Option<u64>, Option<u64>);

impl Spending {
    pub(super) fn arguments(&self) -> [u64; 5] {
        [self.tool_calls, self.set_aside, self.input_tokens, self.output_tokens, self.released]
    }
}

impl Store {
    /// Counts one request of a tenant. `None`: it has no limit.
    pub async fn count_request(
        &self,
        tenant: &TenantId,
        per_minute: u64,
    ) -> Result<Option<Rate>, StoreError> {
        let (allowed, limit, remaining, reset, retry_after): (bool, u64, u64, u64, u64) = script::RATE
            .key(&self.prefix)
            .arg(tenant.as_str())
            .arg(per_minute)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok((limit > 0).then_some(Rate {
            allowed,
            limit,
            remaining,
            reset: Duration::from_millis(reset),
            retry_after: Duration::from_millis(retry_after),
        }))
    }

    /// Counts what is used outside of a run's record.
    pub async fn spend(
        &self,
        tenant: &TenantId,
        limits: DailyLimits,
        spending: &Spending,
    ) -> Result<Result<(), DaySpent>, StoreError> {
        let answer: String = script::SPEND
            .key(&self.prefix)
            .arg(tenant.as_str())
            .arg(limits.tool_calls)
            .arg(limits.tokens)
            .arg(&spending.arguments())
            .invoke_async(&mut self.connection.clone())
            .await?;
        match (answer.as_str(), DaySpent::parse(&answer)) {
            ("ok", _) => Ok(Ok(())),
            (_, Some(spent)) => Ok(Err(spent)),
            (other, None) => Err(unexpected(other)),
        }
    }

    /// What a tenant used today.
    pub async fn usage(&self, tenant: &TenantId) -> Result<Usage, StoreError> {
        let number = self.now().await?.as_millis() / DAY_MS;
        let mut pipe = redis::pipe();
        pipe.hgetall(self.key(format_args!("t:{tenant}:day:{number}")));
        for queue in [Queue::Generate, Queue::Execute] {
            for name in ["queued", "running"] {
                pipe.hget(self.key(format_args!("q:{}:{name}", queue.as_str())), tenant.as_str());
            }
        }
        let (day, making, writing, waiting, running): Counts =
            pipe.query_async(&mut self.connection.clone()).await?;
        let used = |name: &str| day.get(name).copied().unwrap_or_default();
        Ok(Usage {
            day: Timestamp::from_millis(number * DAY_MS),
            resets_at: Timestamp::from_millis((number + 1) * DAY_MS),
            jobs: used("jobs"),
            tool_calls: used("tool_calls"),
            input_tokens: used("input_tokens"),
            output_tokens: used("output_tokens"),
            queued: making.unwrap_or(0) + waiting.unwrap_or(0),
            running: writing.unwrap_or(0) + running.unwrap_or(0),
        })
    }
}
