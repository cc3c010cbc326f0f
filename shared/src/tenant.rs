//! A tenant: what was set for it, which of the operator's things it may use, and its own sealed credentials.
//!
//! A tenant nobody set anything for has the defaults of the configuration. Credentials are sealed text here and
//! everywhere but in the process that uses them; what is opened cannot be printed.

use std::{collections::BTreeMap, fmt, str::FromStr};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    id::TenantId,
    limits,
    seal::{Sealer, Unopenable},
    store::{DailyLimits, Shard},
    time::Timestamp,
};

/// What is stored of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Where its things lie.
    pub shard: Shard,
    /// When its first key was made; none for one that has only defaults.
    pub created_at: Option<Timestamp>,
    /// What was set for it.
    pub limits: TenantLimits,
    /// Paradigm workspaces its programs may search; none for the operator's default.
    pub workspaces: Option<Vec<i64>>,
    /// It was granted the operator's own provider keys.
    pub operator_credentials: bool,
    pub(crate) sealed_credentials: Option<String>,
}

impl Tenant {
    /// One nobody set anything for.
    pub fn unset(id: TenantId) -> Self {
        Self {
            id,
            shard: Shard(0),
            created_at: None,
            limits: TenantLimits::default(),
            workspaces: None,
            operator_credentials: false,
            sealed_credentials: None,
        }
    }

    /// Whether the operator's own provider keys may be used for it: the operator's own tenant, and those granted.
    pub fn may_use_operator_credentials(&self) -> bool {
        self.operator_credentials || self.id.is_default()
    }

    /// Its own credentials, opened.
    ///
    /// # Errors
    /// When no key of `SECRETS_KEY` opens them.
    pub fn credentials(&self, sealer: &Sealer) -> Result<Credentials, Unopenable> {
        let Some(sealed) = &self.sealed_credentials else { return Ok(Credentials::default()) };
        let json = sealer.open(&credentials_place(&self.id), sealed)?;
        Credentials::from_json(json.expose_secret()).ok_or(Unopenable)
    }

    /// Changes whenever its credentials do; tells nothing about them.
    pub fn credentials_version(&self) -> Option<&str> {
        self.sealed_credentials.as_deref()
    }
}

/// What a tenant's credentials are bound to when they are sealed.
pub(crate) fn credentials_place(tenant: &TenantId) -> String {
    format!("credentials:{tenant}")
}

/// Limits set for a tenant; none for the configuration's default, 0 for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantLimits {
    /// Requests to the API in a minute.
    pub requests_per_minute: Option<u64>,
    /// Jobs that wait.
    pub queued_max: Option<u64>,
    /// Jobs that run.
    pub running_max: Option<u64>,
    /// Tool calls of all runs in a day (UTC).
    pub tool_calls_per_day: Option<u64>,
    /// Tokens read and written by models in a day (UTC).
    pub tokens_per_day: Option<u64>,
}

impl TenantLimits {
    /// The names of the limits, as in records and requests.
    pub const NAMES: [&str; 5] =
        ["requests_per_minute", "queued_max", "running_max", "tool_calls_per_day", "tokens_per_day"];

    /// Each limit with its name.
    pub fn named(&self) -> [(&'static str, Option<u64>); 5] {
        let [requests, queued, running, calls, tokens] = Self::NAMES;
        [
            (requests, self.requests_per_minute),
            (queued, self.queued_max),
            (running, self.running_max),
            (calls, self.tool_calls_per_day),
            (tokens, self.tokens_per_day),
        ]
    }

    /// From a look-up by name.
    pub fn from_named<E>(mut get: impl FnMut(&'static str) -> Result<Option<u64>, E>) -> Result<Self, E> {
        let [requests, queued, running, calls, tokens] = Self::NAMES;
        Ok(Self {
            requests_per_minute: get(requests)?,
            queued_max: get(queued)?,
            running_max: get(running)?,
            tool_calls_per_day: get(calls)?,
            tokens_per_day: get(tokens)?,
        })
    }
}

/// What is configured of a tenant's day for those whose record says nothing; none where nothing is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyDefaults {
    /// `TENANT_TOOL_CALLS_PER_DAY`.
    pub tool_calls: Option<u64>,
    /// `TENANT_TOKENS_PER_DAY`.
    pub tokens: Option<u64>,
}

impl DailyDefaults {
    /// The limits of a tenant whose record says nothing. Where nothing is configured either, the operator's own tenant,
    /// which all requests are when keys are not required, has none.
    pub fn of(&self, tenant: &TenantId) -> DailyLimits {
        let built_in = |limit| if tenant.is_default() { 0 } else { limit };
        DailyLimits {
            tool_calls: self.tool_calls.unwrap_or_else(|| built_in(limits::TENANT_TOOL_CALLS_PER_DAY)),
            tokens: self.tokens.unwrap_or_else(|| built_in(limits::TENANT_TOKENS_PER_DAY)),
        }
    }
}

/// A provider key a tenant may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CredentialName {
    /// For `chat_completion` and for programs written by Anthropic's models.
    AnthropicApiKey,
    /// For `paradigm_search` and files.
    LightonApiKey,
    /// For programs written by the operator's OpenAI-compatible server.
    OpenaiApiKey,
}

