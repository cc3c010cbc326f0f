//! The static checks: what each finds, and that they find nothing in programs that are right.

use std::fs;
use std::path::{Path, PathBuf};

use providers::PlannedStep;
use shared::store::generation::{Finding, Severity};
use worker::generate::checks::findings;

use crate::support::{Room, body};

async fn codes(room: &Room, program: &str) -> Vec<(String, Severity, Option<u32>)> {
    let found = findings(&room.bench(), program, None).await.expect("nothing stops it");
    found.into_iter().map(|finding| (finding.code, finding.severity, finding.line)).collect()
}

/// Mistakes, each with the finding it has to give.
const MISTAKES: &[(&str, &str)] = &[
    ("E_UNDEFINED_NAME", "return result"),
    ("E_UNDEFINED_NAME", "return datetime.date.today().isoformat()"),
    ("E_UNDEFINED_NAME", "return [y for x in user_input]"),
    ("E_UNDEFINED_NAME", "def inner():\n    return unknown\nreturn inner()"),
    ("E_UNKNOWN_TOOL", "return await paradigm_serch(user_input)"),
    ("E_UNKNOWN_TOOL", "return await paradigm_upload(user_input)"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, 5)"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, limit=5)"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search()"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion([user_input])"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion(user_input, prompt='twice')"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, file_ids=['a'])"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, workspace_ids=7)"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, vision='yes')"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_search(user_input, private_scope=True)"),
    ("E_TOOL_ARGUMENTS", "return await paradigm_analyze(user_input, [1], 'x')"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion(user_input, ['OUI', 'NON'])"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion(user_input, choices='OUI')"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion(user_input, schema='{}')"),
    ("E_TOOL_ARGUMENTS", "return await chat_completion(user_input, choices=['a'], regex='a')"),
    ("E_NOT_AWAITED", "paradigm_search(user_input)\nreturn ''"),
    ("E_NOT_AWAITED", "return paradigm_search(user_input)"),
    ("E_NOT_AWAITED", "answer = paradigm_search(user_input)\nreturn answer.strip()"),
    ("E_NOT_AWAITED", "return 'A: ' + chat_completion(user_input)"),
    ("E_NOT_AWAITED", "return f'A: {chat_completion(user_input)}'"),
    ("E_NOT_AWAITED", "found = [paradigm_search(x) for x in user_input.split()]\nreturn '\\n'.join(found)"),
    ("E_NOT_AWAITED", "async with asyncio.timeout(1):\n    chat_completion(user_input)\nreturn ''"),
    ("E_IMPORT", "import requests\nreturn requests.get(user_input).text"),
    ("E_IMPORT", "import socket\nreturn ''"),
    ("E_IMPORT", "import subprocess as sp\nreturn ''"),
    ("E_IMPORT", "import urllib.request\nreturn ''"),
    ("E_IMPORT", "from urllib import request\nreturn ''"),
    ("E_IMPORT", "from concurrent.futures import ProcessPoolExecutor\nreturn ''"),
    ("E_IMPORT", "import ctypes\nreturn ''"),
    ("E_IMPORT", "from . import helper\nreturn ''"),
    ("E_NOT_IN_CELL", "import os\nreturn os.popen('ls').read()"),
    ("E_NOT_IN_CELL", "return input('What?')"),
    ("E_NESTED_LOOP", "async def inner():\n    return ''\nreturn asyncio.run(inner())"),
    ("E_SECRET", "api_key = 'abcd1234efgh5678ijkl'\nreturn api_key"),
    ("E_SECRET", "return 'AKIA' 'ABCDEFGHIJKLMNOP'"),
    ("E_ENTRY_POINT", "yield user_input"),
];

