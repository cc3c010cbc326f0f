//! What the tenant used today, and how much of it it may.

use axum::{Json, extract::State};
use serde::Serialize;
use shared::time::Timestamp;
use utoipa::ToSchema;

use crate::{Api, auth::Caller, problem::Problem};

/// How much was used, and how much there is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Used {
    /// So much was used.
    used: u64,
    /// So much may be; null for any number.
    limit: Option<u64>,
}

impl Used {
    fn of(used: u64, own: Option<u64>, configured: u64) -> Self {
        Self { used, limit: Some(own.unwrap_or(configured)).filter(|limit| *limit > 0) }
    }
}

/// What a tenant uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageView {
    /// Always `usage`.
    #[schema(example = "usage")]
    object: &'static str,
    /// When the day began, in UTC.
    #[schema(value_type = String, format = DateTime)]
    day: Timestamp,
    /// When the counts of the day begin anew.
    #[schema(value_type = String, format = DateTime)]
    resets_at: Timestamp,
    /// Jobs accepted today.
    jobs: Used,
    /// Tool calls made today.
    tool_calls: Used,
    /// Tokens models read and wrote today.
    tokens: Used,
    /// Of these, tokens read.
    input_tokens: u64,
    /// Of these, tokens written.
    output_tokens: u64,
    /// Jobs that wait now.
    queued: Used,
    /// Jobs that run now.
    running: Used,
    /// Requests a minute; null for any number.
    requests_per_minute: Option<u64>,
}

/// What you used today, and your limits.
#[utoipa::path(
    get, path = "/usage", operation_id = "getUsage", tag = "service",
    responses((status = 200, description = "The counts of the day (UTC)", body = UsageView))
)]
pub(crate) async fn usage(State(api): State<Api>, caller: Caller) -> Result<Json<UsageView>, Problem> {
    let tenant = caller.store().tenant(caller.tenant()).await?;
    let usage = caller.store().usage(caller.tenant()).await?;
    let (own, daily) = (tenant.limits, api.config.daily.of(caller.tenant()));
    Ok(Json(UsageView {
        object: "usage",
        day: usage.day,
        resets_at: usage.resets_at,
        jobs: Used { used: usage.jobs, limit: None },
        tool_calls: Used::of(usage.tool_calls, own.tool_calls_per_day, daily.tool_calls),
        tokens: Used::of(usage.input_tokens + usage.output_tokens, own.tokens_per_day, daily.tokens),
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        queued: Used::of(usage.queued, own.queued_max, api.config.jobs.queued_max),
        running: Used::of(usage.running, own.running_max, api.config.running_max),
        requests_per_minute: Used::of(0, own.requests_per_minute, api.config.requests_per_minute).limit,
    }))
}
