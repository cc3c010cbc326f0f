//! Clauses about the input: what is repeated, how the input is split, what its lines hold.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::noun::{Aliases, Meaning, is_unit};
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::phrases::{eat_input, eat_separator};
use crate::compile::plan::Split;

impl Parser<'_> {
    pub(super) fn source_clause(&mut self) -> Result<bool, Reason> {
        Ok(self.starting_point()?
            || self.for_each()?
            || self.line_by_line()?
            || self.split_clause()?
            || self.declaration()?
            || self.whole_input())
    }

    /// "Given the name of a town:", "À partir de la question :".
    fn starting_point(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        let introduced = self.cursor.eat_any(&[
            "from|given|starting",
            "a partir de|d|du|des",
            "etant donne|donnee",
            "d apres",
        ]);
        if introduced && self.draft.ops.is_empty() {
            // "Given a list of questions, one per line".
            if self.cursor.sees("@det* list|liste|series|suite of|de|d")
                && self.declared_content(None, start)?
            {
                return Ok(true);
            }
            self.cursor.eat("from|with?");
            self.cursor.eat("@det*");
            let aliases = self.draft.aliases();
            if let Some(noun) = noun_phrase(&mut self.cursor, &aliases)
                && noun.meaning == Meaning::Item
                && noun.each.is_none()
            {
                self.draft.name_item(&noun.head);
                while self.cursor.eat("of|de|d|du|des|as|comme") {
                    self.cursor.eat("@det*");
                    let owner = self.cursor.word(0).to_owned();
                    if eat_input(&mut self.cursor) {
                        continue;
                    }
                    if noun_phrase(&mut self.cursor, &aliases).is_none_or(|n| n.meaning != Meaning::Item) {
                        return Err(self.unread_here());
                    }
                    self.draft.name_item(&owner);
                }
                if self.cursor.at_boundary() {
                    return Ok(true);
                }
            }
        }
        self.cursor.at = start;
        Ok(false)
    }

    /// "For each sentence in the input", "Pour chaque ligne du texte", "Take every line".
    fn for_each(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        let introduced = self.cursor.eat_any(&[
            "for|pour",
            "take|read|process|handle|treat|go|iterate|loop through|over|on|across?",
            "prends|prenez|prendre|lis|lisez|lire|traite|traitez|traiter|parcours|parcourez|parcourir",
        ]);
        if introduced
            && let Some(noun) = self.noun()?
            && (noun.each.is_some() || (noun.each_again && self.draft.split.is_some()))
        {
            // "Take every line separately".
            self.cursor.eat_any(&["separately|individually|separement|individuellement", "in turn"]);
            return Ok(true);
        }
        self.cursor.at = start;
        // "Take a list of names, one per line".
        if introduced && self.draft.ops.is_empty() {
            self.cursor.at += 1;
            if self.cursor.sees("@det* list|liste|series|suite of|de|d")
                && self.declared_content(None, start)?
            {
                return Ok(true);
            }
            self.cursor.at = start;
        }
        if introduced && self.plural_units(start)? {
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(false)
    }

    /// "Loop over the sentences of the input", "parcours les lignes du texte": the plural repeats after these verbs.
    fn plural_units(&mut self, start: usize) -> Result<bool, Reason> {
        let loops = self.cursor.eat_any(&[
            "go|iterate|loop through|over|on|across",
            "process|handle|parcours|parcourez|parcourir|traite|traitez|traiter",
        ]);
        self.cursor.eat("@det|individual|separate|different|differentes*");
        let unit = self.cursor.word(0).to_owned();
        if loops && is_unit(&unit) && unit.ends_with('s') {
            self.cursor.at += 1;
            if self.cursor.eat("of|in|from|de|du|des|dans") && !eat_input(&mut self.cursor) {
                return Ok(false);
            }
            if self.cursor.at_boundary() {
                self.split_input(&unit_split(&unit), &unit, start)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// "Take the user's input": nothing is said of it yet.
    fn whole_input(&mut self) -> bool {
        let start = self.cursor.at;
        if self.cursor.eat(
            "take|takes|read|reads|get|receive|receives|prends|prenez|prendre|lis|lisez|lire|recois|recevoir",
        ) && eat_input(&mut self.cursor)
            && self.cursor.at_boundary()
        {
            return true;
        }
        self.cursor.at = start;
        false
    }

    /// "Go through the input line by line", "Traite le texte phrase par phrase".
    fn line_by_line(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        self.cursor.eat_any(&[
            "go through|over?",
            "read|process|take|handle|lis|lisez|lire|traite|traitez|traiter|parcours|parcourez|parcourir|prends|prenez|prendre",
        ]);
        eat_input(&mut self.cursor);
        let unit = self.cursor.word(0);
        if matches!(self.cursor.word(1), "by" | "par" | "after")
            && self.cursor.word(2) == unit
            && !unit.is_empty()
        {
            let split = match unit {
                "line" | "ligne" => Split::Lines,
                "sentence" | "phrase" => Split::Sentences,
                "paragraph" | "paragraphe" => Split::Paragraphs,
                "word" | "mot" => Split::Words,
                _ => Split::Items,
            };
            self.cursor.at += 3;
            self.split_input(&split, unit, start)?;
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(false)
    }

    /// "Split the input into sentences", "Découpe le texte en morceaux de 500 caractères au plus".
    fn split_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if !self.cursor.eat("@split") {
            return Ok(false);
        }
        // "sépare les blocs par une ligne vide": that is about the output, once there is something to put out.
        if self.cursor.tokens[start].folded.starts_with("separ")
            && !(self.draft.ops.is_empty() && self.draft.output.is_none())
        {
            self.cursor.at = start;
            return Ok(false);
        }
        if !eat_input(&mut self.cursor) && self.draft.ops.is_empty() {
            self.cursor.eat("it|le|la|celui ci?");
        }
        self.cursor.eat("up|down");
        if self.cursor.eat("on|by|at|sur|aux|par")
            && let Some(separator) = eat_separator(&mut self.cursor)
        {
            self.split_input(&Split::On(separator), "item", start)?;
            return Ok(true);
        }
        if self.cursor.eat("into|in|en") {
            self.cursor.eat("@det* separate|individual?");
            let unit = self.cursor.word(0);
            if self.cursor.eat("chunks|pieces|parts|blocks|morceaux|blocs|parties|segments|tranches") {
                return self.chunk_size(start);
            }
            let aliases = Aliases { whole: false, ..self.draft.aliases() };
            if let Some(noun) = noun_phrase(&mut self.cursor, &aliases)
                && noun.meaning == Meaning::Item
            {
                let split = match noun.each {
                    Some(split) => split,
                    None => unit_split(unit),
                };
                self.split_input(&split, &noun.head, start)?;
                return Ok(true);
            }
        }
        Err(self.unread(start))
    }

    fn chunk_size(&mut self, start: usize) -> Result<bool, Reason> {
        self.cursor.eat_any(&["of|de", "with|no"]);
        self.cursor.eat_any(&["at most", "up to", "no more than", "maximum", "au plus|maximum"]);
        let Some(size) = self.cursor.number().filter(|size| *size > 0) else {
            return Err(self.unread_here());
        };
        if !self.cursor.eat("characters|character|chars|caracteres|caractere") {
            return Err(self.unread_here());
        }
        self.cursor.eat_any(&["or less|fewer", "at most", "au plus|maximum", "maximum|max", "each"]);
        self.cursor.eat_any(&[
            "without cutting|breaking|splitting @det* words|word",
            "sans couper @det* mots|mot",
            "keeping words whole|intact",
        ]);
        self.split_input(&Split::Chunks(size), "chunk", start)?;
        self.draft.name_item("morceau");
        self.draft.name_item("morceaux");
        Ok(true)
    }

    /// "Every line is a town", "The input is a comma-separated list of names", "L'entrée contient une question par
    /// ligne".
    fn declaration(&mut self) -> Result<bool, Reason> {
        const IS: &str = "is|are|holds|hold|contains|contain|has|lists|est|contient|comporte|represente|sont";
        const GIVES: &str =
            "gives|provides|types|enters|sends|submits|writes|saisit|fournit|donne|entre|envoie|ecrit";
        let start = self.cursor.at;
        if self.cursor.eat("@det* user|users|utilisateur|usager") {
            if self.cursor.eat(GIVES) && self.declared_content(None, start)? {
                return Ok(true);
            }
            self.cursor.at = start;
        }
        let aliases = Aliases { whole: false, ..self.draft.aliases() };
        let subject = noun_phrase(&mut self.cursor, &aliases);
        let about_input = subject.as_ref().is_some_and(|noun| noun.meaning == Meaning::Item);
        // "The names are separated by commas".
        if let Some(noun) = subject.as_ref().filter(|_| about_input)
            && self
                .cursor
                .eat("are|is|sont|est separated|delimited|separes|separees|separe|separee by|with|par")
        {
            let separator = eat_separator(&mut self.cursor).ok_or_else(|| self.unread_here())?;
            let head = noun.head.clone();
            self.split_input(&Split::On(separator), &head, start)?;
            return Ok(true);
        }
        if !about_input || !self.cursor.eat(IS) {
            self.cursor.at = start;
            return Ok(false);
        }
        let subject_split = subject.and_then(|noun| noun.each);
        self.declared_content(subject_split, start)
    }

    /// "a comma-separated list of names", "plusieurs questions, une par ligne": what the input holds.
    fn declared_content(&mut self, subject_split: Option<Split>, start: usize) -> Result<bool, Reason> {
        self.cursor.eat("@det* list|liste|series|suite|set? of|de|d?");
        let mut split = self.separated_adjective().or(subject_split);
        self.cursor.eat("@det* list|liste? of|de|d?");
        self.cursor.eat("@number|several|some|plusieurs|multiple");
        let Some(noun) = self.plain_noun() else {
            self.cursor.at = start;
            return Ok(false);
        };
        if self.cursor.eat_any(&[
            ",|( one|un|une per|par line|ligne )?",
            "per|by|par line|ligne",
            "on each|every line",
            "one per line",
            "un|une par ligne",
        ]) {
            split = Some(Split::Lines);
        } else if self.cursor.eat("separated|delimited|separes|separees|separe by|with|par") {
            split = Some(Split::On(eat_separator(&mut self.cursor).ok_or_else(|| self.unread_here())?));
        }
        if let Some(split) = split {
            self.split_input(&split, &noun, start)?;
        }
        self.draft.name_item(&noun);
        Ok(true)
    }

    fn separated_adjective(&mut self) -> Option<Split> {
        let separator = match self.cursor.word(0) {
            "comma" => ",",
            "semicolon" => ";",
            "pipe" => "|",
            "newline" | "line" => "\n",
            _ => return None,
        };
        self.cursor
            .eat("@stop|comma|semicolon|pipe|newline|line separated|delimited")
            .then(|| Split::On(separator.to_owned()))
    }

    /// A noun the description chooses itself: "product", "nom de société" (its first word counts).
    fn plain_noun(&mut self) -> Option<String> {
        let mut last = None;
        for _ in 0..MAX_NOUN_WORDS {
            let word = self.cursor.word(0);
            let is_word = word.len() > 1 && word.chars().all(char::is_alphabetic);
            if !is_word
                || self.cursor.at_boundary()
                || self.cursor.sees("separated|delimited|separes|separees|separe|per|par|on|is|are")
            {
                break;
            }
            if !self.cursor.eat("@det|names?") {
                self.cursor.at += 1;
            }
            last.get_or_insert_with(|| word.to_owned());
        }
        last
    }
}

/// "company names", "noms de clients": longer is a sentence, not a noun.
const MAX_NOUN_WORDS: usize = 3;

fn unit_split(unit: &str) -> Split {
    match unit {
        "sentences" | "phrases" => Split::Sentences,
        "lines" | "lignes" => Split::Lines,
        "paragraphs" | "paragraphes" => Split::Paragraphs,
        "words" | "mots" => Split::Words,
        _ => Split::Items,
    }
}
