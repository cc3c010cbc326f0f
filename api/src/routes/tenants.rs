//! Tenants as the operator sees them: what is set for each, beside the configuration's defaults.

use axum::{Extension, Json, extract::State};
use serde::Serialize;
use shared::{
    id::TenantId,
    limits,
    store::{self, Audited, Home, TenantChange},
    tenant::{Tenant, TenantLimits},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::{Id, Page, Stretch};
use crate::{
    Api, auth::Caller, body::JsonBody, config::LIMIT_MAX, edge::RequestId, fields::Fields, problem::Problem,
};

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    /// Its name.
    #[schema(value_type = String, example = "acme")]
    id: TenantId,
    /// Always `tenant`.
    #[schema(example = "tenant")]
    object: &'static str,
    /// The part of the store that has its things; it never changes.
    #[schema(example = 0)]
    shard: u16,
    /// When its first key was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// What was set for it; null where the configuration's default holds, 0 where there is no limit.
    limits: TenantLimits,
    /// Paradigm workspaces its programs may search; null for the operator's default.
    workspaces: Option<Vec<i64>>,
    /// Whether the operator's provider keys serve it.
    operator_credentials: bool,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            operator_credentials: tenant.may_use_operator_credentials(),
            id: tenant.id,
            object: "tenant",
            shard: tenant.shard.0,
            created_at: tenant.created_at,
            limits: tenant.limits,
            workspaces: tenant.workspaces,
        }
    }
}

/// List tenants, by name.
#[utoipa::path(
    get, path = "/tenants", operation_id = "listTenants", tag = "tenants", params(Stretch::<TenantId>),
    responses((status = 200, description = "A page of tenants", body = Page<TenantView>))
)]
pub(crate) async fn list(
    State(api): State<Api>,
    _: Caller,
    Stretch { limit, after }: Stretch<TenantId>,
) -> Result<Json<Page<TenantView>>, Problem> {
    let page = api.shards.tenants(after.as_ref(), limit).await?;
    let items = page.items.into_iter().map(TenantView::from).collect();
    Ok(Json(store::Page { items, next: page.next }.into()))
}

/// One tenant.
#[utoipa::path(
    get, path = "/tenants/{id}", operation_id = "getTenant", tag = "tenants",
    params(("id" = String, Path, description = "The tenant")),
    responses((status = 200, description = "The tenant", body = TenantView))
)]
pub(crate) async fn get(
    State(api): State<Api>,
    _: Caller,
    Id(id): Id<TenantId>,
) -> Result<Json<TenantView>, Problem> {
    let home = api.shards.home(&id).await?;
    Ok(Json(known(&home).await?.into()))
}

/// Body of `PUT /tenants/{id}`.
#[derive(Debug, ToSchema)]
pub(crate) struct TenantSettings {
    /// Limits of this tenant; 0 for none, the configuration's default where it is missing.
    #[schema(inline)]
    #[schema(value_type = Option<TenantLimits>, example = json!({"running_max": 10, "tokens_per_day": 1_000_000}))]
    limits: TenantLimits,
    /// Paradigm workspaces its programs may search; the operator's default when it is missing.
    #[schema(max_items = 100, example = json!([12, 15]))]
    workspaces: Option<Vec<i64>>,
    /// Let the operator's provider keys serve it.
    #[schema(value_type = Option<bool>, example = false)]
    operator_credentials: bool,
}

impl TenantSettings {
    fn read(mut fields: Fields) -> Result<Self, Problem> {
        let mut members = fields.inner("limits");
        let limits = TenantLimits::from_named(|name| Ok::<_, Problem>(members.integer(name, 0..=LIMIT_MAX)))?;
        fields.take_faults("limits", members);
        let read = Self {
            limits,
            workspaces: fields.integers("workspaces", limits::WORKSPACES_MAX),
            operator_credentials: fields.flag("operator_credentials").unwrap_or(false),
        };
        fields.finish(read)
    }
}

/// Set what holds for a tenant.
///
/// Everything is set at once: what is missing is by default again. From the next request, claim and tool call on.
#[utoipa::path(
    put, path = "/tenants/{id}", operation_id = "putTenant", tag = "tenants", request_body = TenantSettings,
    params(("id" = String, Path, description = "The tenant; it is made by `POST /keys`")),
    responses((status = 200, description = "The tenant", body = TenantView))
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Id(id): Id<TenantId>,
    JsonBody(fields): JsonBody,
) -> Result<Json<TenantView>, Problem> {
    let settings = TenantSettings::read(fields)?;
    let home = api.shards.home(&id).await?;
    known(&home).await?;
    let change = TenantChange {
        limits: settings.limits.named().to_vec(),
        workspaces: Some(settings.workspaces),
        operator_credentials: Some(settings.operator_credentials),
    };
    let (actor, target) = (caller.actor(), told(&change));
    let entry = Audited {
        actor: &actor,
        action: "tenant.set",
        tenant: id.as_str(),
        target: &target,
        request_id: &request_id,
    };
    api.shards.audit(&entry).await?;
    home.store().change_tenant(&id, &change).await?;
    Ok(Json(known(&home).await?.into()))
}

/// What was set, in a line.
fn told(change: &TenantChange) -> String {
    let limits = change.limits.iter().filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
    let workspaces = change.workspaces.iter().flatten().map(|ids| format!("workspaces={ids:?}"));
    let granted = change.operator_credentials.map(|granted| format!("operator_credentials={granted}"));
    limits.chain(workspaces).chain(granted).collect::<Vec<_>>().join(" ")
}

/// The operator's own tenant is always there.
async fn known(home: &Home) -> Result<Tenant, Problem> {
    let tenant = home.store().tenant(home.tenant()).await?;
    let exists = tenant.created_at.is_some() || home.tenant().is_default();
    if exists { Ok(tenant) } else { Err(Problem::no_such("tenant")) }
}
