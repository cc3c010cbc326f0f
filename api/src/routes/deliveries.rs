//! Webhooks: the attempts to tell of a job, and another one on demand.

use axum::{
    Json,
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use shared::{
    id::{JobId, MessageId},
    store::Delivery,
};

use super::{Id, Page};
use crate::{auth::Caller, problem::Problem};

/// A message in a path. Whatever is not one is answered as an unknown one.
pub(crate) struct MessagePath {
    job: JobId,
    message: MessageId,
}

impl<S: Sync + Send> FromRequestParts<S> for MessagePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::no_such("delivery of this job");
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((job, message)) = path.map_err(|_| unknown())?;
        let job = job.parse().map_err(|_| unknown())?;
        Ok(Self { job, message: message.parse().map_err(|_| unknown())? })
    }
}

/// The webhooks about a job, with every attempt to send them.
///
/// There is one for a job with a `callback_url` once it is final, and none before.
#[utoipa::path(
    get, path = "/jobs/{id}/deliveries", operation_id = "listDeliveries", tag = "webhooks",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "All of them", body = Page<Delivery>))
)]
pub(crate) async fn list(caller: Caller, Id(id): Id<JobId>) -> Result<Json<Page<Delivery>>, Problem> {
    let deliveries = caller.store().deliveries(caller.tenant(), id).await?;
    let data = deliveries.ok_or_else(|| Problem::no_such("job"))?;
    Ok(Json(Page::whole(data)))
}

/// Send a webhook again.
///
/// At once, whatever became of it, under the same `webhook-id`, and with the whole schedule of retries ahead of it.
#[utoipa::path(
    post, path = "/jobs/{id}/deliveries/{msg}/redeliver", operation_id = "redeliver", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The job"),
        ("msg" = String, Path, description = "The delivery")
    ),
    responses((status = 202, description = "It is being sent", body = Delivery))
)]
pub(crate) async fn redeliver(
    caller: Caller,
    MessagePath { job, message }: MessagePath,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let unknown = || Problem::no_such("delivery of this job");
    if !caller.store().redeliver(caller.tenant(), job, message).await? {
        return Err(unknown());
    }
    let deliveries = caller.store().deliveries(caller.tenant(), job).await?.unwrap_or_default();
    let found = deliveries.into_iter().find(|delivery| delivery.id == message);
    Ok((StatusCode::ACCEPTED, Json(found.ok_or_else(unknown)?)))
}
