//! Every limit of the system, with its unit and the reason for its value. What an operator may change is a
//! default here and a setting in a `config.rs`; the rest is fixed.

use std::time::Duration;

// --- What clients send -------------------------------------------------------------------------------------

/// 20 kB: ten pages of prose; a longer description is a document, which belongs in the input.
pub const DESCRIPTION_BYTES_MAX: usize = 20_000;
/// 256 kB: a hundred times a typical program; larger is data pasted into source.
pub const CODE_BYTES_MAX: usize = 256_000;
/// 1 MiB of text, the largest `user_input`.
pub const INPUT_BYTES_MAX: usize = 1 << 20;
/// 200 bytes: a name fits a line.
pub const NAME_BYTES_MAX: usize = 200;
/// 8 KiB of client metadata: ids and labels, not payloads.
pub const METADATA_BYTES_MAX: usize = 8 << 10;
/// 50 metadata keys: they are listed with each job.
pub const METADATA_KEYS_MAX: usize = 50;
/// 2 KiB: longer URLs are cut by proxies.
pub const CALLBACK_URL_BYTES_MAX: usize = 2048;
/// 1,000 versions of a workflow: an edit a day for three years; more is a loop gone wrong.
pub const VERSIONS_MAX: u32 = 1_000;
/// 100 files: what one Paradigm search accepts at a time.
pub const FILE_IDS_MAX: usize = 100;
/// 10,000 bytes: an answer to a question; longer it is a description.
pub const ANSWER_BYTES_MAX: usize = 10_000;
/// 100 MB: the largest file taken for Paradigm, which has its own, often smaller, limit.
pub const FILE_BYTES_MAX: u64 = 100_000_000;
/// 64 KiB of form around a file.
pub const FORM_BYTES_MAX: u64 = 64 << 10;
/// 10,000 files of one tenant: their records are one hash.
pub const FILES_MAX: usize = 10_000;
/// 10 min for one upload: the largest file over a slow line.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);
/// 8 s for a question about a file, within the time of a request.
pub const FILE_CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// 255 bytes, as in the `Idempotency-Key` draft's deployments.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// 6.5 MiB: the largest input, each byte of which JSON may write as six, plus the other fields.
pub const BODY_BYTES_MAX: usize = 13 << 19;
/// 24 h: what clients of other APIs expect of an idempotency key.
pub const IDEMPOTENCY_TTL: Duration = Duration::from_secs(24 * 3600);
/// 15 s: how long an upload under an idempotency key may be repeated in vain after the api that took it has died.
pub const IDEMPOTENCY_HOLD: Duration = Duration::from_secs(15);

// --- HTTP ---------------------------------------------------------------------------------------------------

/// 10 s to send a request's header: slower is an attack or a dead peer.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);
/// 30 s to send a body of at most 6.5 MiB.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// 10 s for a handler that does not wait: several times Redis's response timeout.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// 60 s: the longest `Prefer: wait=N` and `?wait=N`; proxies cut idle requests soon after.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// 10,000 connections in one api process: about 200 MB of buffers at worst.
pub const CONNECTIONS_MAX: usize = 10_000;
/// 64 KiB for a request's whole header.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// 10 s for open requests to end at shutdown; then connections are cut.
pub const HTTP_DRAIN: Duration = Duration::from_secs(10);
/// 100 items: the largest page of a list.
pub const PAGE_ITEMS_MAX: usize = 100;
/// 20 items: a page when the client does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 20;

// --- Jobs ---------------------------------------------------------------------------------------------------

