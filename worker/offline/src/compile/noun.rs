//! What a noun can name. How a whole phrase around it is read: `noun_phrase.rs`.

use super::cursor::{Cursor, is_one_of};
use super::noun_phrase::noun_phrase;
use super::plan::{Kind, Split};

/// Nouns the description itself introduced: for the item, and for the values made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aliases {
    /// The input is not split: there is no "line" or "sentence" to speak of.
    pub(crate) whole: bool,
    pub(crate) item: Vec<String>,
    pub(crate) values: Vec<String>,
}

/// What a noun phrase points at, before it is resolved against the values at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The item, or the whole input when nothing is split.
    Item,
    /// "result", "answer": the newest value made, whatever it is.
    Newest,
    /// A value of this kind.
    Of(Kind),
    /// What has been formatted: "all pairs", "the list".
    Formatted,
    /// "it", "them".
    Pronoun,
    /// The number of the item.
    Position,
    /// The sum over all items.
    Total,
    /// A noun the description itself gave to a value.
    Alias(String),
}

/// One noun phrase.
#[derive(Debug, Clone)]
pub(crate) struct Noun {
    pub(crate) meaning: Meaning,
    /// The phrase repeats what follows for each of these.
    pub(crate) each: Option<Split>,
    /// "all the summaries" / "tous les résumés".
    pub(crate) all: bool,
    pub(crate) plural: bool,
    /// "distinct line".
    pub(crate) distinct: bool,
    /// "each one": the items named before.
    pub(crate) each_again: bool,
    /// The head noun, folded.
    pub(crate) head: String,
}

impl Noun {
    /// "it", said before its verb or left out.
    pub(crate) fn pronoun() -> Self {
        Self {
            meaning: Meaning::Pronoun,
            each: None,
            all: false,
            plural: false,
            distinct: false,
            each_again: false,
            head: String::new(),
        }
    }
}

/// How a counted noun splits the input when nothing more is said.
pub(crate) fn split_of(noun: &str) -> Option<Split> {
    Some(match noun {
        "line" | "lines" | "row" | "rows" | "ligne" | "lignes" => Split::Lines,
        "paragraph" | "paragraphs" | "paragraphe" | "paragraphes" => Split::Paragraphs,
        "word" | "words" | "mot" | "mots" => Split::Words,
        "sentence" | "sentences" | "phrase" | "phrases" | "question" | "questions" | "statement"
        | "statements" | "claim" | "claims" | "affirmation" | "affirmations" => Split::Sentences,
        _ if is_one_of("@item", noun) => Split::Items,
        _ => return None,
    })
}

/// What one word names, if it names anything by itself.
pub(crate) fn meaning_of(word: &str, aliases: &Aliases) -> Option<Meaning> {
    if aliases.values.iter().any(|alias| alias == word) {
        return Some(Meaning::Alias(word.to_owned()));
    }
    if aliases.item.iter().any(|alias| alias == word) {
        return Some(Meaning::Item);
    }
    Some(match word {
        "result" | "results" | "resultat" | "resultats" | "answer" | "answers" | "reponse" | "reponses"
        | "finding" | "findings" | "response" | "responses" | "outcome" | "outcomes" | "information"
        | "informations" | "info" | "details" => Meaning::Newest,
        "passage" | "passages" | "hit" | "hits" | "extrait" | "extraits" | "excerpt" | "excerpts" => {
            Meaning::Of(Kind::Result)
        }
        "reply" | "replies" | "explanation" | "explanations" | "explication" | "explications" | "rewrite"
        | "reformulation" | "reformulations" | "correction" | "corrections" | "definition"
        | "definitions" | "description" | "descriptions" => Meaning::Of(Kind::Reply),
        "summary" | "summaries" | "resume" | "resumes" | "synthese" | "syntheses" | "synthesis" => {
            Meaning::Of(Kind::Summary)
        }
        "translation" | "translations" | "traduction" | "traductions" => Meaning::Of(Kind::Translation),
        "label" | "labels" | "category" | "categories" | "categorie" | "class" | "classe"
        | "classification" | "etiquette" | "etiquettes" | "type" => Meaning::Of(Kind::Label),
        "rating" | "ratings" | "score" | "scores" | "note" | "notes" | "grade" => Meaning::Of(Kind::Rating),
        "count" | "length" | "longueur" => Meaning::Of(Kind::Changed),
        "pair" | "pairs" | "paire" | "paires" | "couple" | "couples" | "block" | "blocks" | "bloc"
        | "blocs" | "list" | "liste" | "everything" | "ensemble" | "output" | "outputs" | "sortie"
        | "tout" => Meaning::Formatted,
        "sum" | "total" | "somme" => Meaning::Total,
        "amount" | "amounts" | "montant" | "montants" => Meaning::Of(Kind::Amount),
        "n" | "number" | "numbers" | "nombre" | "nombres" | "numero" | "index" | "i" | "position"
        | "rank" | "rang" | "#" => Meaning::Position,
        _ if is_one_of("@input|@item", word) => Meaning::Item,
        _ => return None,
    })
}

/// Nouns that only a split makes.
pub(crate) fn is_unit(noun: &str) -> bool {
    const UNITS: &str = "sentence|sentences|phrase|phrases|line|lines|row|rows|ligne|lignes|paragraph|paragraphs|\
        paragraphe|paragraphes|word|words|mot|mots";
    is_one_of(UNITS, noun)
}

/// What the name inside a placeholder means.
pub(crate) fn slot_meaning(name: &str, aliases: &Aliases) -> Option<Meaning> {
    let name = name.replace('_', " ");
    let tokens = super::lexer::lex(&name);
    let mut cursor = Cursor::new(&name, &tokens);
    if let [only] = tokens.as_slice() {
        return meaning_of(&only.folded, aliases).filter(|_| !(aliases.whole && is_unit(&only.folded)));
    }
    let noun = noun_phrase(&mut cursor, aliases)?;
    cursor.at_end().then_some(noun.meaning)
}
