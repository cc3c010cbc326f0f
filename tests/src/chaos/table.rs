//! The one table of a chaos run.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::faults::{Happened, Kind};
use super::judge::Verdict;
use super::{LEASE, Plan};

/// What came of all rounds.
#[derive(Debug)]
pub struct Table {
    plan: Plan,
    faults: BTreeMap<Kind, usize>,
    sum: Verdict,
    rounds: usize,
    /// What must not be; empty when all promises were kept.
    pub anomalies: Vec<String>,
}

impl Table {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, faults: BTreeMap::new(), sum: Verdict::default(), rounds: 0, anomalies: Vec::new() }
    }

    pub(super) fn add(&mut self, happened: &[Happened], verdict: Verdict) {
        for fault in happened {
            *self.faults.entry(fault.kind).or_default() += 1;
        }
        let told = verdict.anomalies.iter().map(|anomaly| format!("round {}: {anomaly}", self.rounds));
        self.anomalies.extend(told);
        let sum = &mut self.sum;
        sum.accepted += verdict.accepted;
        sum.lost += verdict.lost;
        sum.wrong += verdict.wrong;
        sum.calls_made += verdict.calls_made;
        sum.calls_needed += verdict.calls_needed;
        sum.webhooks_sent += verdict.webhooks_sent;
        sum.webhooks_needed += verdict.webhooks_needed;
        sum.recoveries.extend(verdict.recoveries);
        self.rounds += 1;
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, .. } = self.plan;
        let sum = &self.sum;
        let all: Vec<Duration> = sum.recoveries.iter().map(|(_, took)| *took).collect();
        let rows = [
            ("rounds, seed", format!("{}, {seed}", self.rounds)),
            ("jobs accepted", sum.accepted.to_string()),
            ("jobs lost", sum.lost.to_string()),
            ("jobs with a wrong end", sum.wrong.to_string()),
            ("tool calls made / needed", format!("{} / {}", sum.calls_made, sum.calls_needed)),
            ("webhooks sent / needed", format!("{} / {}", sum.webhooks_sent, sum.webhooks_needed)),
            ("attempts lost to a fault", all.len().to_string()),
            ("recovery p50 / p99 / max", spread(all)),
            ("lease", format!("{} s", LEASE.as_secs())),
            ("anomalies", self.anomalies.len().to_string()),
        ];
        writeln!(out, "| {:<42} | {:>24} |", "chaos", "")?;
        writeln!(out, "|:{:-<42}-|-{:->24}:|", "", "")?;
        for (name, value) in rows {
            writeln!(out, "| {name:<42} | {value:>24} |")?;
        }
        writeln!(
            out,
            "\n| {:<42} | {:>5} | {:>13} | {:>24} |",
            "fault", "times", "attempts lost", "recovery p50 / p99 / max"
        )?;
        writeln!(out, "|:{:-<42}-|-{:->5}:|-{:->13}:|-{:->24}:|", "", "", "", "")?;
        for (kind, count) in &self.faults {
            let of_kind = sum.recoveries.iter().filter(|(of, _)| of == kind);
            let took: Vec<Duration> = of_kind.map(|(_, took)| *took).collect();
            writeln!(out, "| {kind:<42} | {count:>5} | {:>13} | {:>24} |", took.len(), spread(took))?;
        }
        for anomaly in &self.anomalies {
            writeln!(out, "ANOMALY: {anomaly}")?;
        }
        Ok(())
    }
}

/// The middle, the end and the very end of these, in seconds.
fn spread(mut all: Vec<Duration>) -> String {
    all.sort();
    let Some(last) = all.len().checked_sub(1) else { return "none".to_owned() };
    let at = |percent: usize| format!("{:.2} s", all[last * percent / 100].as_secs_f64());
    format!("{} / {} / {}", at(50), at(99), at(100))
}
