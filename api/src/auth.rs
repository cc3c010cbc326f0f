//! Who asks. The tenant of a request comes from here and from nowhere else: handlers take a [`Caller`], which only
//! [`authenticate`] can make, and which no part of a request but its key decides about.
//!
//! A key says whose it is and what it allows ([`Scope`]). The operator's key (`ADMIN_API_KEY`), and everybody where no
//! keys are required, is the tenant `default` with all scopes. Every route lies under [`authenticate`] with what it
//! [`Needs`], so a new one cannot forget to ask.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Extensions, HeaderMap, HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use shared::{
    api_key::{ApiKey, Scope},
    id::{KeyId, TenantId},
    store::{Home, Rate, Store},
};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use crate::{
    Api,
    problem::{Code, Problem},
    server::Peer,
};

/// Who asks, as far as the key tells, and where the tenant's things are.
#[derive(Debug, Clone)]
pub struct Caller {
    home: Home,
    actor: Actor,
    scopes: Vec<Scope>,
}

#[derive(Debug, Clone, Copy)]
enum Actor {
    Operator,
    Loopback,
    Key(KeyId),
}

impl Caller {
    /// Whose things the request is about.
    pub fn tenant(&self) -> &TenantId {
        self.home.tenant()
    }

    /// The store of the tenant's shard: a handler comes to no other.
    pub fn store(&self) -> &Store {
        self.home.store()
    }

    /// Both.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// As in the audit log.
    pub fn actor(&self) -> String {
        match self.actor {
            Actor::Operator => "operator".to_owned(),
            Actor::Loopback => "loopback".to_owned(),
            Actor::Key(id) => id.to_string(),
        }
    }

    /// The home of the tenant whose things an administrator names, or else the caller's own.
    pub(crate) async fn subject(&self, api: &Api, named: Option<TenantId>) -> Result<Home, Problem> {
        match named {
            Some(named) if named != *self.tenant() => {
                self.require(Scope::Admin)?;
                Ok(api.shards.home(&named).await?)
            }
            _ => Ok(self.home.clone()),
        }
    }

    fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let challenge = match scope {
            Scope::Read => "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read\"",
            Scope::Write => "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"write\"",
            Scope::Manage => "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"manage\"",
            Scope::Admin => "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"admin\"",
        };
        let detail = format!("The key does not have the scope `{scope}`.");
        Err(Problem::new(Code::InsufficientScope, detail).challenge(challenge))
    }

    fn all_scopes(api: &Api, actor: Actor) -> Self {
        Self { home: api.shards.own_home(), actor, scopes: Scope::ALL.to_vec() }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::internal("a route that needs a caller is outside of `authenticate`"))
    }
}

/// What a group of routes asks of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Needs {
    /// `read` to look, `write` for everything else.
    ByMethod,
    /// `manage`.
    Manage,
    /// `admin`.
    Admin,
}

impl Needs {
    pub(crate) fn scope(self, method: &Method) -> Scope {
        match self {
            Self::ByMethod if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) => Scope::Read,
            Self::ByMethod => Scope::Write,
            Self::Manage => Scope::Manage,
            Self::Admin => Scope::Admin,
        }
    }
}

/// Layer around every route that is about a tenant's things.
pub(crate) async fn authenticate(
    State((api, needs)): State<(Api, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match caller(&api, request.headers(), request.extensions()).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let rate = match count(&api, &caller).await {
        Ok(rate) => rate,
        Err(problem) => return problem.into_response(),
    };
    let admitted = admit(rate.as_ref()).and_then(|()| caller.require(needs.scope(request.method())));
    let tenant = caller.tenant().clone();
    let mut response = match admitted {
        Ok(()) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(tenant); // for the log
    if let Some(rate) = rate {
        tell_rate(response.headers_mut(), &rate);
    }
    response
}

async fn caller(api: &Api, headers: &HeaderMap, extensions: &Extensions) -> Result<Caller, Problem> {
    if !api.config.keys_required {
        return Ok(Caller::all_scopes(api, Actor::Loopback));
    }
    let key = presented_key(headers).ok_or_else(|| {
        let detail = "Send one key: `Authorization: Bearer …` or `X-API-Key: …`, not both.";
        Problem::new(Code::Unauthorized, detail)
    })?;
    let (address, now) = (peer(extensions), Instant::now());
    let wait = api.guesses.wait(address, now);
    if wait.is_none() && is_admin_key(api, key) {
        return Ok(Caller::all_scopes(api, Actor::Operator));
    }
    if let Ok(key) = key.parse::<ApiKey>()
        && let Some(known) = api.shards.known_key(&key, &api.config.sealer).await?
    {
        let home = api.shards.home_of_key(&known)?;
        return Ok(Caller { home, actor: Actor::Key(known.id), scopes: known.scopes });
    }
    api.guesses.count(address, now);
    Err(match wait {
        Some(wait) => {
            let detail = "Too many wrong keys came from this address; wait before the next.";
            Problem::new(Code::RateLimited, detail).retry_after(wait)
        }
        None => Problem::new(Code::Unauthorized, "The key is not known.")
            .challenge("Bearer realm=\"api\", error=\"invalid_token\""),
    })
}

/// Whether the request comes from whoever runs the system: with the operator's key, or where no keys are required, which
/// is on loopback.
pub(crate) fn is_operator(api: &Api, headers: &HeaderMap, extensions: &Extensions) -> bool {
    if !api.config.keys_required {
        return true;
    }
    let Some(key) = presented_key(headers) else { return false };
    let (address, now) = (peer(extensions), Instant::now());
    let is_admin = api.guesses.wait(address, now).is_none() && is_admin_key(api, key);
    if !is_admin && key.parse::<ApiKey>().is_err() {
        api.guesses.count(address, now);
    }
    is_admin
}

fn is_admin_key(api: &Api, key: &str) -> bool {
    let admin = api.config.admin_key.as_ref();
    admin.is_some_and(|admin| same(key.as_bytes(), admin.expose_secret().as_bytes()))
}

fn peer(extensions: &Extensions) -> IpAddr {
    extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address)
}

/// Counts the request against its tenant's minute. Where no keys are required there is one tenant, and it has no limit
/// unless the operator configures one.
async fn count(api: &Api, caller: &Caller) -> Result<Option<Rate>, Problem> {
    let per_minute = api.config.requests_per_minute;
    if !api.config.keys_required && per_minute == 0 {
        return Ok(None);
    }
    Ok(caller.store().count_request(caller.tenant(), per_minute).await?)
}

fn admit(rate: Option<&Rate>) -> Result<(), Problem> {
    match rate {
        Some(rate) if !rate.allowed => {
            let detail = format!("The tenant may send {} requests a minute.", rate.limit);
            let seconds = rate.retry_after.as_secs() + u64::from(rate.retry_after.subsec_nanos() > 0);
            let wait = std::time::Duration::from_secs(seconds);
            Err(Problem::new(Code::RateLimited, detail).retry_after(wait))
        }
        _ => Ok(()),
    }
}

/// The fields of the IETF's draft on rate limit headers.
fn tell_rate(headers: &mut HeaderMap, rate: &Rate) {
    let reset = rate.reset.as_millis().div_ceil(1000);
    let policy = format!("\"requests\";q={};w=60", rate.limit);
    let state = format!("\"requests\";r={};t={reset}", rate.remaining);
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
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
