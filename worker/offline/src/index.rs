//! A full-text index over a folder of documents. BM25 scoring is the `bm25` crate's; this file reads files, cuts them
//! into passages, and decides when the best passage is good enough to be called an answer.
//!
//! Invariants: the same folder gives the same answers (files in order of name, ties by position), and a query whose
//! words are mostly not in the document is `NOT_FOUND`, never the least bad passage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use bm25::{
    DefaultTokenizer, Document, Language, SearchEngine, SearchEngineBuilder, SearchResult, Tokenizer,
};

/// Begins every answer that is none; programs branch on it.
pub const NOT_FOUND: &str = "NOT_FOUND: no document answers this question.";

/// 256 KiB, about a hundred printed pages: larger is not a document people ask questions of, and would slow the start.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Files taken from one folder; the index is held in memory.
const FILES_MAX: usize = 2_000;
/// Folders within folders.
const DEPTH_MAX: usize = 8;
/// Characters of a query that are read; longer questions are prose.
const QUERY_CHARS_MAX: usize = 2_000;
/// Characters of one answer's passage.
const PASSAGE_CHARS_MAX: usize = 700;
/// Share of the query's words, weighted by rarity, that the passage's document must hold.
const RELEVANCE_MIN: f64 = 0.6;
/// The passage itself must hold at least this share of what its document holds.
const PASSAGE_SHARE_MIN: f64 = 0.34;

/// What the document's title adds to a passage's score when it holds every word of the query: as much again. A short
/// remark elsewhere that repeats the words does not outrank the document that is about them.
const TITLE_WEIGHT: f64 = 1.0;

/// A passage with this share of the best score is as good.
const AS_GOOD: f64 = 0.8;

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The passage and the name of its document, or [`NOT_FOUND`].
    pub text: String,
    /// Names of the documents the answer quotes; empty when nothing was found.
    pub sources: Vec<String>,
}

/// Documents ready to be searched, in English and in French.
pub struct DocumentIndex {
    names: Vec<String>,
    skipped: Vec<String>,
    passages: Vec<Passage>,
    analysers: [Analyser; 2],
}

struct Passage {
    document: usize,
    text: String,
}

/// A passage that holds words of a query.
struct Hit {
    passage: usize,
    score: f64,
    /// The share of the query's words that its document, and the passage itself, hold.
    in_document: f64,
    in_passage: f64,
}

/// One language's view of the passages.
struct Analyser {
    tokenizer: DefaultTokenizer,
    engine: SearchEngine<usize>,
    /// Words of each document, its title included.
    words: Vec<BTreeSet<String>>,
    /// Words of each document's title.
    titles: Vec<BTreeSet<String>>,
    /// In how many documents a word occurs.
    frequency: BTreeMap<String, usize>,
    /// Words that ask rather than say.
    asking: BTreeSet<String>,
}

impl DocumentIndex {
    /// Reads the `.md` and `.txt` files of a folder and its subfolders. Files that are too large or not UTF-8 are
    /// left out and named by [`DocumentIndex::skipped`].
    pub fn from_folder(folder: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut skipped = Vec::new();
        collect(folder, "", 0, &mut files, &mut skipped)?;
        files.sort();
        files.truncate(FILES_MAX);
        let mut texts = Vec::new();
        for name in files {
            match String::from_utf8(fs::read(folder.join(&name))?) {
                Ok(text) => texts.push((name, text)),
                Err(_) => skipped.push(name),
            }
        }
        skipped.sort();
        Ok(Self::from_texts(texts, skipped))
    }

