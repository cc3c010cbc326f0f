//! The figures of one run: a table for people, JSON for programs, and for each goal whether it is met.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// There to be seen.
    None,
}

impl Goal {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(value <= limit),
            Self::AtLeast(limit) => Some(value >= limit),
            Self::None => None,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(limit) => write!(out, "≤ {}", shown(*limit)),
            Self::AtLeast(limit) => write!(out, "≥ {}", shown(*limit)),
            Self::None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Figure {
    section: String,
    name: String,
    unit: &'static str,
    value: f64,
    goal: Goal,
}

/// Everything that was measured, in order.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
    not_run: Vec<String>,
}

impl Report {
    /// One figure, shown at once: a run takes minutes.
    pub fn add(
        &mut self,
        section: &str,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Goal,
    ) {
        let figure = Figure { section: section.to_owned(), name: name.into(), unit, value, goal };
        eprintln!("  {section}: {} {} {unit}", figure.name, shown(value));
        self.figures.push(figure);
    }

    /// Something this machine cannot show.
    pub fn not_run(&mut self, reason: impl Into<String>) {
        self.not_run.push(reason.into());
    }

    /// Writes everything as JSON.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                json!({"section": figure.section, "name": figure.name, "value": figure.value, "unit": figure.unit,
                       "goal": figure.goal.to_string(), "met": figure.goal.met(figure.value)})
            })
            .collect();
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        std::fs::write(path, format!("{:#}\n", json!({"figures": figures, "not_run": self.not_run})))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = &figure.section;
                writeln!(out, "\n{section}")?;
            }
            let met = match figure.goal.met(figure.value) {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let (name, unit, goal) = (&figure.name, figure.unit, figure.goal.to_string());
            writeln!(out, "  {name:<66} {:>10} {unit:<8} {goal:<10} {met}", shown(figure.value))?;
        }
        for reason in &self.not_run {
            writeln!(out, "NOT RUN: {reason}")?;
        }
        Ok(())
    }
}

/// Three figures are what a noisy machine can tell.
fn shown(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The value below which `percent` of the samples lie.
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((sorted.len() as f64 * percent / 100.0).ceil() as usize).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(samples: &[f64]) -> f64 {
    percentile(samples, 50.0)
}
