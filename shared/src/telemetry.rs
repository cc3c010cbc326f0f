//! Log output: one line a record, text for a terminal, JSON for machines.
//!
//! What may be logged is decided where it is logged: never prompts, code, inputs, results or keys.

use std::{
    io::{IsTerminal as _, Write},
    panic,
    str::FromStr,
};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// Text on a terminal, else JSON.
    pub fn default_for_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

impl FromStr for LogFormat {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Starts logging to stderr. Called once, by `main`; libraries only emit.
pub fn start(format: LogFormat, level: &str) {
    let started = match format {
        LogFormat::Text => {
            let layer = fmt::layer().with_writer(std::io::stderr);
            tracing_subscriber::registry().with(filter(level)).with(layer).try_init()
        }
        LogFormat::Json => {
            record_panics();
            json(level, std::io::stderr).try_init()
        }
    };
    if started.is_err() {
        tracing::warn!("Logging was already started; the first configuration stays.");
    }
}

/// Writes one JSON object a record.
pub fn json<W, F>(level: &str, writer: F) -> impl Subscriber + Send + Sync + use<W, F>
where
    W: Write + 'static,
    F: Fn() -> W + Send + Sync + 'static,
{
    let layer = fmt::layer().json().flatten_event(true).with_writer(writer);
    tracing_subscriber::registry().with(filter(level)).with(layer)
}

/// Makes a panic a record like any other: who reads lines of JSON has no use for the runtime's own text.
pub fn record_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "A panic: {}", panic.payload_as_str().unwrap_or("without a message"));
    }));
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
