//! Where output goes: data to stdout, everything else to stderr. Colour, spinner and tables only for a terminal.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::config::Environment;
use crate::exit::Exit;
use crate::http::ApiError;
use crate::render;

/// 100 ms between frames of the spinner.
const SPINNER_INTERVAL: Duration = Duration::from_millis(100);

/// The terminal, or what stands in for it.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Print the API's own JSON.
    pub json: bool,
    /// stdout is read by a person.
    pub stdout_is_terminal: bool,
    stderr_is_terminal: bool,
    colour: bool,
}

impl Console {
    /// The process's own stdout and stderr.
    pub fn new(json: bool, environment: &Environment) -> Self {
        let stderr_is_terminal =
            std::io::stderr().is_terminal() && environment.get("TERM") != Some(OsStr::new("dumb"));
        Self {
            json,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal,
            colour: stderr_is_terminal && environment.get("NO_COLOR").is_none(),
        }
    }

    /// Data for people, or for a pipe. A reader that has gone (`| head`) has read enough: that is no error.
    pub fn data(&self, text: &str) {
        let text = if self.stdout_is_terminal { render::printable(text) } else { text.into() };
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        let mut stdout = std::io::stdout().lock();
        let _ = write!(stdout, "{text}{newline}").and_then(|()| stdout.flush());
    }

    /// Data as JSON: indented for people, one line for programs.
    pub fn json(&self, value: &Value) {
        // A `Value` always serializes; `{:#}` is serde_json's own pretty form.
        self.data(&if self.stdout_is_terminal { format!("{value:#}") } else { value.to_string() });
    }

    /// A line about what is going on.
    pub fn note(&self, text: &str) {
        let text = if self.stderr_is_terminal { render::printable(text) } else { text.into() };
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// An error, as its receiver asked for it; answers what it means to a script.
    pub fn error(&self, error: &ApiError) -> Exit {
        if self.json {
            self.note(&error.to_json().to_string());
        } else {
            self.failure(&render::api_error(error));
        }
        error.exit()
    }

    /// An error that has no JSON form of its own.
    pub fn failure(&self, text: &str) {
        let label = if self.colour { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        let text = if self.stderr_is_terminal { render::printable(text) } else { text.into() };
        let _ = writeln!(std::io::stderr().lock(), "{label} {text}");
    }

    /// Says that something takes a while: a spinner for people, one line for logs, nothing under `--json`.
    /// The spinner goes away when it is dropped.
    pub fn spinner(&self, text: &str) -> Spinner {
        if self.json {
            return Spinner(ProgressBar::hidden());
        }
        if !self.stderr_is_terminal {
            self.note(text);
            return Spinner(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner().with_message(text.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(SPINNER_INTERVAL);
        Spinner(bar)
    }
}

/// Something is going on.
#[derive(Debug)]
pub struct Spinner(ProgressBar);

impl Spinner {
    /// What is going on now.
    pub fn says(&self, text: &str) {
        self.0.set_message(text.to_owned());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
