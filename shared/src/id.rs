//! Identifiers: a prefix that says what it names and a UUIDv7, so that ids sort by creation time.
//!
//! Parsing is strict: whatever is not exactly an id of the kind never reaches a Redis key.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text was not an id of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id: expected {prefix}_ and 32 hexadecimal digits")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, greater than all made before it in this process.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { prefix: $prefix };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(invalid)?;
                let canonical = digits.len() == 32
                    && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if !canonical {
                    return Err(invalid);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| invalid)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

id!(
    /// Names a job: what a client asked for.
    JobId,
    "job"
);
id!(
    /// Names a workflow.
    WorkflowId,
    "wf"
);
id!(
    /// Names a webhook message; the same over all its delivery attempts.
    MessageId,
    "msg"
);
id!(
    /// Names an API key; part of the key's own text, and no secret.
    KeyId,
    "key"
);

impl JobId {
    /// The webhook message about this job: named after it, so it exists once, whoever ends the job.
    pub fn message(self) -> MessageId {
        MessageId(self.0)
    }
}

/// Names a tenant. Short, lower case, no separators: it becomes part of Redis keys.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TenantId(String);

impl TenantId {
    /// The tenant of all requests when keys are not required.
    pub fn default_tenant() -> Self {
        Self("default".to_owned())
    }

    /// The operator's own tenant, which all requests are when keys are not required.
    pub fn is_default(&self) -> bool {
        self.0 == "default"
    }

    /// The name as it stands in keys and logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text was not a tenant name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tenant name is 1 to 40 of a-z, 0-9, '-' and '_'")]
pub struct InvalidTenant;

impl FromStr for TenantId {
    type Err = InvalidTenant;

    fn from_str(text: &str) -> Result<Self, InvalidTenant> {
        let valid = (1..=40).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidTenant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_creation() {
        let ids: Vec<JobId> = (0..1000).map(|_| JobId::new()).collect();
        let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted());
        assert!(ids.iter().all(|id| id.to_string().parse() == Ok(*id)));
    }

    #[test]
    fn anything_but_the_canonical_form_is_refused() {
        let id = WorkflowId::new().to_string();
        for text in
            ["", "wf_", "wf_x", &id.to_uppercase(), &id.replace("wf", "job"), &format!("{id}0"), "wf_*"]
        {
            assert!(text.parse::<WorkflowId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_tenant_name_cannot_hold_a_key_separator() {
        assert!("acme-2".parse::<TenantId>().is_ok());
        for text in ["", "a:b", "a{b}", "A", "é", &"x".repeat(41)] {
            assert!(text.parse::<TenantId>().is_err(), "{text}");
        }
    }
}