impl CredentialName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AnthropicApiKey, Self::LightonApiKey, Self::OpenaiApiKey];

    /// As in paths and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnthropicApiKey => "anthropic_api_key",
            Self::LightonApiKey => "lighton_api_key",
            Self::OpenaiApiKey => "openai_api_key",
        }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a credential")]
pub struct UnknownCredential;

impl FromStr for CredentialName {
    type Err = UnknownCredential;

    fn from_str(text: &str) -> Result<Self, UnknownCredential> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownCredential)
    }
}

/// A tenant's provider keys, opened.
#[derive(Debug, Clone, Default)]
pub struct Credentials(BTreeMap<CredentialName, SecretString>);

impl Credentials {
    /// The key of a provider.
    pub fn get(&self, name: CredentialName) -> Option<&SecretString> {
        self.0.get(&name)
    }

    /// Sets the key of a provider.
    pub fn set(&mut self, name: CredentialName, value: SecretString) {
        self.0.insert(name, value);
    }

    /// Takes the key of a provider away. `false`: there was none.
    pub fn remove(&mut self, name: CredentialName) -> bool {
        self.0.remove(&name).is_some()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (CredentialName, &SecretString)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn from_json(json: &str) -> Option<Self> {
        let texts: BTreeMap<CredentialName, String> = serde_json::from_str(json).ok()?;
        Some(Self(texts.into_iter().map(|(name, text)| (name, SecretString::from(text))).collect()))
    }

    /// As text to be sealed, never to be shown.
    pub(crate) fn to_json(&self) -> SecretString {
        let texts: BTreeMap<CredentialName, &str> =
            self.0.iter().map(|(name, value)| (*name, value.expose_secret())).collect();
        SecretString::from(serde_json::to_string(&texts).expect("plain data serialises"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_keys_serve_the_operators_tenant_and_those_granted() {
        let mut acme = Tenant::unset("acme".parse().unwrap());
        assert!(!acme.may_use_operator_credentials());
        acme.operator_credentials = true;
        assert!(acme.may_use_operator_credentials());
        assert!(Tenant::unset(TenantId::default_tenant()).may_use_operator_credentials());
    }

    #[test]
    fn the_operators_own_tenant_has_no_daily_limits_unless_they_are_configured() {
        let (acme, own) = ("acme".parse().unwrap(), TenantId::default_tenant());
        let unset = DailyDefaults::default();
        assert_eq!(unset.of(&own), DailyLimits { tool_calls: 0, tokens: 0 });
        assert_eq!(unset.of(&acme).tokens, limits::TENANT_TOKENS_PER_DAY);
        let set = DailyDefaults { tool_calls: Some(5), tokens: None };
        assert_eq!((set.of(&own).tool_calls, set.of(&acme).tool_calls), (5, 5));
    }

    #[test]
    fn credentials_are_not_shown_by_debug_and_round_trip() {
        let mut credentials = Credentials::default();
        credentials.set(CredentialName::LightonApiKey, SecretString::from("lgt-secret"));
        assert!(!format!("{credentials:?}").contains("lgt-secret"));
        let read = Credentials::from_json(credentials.to_json().expose_secret()).unwrap();
        assert_eq!(read.get(CredentialName::LightonApiKey).unwrap().expose_secret(), "lgt-secret");
        assert!(read.get(CredentialName::AnthropicApiKey).is_none());
    }

    #[test]
    fn names_are_as_they_are_serialised() {
        for name in CredentialName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert!("admin_api_key".parse::<CredentialName>().is_err());
    }
}
