//! The worker's settings: the only place that names its environment variables.

mod providers;

use std::time::Duration;

use secrecy::SecretString;
use shared::{
    config::{Mistakes, Setting, Vars},
    job::Queue,
    limits,
    seal::Sealer,
    store::StoreConfig,
    telemetry::LogFormat,
    tenant::DailyDefaults,
};

pub use self::providers::{GeneratorChoice, ProviderConfig, SearchApi, Traffic};
use crate::cell::{RunLimits, Tier};

/// All settings, for `--help` and the generated page.
pub const SETTINGS: &[Setting] = &[
    setting(
        "REDIS_URL",
        "redis://127.0.0.1:6379",
        "Redis or Valkey >= 7.0; also rediss:// and redis+unix://",
    ),
    setting(
        "REDIS_SHARDS",
        "1",
        "the shards of the store that are served, 1 to 64, beside all that are in use; the same for all processes",
    ),
    setting(
        "SECRETS_KEY",
        "required",
        "32 bytes in base64, a comma-separated list for rotation: opens webhook secrets",
    ),
    setting("ANTHROPIC_API_KEY", "none", "key of the Anthropic API; without it, the offline generator"),
    setting("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "where the Anthropic API is"),
    setting(
        "GENERATOR_PROVIDER",
        "anthropic with a key, else offline",
        "who writes programs: anthropic, openai_compatible, offline",
    ),
    setting(
        "OPENAI_BASE_URL",
        "none",
        "an OpenAI-compatible server up to its version, such as http://127.0.0.1:11434/v1",
    ),
    setting("OPENAI_API_KEY", "none", "its key, if it wants one"),
    setting("GENERATOR_MODEL", "claude-opus-5-5", "the model that writes programs"),
    setting("CHAT_MODEL", "claude-haiku-5-5", "the model behind chat_completion"),
    setting("LIGHTON_API_KEY", "none", "key of Paradigm; without it, a local index of SEARCH_DOCUMENTS"),
    setting("LIGHTON_BASE_URL", "https://paradigm.lighton.ai", "where Paradigm is"),
    setting(
        "LIGHTON_SEARCH",
        "v2",
        "v2: /api/v2/chat/document-search; v3: /api/v3/ask; v3_search: /api/v3/search, passages without an answer made of them",
    ),
    setting("SEARCH_DOCUMENTS", "examples/documents", "folder of .md and .txt files for offline search"),
    setting(
        "PROVIDER_RECORDING",
        "none",
        "file to which what providers are asked with the operator's keys and what they answer is appended, keys blanked",
    ),
    setting(
        "PROVIDER_REPLAY",
        "none",
        "a recording from which all providers' answers are taken; nobody is asked",
    ),
    setting("APP_ENV", "development", "production: a missing key is an error at start"),
    setting("WORKER_QUEUES", "generate,execute,deliver", "the queues this worker serves"),
    setting(
        "WORKER_CONCURRENCY",
        "32 a core",
        "execute jobs in flight in this process; one more for each 8 is kept for tenants that have none running",
    ),
    setting(
        "TENANT_RUNNING_MAX",
        "1000",
        "jobs of a tenant that may run at once, in all workers, unless its own record says otherwise; 0: any number",
    ),
    setting("WORKER_DRAIN_MS", "30000", "at shutdown, how long runs may finish before they are handed back"),
    setting("WORKER_MEMORY_BYTES_MAX", "70 % of the machine or cgroup", "all cells together"),
    setting("LEASE_MS", "10000", "how long a silent worker keeps its jobs; the same for all processes"),
    setting("RUN_MEMORY_BYTES_MAX", "536870912", "memory of one run"),
    setting("RUN_TOOL_CALLS_MAX", "200", "tool calls of one run"),
    setting("RUN_TOKENS_MAX", "2000000", "tokens models read and write for one run"),
    setting(
        "TENANT_TOOL_CALLS_PER_DAY",
        "100000; unlimited for the tenant `default`",
        "tool calls of all runs of a tenant in a day (UTC), unless its own record says otherwise",
    ),
    setting(
        "TENANT_TOKENS_PER_DAY",
        "100000000; unlimited for the tenant `default`",
        "tokens models read and write for a tenant in a day (UTC), unless its own record says otherwise",
    ),
    setting("RESULT_BYTES_MAX", "1048576", "largest result"),
    setting("LOG_BYTES_MAX", "1048576", "largest log; the rest is cut"),
    setting("JOURNAL_BYTES_MAX", "16777216", "largest journal of a job"),
    setting("SANDBOX_MIN_TIER", "B", "A or B; below it the worker refuses to start"),
    setting("SANDBOX_MAX_TIER", "A", "B uses no namespaces though they are there"),
    setting("WEBHOOK_ALLOW_PRIVATE", "false", "webhooks to private addresses"),
    setting("WEBHOOK_RETRY_SCHEDULE", "5s,1m,5m,30m,2h,5h,10h", "waits between tries of a webhook"),
    setting("OTEL_EXPORTER_OTLP_ENDPOINT", "none", "traces are sent there, as OTLP over HTTP"),
    setting("LOG_FORMAT", "text on a terminal, else json", "how log lines look"),
    setting("LOG_LEVEL", "info", "trace, debug, info, warn or error; also tracing's filter syntax"),
];

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default, help }
}

