//! Golden programs: every file in `golden/` is a description, the program it compiles to, and what that program does
//! with an input when real CPython runs it against stand-in tools.
//!
//! After a deliberate change of the emitted code, `cargo test -p offline --test golden -- --ignored` rewrites the
//! programs (and only those): read the difference before keeping it.

mod python;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

struct Case {
    path: PathBuf,
    description: String,
    program: String,
    runs: Vec<Run>,
}

struct Run {
    input: String,
    result: Value,
    calls: Value,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("golden folder").map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Case {
    let text = fs::read_to_string(path).expect("readable case");
    let mut case =
        Case { path: path.to_owned(), description: String::new(), program: String::new(), runs: Vec::new() };
    let text = text.strip_prefix("== ").expect("a case begins with a section");
    for section in text.split("\n== ") {
        let (name, body) = section.split_once('\n').expect("a section has a body");
        let json = || serde_json::from_str::<Value>(body).expect("JSON");
        match name {
            "description" => body.clone_into(&mut case.description),
            "program" => body.clone_into(&mut case.program),
            "input" => case.runs.push(Run {
                input: json().as_str().expect("a string").to_owned(),
                result: Value::Null,
                calls: Value::Null,
            }),
            "result" => case.runs.last_mut().expect("an input before").result = json(),
            "calls" => case.runs.last_mut().expect("an input before").calls = json(),
            other => panic!("{}: unknown section {other}", path.display()),
        }
    }
    case
}

#[test]
fn every_description_compiles_to_its_golden_program() {
    for case in cases() {
        let program = offline::compile(&case.description)
            .unwrap_or_else(|error| panic!("{}: {error}", case.path.display()));
        assert_eq!(program.code.trim_end(), case.program.trim_end(), "{}", case.path.display());
    }
}

#[test]
fn every_golden_program_does_in_python_what_its_case_says() {
    let mut runs = 0;
    for case in cases() {
        for run in &case.runs {
            let done = python::run(&case.program, &run.input);
            let path = case.path.display();
            assert_eq!(done["result"], run.result, "{path}: result for {:?}", run.input);
            assert_eq!(done["searches"], run.calls["searches"], "{path}: searches for {:?}", run.input);
            assert_eq!(done["prompts"], run.calls["prompts"], "{path}: prompts for {:?}", run.input);
            runs += 1;
        }
    }
    assert!(runs >= 30, "the cases were found");
}

#[test]
fn every_program_names_what_it_does_in_the_language_of_its_description() {
    for case in cases() {
        let program = offline::compile(&case.description).expect("compiles");
        let french = case.path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_french"));
        let expected = if french { offline::Language::Fr } else { offline::Language::En };
        assert_eq!(program.language, expected, "{}", case.path.display());
        assert!(!program.name.is_empty() && !program.steps.is_empty());
        assert!(program.summary.contains(&program.steps[0]));
    }
}

#[test]
#[ignore = "rewrites the golden programs; run it after a deliberate change of the emitted code"]
fn write_golden_programs() {
    for case in cases() {
        let program = offline::compile(&case.description).expect("compiles");
        let text = fs::read_to_string(&case.path).expect("readable");
        let head = &text[..text.find("\n== program\n").expect("a program") + "\n== program\n".len()];
        fs::write(&case.path, format!("{head}{}", program.code)).expect("writable");
    }
}
