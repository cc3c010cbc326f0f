//! What is spent of tokens and calls, and what is said when a budget is used up.
//!
//! A call is counted before it is made, at what it will need as far as can be told; its answer sets that right. So calls
//! side by side cannot go past a budget by more than their answers were underestimated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use providers::{CallContext, Meter};
use shared::{
    id::TenantId,
    limits,
    queue::Attempt,
    store::{DailyBudget, DailyLimits, DaySpent, Spending, Store},
};
use tokio::time::Instant;

use crate::{environment::Environment, patience};

/// What a model needs to read so many bytes and answer them.
pub fn tokens_aside(bytes: usize) -> u64 {
    bytes as u64 / limits::BYTES_PER_TOKEN + limits::ANSWER_TOKENS_GUESS
}

/// A run is at its own limit.
pub fn run_spent(tokens_max: u64) -> String {
    format!("The run used all of its {tokens_max} tokens (RUN_TOKENS_MAX).")
}

/// The tenant is at its limit of the day.
pub fn day_spent(spent: &DaySpent) -> String {
    let DaySpent { budget, used, limit } = spent;
    let (what, name) = match budget {
        DailyBudget::ToolCalls => ("tool calls", "tool_calls_per_day"),
        DailyBudget::Tokens => ("tokens", "tokens_per_day"),
    };
    format!(
        "The tenant's {what} of today are used up: {used} of {limit} ({name}). They begin anew at midnight UTC."
    )
}

/// What one generation spends of its tenant's day. Whatever ends it, [`Tab::settle`] counts what it did spend.
pub struct Tab {
    store: Store,
    tenant: TenantId,
    daily: DailyLimits,
    meter: Meter,
    aside: Arc<AtomicU64>,
}

impl Tab {
    /// Nothing spent yet.
    pub fn new(environment: &Environment, tenant: &TenantId) -> Self {
        Self {
            store: environment.store.clone(),
            tenant: tenant.clone(),
            daily: environment.daily.of(tenant),
            meter: Meter::default(),
            aside: Arc::default(),
        }
    }

    /// Sets aside what a prompt of so many bytes will need. `None`: the store does not say.
    pub async fn open(&self, attempt: &Attempt, bytes: usize) -> Option<Result<(), DaySpent>> {
        let set_aside = tokens_aside(bytes);
        let spending = Spending { set_aside, ..Spending::default() };
        let opened =
            patience::until_stored(attempt, || self.store.spend(&self.tenant, self.daily, &spending)).await?;
        if opened.is_ok() {
            self.aside.fetch_add(set_aside, Ordering::Relaxed);
        }
        Some(opened)
    }

    /// What travels with its calls.
    pub fn context(&self, deadline: Instant) -> CallContext {
        let mut cx = CallContext::until(deadline);
        cx.meter = self.meter.clone();
        cx
    }

    /// Counts what was spent.
    pub async fn settle(self, attempt: &Attempt) {
        let spent = self.meter.spent().usage;
        let spending = Spending {
            input_tokens: spent.input_tokens_total(),
            output_tokens: spent.output_tokens,
            released: self.aside.load(Ordering::Relaxed),
            ..Spending::default()
        };
        if spending != Spending::default() {
            let settle = || self.store.spend(&self.tenant, self.daily, &spending);
            if patience::until_stored(attempt, settle).await.is_none() {
                tracing::warn!(tenant = %self.tenant, "What a generation spent is not counted: the store is away.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_which_budget_is_used_up_and_how_much_there_was() {
        let spent = DaySpent { budget: DailyBudget::Tokens, used: 1200, limit: 1000 };
        assert!(day_spent(&spent).contains("1200 of 1000 (tokens_per_day)"));
        let spent = DaySpent { budget: DailyBudget::ToolCalls, used: 5, limit: 5 };
        assert!(day_spent(&spent).contains("5 of 5 (tool_calls_per_day)"));
        assert!(run_spent(7).contains("7 tokens (RUN_TOKENS_MAX)"));
    }
}