/// What one run may use.
#[derive(Debug, Clone)]
pub struct JobLimits {
    /// Memory.
    pub memory_bytes_max: u64,
    /// Tool calls.
    pub tool_calls_max: u32,
    /// Tokens that models read and write.
    pub tokens_max: u64,
    /// Result as JSON.
    pub result_bytes_max: u64,
    /// Printed text.
    pub log_bytes_max: u64,
    /// Recorded calls and answers.
    pub journal_bytes_max: u64,
}

impl JobLimits {
    /// As the cell takes them.
    pub fn run(&self, wall: Duration) -> RunLimits {
        RunLimits {
            wall,
            cpu: wall,
            memory_bytes_max: self.memory_bytes_max,
            result_bytes_max: self.result_bytes_max,
            log_bytes_max: self.log_bytes_max,
            work_bytes_max: limits::RUN_WORK_BYTES_MAX,
            ..RunLimits::default()
        }
    }
}

/// The worker's configuration.
#[derive(Debug)]
pub struct Config {
    /// The store.
    pub store: StoreConfig,
    /// Opens webhook secrets.
    pub sealer: Sealer,
    /// The queues this worker serves.
    pub queues: Vec<Queue>,
    /// Execute jobs in flight.
    pub concurrency: usize,
    /// Jobs of a tenant that may run at once, in all workers; 0 for any number.
    pub tenant_running_max: u64,
    /// How long runs may finish at shutdown.
    pub drain: Duration,
    /// All cells together; none for a share of the machine.
    pub memory_bytes_max: Option<u64>,
    /// What one run may use.
    pub limits: JobLimits,
    /// What a tenant may use in a day, unless its record says otherwise.
    pub daily: DailyDefaults,
    /// Below it the worker refuses to start.
    pub min_tier: Tier,
    /// Above it nothing is used.
    pub max_tier: Tier,
    /// The outside world.
    pub providers: ProviderConfig,
    /// Webhooks to private addresses.
    pub webhook_allow_private: bool,
    /// Waits between tries of a webhook.
    pub webhook_schedule: Vec<Duration>,
    /// Where traces are sent.
    pub otlp_endpoint: Option<String>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which are written.
    pub log_level: String,
}

impl Config {
    /// Reads all settings; all mistakes are reported at once.
    pub fn from_vars(mut vars: Vars) -> Result<Self, Mistakes> {
        let bytes = |vars: &mut Vars, name, default| vars.number(name, default, 1 << 10, 1 << 40);
        let limits = JobLimits {
            memory_bytes_max: vars.number(
                "RUN_MEMORY_BYTES_MAX",
                limits::RUN_MEMORY_BYTES_MAX,
                64 << 20,
                1 << 40,
            ),
            tool_calls_max: u32::try_from(vars.number(
                "RUN_TOOL_CALLS_MAX",
                u64::from(limits::RUN_TOOL_CALLS_MAX),
                0,
                1_000_000,
            ))
            .unwrap_or(u32::MAX),
            tokens_max: vars.number("RUN_TOKENS_MAX", limits::RUN_TOKENS_MAX, 1, 1 << 53),
            result_bytes_max: bytes(&mut vars, "RESULT_BYTES_MAX", limits::RESULT_BYTES_MAX),
            log_bytes_max: bytes(&mut vars, "LOG_BYTES_MAX", limits::LOG_BYTES_MAX),
            journal_bytes_max: bytes(&mut vars, "JOURNAL_BYTES_MAX", limits::JOURNAL_BYTES_MAX),
        };
        let config = Self {
            store: store(&mut vars),
            sealer: sealer(&mut vars),
            queues: queues(&mut vars),
            concurrency: concurrency(&mut vars),
            tenant_running_max: vars.number("TENANT_RUNNING_MAX", limits::TENANT_RUNNING_MAX, 0, u64::MAX),
            drain: vars.millis("WORKER_DRAIN_MS", DRAIN, Duration::ZERO, HOUR),
            memory_bytes_max: vars
                .text("WORKER_MEMORY_BYTES_MAX")
                .is_some()
                .then(|| vars.number("WORKER_MEMORY_BYTES_MAX", 0, 128 << 20, 1 << 50)),
            limits,
            daily: DailyDefaults {
                tool_calls: per_day(&mut vars, "TENANT_TOOL_CALLS_PER_DAY"),
                tokens: per_day(&mut vars, "TENANT_TOKENS_PER_DAY"),
            },
            min_tier: tier(&mut vars, "SANDBOX_MIN_TIER", Tier::B),
            max_tier: tier(&mut vars, "SANDBOX_MAX_TIER", Tier::A),
            providers: providers::providers(&mut vars),
            webhook_allow_private: vars.flag("WEBHOOK_ALLOW_PRIVATE", false),
            webhook_schedule: schedule(&mut vars),
            otlp_endpoint: vars.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(str::to_owned),
            log_format: vars.parsed("LOG_FORMAT", LogFormat::default_for_stderr(), "`text` or `json`"),
            log_level: vars.text("LOG_LEVEL").unwrap_or("info").to_owned(),
        };
        vars.finish(config)
    }
}

