//! Traces: what a request caused, from the api through the queue to a cell and its tool calls.
//!
//! The context is W3C's `traceparent`; it travels in the job's record, so a trace goes on in whichever worker claims the
//! job. Spans are sent as OTLP over HTTP, as JSON, when `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Nobody ever waits
//! for that: what a collector does not take in time is dropped, and counted.
//!
//! Names and ids go into spans, never prompts, code, inputs, answers or keys.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Counters, seal::random_bytes, time::Timestamp};

/// 4,096 spans may wait to be sent: a few megabytes; more are dropped.
const BACKLOG_MAX: usize = 4_096;
/// 512 spans in one request.
const BATCH_MAX: usize = 512;
/// 1 s for more spans to join a request.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// 5 s for the collector to take it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where in which trace something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

/// The text was not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// The beginning of a new trace.
    pub fn new_root() -> Self {
        let mut bytes = [0; 24];
        random_bytes(&mut bytes);
        let [trace, more, span] =
            [0, 8, 16].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")));
        // Zero is not an id.
        Self { trace: u128::from(trace) << 64 | u128::from(more.max(1)), span: span.max(1), sampled: true }
    }

    /// A span of the same trace.
    fn child(self) -> Self {
        Self { span: Self::new_root().span, ..self }
    }

    /// The trace, as logs show it.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Of any version, as the specification has it: the first four parts, in lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let parts: Vec<&str> = text.split('-').collect();
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let [version, trace, span, flags] =
            parts.get(..4).and_then(|four| four.try_into().ok()).ok_or(InvalidTraceContext)?;
        let shaped = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
        if !shaped || version == "ff" || (version == "00" && parts.len() > 4) {
            return Err(InvalidTraceContext);
        }
        let trace = u128::from_str_radix(trace, 16).map_err(|_| InvalidTraceContext)?;
        let span = u64::from_str_radix(span, 16).map_err(|_| InvalidTraceContext)?;
        let flags = u8::from_str_radix(flags, 16).map_err(|_| InvalidTraceContext)?;
        if trace == 0 || span == 0 {
            return Err(InvalidTraceContext);
        }
        Ok(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// The part of a span in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Something inside of a process.
    Internal = 1,
    /// A request that is answered.
    Server = 2,
    /// A request that is made.
    Client = 3,
    /// Something taken from a queue.
    Consumer = 5,
}

/// Makes spans; without a collector it only passes contexts on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer {
    sender: Option<mpsc::Sender<Value>>,
    counters: Counters,
}

impl Tracer {
    /// Sends spans to a collector until `ended`, then what is left.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn start(
        endpoint: &str,
        service: &'static str,
        counters: Counters,
        ended: CancellationToken,
    ) -> Result<(Self, JoinHandle<()>), reqwest::Error> {
        let client = client()?;
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let (sender, spans) = mpsc::channel(BACKLOG_MAX);
        let exporter = Exporter { client, url, service, counters: counters.clone() };
        Ok((Self { sender: Some(sender), counters }, tokio::spawn(exporter.run(spans, ended))))
    }

    /// Begins a span below `parent`; it ends when it is dropped.
    pub fn begin(&self, name: impl Into<String>, kind: SpanKind, parent: TraceContext) -> Span {
        self.begin_at(name, kind, Some(parent), parent.child(), Timestamp::now())
    }

    /// Begins a span that answers a request, below the caller's or at the root of a new trace.
    pub fn begin_request(&self, name: impl Into<String>, parent: Option<TraceContext>) -> Span {
        let context = parent.map_or_else(TraceContext::new_root, TraceContext::child);
        self.begin_at(name, SpanKind::Server, parent, context, Timestamp::now())
    }

    fn begin_at(
        &self,
        name: impl Into<String>,
        kind: SpanKind,
        parent: Option<TraceContext>,
        context: TraceContext,
        began: Timestamp,
    ) -> Span {
        let (tracer, clock) = (self.clone(), tokio::time::Instant::now());
        let (name, failure) = (name.into(), None);
        Span { tracer, name, kind, parent, context, began, clock, attributes: Vec::new(), failure }
    }

    /// Whether spans go anywhere.
    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }
}

/// Something that takes time.
#[derive(Debug)]
pub struct Span {
    tracer: Tracer,
    name: String,
    kind: SpanKind,
    parent: Option<TraceContext>,
    context: TraceContext,
    began: Timestamp,
    clock: tokio::time::Instant,
    attributes: Vec<Value>,
    failure: Option<String>,
}

