//! What the evaluation prints: one table by level, one by language, and what did not pass.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::cost;

/// 160 characters of a reason fit two lines of a terminal.
const REASON_CHARS_MAX: usize = 160;

/// What a sample came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All checks hold, or it was declined as it should be.
    Passed,
    /// It was asked back or refused though it can be done.
    Declined(String),
    /// The offline compiler does not read the description, and says so.
    NotUnderstood,
    /// A check does not hold, or no usable program came of it.
    Broken(String),
}

impl Verdict {
    /// Whether it is right.
    pub fn passes(&self) -> bool {
        *self == Self::Passed
    }
}

/// One case, once.
#[derive(Debug, Clone)]
pub struct Sample {
    pub id: String,
    pub language: String,
    pub level: String,
    /// It is to become a program, not to be declined.
    pub is_runnable: bool,
    pub verdict: Verdict,
    /// The first program, before any repair, was right.
    pub first_passes: bool,
    pub rounds: u32,
    /// Read, written.
    pub tokens: (u64, u64),
    pub took: Duration,
}

impl Sample {
    /// One line for the one who waits.
    pub fn line(&self) -> String {
        let told = match &self.verdict {
            Verdict::Passed => "passed".to_owned(),
            Verdict::Declined(how) => format!("FALSE REFUSAL ({how})"),
            Verdict::NotUnderstood => "not understood".to_owned(),
            Verdict::Broken(why) => format!("BROKEN {}", shortened(why)),
        };
        format!("{} {:>6} ms, {} repairs: {told}", self.id, self.took.as_millis(), self.rounds)
    }
}

fn shortened(text: &str) -> String {
    text.replace('\n', " ").chars().take(REASON_CHARS_MAX).collect()
}

/// All samples.
#[derive(Debug)]
pub struct Report {
    provider: String,
    model: Option<String>,
    samples_each: usize,
    samples: Vec<Sample>,
}

impl Report {
    pub fn new(provider: &str, model: Option<&str>, samples_each: usize) -> Self {
        let (provider, model) = (provider.to_owned(), model.map(str::to_owned));
        Self { provider, model, samples_each, samples: Vec::new() }
    }

    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    fn cost(&self) -> String {
        let Some(model) = &self.model else { return "nothing, no model was asked".to_owned() };
        let sum = |of: fn(&Sample) -> u64| self.samples.iter().map(of).sum();
        match cost::dollars(model, (sum(|s| s.tokens.0), sum(|s| s.tokens.1))) {
            Some(dollars) => format!("at most ${dollars:.2}, at list prices"),
            None => format!("unknown, there is no price of {model} here"),
        }
    }

    fn table(&self, f: &mut fmt::Formatter<'_>, name: &str, of: impl Fn(&Sample) -> String) -> fmt::Result {
        let mut groups: BTreeMap<String, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            groups.entry(of(sample)).or_default().push(sample);
        }
        writeln!(
            f,
            "{name:<14}{:>8}{:>8}{:>8}{:>16}{:>15}{:>8}{:>10}{:>10}{:>10}",
            "samples",
            "pass@1",
            "passed",
            "false refusals",
            "not understood",
            "repairs",
            "tokens in",
            "out",
            "ms each"
        )?;
        for (group, samples) in groups {
            row(f, &group, &samples)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, samples: &[&Sample]) -> fmt::Result {
    let count = |test: &dyn Fn(&Sample) -> bool| samples.iter().filter(|sample| test(sample)).count();
    let refused = count(&|s| s.is_runnable && matches!(s.verdict, Verdict::Declined(_)));
    let took: Duration = samples.iter().map(|sample| sample.took).sum();
    let each = took.as_millis() / samples.len().max(1) as u128;
    writeln!(
        f,
        "{name:<14}{:>8}{:>8}{:>8}{refused:>16}{:>15}{:>8}{:>10}{:>10}{each:>10}",
        samples.len(),
        count(&|s| s.first_passes),
        count(&|s| s.verdict.passes()),
        count(&|s| s.verdict == Verdict::NotUnderstood),
        samples.iter().map(|sample| sample.rounds).sum::<u32>(),
        samples.iter().map(|sample| sample.tokens.0).sum::<u64>(),
        samples.iter().map(|sample| sample.tokens.1).sum::<u64>(),
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("no model");
        writeln!(f, "\nprovider {}, {model}, {} sample(s) of each case\n", self.provider, self.samples_each)?;
        self.table(f, "level", |sample| sample.level.clone())?;
        writeln!(f)?;
        self.table(f, "language", |sample| sample.language.clone())?;
        writeln!(f)?;
        row(f, "all", &self.samples.iter().collect::<Vec<_>>())?;
        writeln!(f, "\ncost: {}", self.cost())
    }
}