/// 30 s for runs to finish at shutdown: what container platforms wait before they kill.
const DRAIN: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);
/// 32 runs a core: most of a run's life is waiting for a model.
const RUNS_PER_CORE: usize = 32;

fn store(vars: &mut Vars) -> StoreConfig {
    let url = vars.text("REDIS_URL").unwrap_or("redis://127.0.0.1:6379").to_owned();
    let lease = vars.millis("LEASE_MS", limits::LEASE, Duration::from_millis(100), HOUR);
    let shards = u16::try_from(vars.number("REDIS_SHARDS", 1, 1, limits::SHARDS_MAX.into())).unwrap_or(1);
    StoreConfig { shards, lease: lease.mul_f64(limits::LEASE_SHARE), ..StoreConfig::new(url) }
}

fn sealer(vars: &mut Vars) -> Sealer {
    // The placeholder never leaves this function: a mistake is noted with it.
    let placeholder = || {
        let zeros = SecretString::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        Sealer::from_keys(&zeros).expect("32 zero bytes are a key")
    };
    match vars.secret("SECRETS_KEY").map(|keys| Sealer::from_keys(&keys)) {
        Some(Ok(sealer)) => sealer,
        Some(Err(error)) => {
            vars.mistake("SECRETS_KEY", &error.to_string());
            placeholder()
        }
        None => {
            vars.mistake("SECRETS_KEY", "a value (`head -c 32 /dev/urandom | base64`); it is required");
            placeholder()
        }
    }
}

fn queues(vars: &mut Vars) -> Vec<Queue> {
    let Some(text) = vars.text("WORKER_QUEUES") else { return Queue::ALL.to_vec() };
    match text.split(',').map(|name| name.trim().parse()).collect::<Result<Vec<Queue>, _>>() {
        Ok(queues) => queues,
        Err(_) => {
            vars.mistake("WORKER_QUEUES", "a comma-separated list of generate, execute, deliver");
            Vec::new()
        }
    }
}

fn concurrency(vars: &mut Vars) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let default = u64::try_from(cores * RUNS_PER_CORE).unwrap_or(u64::MAX);
    usize::try_from(vars.number("WORKER_CONCURRENCY", default, 1, 100_000)).unwrap_or(1)
}

/// A limit of a day, when one is configured.
fn per_day(vars: &mut Vars, name: &str) -> Option<u64> {
    vars.text(name).is_some().then(|| vars.number(name, 0, 0, 1 << 53))
}

fn tier(vars: &mut Vars, name: &str, default: Tier) -> Tier {
    match vars.text(name) {
        None => default,
        Some("A") => Tier::A,
        Some("B") => Tier::B,
        Some(_) => {
            vars.mistake(name, "`A` or `B`");
            default
        }
    }
}

fn schedule(vars: &mut Vars) -> Vec<Duration> {
    let text = vars.text("WEBHOOK_RETRY_SCHEDULE").unwrap_or("5s,1m,5m,30m,2h,5h,10h").to_owned();
    let wait = |text: &str| {
        let text = text.trim();
        let digits = text.trim_end_matches(char::is_alphabetic);
        let number: u64 = digits.parse().ok()?;
        match &text[digits.len()..] {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            _ => None,
        }
    };
    text.split(',').map(wait).collect::<Option<Vec<_>>>().unwrap_or_else(|| {
        vars.mistake("WEBHOOK_RETRY_SCHEDULE", "waits such as 500ms, 5s, 1m or 2h, separated by commas");
        Vec::new()
    })
}
