//! The settings of the api: the only place of this crate that knows environment variables.

use std::{fmt, net::SocketAddr, time::Duration};

use secrecy::SecretString;
use shared::{
    config::{Mistakes, Setting, Vars},
    limits,
    seal::Sealer,
    store::StoreConfig,
    telemetry::LogFormat,
    tenant::DailyDefaults,
};
use url::Url;

/// What is read, with defaults and meaning: the text of `--help` and of the page in `docs/`.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "REDIS_URL",
        default: "redis://127.0.0.1:6379",
        help: "The store: redis://, rediss:// or redis+unix://; Redis or Valkey, 7.0 or later",
    },
    Setting {
        name: "REDIS_SHARDS",
        default: "1",
        help: "Over how many shards of the store new tenants are spread, 1 to 64; tenants stay on theirs, and all in use are served",
    },
    Setting { name: "API_BIND", default: "127.0.0.1:8000", help: "Address and port to listen on" },
    Setting {
        name: "API_KEYS_REQUIRED",
        default: "true unless bound to loopback",
        help: "Without keys all requests are tenant `default`, and the Host header must be a loopback name",
    },
    Setting { name: "ADMIN_API_KEY", default: "none", help: "The key that bootstraps key management" },
    Setting {
        name: "SECRETS_KEY",
        default: "required",
        help: "32 bytes in base64, a comma-separated list for rotation: seals webhook secrets and credentials",
    },
    Setting {
        name: "RUN_TIMEOUT_MS",
        default: "300000",
        help: "Wall clock of one attempt, from its start, when a request does not say",
    },
    Setting { name: "RUN_TIMEOUT_MAX_MS", default: "1800000", help: "The longest `timeout_ms` of a request" },
    Setting {
        name: "JOB_EXPIRES_MS",
        default: "86400000",
        help: "From acceptance to the final state, waiting and retries included, when a request does not say",
    },
    Setting {
        name: "JOB_MAX_ATTEMPTS",
        default: "3",
        help: "How many attempts of a job may be lost to crashes of workers",
    },
    Setting { name: "LEASE_MS", default: "10000", help: "How long a silent worker keeps its jobs" },
    Setting {
        name: "JOB_RETENTION_SECS",
        default: "604800",
        help: "How long finished jobs are kept with their events, logs and journals",
    },
    Setting {
        name: "TENANT_QUEUED_MAX",
        default: "10000; unlimited when keys are not required",
        help: "How many jobs of a tenant may wait, unless its own record says otherwise; then 429; 0: any number",
    },
    Setting {
        name: "TENANT_REQUESTS_PER_MINUTE",
        default: "6000; unlimited when keys are not required",
        help: "How many requests a tenant may send, unless its own record says otherwise; then 429; 0: any number",
    },
    Setting {
        name: "TENANT_RUNNING_MAX",
        default: "1000",
        help: "How many jobs of a tenant may run at once, unless its own record says otherwise; the rest waits; 0: any number",
    },
    Setting {
        name: "TENANT_TOOL_CALLS_PER_DAY",
        default: "100000; unlimited for the tenant `default`",
        help: "Tool calls of all runs of a tenant in a day (UTC), unless its own record says otherwise; 0: any number",
    },
    Setting {
        name: "TENANT_TOKENS_PER_DAY",
        default: "100000000; unlimited for the tenant `default`",
        help: "Tokens models read and write for a tenant in a day (UTC), unless its own record says otherwise; 0: any number",
    },
    Setting { name: "LIGHTON_API_KEY", default: "none", help: "Key of Paradigm, for uploaded files" },
    Setting { name: "LIGHTON_BASE_URL", default: "https://paradigm.lighton.ai", help: "Where Paradigm is" },
    Setting {
        name: "STORE_BYTES_MAX",
        default: "80 % of Redis maxmemory",
        help: "Memory of Redis from which the oldest finished jobs go; when that is not enough, submits are answered 503",
    },
    Setting {
        name: "REDIS_WAIT_REPLICAS",
        default: "0",
        help: "A submit is answered 202 when so many replicas of Redis have it, else 503",
    },
    Setting {
        name: "WEBHOOK_ALLOW_PRIVATE",
        default: "false",
        help: "Accept callbacks to private addresses",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "none",
        help: "Traces are sent there, as OTLP over HTTP",
    },
    Setting { name: "LOG_FORMAT", default: "text on a terminal, else json", help: "`text` or `json`" },
    Setting {
        name: "LOG_LEVEL",
        default: "info",
        help: "error, warn, info, debug or trace, also per target such as `info,api=debug`",
    },
    Setting {
        name: "APP_ENV",
        default: "none",
        help: "`production` refuses to start without API keys on an address others can reach",
    },
];

/// 10,000 waiting jobs: an hour of work for a small worker; more is a loop gone wrong.
const TENANT_QUEUED_MAX: u64 = 10_000;

