//! The audit log: who changed keys, credentials, secrets and limits.

use axum::{Json, extract::State};
use shared::store::AuditEntry;

use super::{Page, Stretch, page::Cursor};
use crate::{Api, auth::Caller, problem::Problem};

/// A place in the log.
pub(crate) struct Place(String);

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits =
            |part: &str| (1..=16).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let (ms, number) = text.split_once('-').ok_or(())?;
        if digits(ms) && digits(number) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

impl Cursor for Place {
    const PATTERN: &str = "^[0-9]{1,16}-[0-9]{1,16}$";
}

/// Who changed keys, credentials, webhook secrets and limits, newest first.
///
/// An entry is written before the change; the last 10,000 are kept.
#[utoipa::path(
    get, path = "/audit", operation_id = "listAudit", tag = "tenants", params(Stretch::<Place>),
    responses((status = 200, description = "A page of the log", body = Page<AuditEntry>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller,
    Stretch { limit, after }: Stretch<Place>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let after = after.as_ref().map(|Place(id)| id.as_str());
    Ok(Json(api.shards.audit_log(after, limit).await?.into()))
}