    fn from_texts(texts: Vec<(String, String)>, skipped: Vec<String>) -> Self {
        let mut names = Vec::new();
        let mut passages = Vec::new();
        let mut bodies = Vec::new();
        let mut titles = Vec::new();
        let mut searchable = Vec::new();
        for (name, text) in texts {
            let text = text.trim_start_matches('\u{feff}');
            let title = title(&name, text);
            for passage in passages_of(text) {
                // The title tells what "it" is in a passage that does not repeat it.
                searchable.push(format!("{title}\n{passage}"));
                passages.push(Passage { document: names.len(), text: passage });
            }
            bodies.push(format!("{title}\n{text}"));
            titles.push(title);
            names.push(name);
        }
        let analysers = [
            Analyser::new(&Language::English, &searchable, &bodies, &titles),
            Analyser::new(&Language::French, &searchable, &bodies, &titles),
        ];
        Self { names, skipped, passages, analysers }
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no document at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Files that were left out: too large, not UTF-8.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The best passage of the best document, or [`NOT_FOUND`].
    pub fn answer(&self, query: &str) -> Answer {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
        let best = self
            .analysers_for(&query)
            .into_iter()
            .filter_map(|analyser| analyser.best(&query, &self.passages))
            .max_by(|a, b| a.relevance.total_cmp(&b.relevance).then(b.passage.cmp(&a.passage)));
        match best {
            Some(found) => {
                let passage = &self.passages[found.passage];
                let name = self.names[passage.document].clone();
                Answer { text: format!("{} [{name}]", shorten(&passage.text)), sources: vec![name] }
            }
            None => Answer { text: NOT_FOUND.to_owned(), sources: Vec::new() },
        }
    }

    /// The analyser of the query's language; both when the query does not tell.
    fn analysers_for(&self, query: &str) -> Vec<&Analyser> {
        let query = without_elisions(query);
        let plain = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
        let dropped: Vec<usize> =
            self.analysers.iter().map(|a| plain.saturating_sub(a.tokenizer.tokenize(&query).len())).collect();
        match dropped[0].cmp(&dropped[1]) {
            std::cmp::Ordering::Greater => vec![&self.analysers[0]],
            std::cmp::Ordering::Less => vec![&self.analysers[1]],
            std::cmp::Ordering::Equal => self.analysers.iter().collect(),
        }
    }
}

struct Found {
    passage: usize,
    relevance: f64,
}

impl Analyser {
    fn new(language: &Language, searchable: &[String], bodies: &[String], titles: &[String]) -> Self {
        const ASKING: &str = "what who whom whose when where which why how many much long often does do did is are can \
            could should must may will would there anyone tell know give find get use used using quel quelle quels \
            quelles qui que quoi quand où comment combien pourquoi est sont peut doit faut il elle puis je nous avons \
            our please need want company nova entreprise have has am entitled allowed happen happens look like number \
            amount rule rules policy nombre montant règle règles politique droit ai as avez ont annuel annuels annuelle \
            annuelles horaires peux pouvons dois";
        let tokenizer = DefaultTokenizer::builder().language_mode(language.clone()).build();
        let mut frequency = BTreeMap::new();
        let words_of = |text: &String| tokenizer.tokenize(&without_elisions(text)).into_iter().collect();
        let words: Vec<BTreeSet<String>> = bodies.iter().map(words_of).collect();
        let titles = titles.iter().map(words_of).collect();
        for word in words.iter().flatten() {
            *frequency.entry(word.clone()).or_insert(0) += 1;
        }
        let documents =
            searchable.iter().enumerate().map(|(id, text)| Document::new(id, without_elisions(text)));
        let engine = SearchEngineBuilder::<usize>::with_tokenizer_and_documents(
            DefaultTokenizer::builder().language_mode(language.clone()).build(),
            documents,
        )
        .build();
        let asking = ASKING.split_whitespace().flat_map(|word| tokenizer.tokenize(word)).collect();
        Self { tokenizer, engine, words, titles, frequency, asking }
    }

    /// The words of a text as they are compared. French elisions are taken apart first: to the tokenizer
    /// `l'indemnité` is one word.
    fn tokens(&self, text: &str) -> BTreeSet<String> {
        self.tokenizer.tokenize(&without_elisions(text)).into_iter().collect()
    }

    /// The best passage whose document holds enough of the query's words.
    fn best(&self, query: &str, passages: &[Passage]) -> Option<Found> {
        let words: BTreeSet<String> =
            self.tokens(query).into_iter().filter(|word| !self.asking.contains(word)).collect();
        let mut hits: Vec<Hit> = self
            .engine
            .search(&without_elisions(query), None)
            .into_iter()
            .map(|found| self.hit(&found, &words, passages))
            .collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        let best = hits.iter().find(|hit| {
            hit.in_document >= RELEVANCE_MIN && hit.in_passage >= RELEVANCE_MIN * PASSAGE_SHARE_MIN
        })?;
        // Of passages about as good, the first one of the document: what matters comes first.
        let passage = hits
            .iter()
            .filter(|hit| passages[hit.passage].document == passages[best.passage].document)
            .filter(|hit| hit.score >= best.score * AS_GOOD && hit.in_passage >= best.in_passage)
            .map(|hit| hit.passage)
            .min()
            .unwrap_or(best.passage);
        Some(Found { passage, relevance: best.in_document + best.in_passage })
    }

