//! How a version came to be: every attempt at its program, what was found, what it cost; and the tenant's cache of
//! verified programs.
//!
//! What is stored with a version is written once, with the end of its job, in the same step (`finish`). The cache is
//! only ever a saving: an entry that is gone, or does not read, costs a generation and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Store, StoreError};
use crate::{
    id::{TenantId, WorkflowId},
    limits,
};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The program cannot work as it stands.
    Error,
    /// It may not do what is meant.
    Warning,
}

/// What a check or a dry run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Stable name: `E_UNDEFINED_NAME`, `E_RAISED`, `E_EXPECTATION`…
    #[schema(example = "E_UNDEFINED_NAME")]
    pub code: String,
    /// Line of the program, when it is about one.
    pub line: Option<u32>,
    /// Column in that line, from 1.
    pub column: Option<u32>,
    /// For people.
    #[schema(example = "the name `serach` is not defined")]
    pub message: String,
    /// How grave it is.
    pub severity: Severity,
}

impl Finding {
    /// One that makes the program unusable.
    pub fn error(code: &str, line: Option<u32>, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), line, column: None, message: message.into(), severity: Severity::Error }
    }

    /// One that stays visible and stops nothing.
    pub fn warning(code: &str, message: impl Into<String>) -> Self {
        let severity = Severity::Warning;
        Self { code: code.to_owned(), line: None, column: None, message: message.into(), severity }
    }

    /// Whether it makes the program unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.code)?;
        if let Some(line) = self.line {
            write!(f, " line {line}")?;
        }
        if let Some(column) = self.column {
            write!(f, " col {column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One dry run of a program with stand-in tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DryRun {
    /// `self_test`, `empty_input` or `odd_input`.
    #[schema(example = "self_test")]
    pub kind: String,
    /// The input it ran on, shortened.
    #[schema(example = "Where is the contract kept?")]
    pub input: String,
    /// It ended with a result.
    pub completed: bool,
    /// The expected texts that the result does not hold.
    #[schema(example = json!([]))]
    pub unmet: Vec<String>,
    /// Tool calls it made.
    pub tool_calls: u32,
    /// Wall clock, milliseconds.
    pub wall_ms: u64,
}

/// One answer of the generator: a program, or a reply that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgramAttempt {
    /// The program; null when the reply held none that could be read.
    pub code: Option<String>,
    /// What was found wrong with it.
    pub findings: Vec<Finding>,
    /// The dry runs it went through.
    pub dry_runs: Vec<DryRun>,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// How a version came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Who wrote it.
    #[serde(default)]
    pub provider: Option<String>,
    /// The model, where there is one.
    #[serde(default)]
    pub model: Option<String>,
    /// The prompt it was written with.
    #[serde(default)]
    pub prompt_version: Option<u32>,
    /// Repair rounds.
    #[serde(default)]
    pub rounds: u32,
    /// It was taken from the tenant's verified programs; no model was asked.
    #[serde(default)]
    pub cached: bool,
    /// What was decided without being told.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// What cannot be done here, for a version that was refused.
    #[serde(default)]
    pub missing_capability: Option<String>,
    /// What is known to be doubtful about the version's program: warnings for a generated one, everything for supplied
    /// and edited code.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// The dry runs of the version's program.
    #[serde(default)]
    pub self_tests: Vec<DryRun>,
    /// Every program that was tried, in order, the version's own included.
    #[serde(default)]
    pub attempts: Vec<ProgramAttempt>,
    /// Tokens read, all rounds.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens written, all rounds.
    #[serde(default)]
    pub output_tokens: u64,
}

impl Provenance {
    /// As fields of the version's record, for `Finish::version`.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let tokens =
            serde_json::json!({ "input_tokens": self.input_tokens, "output_tokens": self.output_tokens });
        let mut fields = vec![
            ("rounds", self.rounds.to_string()),
            ("cached", self.cached.to_string()),
            ("assumptions", to_json(&self.assumptions)),
            ("findings", to_json(&self.findings)),
            ("self_tests", to_json(&self.self_tests)),
            ("attempts", to_json(&self.attempts)),
            ("tokens", tokens.to_string()),
        ];
        fields.extend(self.provider.clone().map(|name| ("provider", name)));
        fields.extend(self.model.clone().map(|name| ("model", name)));
        fields.extend(self.prompt_version.map(|number| ("prompt_version", number.to_string())));
        fields.extend(self.missing_capability.clone().map(|what| ("missing_capability", what)));
        fields
    }
}

impl Store {
    /// How a version came to be. `None` when there is no such version.
    pub async fn provenance(&self, id: WorkflowId, version: u32) -> Result<Option<Provenance>, StoreError> {
        let key = self.key(format_args!("wf:{id}:v:{version}"));
        let fields = self.hashes(std::iter::once(key)).await?.pop().unwrap_or_default();
        if fields.0.is_empty() {
            return Ok(None);
        }
        let tokens: std::collections::HashMap<String, u64> = fields.json("tokens")?;
        Ok(Some(Provenance {
            provider: fields.text("provider").map(str::to_owned),
            model: fields.text("model").map(str::to_owned),
            prompt_version: fields.optional("prompt_version")?,
            rounds: fields.number("rounds"),
            cached: fields.text("cached") == Some("true"),
            assumptions: fields.json("assumptions")?,
            missing_capability: fields.text("missing_capability").map(str::to_owned),
            findings: fields.json("findings")?,
            self_tests: fields.json("self_tests")?,
            attempts: fields.json("attempts")?,
            input_tokens: tokens.get("input_tokens").copied().unwrap_or_default(),
            output_tokens: tokens.get("output_tokens").copied().unwrap_or_default(),
        }))
    }

    /// The tenant's verified program under this fingerprint, as JSON.
    pub async fn verified_program(
        &self,
        tenant: &TenantId,
        fingerprint: &str,
    ) -> Result<Option<String>, StoreError> {
        let key = self.key(format_args!("t:{tenant}:verified:{fingerprint}"));
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.connection.clone()).await?)
    }

    /// Keeps a verified program for a while.
    pub async fn keep_verified_program(
        &self,
        tenant: &TenantId,
        fingerprint: &str,
        program: &str,
    ) -> Result<(), StoreError> {
        let key = self.key(format_args!("t:{tenant}:verified:{fingerprint}"));
        let kept: Duration = limits::VERIFIED_PROGRAM_TTL;
        redis::cmd("SET")
            .arg(key)
            .arg(program)
            .arg("EX")
            .arg(kept.as_secs())
            .query_async::<()>(&mut self.connection.clone())
            .await?;
        Ok(())
    }
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data serialises")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_diagnostic() {
        let mut finding = Finding::error("E_UNDEFINED_NAME", Some(12), "the name x is not defined");
        finding.column = Some(5);
        assert_eq!(finding.to_string(), "E_UNDEFINED_NAME line 12 col 5: the name x is not defined");
        assert_eq!(Finding::warning("E_STEPS", "odd").to_string(), "E_STEPS: odd");
    }
}