/// 5 min of wall clock for an attempt, by default.
pub const RUN_TIMEOUT: Duration = Duration::from_secs(300);
/// 30 min: the longest `timeout_ms` a client may ask for, by default.
pub const RUN_TIMEOUT_MAX: Duration = Duration::from_secs(1800);
/// 24 h from acceptance to the final state, by default.
pub const JOB_EXPIRES: Duration = Duration::from_secs(86_400);
/// 3 crashed attempts, then the program is taken to be what kills its worker.
pub const JOB_MAX_ATTEMPTS: u32 = 3;
/// 10 s: how long a worker may be silent before its jobs are given to another.
pub const LEASE: Duration = Duration::from_secs(10);
/// Nine tenths of `LEASE_MS` is what a lease lasts: the rest is for another worker to claim the job and begin, so that it
/// has the job of one that died within `LEASE_MS`.
pub const LEASE_SHARE: f64 = 0.9;
/// 7 days that finished jobs are kept, by default.
pub const JOB_RETENTION: Duration = Duration::from_secs(604_800);
/// 1 MiB: the largest result, by default.
pub const RESULT_BYTES_MAX: u64 = 1 << 20;
/// 1 MiB: the largest log, by default; what follows is cut and marked.
pub const LOG_BYTES_MAX: u64 = 1 << 20;
/// 16 MiB: the largest journal of a job, by default.
pub const JOURNAL_BYTES_MAX: u64 = 16 << 20;
/// 512 MiB of memory for one run, by default.
pub const RUN_MEMORY_BYTES_MAX: u64 = 512 << 20;
/// 200 tool calls in one run, by default.
pub const RUN_TOOL_CALLS_MAX: u32 = 200;
/// 16 MiB of files in a run's `/work`.
pub const RUN_WORK_BYTES_MAX: u64 = 16 << 20;
/// 1,000 events of a job: a run at its tool-call limit makes about 800.
pub const EVENTS_PER_JOB_MAX: usize = 1000;
/// 512 KiB: the longest argument or answer of one tool call, as JSON.
pub const TOOL_BYTES_MAX: usize = 512 << 10;
/// 5 runners that are killed while a worker starts: whoever kills one, by hand or for lack of memory, rarely kills the
/// next; where all five die something is wrong, and that is known within seconds.
pub const RUNNERS_KILLED_AT_START_MAX: u64 = 5;

/// 8,192 tokens of output for one `chat_completion`: about 6,000 words.
pub const CHAT_OUTPUT_TOKENS_MAX: u32 = 8_192;
/// 10 min for one generation, repairs included: three calls of the slowest model.
pub const GENERATE_TIMEOUT: Duration = Duration::from_secs(600);
/// 2 repair rounds: most of what repair gains is gained by then.
pub const REPAIR_ROUNDS_MAX: u32 = 2;
/// 10 s to parse 256 kB of Python and look through it: a hundred times what it takes.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// 5 s for one dry run: stand-in tools answer at once, so a program that needs longer computes or waits without end.
pub const DRY_RUN_TIMEOUT: Duration = Duration::from_secs(5);
/// 5 self-tests are run: the prompt asks for at most three.
pub const SELF_TESTS_MAX: usize = 5;
/// 30 findings of one program are told: a repair mends the first ones, and the rest often with them.
pub const FINDINGS_MAX: usize = 30;
/// 500 characters of one finding's message: enough for an exception and the input it met.
pub const FINDING_CHARS_MAX: usize = 500;
/// 30 s: a longer pause asked for by a provider is waited for in the queue, where it holds no slot.
pub const GENERATE_PAUSE_MAX: Duration = Duration::from_secs(30);
/// 5 times a generation is put back into the queue because its provider asked for a pause.
pub const GENERATE_PAUSES_MAX: u32 = 5;
/// 7 days that a verified program is kept for the same description of the same tenant.
pub const VERIFIED_PROGRAM_TTL: Duration = Duration::from_secs(604_800);

// --- Tenants ------------------------------------------------------------------------------------------------

