//! What a journal was recorded under: program, input and tools.
//!
//! A later attempt may belong to another build, and a job's program may be another one after a repair of the store.
//! What another tool of the same name answered is not the answer to this call, so it is made again. What the same
//! tool answered to another program is: tools have no side effects. Either way the attempt is a fresh run that reuses
//! what it can, and the job says so.

use providers::generation::tools::{self, ToolSpec};
use shared::{
    job::ExecuteInput,
    journal::{Entry, Origin, short_digest},
};

/// The program and the input of this attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin(String);

impl RunOrigin {
    /// Of what is about to run.
    pub fn of(program: &str, input: &ExecuteInput) -> Self {
        let input = serde_json::to_string(input).expect("plain data serialises");
        Self(short_digest(&format!("{} {program}{input}", program.len())))
    }

    /// What a call to `tool` is recorded under; a step is recorded under no tool.
    pub fn of_entry(&self, tool: &str) -> Origin {
        let meaning = tools::tool(tool).map(ToolSpec::meaning);
        Origin { run: self.0.clone(), tool: meaning.as_deref().map(short_digest).unwrap_or_default() }
    }

    /// Whether a recorded call answers the same call now: the tool means what it meant.
    pub fn may_answer(&self, entry: &Entry) -> bool {
        entry.origin.tool == self.of_entry(&entry.name).tool
    }

    /// Whether it was recorded under this program, input and tool.
    pub fn recorded(&self, entry: &Entry) -> bool {
        entry.origin == self.of_entry(&entry.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> ExecuteInput {
        ExecuteInput { user_input: text.to_owned(), file_ids: Vec::new() }
    }

    #[test]
    fn another_program_and_another_input_are_another_run() {
        let run = RunOrigin::of("def a", &input("x"));
        assert_eq!(run, RunOrigin::of("def a", &input("x")));
        assert_ne!(run, RunOrigin::of("def b", &input("x")));
        assert_ne!(run, RunOrigin::of("def a", &input("y")));
    }

    #[test]
    fn each_tool_is_told_from_the_others() {
        let run = RunOrigin::of("def a", &input("x"));
        let mut told: Vec<String> = tools::TOOLS.iter().map(|tool| run.of_entry(tool.name).tool).collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), tools::TOOLS.len());
        assert!(told.iter().all(|digest| !digest.is_empty()));
    }
}