impl Span {
    /// To be passed on to what it causes.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Calls it by another name: what it is may show only on the way.
    pub fn rename(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    /// Notes something of it.
    pub fn set(&mut self, key: &str, value: impl fmt::Display) {
        if self.tracer.is_on() {
            self.attributes.push(json!({ "key": key, "value": { "stringValue": value.to_string() } }));
        }
    }

    /// It did not go well.
    pub fn fail(&mut self, why: impl fmt::Display) {
        self.failure = Some(why.to_string());
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(sender) = self.tracer.sender.as_ref().filter(|_| self.context.sampled) else { return };
        let nanos = |millis: i64| (i128::from(millis) * 1_000_000).to_string();
        let took = i64::try_from(self.clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        let status =
            self.failure.take().map_or_else(|| json!({}), |why| json!({ "code": 2, "message": why }));
        let span = json!({
            "traceId": self.context.trace_id(),
            "spanId": self.context.span_id(),
            "parentSpanId": self.parent.map(TraceContext::span_id).unwrap_or_default(),
            "name": self.name,
            "kind": self.kind as u8,
            "startTimeUnixNano": nanos(self.began.as_millis()),
            "endTimeUnixNano": nanos(self.began.as_millis() + took),
            "attributes": std::mem::take(&mut self.attributes),
            "status": status,
        });
        if sender.try_send(span).is_err() {
            self.tracer.counters.count("wf_spans_dropped_total", &[]);
        }
    }
}

struct Exporter {
    client: reqwest::Client,
    url: String,
    service: &'static str,
    counters: Counters,
}

impl Exporter {
    async fn run(self, mut spans: mpsc::Receiver<Value>, ended: CancellationToken) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                count = spans.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return },
                () = ended.cancelled() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(BATCH_WAIT) => {}
                () = ended.cancelled() => {}
            }
            while batch.len() < BATCH_MAX
                && let Ok(span) = spans.try_recv()
            {
                batch.push(span);
            }
            self.send(batch).await;
        }
        let mut rest = Vec::new();
        while let Ok(span) = spans.try_recv() {
            rest.push(span);
        }
        if !rest.is_empty() {
            self.send(rest).await;
        }
    }

    async fn send(&self, batch: Vec<Value>) {
        let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        let service = json!({ "key": "service.name", "value": { "stringValue": self.service } });
        let body = json!({ "resourceSpans": [{
            "resource": { "attributes": [service] },
            "scopeSpans": [{ "scope": { "name": "workflow-automation" }, "spans": batch }],
        }] });
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let sent = request.body(body.to_string()).send().await;
        let taken = sent.as_ref().is_ok_and(|response| response.status().is_success());
        if !taken {
            self.counters.add("wf_spans_dropped_total", &[], count.into());
            let error = sent.err().map(|error| error.without_url().to_string());
            tracing::debug!(count, error, "A collector did not take {count} spans.");
        }
    }
}

/// A collector is the operator's own: it may be anywhere, and a proxy of the environment leads to it.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(EXPORT_TIMEOUT).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context: TraceContext = PARENT.parse().unwrap();
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = context.child();
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.span_id(), context.span_id());
        let unsampled: TraceContext = PARENT.replace("-01", "-00").parse().unwrap();
        assert!(!unsampled.child().sampled);
        assert!(TraceContext::new_root().to_string().parse::<TraceContext>().is_ok());
        let newer = format!("cc{}-what-comes", &PARENT[2..]);
        assert!(newer.parse::<TraceContext>().is_ok());
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        let zero_trace = PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = PARENT.replace("00f067aa0ba902b7", &"0".repeat(16));
        let upper = PARENT.to_uppercase();
        for wrong in [
            "",
            "00",
            &zero_trace,
            &zero_span,
            &upper,
            &format!("{PARENT}-x"),
            &format!("ff{}", &PARENT[2..]),
        ] {
            assert!(wrong.parse::<TraceContext>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn without_a_collector_spans_only_pass_contexts_on() {
        let tracer = Tracer::default();
        let request = tracer.begin_request("GET /", Some(PARENT.parse().unwrap()));
        let inner = tracer.begin("inner", SpanKind::Internal, request.context());
        assert_eq!(inner.context().trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }
}
