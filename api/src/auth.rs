//! Who asks. The tenant of a request comes from here and from nowhere else: handlers take a [`Caller`], which only
//! [`authenticate`] can make.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use shared::id::TenantId;
use subtle::ConstantTimeEq as _;

use crate::{
    Api,
    config::Config,
    problem::{Code, Problem},
};

/// Who asks, as far as the key tells.
#[derive(Debug, Clone)]
pub struct Caller {
    tenant: TenantId,
}

impl Caller {
    /// Whose things the request is about.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a route that needs a caller is outside of `authenticate`"))
    }
}

/// Layer around every route that is about a tenant's things.
pub(crate) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match caller(&api.config, request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn caller(config: &Config, headers: &HeaderMap) -> Result<Caller, Problem> {
    let caller = Caller { tenant: TenantId::default_tenant() };
    if !config.keys_required {
        return Ok(caller);
    }
    let key = presented_key(headers).ok_or_else(|| {
        Problem::new(Code::Unauthorized, "Send a key: `Authorization: Bearer …` or `X-API-Key: …`.")
    })?;
    match &config.admin_key {
        Some(admin) if same(key.as_bytes(), admin.expose_secret().as_bytes()) => Ok(caller),
        _ => Err(Problem::new(Code::Unauthorized, "The key is not known.")),
    }
}

/// Whether the request comes from whoever runs the system: with the operator's key, or where no keys are required, which
/// is on loopback.
pub(crate) fn is_operator(config: &Config, headers: &HeaderMap) -> bool {
    if !config.keys_required {
        return true;
    }
    let (Some(key), Some(admin)) = (presented_key(headers), &config.admin_key) else { return false };
    same(key.as_bytes(), admin.expose_secret().as_bytes())
}

/// The key in either header; not when there are several, because they may differ.
fn presented_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let plain = headers.get_all("x-api-key").iter().map(|value| value.to_str().ok());
    let mut keys = bearer.chain(plain);
    let key = keys.next()??;
    (keys.next().is_none() && !key.is_empty()).then_some(key)
}

/// Compares in a time that tells neither content nor length.
fn same(one: &[u8], other: &[u8]) -> bool {
    Sha256::digest(one).ct_eq(&Sha256::digest(other)).into()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn key_of(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        presented_key(&headers).map(str::to_owned)
    }

    #[test]
    fn a_key_comes_in_one_of_two_headers() {
        assert_eq!(key_of(&[("authorization", "bearer  k ")]).as_deref(), Some("k"));
        assert_eq!(key_of(&[("x-api-key", "k")]).as_deref(), Some("k"));
        for none in [
            &[][..],
            &[("authorization", "Basic k")],
            &[("authorization", "k")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "a"), ("x-api-key", "b")],
            &[("authorization", "Bearer a"), ("x-api-key", "b")],
        ] {
            assert_eq!(key_of(none), None, "{none:?}");
        }
    }
}
