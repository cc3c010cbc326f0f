//! Answers without a model: sentences of the prompt itself. Nothing is invented; what cannot be done by quoting
//! (translating, writing) is said instead.

use std::collections::BTreeSet;

use crate::text::{fold, sentences};

/// Sentences in a summary when the prompt does not say how many.
const SUMMARY_SENTENCES: usize = 2;
/// Sentences in an answer picked by relevance.
const ANSWER_SENTENCES: usize = 2;
/// A sentence with fewer words rarely says anything by itself ("Hello.").
const INFORMATIVE_WORDS_MIN: usize = 4;
/// Characters of a prompt that are read.
const PROMPT_CHARS_MAX: usize = 200_000;

/// Answers a prompt from its own text. The caller marks the reply as `[offline]`.
pub fn extract(prompt: &str) -> String {
    let prompt: String = prompt.chars().take(PROMPT_CHARS_MAX).collect();
    let (instruction, material) = parts(&prompt);
    let asked = fold(&instruction);
    let french = is_french(&asked);
    if let Some(labels) = labels(&instruction) {
        return pick_label(&labels, &asked, if material.is_empty() { &instruction } else { &material });
    }
    if asked_for(&asked, "translate translation traduis traduire traduisez traduction") {
        let text = if material.is_empty() { instruction } else { material };
        let note = if french { "pas de traduction sans modèle" } else { "no translation without a model" };
        return format!("({note}) {}", one_line(&text));
    }
    if material.is_empty() {
        return no_material(french).to_owned();
    }
    if asked_for(
        &asked,
        "summarise summarize summary condense resume resumer resumez synthese merge combine fusionne",
    ) {
        return first_informative(&material, sentence_count(&asked).unwrap_or(SUMMARY_SENTENCES));
    }
    most_relevant(&asked, &material)
}

fn no_material(french: bool) -> &'static str {
    if french {
        "Aucun modèle n'est configuré, et la demande ne contient pas de texte d'où tirer une réponse."
    } else {
        "No model is configured, and the prompt holds no text to take an answer from."
    }
}