/// Programs that look like the mistakes above and are none.
const NOT_MISTAKES: &[&str] = &[
    "return await paradigm_search(user_input, workspace_ids=[7], file_ids=None, vision=True)",
    "ids = [int(x) for x in user_input.split()]\nreturn await paradigm_search('q', file_ids=ids)",
    "return await paradigm_analyze('q') + await paradigm_analyze('q', [1]) + await paradigm_analyze('q', document_ids=None)",
    "return await chat_completion(f'{user_input}', choices=['a', 'b'], regex=None, schema=None)",
    "return await chat_completion('q', schema={'type': 'object', 'properties': {'a': {'type': 'string'}}})",
    "found = [paradigm_search(x) for x in user_input.split()]\nreturn '\\n'.join(await asyncio.gather(*found))",
    "async def ask(x):\n    return await chat_completion(x)\nreturn await ask(user_input)",
    "tasks = []\nfor word in user_input.split():\n    tasks.append(paradigm_search(word))\nreturn '\\n'.join(await asyncio.gather(*tasks))",
    "task = asyncio.create_task(paradigm_search(user_input))\nreturn await task",
    "async with asyncio.TaskGroup() as group:\n    task = group.create_task(paradigm_search(user_input))\nreturn task.result()",
    "call = paradigm_search(user_input) if user_input else chat_completion('x')\nreturn await call",
    "calls = {word: paradigm_search(word) for word in user_input.split()}\nreturn '\\n'.join([await call for call in calls.values()])",
    "for call in [paradigm_search(x) for x in user_input.split()]:\n    await call\nreturn ''",
    "return await asyncio.wait_for(chat_completion(user_input), 60)",
    "return await asyncio.to_thread(paradigm_search, user_input)",
    "def blocking():\n    return paradigm_search(user_input).strip()\nreturn await asyncio.to_thread(blocking)",
    "return await paradigm_search(*[user_input])",
    "return await paradigm_search(**{'query': user_input})",
    "arguments = {}\nreturn await paradigm_search(query=user_input, **arguments)",
    "try:\n    return await paradigm_search(user_input)\nexcept ToolError as error:\n    return str(error)",
    "with step('A'), step('B'):\n    return user_input",
    "import urllib.parse, http.cookies, os.path, xml.etree.ElementTree as tree\nreturn urllib.parse.quote(user_input)",
    "try:\n    import numpy\nexcept ImportError:\n    numpy = None\nreturn ''",
    "from concurrent.futures import ThreadPoolExecutor\nreturn ''",
    "password = 'correct horse'\napi_key = ''\ntoken = 'abcdefghijklmnopqrst'\nreturn password",
    "match user_input.split():\n    case [first, *rest]:\n        return first\n    case _:\n        return ''",
    "if (size := len(user_input)) > 3:\n    return str(size)\nreturn ''",
    "class Row:\n    width = 3\n    cells = [0] * width\n    def __init__(self):\n        super().__init__()\n        self.kind = __class__.__name__\nreturn Row().kind",
    "def input(text):\n    return text\nreturn input(user_input)",
    "global counter\ncounter = 1\ndef up():\n    global counter\n    counter += 1\n    return str(counter)\nreturn up()",
    "return (lambda text: text.strip())(user_input)",
    "del user_input\nreturn __name__ + __file__",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_found_under_its_name_and_line() {
    let room = Room::start().await;
    for (code, lines) in MISTAKES {
        let found = codes(&room, &body(lines)).await;
        assert!(
            found.iter().any(|(name, severity, line)| {
                name == code && *severity == Severity::Error && line.is_some_and(|line| line >= 4)
            }),
            "{code} in:\n{lines}\nfound {found:?}"
        );
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_looks_like_a_mistake_is_no_error() {
    let room = Room::start().await;
    for lines in NOT_MISTAKES {
        let found = codes(&room, &body(lines)).await;
        let errors: Vec<_> = found.iter().filter(|(_, severity, _)| *severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:?} in:\n{lines}");
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_found_in_the_reference_programs_and_in_what_the_compiler_writes() {
    let room = Room::start().await;
    let programs = reference_programs();
    assert!(programs.len() > 50, "{} programs", programs.len());
    for (file, program) in programs {
        let found = codes(&room, &program).await;
        assert!(found.is_empty(), "{}: {found:?}", file.display());
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_not_the_programs_is_a_warning() {
    let room = Room::start().await;
    let program = body("with step('Search'):\n    return await paradigm_search(user_input)");
    let step = |title: &str, tools: &[&str]| PlannedStep {
        id: title.to_owned(),
        title: title.to_owned(),
        tools: tools.iter().map(|tool| (*tool).to_owned()).collect(),
    };
    let of = async |steps: &[PlannedStep]| -> Vec<Finding> {
        findings(&room.bench(), &program, Some(steps)).await.expect("nothing stops it")
    };
    assert_eq!(of(&[step("Search", &["paradigm_search"])]).await, []);
    assert_eq!(of(&[]).await, []);
    let found = of(&[step("Look", &["chat_completion"])]).await;
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|finding| finding.code == "E_STEPS" && !finding.is_error()), "{found:?}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_deep_or_huge_does_not_hurt_the_checker() {
    let room = Room::start().await;
    let deep = format!(
        "async def execute_workflow(user_input):\n    return {}1{}\n",
        "(".repeat(150),
        ")".repeat(150)
    );
    let long = format!("x = [{}]\n{}", "1, ".repeat(60_000), body("return user_input"));
    let chain = format!("{}\ny = {}1\n", body("return user_input"), "1 + ".repeat(20_000));
    for program in [deep, long, chain] {
        let found = codes(&room, &program).await;
        assert!(found.len() <= 1, "{found:?}");
    }
    let oversized = format!("#{}\n{}", "x".repeat(300_000), body("return user_input"));
    assert_eq!(codes(&room, &oversized).await[0].0, "E_SIZE");
    room.end().await;
}

/// The programs of the cases, and those of the offline compiler's goldens.
pub fn reference_programs() -> Vec<(PathBuf, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut programs = Vec::new();
    for file in files(&workspace.join("tests/cases"), "json") {
        let case: serde_json::Value = serde_json::from_str(&read(&file)).expect("a case is JSON");
        let lines = case["program"].as_array().expect("a program").iter();
        programs.push((file, lines.flat_map(|line| [line.as_str().expect("a line"), "\n"]).collect()));
    }
    for file in files(&workspace.join("worker/offline/tests/golden"), "case") {
        let text = read(&file);
        if let Some((_, program)) = text.split_once("== program\n") {
            let program = program.split("\n== ").next().unwrap_or(program).to_owned();
            programs.push((file, program));
        }
    }
    programs
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a readable file")
}
