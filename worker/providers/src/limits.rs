//! Every limit of this crate, with its unit and its reason. Callers may shorten times (a deadline always wins);
//! nothing here can be lengthened from outside.

use std::time::Duration;

/// How long a TCP and TLS handshake may take. A provider that needs longer is down.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An open connection is asked this often whether it still is one: otherwise a peer that vanished is noticed only
/// when the whole request times out.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long it may take to answer that.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// One Messages request, answered whole: the provider itself gives up at ten minutes.
pub const MODEL_REQUEST_TIMEOUT: Duration = Duration::from_secs(600);

/// One streamed message, from its first byte to its last: the largest output at the slowest documented pace.
pub const STREAM_TIMEOUT: Duration = Duration::from_secs(3_600);

/// Silence within an event stream. `ping` events come every few seconds, so this is a dead connection.
pub const STREAM_SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// One document search. Paradigm's own clients wait as long.
pub const SEARCH_REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Requests for one call: the first and two retries. More only adds load to a provider in trouble.
pub const ATTEMPTS_MAX: u32 = 3;

/// Requests for one call while no answer begins at all: what is broken may be the wire, and asking again adds no load
/// to what cannot be reached. About 20 s of an outage are bridged, as a run that has paid for calls deserves.
pub const UNREACHED_MAX: u32 = 7;

/// First backoff; doubles with each retry.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);

/// Longest backoff.
pub const BACKOFF_MAX: Duration = Duration::from_secs(8);

/// Largest share taken off a backoff by jitter, so that callers that failed together do not return together.
pub const BACKOFF_JITTER: f64 = 0.25;

/// Longest pause of a provider that is believed: beyond a day it is a mistake of theirs.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(86_400);

/// Longest time the gate of a provider stays shut without anyone asking again. One request in ten minutes harms
/// nobody, and a limit lifted early is noticed.
pub const GATE_SHUT_MAX: Duration = Duration::from_secs(600);

/// 8 MiB for any reply: a full 128,000-token answer is about half a megabyte, search extracts about one.
pub const REPLY_BYTES_MAX: usize = 8 << 20;

/// 64 KiB of an error reply are read: only its message is wanted.
pub const ERROR_REPLY_BYTES_MAX: usize = 64 << 10;

/// 64 MiB of a raw stream: each token comes in an event of some 150 bytes. What is kept of it is bounded by
/// [`REPLY_BYTES_MAX`].
pub const STREAM_BYTES_MAX: usize = 64 << 20;

/// 1 MiB for one server-sent event: deltas are a few bytes, the largest event seen is a few kilobytes.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// 4,096 content blocks in one streamed message; real ones have a handful.
pub const CONTENT_BLOCKS_MAX: usize = 4_096;

/// 300 characters of a provider's own error message are passed on.
pub const MESSAGE_CHARS_MAX: usize = 300;

/// 600 characters of a provider's explanation of a refusal are passed on.
pub const EXPLANATION_CHARS_MAX: usize = 600;

/// Above this many output tokens a whole answer may take longer than ten minutes
/// (3,600 s x tokens / 128,000 > 600 s), so it is streamed.
pub const UNSTREAMED_OUTPUT_TOKENS_MAX: u32 = 21_333;

/// The largest output of the current models.
pub const OUTPUT_TOKENS_MAX: u32 = 128_000;

/// Continuations of a paused turn: one turn of ours uses no server tools, so even one is unusual.
pub const PAUSED_TURNS_MAX: u32 = 3;

/// Between two looks at a job or file at a provider's: the first soon, because small things are done in a second,
/// then half as much again each time up to [`POLL_INTERVAL_MAX`].
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// 3 s between looks at something that takes minutes.
pub const POLL_INTERVAL_MAX: Duration = Duration::from_secs(3);

/// One such look.
pub const POLL_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long something just created may be unknown to the server that is asked about it.
pub const FRESH_NOT_FOUND_MAX: Duration = Duration::from_secs(30);

/// One upload: the largest file over a slow line.
pub const UPLOAD_TIMEOUT: Duration = Duration::from_secs(600);

/// Documents of one analysis: each is read whole.
pub const ANALYSIS_DOCUMENTS_MAX: usize = 50;

/// Pictures of one image analysis, as the provider documents it.
pub const ANALYSIS_IMAGES_MAX: usize = 5;

/// 200 passages asked for, filtered or kept at a time.
pub const CHUNKS_MAX: usize = 200;

/// 5 passages in place of an answer: about as much as a model is shown at once, and as a person reads.
pub const PASSAGES_MAX: usize = 5;

/// Longest question `/api/v3/ask` takes.
pub const ASK_QUERY_CHARS_MAX: usize = 1_500;

/// Characters of a search query a program may send; longer ones find nothing better.
pub const QUERY_CHARS_MAX: usize = 4_000;

/// Characters of a prompt a program may send: about 100,000 tokens, the smallest window among current models.
pub const PROMPT_CHARS_MAX: usize = 300_000;

/// 100 workspaces named by a program: more than an installation has.
pub const WORKSPACE_IDS_MAX: usize = 100;

/// 100 files named by a program: what one search accepts at a time.
pub const FILE_IDS_MAX: usize = 100;

/// 100 choices for a reply: a classification with more is a search.
pub const CHOICES_MAX: usize = 100;

/// 500 characters of a regular expression for a reply.
pub const PATTERN_CHARS_MAX: usize = 500;

/// 1 MiB for a compiled regular expression: a pattern that needs more is an attack.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// 1,000 bytes of a text made up to match a regular expression.
pub const PATTERN_SAMPLE_CHARS_MAX: usize = 1_000;

/// 50 keywords at the top of a reply's schema; there are about a dozen that mean something.
pub const SCHEMA_FIELDS_MAX: usize = 50;

/// 16 KiB of schema for a reply: grammar compilers refuse larger ones.
pub const SCHEMA_BYTES_MAX: usize = 16 << 10;

/// 10 levels of a reply's schema: nested deeper it is recursion.
pub const SCHEMA_DEPTH_MAX: usize = 10;

/// Characters of a step's title in the trace.
pub const STEP_TITLE_CHARS_MAX: usize = 200;

/// Sources kept of one search.
pub const SOURCES_MAX: usize = 50;

/// Extracts kept of one source.
pub const EXTRACTS_PER_SOURCE_MAX: usize = 10;

/// Characters kept of one extract: sources go to the journal and the trace, where a quotation is enough.
pub const EXTRACT_CHARS_MAX: usize = 1_000;

/// Output tokens asked for a program with its plan and self-tests; thinking counts in. A truncated reply is
/// asked again with twice as many.
pub const GENERATION_OUTPUT_TOKENS: u32 = 16_000;

/// 256 KiB of program text: what the service accepts from a user too.
pub const CODE_BYTES_MAX: usize = 256 << 10;

/// Items in any list of a generated reply (steps, questions, assumptions, self-tests).
pub const REPLY_ITEMS_MAX: usize = 50;

/// Characters of a title, name or identifier in a generated reply.
pub const TITLE_CHARS_MAX: usize = 200;

/// Characters of a sentence in a generated reply: summary, question, assumption, reason.
pub const SENTENCE_CHARS_MAX: usize = 2_000;