/// 2^53: larger numbers are not exact in JSON, nor in the scripts of the store.
pub(crate) const LIMIT_MAX: u64 = 1 << 53;

/// What the api was told at its start.
#[derive(Clone)]
pub struct Config {
    /// The store.
    pub store: StoreConfig,
    /// Where to listen.
    pub bind: SocketAddr,
    /// Whether a request must carry a key.
    pub keys_required: bool,
    /// The operator's key.
    pub admin_key: Option<SecretString>,
    /// Opens and seals secrets at rest.
    pub sealer: Sealer,
    /// What a request does not say about its job.
    pub jobs: JobDefaults,
    /// Requests of a tenant in a minute; 0 for no limit.
    pub requests_per_minute: u64,
    /// Running jobs of a tenant, for display: workers enforce it; 0 for no limit.
    pub running_max: u64,
    /// What a tenant has of a day.
    pub daily: DailyDefaults,
    /// Key of Paradigm.
    pub lighton_key: Option<SecretString>,
    /// Where Paradigm is.
    pub lighton_url: Url,
    /// Whether callbacks may go to private addresses.
    pub webhook_allow_private: bool,
    /// Where traces are sent.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log_level: String,
}

/// What a request does not say about its job, and how far it may go.
#[derive(Debug, Clone, Copy)]
pub struct JobDefaults {
    /// Wall clock of one attempt.
    pub timeout: Duration,
    /// The longest a request may ask for.
    pub timeout_max: Duration,
    /// From acceptance to the final state.
    pub expires_in: Duration,
    /// How many attempts may be lost.
    pub max_attempts: u32,
    /// How many jobs of the tenant may wait; 0 for no limit.
    pub queued_max: u64,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("store", &self.store)
            .field("bind", &self.bind)
            .field("keys_required", &self.keys_required)
            .field("jobs", &self.jobs)
            .field("webhook_allow_private", &self.webhook_allow_private)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads all settings; every mistake is reported at once.
    pub fn from_vars(mut vars: Vars) -> Result<Self, Mistakes> {
        let bind: SocketAddr = vars.parsed(
            "API_BIND",
            SocketAddr::from(([127, 0, 0, 1], 8000)),
            "an address and port such as 127.0.0.1:8000",
        );
        let keys_required = vars.flag("API_KEYS_REQUIRED", !bind.ip().is_loopback());
        if vars.text("APP_ENV") == Some("production") && !keys_required && !bind.ip().is_loopback() {
            vars.mistake(
                "API_KEYS_REQUIRED",
                "`true` with APP_ENV=production and an address that others reach",
            );
        }
        let config = Self {
            store: store(&mut vars),
            bind,
            keys_required,
            admin_key: vars.secret("ADMIN_API_KEY"),
            sealer: sealer(&mut vars),
            jobs: jobs(&mut vars, keys_required),
            requests_per_minute: requests_per_minute(&mut vars, keys_required),
            running_max: limit(&mut vars, "TENANT_RUNNING_MAX").unwrap_or(if keys_required {
                limits::TENANT_RUNNING_MAX
            } else {
                0
            }),
            daily: DailyDefaults {
                tool_calls: limit(&mut vars, "TENANT_TOOL_CALLS_PER_DAY"),
                tokens: limit(&mut vars, "TENANT_TOKENS_PER_DAY"),
            },
            lighton_key: vars.secret("LIGHTON_API_KEY"),
            lighton_url: vars.parsed(
                "LIGHTON_BASE_URL",
                Url::parse("https://paradigm.lighton.ai").expect("a URL"),
                "a URL such as https://host",
            ),
            webhook_allow_private: vars.flag("WEBHOOK_ALLOW_PRIVATE", false),
            otlp_endpoint: vars.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(str::to_owned),
            log_format: vars.parsed("LOG_FORMAT", LogFormat::default_for_stderr(), "`text` or `json`"),
            log_level: vars.text("LOG_LEVEL").unwrap_or("info").to_owned(),
        };
        vars.finish(config)
    }
}

fn store(vars: &mut Vars) -> StoreConfig {
    let url = vars.text("REDIS_URL").unwrap_or("redis://127.0.0.1:6379").to_owned();
    if !["redis://", "rediss://", "redis+unix://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
        vars.mistake("REDIS_URL", "redis://…, rediss://… or redis+unix://…");
    }
    let lease = vars.millis("LEASE_MS", limits::LEASE, Duration::from_millis(100), Duration::from_secs(600));
    let retention = vars.number("JOB_RETENTION_SECS", limits::JOB_RETENTION.as_secs(), 1, 10 * 365 * 86_400);
    let lease = lease.mul_f64(limits::LEASE_SHARE);
    let bytes_max = match vars.text("STORE_BYTES_MAX") {
        None => 0,
        Some(_) => vars.number("STORE_BYTES_MAX", 0, 1 << 20, 1 << 50),
    };
    let wait_replicas = usize::try_from(vars.number("REDIS_WAIT_REPLICAS", 0, 0, 100)).unwrap_or(0);
    let retention = Duration::from_secs(retention);
    let shards = u16::try_from(vars.number("REDIS_SHARDS", 1, 1, limits::SHARDS_MAX.into())).unwrap_or(1);
    StoreConfig { shards, lease, retention, bytes_max, wait_replicas, ..StoreConfig::new(url) }
}