/// The instruction is the first paragraph, or all up to the first colon at a line's end; the rest is the material.
/// Lines that only announce ("Search result:") belong to neither.
fn parts(prompt: &str) -> (String, String) {
    let mut instruction = Vec::new();
    let mut material = Vec::new();
    let mut in_material = false;
    for line in prompt.trim().lines() {
        let line = line.trim();
        let announces = line.ends_with(':') && line.split_whitespace().count() <= 6;
        if in_material {
            if !announces {
                material.push(line);
            }
        } else {
            if line.is_empty() {
                in_material = !instruction.is_empty();
                continue;
            }
            instruction.push(line);
            in_material = line.ends_with(':');
        }
    }
    let material = material.join("\n").trim().to_owned();
    if !material.is_empty() {
        return (instruction.join(" "), material);
    }
    // "Summarise: the text" on one line.
    let whole = instruction.join(" ");
    match whole.split_once(": ") {
        Some((head, tail)) if head.split_whitespace().count() <= 12 => {
            (head.to_owned(), tail.trim().to_owned())
        }
        _ => (whole, String::new()),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn asked_for(asked: &str, verbs: &str) -> bool {
    words(asked).any(|word| verbs.split(' ').any(|verb| verb == word))
}

fn is_french(asked: &str) -> bool {
    const FRENCH: &str =
        "le la les un une des du en et ce cette pour dans est reponds resume traduis donne classe";
    const ENGLISH: &str =
        "the a an of in and this for is are answer summarise summarize translate give classify to";
    let count = |list: &str| words(asked).filter(|word| list.split(' ').any(|known| known == *word)).count();
    count(FRENCH) > count(ENGLISH)
}

/// "in one sentence", "en 3 phrases".
fn sentence_count(asked: &str) -> Option<usize> {
    let all: Vec<&str> = words(asked).collect();
    all.windows(2).find_map(|pair| {
        if !matches!(pair[1], "sentence" | "sentences" | "phrase" | "phrases" | "line" | "lines" | "points") {
            return None;
        }
        match pair[0] {
            "one" | "un" | "une" | "single" | "a" | "short" => Some(1),
            "two" | "deux" => Some(2),
            "three" | "trois" => Some(3),
            number => number.parse().ok().filter(|n| (1..=20).contains(n)),
        }
    })
}

/// What comes right before a list of labels.
const BEFORE: [&str; 9] = [
    "exactly one of: ",
    "one of: ",
    "one of ",
    "l'un de ces mots : ",
    "classify this line as ",
    "as either ",
    "into: ",
    "parmi : ",
    "parmi ",
];

/// The labels a prompt offers: "exactly one of: A, B, C", "as A, B or C", "YES or NO".
fn labels(instruction: &str) -> Option<Vec<String>> {
    let folded = fold(instruction);
    if folded.contains("yes or no") || folded.contains("yes/no") {
        return Some(vec![original(instruction, "yes"), original(instruction, "no")]);
    }
    if folded.contains("oui ou non") || folded.contains("oui/non") {
        return Some(vec![original(instruction, "oui"), original(instruction, "non")]);
    }
    let classifying =
        asked_for(&folded, "classify categorise categorize classe classer classifie choose choisis label");
    let start = BEFORE.iter().find_map(|b| folded.find(b).map(|at| at + b.len())).or_else(|| {
        classifying
            .then(|| [" as ", " en ", " comme "].iter().find_map(|b| folded.find(b).map(|at| at + b.len())))?
    })?;
    // Folding keeps the number of characters except for ligatures, which no label list here holds.
    let skipped = folded[..start].chars().count();
    let tail: String = instruction.chars().skip(skipped).collect();
    let end = tail.find(['.', '\n', '(', ';']).unwrap_or(tail.len());
    let list = tail[..end].replace(" or ", ",").replace(" ou ", ",").replace(" and ", ",").replace('/', ",");
    let labels: Vec<String> = list
        .split(',')
        .map(|label| label.trim().trim_matches(['"', '\'', '«', '»', ' ']).to_owned())
        .filter(|label| !label.is_empty() && label.split_whitespace().count() <= 3)
        .collect();
    (labels.len() >= 2).then_some(labels)
}

/// The word as the instruction spells it.
fn original(instruction: &str, word: &str) -> String {
    words(instruction).find(|typed| fold(typed) == word).map_or_else(|| word.to_owned(), str::to_owned)
}

fn pick_label(labels: &[String], asked: &str, material: &str) -> String {
    let text: BTreeSet<String> = words(&fold(material)).map(stem).collect();
    if let [yes, no] = labels
        && matches!(fold(yes).as_str(), "yes" | "oui")
    {
        let wanted: Vec<String> = content_words(asked).collect();
        let held = wanted.iter().filter(|word| text.contains(*word)).count();
        return if !wanted.is_empty() && held * 2 > wanted.len() { yes.clone() } else { no.clone() };
    }
    let overlap = |label: &String| words(&fold(label)).filter(|word| text.contains(&stem(word))).count();
    if let Some(best) = labels.iter().filter(|label| overlap(label) > 0).max_by_key(|label| overlap(label)) {
        return best.clone();
    }
    // A question mark is a keyword too.
    let question = labels.iter().find(|label| fold(label).starts_with("question"));
    match (question, labels.last()) {
        (Some(label), _) if material.trim_end().ends_with('?') => label.clone(),
        (_, Some(last)) => last.clone(),
        (_, None) => String::new(),
    }
}

/// Crude on purpose: enough to match "complaints" with "complaint".
fn stem(word: &str) -> String {
    let cut = word.strip_suffix("es").or_else(|| word.strip_suffix('s')).unwrap_or(word);
    let cut = if cut.chars().count() >= 3 { cut } else { word };
    cut.trim_end_matches('e').to_owned()
}

fn content_words(asked: &str) -> impl Iterator<Item = String> {
    const SAYS_NOTHING: &str = "the a an of in to and or is are this that it for with from on by yes no does do contain \
        contains answer say give text question line sentence result search exactly one whether if clause contract about mention mentions speak le la les \
        un une des du de d l en et ou est sont ce cette pour dans avec oui non contient reponds dis texte ligne phrase \
        resultat recherche contrat reponse document parle il elle mentionne clause short only seulement using use";
    words(asked)
        .filter(|word| {
            word.chars().count() > 1 && !SAYS_NOTHING.split_whitespace().any(|known| known == *word)
        })
        .map(stem)
        .collect::<Vec<_>>()
        .into_iter()
}

fn first_informative(material: &str, count: usize) -> String {
    let all = sentences(material);
    let informative: Vec<&String> =
        all.iter().filter(|sentence| words(sentence).count() >= INFORMATIVE_WORDS_MIN).take(count).collect();
    let chosen = if informative.is_empty() { all.iter().take(count).collect() } else { informative };
    one_line(&chosen.into_iter().cloned().collect::<Vec<_>>().join(" "))
}

fn most_relevant(asked: &str, material: &str) -> String {
    let wanted: BTreeSet<String> = content_words(asked).collect();
    let all = sentences(material);
    let mut scored: Vec<(usize, usize)> = all
        .iter()
        .enumerate()
        .map(|(at, sentence)| {
            let held: BTreeSet<String> = words(&fold(sentence)).map(stem).collect();
            (wanted.intersection(&held).count(), at)
        })
        .collect();
    if scored.iter().all(|(score, _)| *score == 0) {
        return first_informative(material, ANSWER_SENTENCES);
    }
    scored.retain(|(score, _)| *score > 0);
    scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    let mut chosen: Vec<usize> = scored.into_iter().take(ANSWER_SENTENCES).map(|(_, at)| at).collect();
    chosen.sort_unstable();
    one_line(&chosen.into_iter().map(|at| all[at].clone()).collect::<Vec<_>>().join(" "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
