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

    /// What may know of no case: everything that is shipped.
    const SHIPPED: [&str; 5] = ["api", "cli", "examples/documents", "shared", "worker"];
    /// Six words in a row are a quotation; shorter runs ("for each line of the input") are the language's own.
    const QUOTED_WORDS: usize = 6;
    /// The README's own example, which these cases take as it stands.
    const README: [&str; 3] = ["E04", "E05", "E06"];

    /// The words of a text, each after one blank.
    fn spaced(text: &str) -> String {
        let lower = text.replace("\\n", " ").to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.flat_map(|word| [" ", word]).chain([" "]).collect()
    }

    /// Files that are shipped: tests, benches and what tools left behind apart.
    fn shipped(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_file() {
                found.push(path);
            } else if path.is_dir() && !matches!(name.as_str(), "tests" | "benches" | "attacks" | "target") {
                shipped(&path, found);
            }
        }
    }

    #[test]
    fn no_case_is_quoted_in_what_is_shipped() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = Vec::new();
        for room in SHIPPED {
            shipped(&repository.join(room), &mut files);
        }
        let texts: Vec<(PathBuf, String)> = files
            .into_iter()
            .filter_map(|file| std::fs::read_to_string(&file).ok().map(|text| (file, spaced(&text))))
            .collect();
        assert!(texts.len() > 200, "the sources were found");
        let declined = folder().join("declined");
        let declined = std::fs::read_dir(declined).expect("cases").map(|entry| entry.expect("a case").path());
        let all = std::fs::read_dir(folder()).expect("cases").map(|entry| entry.expect("a case").path());
        let mut quoted = Vec::new();
        for file in all.chain(declined).filter(|file| file.extension().is_some_and(|end| end == "json")) {
            let case: Value =
                serde_json::from_str(&std::fs::read_to_string(&file).expect("readable")).expect("JSON");
            if README.iter().any(|id| case["id"] == *id) {
                continue;
            }
            let inputs = case["runs"].as_array().into_iter().flatten().map(|run| &run["input"]);
            for text in std::iter::once(&case["description"]).chain(inputs).filter_map(Value::as_str) {
                let text = spaced(text);
                let words: Vec<&str> = text.split_whitespace().collect();
                for run in words.windows(QUOTED_WORDS) {
                    let run = format!(" {} ", run.join(" "));
                    let places = texts.iter().filter(|(_, shipped)| shipped.contains(&run));
                    quoted.extend(
                        places.map(|(place, _)| format!("{}: {}:{run}", case["id"], place.display())),
                    );
                }
            }
        }
        assert!(quoted.is_empty(), "{}", quoted.join("\n"));
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