/// 6,000 requests a minute of one tenant, by default: 100 a second, more than a person or a poller makes.
pub const TENANT_REQUESTS_PER_MINUTE: u64 = 6_000;
/// 1,000 running jobs of one tenant, by default: what a large worker takes at once.
pub const TENANT_RUNNING_MAX: u64 = 1_000;
/// 100,000 tool calls of one tenant in a day, by default: 500 runs at their own limit.
pub const TENANT_TOOL_CALLS_PER_DAY: u64 = 100_000;
/// 100 million tokens of one tenant in a day, by default: 50 runs at their own limit.
pub const TENANT_TOKENS_PER_DAY: u64 = 100_000_000;
/// 2 million tokens in one run, by default: 200 answers of 10,000 tokens.
pub const RUN_TOKENS_MAX: u64 = 2_000_000;
/// 1,000 tokens set aside for an answer that is not there yet, beside those of its prompt; the answer sets it right.
pub const ANSWER_TOKENS_GUESS: u64 = 1_000;
/// 4 bytes of text a token, about, in the languages models read best.
pub const BYTES_PER_TOKEN: u64 = 4;
/// 10 years: the longest life of a key that ends at all.
pub const KEY_EXPIRES_IN_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);
/// 7 days: the longest time for which an old key or webhook secret stays good beside its successor.
pub const ROTATION_OVERLAP_MAX: Duration = Duration::from_secs(604_800);
/// 24 h of overlap when a rotation does not say: time to deploy the new one everywhere.
pub const ROTATION_OVERLAP: Duration = Duration::from_secs(86_400);
/// 1,000 bytes for a provider's key: the longest known are tokens of about 500.
pub const CREDENTIAL_BYTES_MAX: usize = 1_000;
/// 100 workspaces of one tenant.
pub const WORKSPACES_MAX: usize = 100;

// --- Queue --------------------------------------------------------------------------------------------------

/// 64 shards: a process holds up to nine connections to each, and as many nodes are more than any cluster of this size needs.
pub const SHARDS_MAX: u16 = 64;
/// 1 s: the longest a fetcher blocks, so that due and expired jobs are seen even if a wake-up was lost.
pub const WAKE_BLOCK_MAX: Duration = Duration::from_secs(1);
/// 64 jobs in one claim: keeps the script under a millisecond.
pub const CLAIM_BATCH_MAX: usize = 64;
/// 64 submits, or ends of jobs, in one call: one to two milliseconds of script, in which nobody else is served.
pub const BATCH_JOBS_MAX: usize = 64;
/// 1 MiB in one such call: as much as the largest input or result, which goes alone then.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// 8 s for a write that waits until the call before it is answered: that one's timeout and most of its own, within
/// the time of a request.
pub const BATCH_ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// 500 leases in one renewal: about a millisecond of script.
pub const RENEW_BATCH_MAX: usize = 500;
/// 5 s: Redis answers in microseconds, and a burst that waits for a slow disk within a second or two; longer means it
/// is away. Blocking commands have their own connection.
pub const REDIS_RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// 5 s for the last writes of a worker that ends while Redis is away; then its leases end.
pub const SHUTDOWN_STORE_WAIT: Duration = Duration::from_secs(5);
/// 100 ms to 2 s between tries while Redis is away.
pub const REDIS_BACKOFF_MIN: Duration = Duration::from_millis(100);
/// See [`REDIS_BACKOFF_MIN`].
pub const REDIS_BACKOFF_MAX: Duration = Duration::from_secs(2);

// --- Webhooks -----------------------------------------------------------------------------------------------

/// 15 s for one delivery, connection to last byte of the response.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// 1 h, or the last wait of the schedule when that is longer: the longest pause a receiver may ask for.
pub const DELIVERY_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// 64 KiB of a receiver's response are read, then the connection is dropped.
pub const DELIVERY_RESPONSE_BYTES_MAX: usize = 64 << 10;
/// 1 KiB of a receiver's response are kept with the attempt: enough for an error message.
pub const DELIVERY_RESPONSE_KEPT_BYTES: usize = 1 << 10;
/// 256 KiB of attempts are kept for one webhook message: some 200; redelivering has no other end.
pub const DELIVERY_LOG_BYTES_MAX: u64 = 256 << 10;
/// 64 KiB: a larger result is null in the webhook and linked.
pub const DELIVERY_RESULT_BYTES_MAX: usize = 64 << 10;
