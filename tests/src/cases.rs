//! The cases: a description, a program that does it, inputs, and properties that must hold of what comes out.
//!
//! The properties are Python expressions, evaluated by `cases/check.py` in a process of its own: they are about the
//! text a Python program produced, and they read best in its language.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// One case, as its file holds it.
#[derive(Debug, Clone)]
pub struct Case {
    /// `E04`.
    pub id: String,
    /// What a person asked for.
    pub description: String,
    /// A program that does it.
    pub program: String,
    /// Inputs, what the tools answer to them, and checks.
    pub runs: Vec<Value>,
}

/// Every case of the folder `cases`, in order.
///
/// # Panics
/// When a file is not a case.
pub fn all() -> Vec<Case> {
    let entries = std::fs::read_dir(folder()).expect("the folder of cases");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).expect("a readable case");
    let case: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let string = |field: &str| {
        case[field].as_str().unwrap_or_else(|| panic!("{}: {field}", file.display())).to_owned()
    };
    let lines = case["program"].as_array().unwrap_or_else(|| panic!("{}: program", file.display()));
    let program = lines.iter().flat_map(|line| [line.as_str().expect("a line"), "\n"]).collect();
    let runs = case["runs"].as_array().expect("runs").clone();
    Case { id: string("id"), description: string("description"), program, runs }
}

/// What a run of a case came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `completed` or `failed`.
    pub status: &'static str,
    /// The result, as text.
    pub out: String,
    /// The searches, in order.
    pub searches: Vec<String>,
    /// The prompts, in order.
    pub prompts: Vec<String>,
}

/// The checks of `run` which do not hold, each with the reason.
///
/// # Panics
/// When the script itself fails.
pub fn broken_checks(salt: &str, run: &Value, outcome: &Outcome) -> Vec<String> {
    let question = json!({
        "salt": salt,
        "run": run,
        "status": outcome.status,
        "out": outcome.out,
        "searches": outcome.searches,
        "prompts": outcome.prompts,
    });
    let mut python = Command::new("/usr/bin/python3")
        .arg("-I")
        .arg(folder().join("check.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = python.stdin.take().expect("stdin is piped");
    stdin.write_all(question.to_string().as_bytes()).expect("the script reads");
    drop(stdin);
    let output = python.wait_with_output().expect("the script ends");
    assert!(output.status.success(), "check.py failed");
    serde_json::from_slice(&output.stdout).expect("the script prints a list")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::CaseAnswers;

    #[test]
    fn check_py_and_the_fakes_give_the_same_answers() {
        let run = json!({"input": "Qui est Zoë ?", "checks": [
            "out == s(inp) + c('x')", "S == ['qui est zoë']", "status == 'completed'", "len(C) == 1", "1 == 2", "nonsense",
        ]});
        let answers = CaseAnswers::of_run("salt", &run);
        let outcome = Outcome {
            status: "completed",
            out: answers.search("Qui est Zoë ?") + &answers.chat("x"),
            searches: vec!["  Qui est Zoe\u{308}\u{a0}?".to_owned()],
            prompts: vec!["x".to_owned()],
        };
        let broken = broken_checks("salt", &run, &outcome);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].starts_with("1 == 2") && broken[1].contains("NameError"), "{broken:?}");
    }

    #[test]
    fn there_are_28_runnable_cases() {
        let cases = all();
        assert_eq!(cases.len(), 28);
        assert!(
            cases
                .iter()
                .all(|case| case.runs.iter().all(|run| !run["checks"].as_array().unwrap().is_empty()))
        );
    }
}
