//! Properties over arbitrary text: the compiler never panics, and what it emits always runs, and
//! prints the description's own text unchanged.

mod python;

use offline::compile;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The same cases every time: a test that fails only sometimes is not believed.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// Words of the grammar in any order reach far more of the parser than random letters.
const WORDS: &[&str] = &[
    "for",
    "each",
    "every",
    "line",
    "sentence",
    "lines",
    "pour",
    "chaque",
    "ligne",
    "phrase",
    ",",
    ".",
    ";",
    ":",
    "(",
    ")",
    "search",
    "cherche",
    "the",
    "documents",
    "dans",
    "les",
    "look",
    "it",
    "up",
    "ask",
    "model",
    "to",
    "summarise",
    "résume",
    "translate",
    "traduis",
    "classify",
    "as",
    "A",
    "or",
    "B",
    "rate",
    "from",
    "0",
    "10",
    "and",
    "then",
    "et",
    "puis",
    "if",
    "nothing",
    "is",
    "found",
    "otherwise",
    "sinon",
    "fails",
    "write",
    "'x'",
    "\"[line]: [result]\"",
    "« [ligne] »",
    "output",
    "return",
    "format",
    "in",
    "order",
    "a",
    "markdown",
    "table",
    "with",
    "columns",
    "json",
    "array",
    "of",
    "objects",
    "keys",
    "name",
    "bio",
    "two",
    "best",
    "numbered",
    "list",
    "separated",
    "by",
    "commas",
    "distinct",
    "merge",
    "summaries",
    "split",
    "into",
    "chunks",
    "500",
    "characters",
    "only",
    "its",
    "price",
    "son",
    "prix",
    "number",
    "euros",
    "sum",
    "[line]",
    "<x>",
    "{",
    "}",
    "l'",
    "input",
    "texte",
    "result",
    "answer",
    "réponse",
    "\n",
    "1.",
    "2)",
    "upper",
    "case",
    "count",
    "words",
    "report",
    "title",
    "sections",
    "'## Price'",
    "when",
    "no",
    "made",
    "input",
    "carry",
    "on",
    "one",
    "per",
];

#[test]
fn compiling_never_panics_on_arbitrary_text() {
    let mut runner = runner(300);
    runner
        .run(&"\\PC{0,200}", |text| {
            let _ = compile(&text);
            Ok(())
        })
        .expect("no panic");
}

#[test]
fn compiling_never_panics_on_words_of_the_grammar_and_what_compiles_runs() {
    let mut runner = runner(1_200);
    let compiled = std::cell::RefCell::new(Vec::new());
    let words = prop::collection::vec(prop::sample::select(WORDS), 1..30);
    runner
        .run(&words, |words| {
            if let Ok(program) = compile(&words.join(" ")) {
                compiled.borrow_mut().push(program.code);
            }
            Ok(())
        })
        .expect("no panic");
    python::run_all(&compiled.into_inner());
}

/// Clauses in any order: most such descriptions say something, though not always something sensible.
const CLAUSES: &[&str] = &[
    "for each line",
    "for each sentence in the input",
    "pour chaque ligne",
    "each line is a product",
    "for each distinct line",
    "for each comma-separated name",
    "split the text into chunks of at most 10 characters",
    "search the documents",
    "search each line",
    "look it up",
    "search its price",
    "search 'price of [line]'",
    "cherche la réponse dans les documents",
    "take the number of euros in the answer",
    "add up the amounts",
    "summarise the result in one sentence",
    "résume-le",
    "translate it into French",
    "classify it as A, B or C",
    "rate it from 0 to 10",
    "ask the model to explain the result",
    "ask the model 'Why [line]?'",
    "ask the model for a slogan",
    "use the model to rewrite the text",
    "merge the summaries",
    "merge the results into one text",
    "if nothing is found, ask the model",
    "if a search fails, write 'X' and carry on",
    "if nothing is found, return 'none'; otherwise return the answer",
    "if the category is A, search the documents",
    "search the documents only for lines that are A",
    "output '[line]: [result]'",
    "output '[line] - [summary]'",
    "return the result",
    "return only the summary",
    "return '[sum]'",
    "return the two best lines, best first",
    "return the label and the line",
    "return a markdown table with columns Line and Result",
    "return the number of words",
    "return a JSON array of objects with keys line and result",
    "return a JSON object with keys line and result",
    "return a JSON array of the results",
    "return a report with title '# [input]' and sections '## Price'",
    "return 'A: ' followed by the result",
    "return the answer preceded by 'B'",
    "return the results as a numbered list",
    "return them as a bullet list",
    "convert it to upper case",
    "count the words",
    "numbered from 1",
    "in order",
    "separated by a blank line",
    "sort them by rating, highest first",
    "with '-' when no search was made",
    "return it",
    "return all pairs",
    "format as [line] -> [result]",
    "return the line",
    "affiche « [ligne] : [résultat] »",
];

#[test]
fn clauses_in_any_order_give_a_program_that_runs_or_a_refusal() {
    let mut runner = runner(800);
    let compiled = std::cell::RefCell::new(Vec::new());
    let clauses = prop::collection::vec(prop::sample::select(CLAUSES), 1..6);
    runner
        .run(&clauses, |clauses| {
            if let Ok(program) = compile(&clauses.join(". ")) {
                compiled.borrow_mut().push(program.code);
            }
            Ok(())
        })
        .expect("no panic");
    let compiled = compiled.into_inner();
    assert!(compiled.len() > 60, "many of them say something: {}", compiled.len());
    python::run_all(&compiled);
}

/// Texts a person may quote: no placeholder marks, no closing quote, no backslash (which is an escape).
const PLAIN: &str = r"[^\[\]{}<>»«\\\n\r]{0,30}";

#[test]
fn a_template_is_printed_as_typed_around_its_values() {
    let mut runner = runner(25);
    runner
        .run(&(PLAIN, PLAIN, PLAIN), |(before, between, after)| {
            let template = format!("{before}[line]{between}[result]{after}");
            let program = compile(&format!("For each line, search and output «{template}»."))
                .map_err(|error| TestCaseError::fail(error.message))?;
            let printed = python::run(&program.code, "a \"b\" {c}");
            let expected =
                template.trim().replace("[line]", "a \"b\" {c}").replace("[result]", "found(a \"b\" {c})");
            prop_assert_eq!(printed["result"].as_str(), Some(expected.as_str()));
            Ok(())
        })
        .expect("templates survive");
}

#[test]
fn any_quoted_text_gives_a_program_that_runs() {
    let mut runner = runner(80);
    let programs = std::cell::RefCell::new(Vec::new());
    runner.run(&"\\PC{0,60}", |text| {
        for description in [
            format!("For each line, search '{text} [line]' and output \"{text}[line] [result]\""),
            format!("Ask the model \"{text} [input]\" and return the answer"),
            format!("Pour chaque ligne, cherche ; si une recherche échoue, écris « {text} ». Affiche « [ligne]{text}[résultat] »"),
            format!("Classify each line as '{text}' or 'B' with the model and return '[label] {text} [line]'"),
            format!("For each line, search and return a JSON array of objects with keys '{text}' and 'line'"),
        ] {
            if let Ok(program) = compile(&description) {
                programs.borrow_mut().push(program.code);
            }
        }
        Ok(())
    }).expect("no panic");
    let programs = programs.into_inner();
    assert!(programs.len() > 150, "most quoted texts compile: {}", programs.len());
    python::run_all(&programs);
}