fn sealer(vars: &mut Vars) -> Sealer {
    // Stands in until `finish` has refused to start: never used.
    let placeholder = || Sealer::from_keys(&SecretString::from("A".repeat(43) + "=")).expect("32 zero bytes");
    let Some(keys) = vars.secret("SECRETS_KEY") else {
        vars.mistake("SECRETS_KEY", "a value: 32 bytes in base64 (`head -c 32 /dev/urandom | base64`)");
        return placeholder();
    };
    Sealer::from_keys(&keys).unwrap_or_else(|invalid| {
        vars.mistake("SECRETS_KEY", &invalid.to_string());
        placeholder()
    })
}

fn jobs(vars: &mut Vars, keys_required: bool) -> JobDefaults {
    let (shortest, month) = (Duration::from_millis(1), Duration::from_secs(30 * 86_400));
    let timeout_max = vars.millis("RUN_TIMEOUT_MAX_MS", limits::RUN_TIMEOUT_MAX, shortest, month);
    let timeout = vars.millis("RUN_TIMEOUT_MS", limits::RUN_TIMEOUT, shortest, month);
    if vars.text("RUN_TIMEOUT_MS").is_some() && timeout > timeout_max {
        vars.mistake("RUN_TIMEOUT_MS", "at most RUN_TIMEOUT_MAX_MS");
    }
    let queued_max = if keys_required { TENANT_QUEUED_MAX } else { 0 };
    let attempts = vars.number("JOB_MAX_ATTEMPTS", u64::from(limits::JOB_MAX_ATTEMPTS), 1, 100);
    JobDefaults {
        timeout: timeout.min(timeout_max),
        timeout_max,
        expires_in: vars.millis("JOB_EXPIRES_MS", limits::JOB_EXPIRES, shortest, month),
        max_attempts: u32::try_from(attempts).unwrap_or(limits::JOB_MAX_ATTEMPTS),
        queued_max: vars.number("TENANT_QUEUED_MAX", queued_max, 0, LIMIT_MAX),
    }
}

fn requests_per_minute(vars: &mut Vars, keys_required: bool) -> u64 {
    let default = if keys_required { limits::TENANT_REQUESTS_PER_MINUTE } else { 0 };
    limit(vars, "TENANT_REQUESTS_PER_MINUTE").unwrap_or(default)
}

/// A limit, when one is configured.
fn limit(vars: &mut Vars, name: &str) -> Option<u64> {
    vars.text(name).is_some().then(|| vars.number(name, 0, 0, LIMIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("SECRETS_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Mistakes> {
        Config::from_vars(Vars::new(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))))
    }

    #[test]
    fn a_secrets_key_is_all_that_has_to_be_set() {
        let config = read(&[KEY]).unwrap();
        assert_eq!(config.bind.to_string(), "127.0.0.1:8000");
        assert!(!config.keys_required);
        assert_eq!(config.jobs.queued_max, 0);
    }

    #[test]
    fn keys_are_required_where_others_can_reach_the_api() {
        let config = read(&[KEY, ("API_BIND", "0.0.0.0:80")]).unwrap();
        assert!(config.keys_required);
        assert_eq!(config.jobs.queued_max, 10_000);
        let open = [KEY, ("API_BIND", "0.0.0.0:80"), ("API_KEYS_REQUIRED", "false")];
        assert!(!read(&open).unwrap().keys_required);
        assert!(read(&[&open[..], &[("APP_ENV", "production")]].concat()).is_err());
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_no_value_is() {
        let wrong = [
            ("API_BIND", "nowhere-secret"),
            ("REDIS_URL", "http://secret"),
            ("REDIS_SHARDS", "0"),
            ("SECRETS_KEY", "secret"),
            ("RUN_TIMEOUT_MS", "9"),
            ("RUN_TIMEOUT_MAX_MS", "8"),
            ("LOG_FORMAT", "secret"),
        ];
        let told = read(&wrong).unwrap_err().to_string();
        for (name, _) in wrong.iter().filter(|(name, _)| *name != "RUN_TIMEOUT_MAX_MS") {
            assert!(told.contains(&format!("{name}: expected")), "{told}");
        }
        assert!(!told.contains("secret\n") && !told.contains("nowhere"), "{told}");
        assert!(read(&[]).unwrap_err().to_string().contains("SECRETS_KEY"));
    }

    #[test]
    fn every_setting_is_named_once() {
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }
}
