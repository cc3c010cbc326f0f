//! Lists in stretches, newest first: what is asked for, and what is answered.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, RawQuery},
    http::request::Parts,
};
use serde::Serialize;
use shared::{
    id::{JobId, KeyId, TenantId, WorkflowId},
    limits, store,
};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        KnownFormat, Object, Required, SchemaFormat, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use super::keys::TENANT_NAME;
use crate::{fields::Fields, problem::Problem};

/// Where a page ended.
pub(super) trait Cursor: FromStr {
    /// Its form.
    const PATTERN: &str;
    /// The same in words.
    const EXPECTED: &str = "the `next_cursor` of a page";
}

impl Cursor for JobId {
    const PATTERN: &str = "^job_[0-9a-f]{32}$";
}

impl Cursor for KeyId {
    const PATTERN: &str = "^key_[0-9a-f]{32}$";
}

impl Cursor for TenantId {
    const PATTERN: &str = "^[a-z0-9_-]{1,40}$";
    const EXPECTED: &str = TENANT_NAME;
}

impl Cursor for WorkflowId {
    const PATTERN: &str = "^wf_[0-9a-f]{32}$";
}

/// Which stretch of a list.
pub(super) struct Stretch<C> {
    /// Items at most.
    pub(super) limit: usize,
    /// The last one the client has.
    pub(super) after: Option<C>,
}

impl<C: Cursor> Stretch<C> {
    /// Takes its parameters out of a query that has others too.
    pub(super) fn take(fields: &mut Fields) -> Self {
        let limit = fields.integer("limit", 1..=limits::PAGE_ITEMS_MAX as u64);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        let after = fields.parsed("after", C::EXPECTED);
        Self { limit: limit.unwrap_or(limits::PAGE_ITEMS_DEFAULT), after }
    }
}

impl<C: Cursor, S: Sync + Send> FromRequestParts<S> for Stretch<C> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, state).await;
        let mut fields = Fields::of_query(query.as_deref());
        let stretch = Self::take(&mut fields);
        fields.finish(stretch)
    }
}

impl<C: Cursor> IntoParams for Stretch<C> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = Object::builder()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(limits::PAGE_ITEMS_MAX as u64))
            .default(Some(limits::PAGE_ITEMS_DEFAULT.into()));
        let after = Object::builder().schema_type(Type::String).pattern(Some(C::PATTERN));
        let parameter = |name: &str, description: &str, schema: Object| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            let parameter = parameter.description(Some(description)).required(Required::False);
            parameter.schema(Some(schema)).build()
        };
        vec![
            parameter("limit", "At most so many.", limit.build()),
            parameter("after", "`next_cursor` of the previous page.", after.build()),
        ]
    }
}

/// A stretch of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    data: Vec<T>,
    /// Whether there may be more.
    has_more: bool,
    /// What to send as `after` to get the next page.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// All there is.
    pub(super) fn whole(data: Vec<T>) -> Self {
        Self { data, has_more: false, next_cursor: None }
    }
}

impl<T> From<store::Page<T>> for Page<T> {
    fn from(page: store::Page<T>) -> Self {
        Self { data: page.items, has_more: page.next.is_some(), next_cursor: page.next }
    }
}
