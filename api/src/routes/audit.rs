//! The audit log: who changed keys, credentials, secrets and limits.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use shared::store::AuditEntry;

use super::Page;
use crate::{Api, auth::Caller, fields::Fields, problem::Problem};

/// A place in the log.
struct Place(String);

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits =
            |part: &str| (1..=16).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        let (ms, number) = text.split_once('-').ok_or(())?;
        if digits(ms) && digits(number) { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

/// Which stretch of the log.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `list` reads")]
pub(crate) struct ListQuery {
    /// At most so many.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
    /// `next_cursor` of the previous page.
    #[param(pattern = "^[0-9]{1,16}-[0-9]{1,16}$")]
    after: Option<String>,
}

/// Who changed keys, credentials, webhook secrets and limits, newest first.
///
/// An entry is written before the change; the last 10,000 are kept.
#[utoipa::path(
    get, path = "/audit", operation_id = "listAudit", tag = "tenants", params(ListQuery),
    responses((status = 200, description = "A page of the log", body = Page<AuditEntry>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let mut fields = Fields::of_query(query.as_deref());
    let limit = super::jobs::limit(&mut fields);
    let after = fields.parsed("after", "the `next_cursor` of a page").map(|Place(id)| id);
    let after = fields.finish(after)?;
    Ok(Json(api.store.audit_log(after.as_deref(), limit).await?.into()))
}
