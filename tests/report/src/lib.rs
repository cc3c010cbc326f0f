//! The figures of a benchmark: a table for people, `target/bench/*.json` for programs, and for each goal whether it is
//! met. A goal that is missed is shown as missed; nothing here rounds it away.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[derive(Debug, Serialize, Deserialize)]
struct Figure {
    section: String,
    name: String,
    value: f64,
    unit: String,
    goal: Goal,
    met: Option<bool>,
}

/// Everything that was measured, in order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    figures: Vec<Figure>,
    not_run: Vec<String>,
}

impl Report {
    /// One figure, told at once on the error stream: a benchmark takes minutes.
    pub fn add(
        &mut self,
        section: impl Into<String>,
        name: impl Into<String>,
        value: f64,
        unit: &str,
        goal: Goal,
    ) {
        let (section, name) = (section.into(), name.into());
        eprintln!("  {section}: {name} {} {unit}", shown(value));
        self.figures.push(Figure { section, name, value, unit: unit.to_owned(), goal, met: goal.met(value) });
    }

    /// Something that was not measured, with the reason.
    pub fn not_run(&mut self, reason: impl Into<String>) {
        self.not_run.push(reason.into());
    }

    /// Prints the table and writes `target/bench/<name>.json`.
    pub fn finish(&self, name: &str) -> std::io::Result<()> {
        print!("{self}");
        let folder = folder().ok_or_else(|| std::io::Error::other("not in a target folder"))?;
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{name}.json")), serde_json::to_string_pretty(self)? + "\n")
    }

    /// What was written before under `name`.
    pub fn read(name: &str) -> std::io::Result<Self> {
        let folder = folder().ok_or_else(|| std::io::Error::other("not in a target folder"))?;
        Ok(serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json")))?)?)
    }
}

/// `bench` in the target folder of this very executable.
fn folder() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    let target = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.map(|target: &Path| target.join("bench"))
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = &figure.section;
                writeln!(out, "\n{section}")?;
            }
            let met = match figure.met {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let (name, unit, goal) = (&figure.name, &figure.unit, figure.goal.to_string());
            let line = format!("  {name:<66} {:>10} {unit:<8} {goal:<10} {met}", shown(figure.value));
            writeln!(out, "{}", line.trim_end())?;
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

/// The value below which `percent` of the samples lie; not a number when there are none.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_shown_as_missed_and_a_met_one_as_met() {
        let mut report = Report::default();
        report.add("Speed", "slow", 4.0, "ms", Goal::AtMost(3.8));
        report.add("Speed", "many", 500.0, "1/s", Goal::AtLeast(489.0));
        report.not_run("no such machine");
        let lines: Vec<String> = report.to_string().lines().map(str::to_owned).collect();
        assert!(lines[2].contains("4.00 ms") && lines[2].ends_with("≤ 3.80     MISSED"), "{lines:?}");
        assert!(lines[3].ends_with("≥ 489      met"), "{lines:?}");
        assert_eq!(lines[4], "NOT RUN: no such machine");
        let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(read.to_string(), report.to_string());
    }

    #[test]
    fn percentiles_are_samples() {
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&samples, 99.0) - 99.0).abs() < f64::EPSILON);
        assert!((median(&samples) - 50.0).abs() < f64::EPSILON);
        assert!(median(&[]).is_nan());
    }
}