    fn hit(&self, found: &SearchResult<usize>, words: &BTreeSet<String>, passages: &[Passage]) -> Hit {
        let passage = found.document.id;
        let document = passages[passage].document;
        let in_title = self.share(words, &self.titles[document]);
        Hit {
            passage,
            score: f64::from(found.score) * (1.0 + TITLE_WEIGHT * in_title),
            in_document: self.share(words, &self.words[document]),
            in_passage: self.share(words, &self.tokens(&found.document.contents)),
        }
    }

    /// The share of the words, by weight, that a text holds; 0 for a query without words.
    fn share(&self, words: &BTreeSet<String>, held: &BTreeSet<String>) -> f64 {
        let weigh = |word: &String| self.weight(word);
        let total: f64 = words.iter().map(weigh).sum();
        let found: f64 = words.iter().filter(|word| held.contains(*word)).map(weigh).sum();
        if total > 0.0 { found / total } else { 0.0 }
    }

    /// Rare words weigh more; a word no document holds weighs most.
    fn weight(&self, word: &str) -> f64 {
        let holding = self.frequency.get(word).copied().unwrap_or(0);
        let documents = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        let holding = u32::try_from(holding).unwrap_or(u32::MAX);
        (1.0 + f64::from(documents) / (f64::from(holding) + 0.5)).ln()
    }
}

/// `l'indemnité` to `l indemnité`; English apostrophes ("don't") stay. Every blank becomes a space: the tokenizer drops
/// line breaks of a text with accents, and the words around one would be read as a single word.
fn without_elisions(text: &str) -> String {
    const ELIDED: [&str; 12] = ["l", "d", "qu", "n", "s", "m", "t", "j", "c", "jusqu", "lorsqu", "puisqu"];
    let mut result = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if matches!(c, '\'' | '’') && ELIDED.contains(&word.to_lowercase().as_str()) {
            result.push(' ');
            word.clear();
            continue;
        }
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            word.clear();
        }
        result.push(if c.is_whitespace() { ' ' } else { c });
    }
    result
}

fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<String>,
    skipped: &mut Vec<String>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(file_name) = entry.file_name().into_string() else { continue };
        let name = format!("{prefix}{file_name}");
        // Links are not followed: the folder is what the operator chose to show.
        let kind = entry.file_type()?;
        let document = Path::new(&file_name)
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("md") || e.eq_ignore_ascii_case("txt"));
        if kind.is_dir() && depth < DEPTH_MAX && !file_name.starts_with('.') {
            collect(&entry.path(), &format!("{name}/"), depth + 1, files, skipped)?;
        } else if kind.is_file() && document {
            if entry.metadata()?.len() > FILE_BYTES_MAX || files.len() >= FILES_MAX {
                skipped.push(name);
            } else {
                files.push(name);
            }
        }
    }
    Ok(())
}

/// The first heading, and the words of the file's name.
fn title(name: &str, text: &str) -> String {
    let heading =
        text.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim_start_matches('#').trim();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{heading} {}", stem.replace(['-', '_', '/'], " "))
}

/// Paragraphs, each on one line; a heading goes with the paragraph below it.
fn passages_of(text: &str) -> Vec<String> {
    let mut passages = Vec::new();
    let mut heading = String::new();
    for block in text.replace("\r\n", "\n").split("\n\n") {
        let mut body = Vec::new();
        for line in block.lines() {
            let line = line.trim();
            if line.starts_with('#') {
                line.trim_start_matches('#').trim().clone_into(&mut heading);
            } else if !line.is_empty() {
                body.push(line.trim_start_matches("- ").trim_start_matches("* "));
            }
        }
        if body.is_empty() {
            continue;
        }
        passages.push(body.join(" "));
    }
    if passages.is_empty() && !heading.is_empty() {
        passages.push(heading);
    }
    passages
}

/// At most so many characters, cut after a sentence or else after a word.
fn shorten(text: &str) -> String {
    if text.chars().count() <= PASSAGE_CHARS_MAX {
        return text.to_owned();
    }
    let cut: String = text.chars().take(PASSAGE_CHARS_MAX).collect();
    let end = cut.rfind(". ").map(|at| at + 1).or_else(|| cut.rfind(' ')).unwrap_or(cut.len());
    format!("{} …", &cut[..end])
}
