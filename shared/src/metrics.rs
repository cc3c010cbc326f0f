//! Numbers for operators: counters of a process, and their text for Prometheus.
//!
//! What workers count goes into one hash of the store with their presence, and the scripts count there what happens to
//! jobs; so totals are the whole system's, outlive every process, and any api can tell them. A counter's name with its
//! labels, as Prometheus writes it, is its key. Labels come from closed sets, never from clients: the number of
//! series is bounded.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Upper bounds of histograms, in seconds; the scripts know the same ones (`prelude.lua`).
pub const BUCKETS_SECS: [f64; 12] =
    [0.005, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0, 1800.0, 86_400.0];

/// How a family of series is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How values are distributed.
    Histogram,
}

/// A family of series.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// How it is to be read.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
}

const fn family(name: &'static str, kind: Kind, help: &'static str) -> Family {
    Family { name, kind, help }
}

/// Every family there is: what is not in this list is not told.
pub const FAMILIES: &[Family] = &[
    family("wf_queue_jobs", Kind::Gauge, "Entries of a queue by state: queued, running"),
    family(
        "wf_queue_oldest_age_seconds",
        Kind::Gauge,
        "How long the oldest entry that could be claimed has waited",
    ),
    family(
        "wf_jobs_finished_total",
        Kind::Counter,
        "Jobs that reached a final state, by queue, status and error code",
    ),
    family("wf_attempts_total", Kind::Counter, "Attempts begun, by queue"),
    family("wf_attempts_lost_total", Kind::Counter, "Attempts lost to crashes or faults of ours, by queue"),
    family("wf_job_wait_seconds", Kind::Histogram, "From acceptance to the first attempt, by queue"),
    family("wf_job_duration_seconds", Kind::Histogram, "From acceptance to the final state, by queue"),
    family("wf_tool_calls_total", Kind::Counter, "Tool calls made for programs, by tool and outcome"),
    family("wf_tool_call_seconds", Kind::Histogram, "How long tool calls took, by tool"),
    family(
        "wf_tokens_total",
        Kind::Counter,
        "Tokens of models, by purpose (generate, chat) and direction (input, output)",
    ),
    family(
        "wf_deliveries_total",
        Kind::Counter,
        "Attempts to send webhooks, by outcome: delivered, retried, given_up",
    ),
    family("wf_delivery_seconds", Kind::Histogram, "How long attempts to send webhooks took"),
    family(
        "wf_store_errors_total",
        Kind::Counter,
        "Commands Redis did not carry out, by process: api, worker",
    ),
    family("wf_store_memory_bytes", Kind::Gauge, "Memory Redis uses, by shard when there are several"),
    family(
        "wf_store_memory_max_bytes",
        Kind::Gauge,
        "Memory Redis may use, by shard when there are several; 0 for no limit",
    ),
    family(
        "wf_worker_info",
        Kind::Gauge,
        "1 for each worker that reported lately, with its sandbox tier and Python",
    ),
    family("wf_worker_sandbox_layer", Kind::Gauge, "1 for each wall in force around a worker's programs"),
    family("wf_worker_jobs_running", Kind::Gauge, "Jobs a worker has in flight"),
    family("wf_worker_concurrency", Kind::Gauge, "Execute jobs a worker may have in flight"),
    family("wf_worker_cells", Kind::Gauge, "Cells of a worker by state: ready, busy"),
    family("wf_worker_memory_bytes", Kind::Gauge, "Memory a worker's cells take"),
    family(
        "wf_spans_dropped_total",
        Kind::Counter,
        "Spans of traces that the collector did not take in time",
    ),
    family(
        "wf_http_requests_total",
        Kind::Counter,
        "Requests this api answered, by method, route and status",
    ),
    family("wf_http_request_seconds", Kind::Histogram, "How long this api took to answer, by route"),
    family("wf_http_requests_in_flight", Kind::Gauge, "Requests this api is handling"),
    family("wf_event_streams", Kind::Gauge, "Event streams open at this api"),
];

