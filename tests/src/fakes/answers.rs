//! What the fakes answer when they follow a case: repeatable, and impossible to guess or to memorise.
//!
//! An answer is a hash of the question and of a salt drawn per run, so that a program which did not ask cannot know
//! it. A case may say otherwise: a corpus found by keywords, rules for the model's replies, or a sequence of them.

use std::collections::VecDeque;
use std::sync::Mutex;

use regex::Regex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Characters that do not matter at either end of a question. `cases/check.py` has the same list.
const OUTER: &str = " .?!,;:…'\"«»“”()[]";

/// The answers of one run of one case.
#[derive(Debug)]
pub struct CaseAnswers {
    salt: String,
    corpus: Option<Vec<(Vec<String>, String)>>,
    rules: Vec<(Regex, String)>,
    sequence: Mutex<VecDeque<String>>,
}

impl CaseAnswers {
    /// Answers made of hashes only.
    pub fn new(salt: &str) -> Self {
        Self { salt: salt.to_owned(), corpus: None, rules: Vec::new(), sequence: Mutex::default() }
    }

    /// The answers a run of a case asks for: `corpus: [[keywords, answer]]`, `rules: [[regex, reply]]`,
    /// `seq: [reply]`, each optional.
    ///
    /// # Panics
    /// When the case file is wrong.
    pub fn of_run(salt: &str, run: &Value) -> Self {
        let pairs = |field: &str| run[field].as_array().cloned().unwrap_or_default();
        let rules = pairs("rules").into_iter().map(|rule| {
            let pattern = format!("(?i){}", text(&rule[0]));
            (Regex::new(&pattern).expect("a rule of a case is a regex"), text(&rule[1]))
        });
        let corpus = run["corpus"].is_array().then(|| {
            let keywords = |entry: &Value| entry[0].as_array().expect("keywords").iter().map(text).collect();
            pairs("corpus").iter().map(|entry| (keywords(entry), text(&entry[1]))).collect()
        });
        Self {
            salt: salt.to_owned(),
            corpus,
            rules: rules.collect(),
            sequence: Mutex::new(pairs("seq").iter().map(text).collect()),
        }
    }

    /// The documents' answer.
    pub fn search(&self, query: &str) -> String {
        let wanted = normal(query);
        let Some(corpus) = &self.corpus else {
            return format!("ans-{}", self.hash(&wanted));
        };
        let fits = |keywords: &[String]| keywords.iter().all(|word| wanted.contains(&normal(word)));
        let found = corpus.iter().find(|(keywords, _)| fits(keywords));
        found.map_or_else(|| "NOT_FOUND: no document answers this".to_owned(), |(_, answer)| answer.clone())
    }

    /// The model's reply.
    pub fn chat(&self, prompt: &str) -> String {
        if let Some(next) = self.sequence.lock().expect("no holder panics").pop_front() {
            return next;
        }
        let rule = self.rules.iter().find(|(pattern, _)| pattern.is_match(prompt));
        rule.map_or_else(|| format!("chat-{}", self.hash(prompt)), |(_, reply)| reply.clone())
    }

    fn hash(&self, text: &str) -> String {
        let digest = Sha256::digest(format!("{}|{text}", self.salt));
        format!("{digest:x}")[..8].to_owned()
    }
}

/// One question, however it was typed: composed, lower case, single blanks, no punctuation at the ends.
pub fn normal(question: &str) -> String {
    let composed: String = question.nfc().collect();
    let words: Vec<String> = composed.to_lowercase().split_whitespace().map(str::to_owned).collect();
    words.join(" ").trim_matches(|edge| OUTER.contains(edge)).to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string in a case file").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_typed_differently_gets_the_same_answer() {
        let answers = CaseAnswers::new("salt");
        assert_eq!(answers.search("  Who is Dr.\nMartin? "), answers.search("who is dr. martin"));
        assert_ne!(answers.search("Berlin"), answers.search("Lyon"));
        assert_ne!(answers.search("Berlin"), CaseAnswers::new("other").search("Berlin"));
    }

    #[test]
    fn a_corpus_answers_by_keywords_or_says_not_found() {
        let run = serde_json::json!({"corpus": [[["acme", "adresse"], "12 rue Bleue"]]});
        let answers = CaseAnswers::of_run("salt", &run);
        assert_eq!(answers.search("Adresse de ACME"), "12 rue Bleue");
        assert!(answers.search("chiffre de Acme").starts_with("NOT_FOUND"));
    }

    #[test]
    fn a_sequence_comes_first_then_rules_then_hashes() {
        let run = serde_json::json!({"seq": ["one"], "rules": [["r[ée]siliation", "NON"]]});
        let answers = CaseAnswers::of_run("salt", &run);
        assert_eq!(answers.chat("anything"), "one");
        assert_eq!(answers.chat("Clause de Résiliation ?"), "NON");
        assert!(answers.chat("anything").starts_with("chat-"));
    }
}
