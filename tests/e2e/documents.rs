//! Documents that can be generated are: each test writes its page anew and fails when that changed it.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::Value;
use shared::{config::Setting, job::ErrorCode};

fn is_current(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if before != text {
        std::fs::write(&path, text).expect("docs/ can be written");
        panic!("docs/{page} was out of date; it is written anew: look at it and commit it");
    }
}

#[test]
fn the_configuration_page_lists_every_setting_of_api_and_worker() {
    let mut rows: BTreeMap<&str, (Vec<&str>, Setting)> = BTreeMap::new();
    for (binary, settings) in [("api", api::config::SETTINGS), ("worker", worker::config::SETTINGS)] {
        for setting in settings {
            rows.entry(setting.name).or_insert_with(|| (Vec::new(), *setting)).0.push(binary);
        }
    }
    let mut text = String::from(
        "# Configuration\n\nRead once at the start from the environment and from a file `.env` in the current folder. \
         All mistakes are reported at once, with exit code 2.\n\n| name | default | read by | meaning |\n|---|---|---|---|\n",
    );
    for (name, (binaries, Setting { default, help, .. })) in rows {
        let _ = writeln!(text, "| `{name}` | {default} | {} | {help} |", binaries.join(", "));
    }
    is_current("configuration.md", &text);
}

#[test]
fn the_error_page_lists_every_code_of_jobs_and_problems() {
    let meanings = [
        (ErrorCode::PythonError, "The program raised. `line` and `traceback` show where."),
        (ErrorCode::Timeout, "The attempt took longer than `timeout_ms`."),
        (ErrorCode::OutOfMemory, "The program needed more memory than a run may have."),
        (ErrorCode::OutputTooLarge, "The result was larger than `RESULT_BYTES_MAX`."),
        (ErrorCode::NoResult, "The program's process ended without a result: it killed or ended itself."),
        (ErrorCode::ResultNotJson, "What the program returned is not a JSON value."),
        (ErrorCode::SandboxViolation, "The program did what the sandbox answers with death."),
        (ErrorCode::ToolError, "A tool failed for good and the program did not handle it."),
        (
            ErrorCode::BudgetExceeded,
            "Tool calls, tokens, the journal, files, threads or messages reached their limit; the message says which, and its value.",
        ),
        (ErrorCode::Expired, "The job was not finished within `expires_in_ms`."),
        (ErrorCode::InvalidCode, "The program does not parse, or has no entry point."),
        (ErrorCode::GenerationFailed, "No program could be made of the description."),
        (ErrorCode::ProviderError, "The model provider did not answer as it should, after retries."),
        (ErrorCode::WorkerLost, "Workers died while the job ran, as often as `JOB_MAX_ATTEMPTS` allows."),
    ];
    let mut text = String::from(
        "# Why a job fails\n\n`error.code` of a job with status `failed`.\n\n| code | meaning |\n|---|---|\n",
    );
    for (code, meaning) in meanings {
        let Ok(Value::String(name)) = serde_json::to_value(code) else { panic!("a code is a string") };
        let _ = writeln!(text, "| `{name}` | {meaning} |");
    }
    text.push_str(
        "\n# Why a request is refused\n\n`code` of a problem (`application/problem+json`), also at `/errors/{code}`.\n\n\
         | code | status | meaning |\n|---|---|---|\n",
    );
    for code in api::problem::Code::ALL {
        let (status, name, title) = code.about();
        let _ = writeln!(text, "| `{name}` | {} | {title}. |", status.as_u16());
    }
    is_current("errors.md", &text);
}

#[test]
fn the_example_environment_file_names_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.env.example");
    let text = std::fs::read_to_string(path).unwrap();
    let names =
        |line: &str| line.trim_start_matches(['#', ' ']).split_once('=').map(|(name, _)| name.to_owned());
    let named: Vec<String> = text.lines().filter_map(names).collect();
    for setting in api::config::SETTINGS.iter().chain(worker::config::SETTINGS) {
        assert!(named.iter().any(|name| name == setting.name), "{} is missing in .env.example", setting.name);
    }
}