/// A series' name with its labels.
pub fn series(name: &str, labels: &[(&str, &str)]) -> String {
    let mut text = name.to_owned();
    for (n, (label, value)) in labels.iter().enumerate() {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{}{label}=\"{value}\"", if n == 0 { '{' } else { ',' });
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

/// Values by series.
pub type Samples = BTreeMap<String, f64>;

/// The counters of a process. Cheap to clone: clones count together.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Mutex<Samples>>);

impl Counters {
    /// Counts.
    pub fn add(&self, name: &'static str, labels: &[(&str, &str)], more: f64) {
        *self.lock().entry(series(name, labels)).or_default() += more;
    }

    /// Counts one.
    pub fn count(&self, name: &'static str, labels: &[(&str, &str)]) {
        self.add(name, labels, 1.0);
    }

    /// Puts a duration into a histogram.
    pub fn observe(&self, name: &'static str, labels: &[(&str, &str)], took: Duration) {
        let seconds = took.as_secs_f64();
        let bound = BUCKETS_SECS.iter().find(|bound| seconds <= **bound);
        let bound = bound.map_or_else(|| "+Inf".to_owned(), f64::to_string);
        let bucket = [labels, &[("le", bound.as_str())]].concat();
        let mut samples = self.lock();
        *samples.entry(series(&format!("{name}_bucket"), &bucket)).or_default() += 1.0;
        *samples.entry(series(&format!("{name}_sum"), labels)).or_default() += seconds;
    }

    /// What was counted since the last call.
    pub fn take(&self) -> Samples {
        std::mem::take(&mut *self.lock())
    }

    /// Gives back what could not be reported.
    pub fn give_back(&self, samples: Samples) {
        let mut own = self.lock();
        for (series, value) in samples {
            *own.entry(series).or_default() += value;
        }
    }

    /// All that was counted.
    pub fn samples(&self) -> Samples {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text Prometheus reads (exposition format 0.0.4).
pub fn render(samples: &Samples) -> String {
    let mut text = String::new();
    for Family { name, kind, help } in FAMILIES {
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind_name}\n");
        if *kind == Kind::Histogram {
            render_histogram(&mut text, name, samples);
        } else {
            for (series, value) in of_family(samples, name) {
                let _ = writeln!(text, "{series} {value}");
            }
        }
    }
    text
}

fn of_family<'a>(samples: &'a Samples, name: &'a str) -> impl Iterator<Item = (&'a String, &'a f64)> {
    let is_of = move |series: &str| {
        series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
    };
    samples
        .range(name.to_owned()..)
        .take_while(move |(series, _)| series.starts_with(name))
        .filter(move |(series, _)| is_of(series))
}

/// Buckets are kept apart and told as Prometheus has them: each with all below it.
fn render_histogram(text: &mut String, name: &str, samples: &Samples) {
    let (bucket_name, sum_name) = (format!("{name}_bucket"), format!("{name}_sum"));
    for (series, sum) in of_family(samples, &sum_name) {
        let labels = series[sum_name.len()..].trim_matches(['{', '}']);
        let comma = if labels.is_empty() { "" } else { "," };
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let mut count = 0.0;
        let bounds = BUCKETS_SECS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        for bound in bounds {
            let bucket = format!("{bucket_name}{{{labels}{comma}le=\"{bound}\"}}");
            count += samples.get(&bucket).copied().unwrap_or_default();
            let _ = writeln!(text, "{bucket} {count}");
        }
        let _ = write!(text, "{series} {sum}\n{name}_count{braces} {count}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_as_prometheus_reads_it() {
        let counters = Counters::default();
        counters.count("wf_tool_calls_total", &[("tool", "a\"b"), ("outcome", "ok")]);
        counters.add("wf_tool_calls_total", &[("tool", "a\"b"), ("outcome", "ok")], 2.0);
        for millis in [1, 100, 2000, 100_000_000] {
            counters.observe("wf_tool_call_seconds", &[("tool", "t")], Duration::from_millis(millis));
        }
        counters.observe("wf_delivery_seconds", &[], Duration::from_millis(5));
        let text = render(&counters.samples());
        for line in [
            "# TYPE wf_tool_calls_total counter",
            "wf_tool_calls_total{tool=\"a\\\"b\",outcome=\"ok\"} 3",
            "wf_tool_call_seconds_bucket{tool=\"t\",le=\"0.005\"} 1",
            "wf_tool_call_seconds_bucket{tool=\"t\",le=\"0.1\"} 2",
            "wf_tool_call_seconds_bucket{tool=\"t\",le=\"2.5\"} 3",
            "wf_tool_call_seconds_bucket{tool=\"t\",le=\"86400\"} 3",
            "wf_tool_call_seconds_bucket{tool=\"t\",le=\"+Inf\"} 4",
            "wf_tool_call_seconds_sum{tool=\"t\"} 100002.101",
            "wf_tool_call_seconds_count{tool=\"t\"} 4",
            "wf_delivery_seconds_bucket{le=\"0.005\"} 1",
            "wf_delivery_seconds_count 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn what_is_not_a_family_is_not_told() {
        let counters = Counters::default();
        counters.count("wf_unknown_total", &[]);
        counters.count("wf_queue_jobs_and_more", &[]);
        assert!(
            !render(&counters.samples()).contains("unknown")
                && !render(&counters.samples()).contains("and_more")
        );
    }

    #[test]
    fn the_scripts_know_the_same_buckets() {
        let bounds: Vec<String> = BUCKETS_SECS.iter().map(f64::to_string).collect();
        let prelude = include_str!("store/lua/prelude.lua");
        assert!(prelude.contains(&format!("BUCKETS = {{ {} }}", bounds.join(", "))), "{bounds:?}");
    }
}
