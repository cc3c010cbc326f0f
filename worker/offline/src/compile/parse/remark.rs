//! Short clauses that settle a detail: order, blank lines, numbering, separators, what to do with repeats.

use super::Parser;
use crate::compile::noun::Meaning;
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::phrases::eat_separator;
use crate::compile::plan::Split;

impl Parser<'_> {
    pub(super) fn remark_clause(&mut self) -> bool {
        let start = self.cursor.at;
        if (self.answer_choice()
            || self.default_of_guarded()
            || self.order()
            || self.blanks()
            || self.repeats()
            || self.numbering()
            || self.separator()
            || self.manner())
            && self.cursor.at_boundary()
        {
            return true;
        }
        self.cursor.at = start;
        false
    }

    /// Every program keeps the order of the input.
    pub(super) fn order(&mut self) -> bool {
        let start = self.cursor.at;
        let kept = self.cursor.eat_any(&[
            "keep|keeping|preserve|preserving|respect|respecting|maintain|maintaining|follow|following",
            "garde|gardez|garder|gardant|conserve|conservez|conserver|conservant|respecte|respectez|respecter|respectant",
            "en gardant|conservant|respectant",
            "in|dans",
        ]);
        if kept {
            self.cursor.eat("@det*");
            self.cursor.eat("same|input|original|initial|given|first* seen|meme|input*");
            if self.cursor.eat("order|ordre") {
                self.cursor.eat_any(&[
                    "of|as|d|de|du|des in|the|l|la|les|their? @det* input|appearance|apparition|text|texte|entree|origine|arrivee|questions|lines|sentences|phrases|lignes",
                    "initial|donne|original",
                    "they appear",
                ]);
                return true;
            }
        }
        self.cursor.at = start;
        false
    }

    fn blanks(&mut self) -> bool {
        self.cursor.eat_any(&[
            "ignore|skip|ignoring|skipping|drop|omit @det* blank|empty lines|ones|items|line|entries|sentences|paragraphs",
            "ignore|ignorez|ignorer|ignorant|saute|sautez @det* lignes|elements vides|blanches",
            "en ignorant @det* lignes|elements vides",
        ])
    }

    fn repeats(&mut self) -> bool {
        const CASE: [&str; 6] = [
            "ignore|ignoring|regardless @det* of? case|capitalisation",
            "ignore|ignorez|ignorant|en* ignorant? @det* casse",
            "sans tenir compte de la casse",
            "case insensitive|insensitively",
            "quelle que soit la casse",
            "whatever the|their|its case",
        ];
        if self.draft.distinct.is_some() && self.cursor.eat_any(&CASE) {
            self.draft.distinct = Some(true);
            self.cursor
                .eat("and|et @det* surrounding|leading|trailing? blanks|whitespace|spaces|espaces|blancs");
            return true;
        }
        if self.draft.split.is_some()
            && self.cursor.eat_any(&[
                "skip|remove|ignore|drop|without|ignoring|removing|skipping|omit @det* duplicates|duplicate|repeats|doubles|repetitions lines|items|sentences|names?",
                "sans doublons|doublon|repetition|repetitions",
                "ignore|ignorez|supprime|supprimez|retire|elimine|en* @det* doublons",
                "deduplicate @det* lines|items|names|sentences?",
            ])
        {
            self.draft.distinct.get_or_insert(false);
            return true;
        }
        self.draft.distinct.is_some()
            && self.cursor.eat_any(&[
                "keep|keeping @det* first spelling|occurrence|form",
                "en? gardant|garde|conserve @det* premiere orthographe|occurrence|forme",
            ])
    }

    pub(super) fn numbering(&mut self) -> bool {
        if !self
            .cursor
            .eat("numbered|number|numbering|numerote|numerotes|numerotee|numerotees|numerotez|numeroter")
        {
            return false;
        }
        let aliases = self.draft.aliases();
        if !self.cursor.sees("from|starting|a|en") {
            noun_phrase(&mut self.cursor, &aliases);
        }
        let start = self.cursor.at;
        if self.cursor.eat("from|starting|a|en") {
            self.cursor.eat("at|partir|from|commencant|with");
            self.cursor.eat("de|a|par");
            if self.cursor.number() != Some(1) {
                self.cursor.at = start;
                return false;
            }
        }
        self.draft.numbered = true;
        true
    }

    /// "separated by a blank line", "one per line", "join the results with commas", "with a blank line between them".
    pub(super) fn separator(&mut self) -> bool {
        let start = self.cursor.at;
        if self.cursor.eat_any(&[
            "one per line",
            "un|une par ligne",
            "each|chacun|chacune? on|sur its|their|une|a own|new|nouvelle|separate line|ligne",
        ]) {
            return self.take_separator("\n".to_owned());
        }
        let joined = self.cursor.eat_any(&[
            "separated|delimited|joined|join|joining|separes|separees|separe|separez|separer|separate|joins|relies",
        ]);
        if joined {
            let aliases = self.draft.aliases();
            noun_phrase(&mut self.cursor, &aliases);
            if self.cursor.eat("by|with|par|avec|using")
                && let Some(separator) = eat_separator(&mut self.cursor)
            {
                return self.take_separator(separator);
            }
        }
        self.cursor.at = start;
        if self.cursor.eat_any(&["with|put|leave|insert|avec|laisse|mets|insere"])
            && let Some(separator) = eat_separator(&mut self.cursor)
            && self.cursor.eat("between|entre")
        {
            let aliases = self.draft.aliases();
            let named =
                noun_phrase(&mut self.cursor, &aliases).is_some_and(|n| n.meaning != Meaning::Position);
            if named || self.cursor.eat("them|each|chaque|elles|eux") {
                self.draft.separator = Some(as_output(separator));
                return true;
            }
        }
        self.cursor.at = start;
        false
    }

    /// Right after "for each item", the separator is that of the input; later it is that of the output.
    fn take_separator(&mut self, separator: String) -> bool {
        let nothing_done = self.draft.ops.is_empty() && self.draft.output.is_none();
        match (&self.draft.split, nothing_done) {
            (Some(Split::Items), true) => self.draft.split = Some(Split::On(separator)),
            (_, true) => return false,
            _ => self.draft.separator = Some(as_output(separator)),
        }
        true
    }

    /// Ways of working every program has anyway.
    pub(super) fn manner(&mut self) -> bool {
        self.cursor.eat_any(&[
            "in parallel",
            "en parallele",
            "at the same time",
            "one call|search|request|question|prompt per|for each? line|sentence|item|paragraph|word|name|chunk|clause",
            "un|une appel|recherche|requete|question par ligne|phrase|element|paragraphe|mot|nom|clause",
            "@number distinct|separate searches|calls",
            "@number recherches|appels distinctes|distincts|separees|separes",
            "and? nothing else",
            "et? rien d autre|de plus",
            "no|without|sans any|other|aucun? text|comment|comments|explanation|commentaire|texte",
            "json only|uniquement",
            "@det* reply|answer is one|a? single? word",
            "it answers|replies with a|one? number|word",
        ])
    }
}

/// Between outputs, a comma or semicolon is followed by a blank, as people write it.
pub(super) fn as_output(separator: String) -> String {
    if separator == "," || separator == ";" { format!("{separator} ") } else { separator }
}
