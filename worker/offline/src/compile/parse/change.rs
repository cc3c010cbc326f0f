//! Clauses that change or count the text itself, without a tool.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::noun::Meaning;
use crate::compile::plan::Change;

impl Parser<'_> {
    /// "Convert it to upper case", "count the words of the text", "mets chaque ligne en majuscules".
    pub(super) fn change_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat("count|compte|comptez|compter|calculate|calcule|compute") {
            if let Some((change, from)) = self.counted()? {
                self.draft.change(change, from);
                return Ok(true);
            }
            self.cursor.at = start;
            return Ok(false);
        }
        if self.cursor.eat("convert|turn|put|change|transform|make|mets|mettez|mettre|convertis|convertissez|convertir|passe|transforme|reverse|inverse") {
            let reversed = matches!(self.cursor.tokens[start].folded.as_str(), "reverse" | "inverse");
            if let Some(noun) = self.noun()?
                && let Some(value) = self.draft.resolve(&noun.meaning)
            {
                let change = if reversed { Some(Change::Reverse) } else { self.letter_case() };
                if let Some(change) = change {
                    self.draft.change(change, value);
                    return Ok(true);
                }
            }
        }
        self.cursor.at = start;
        Ok(false)
    }

    /// "in upper case", "to lowercase", "en majuscules".
    pub(super) fn letter_case(&mut self) -> Option<Change> {
        let start = self.cursor.at;
        self.cursor.eat("in|into|to|as|en|all*");
        for (pattern, change) in [
            ("all? upper case|letters?", Change::Upper),
            ("uppercase|uppercased|capitals|majuscules|majuscule letters?", Change::Upper),
            ("capital|block letters", Change::Upper),
            ("lettres? capitales", Change::Upper),
            ("all? lower case|letters?", Change::Lower),
            ("lowercase|lowercased|minuscules|minuscule letters?", Change::Lower),
            ("title case", Change::Title),
        ] {
            if self.cursor.eat(pattern) {
                return Some(change);
            }
        }
        self.cursor.at = start;
        None
    }

    /// "[the number of] words in the text": what is counted, and in which value.
    pub(super) fn counted(&mut self) -> Result<Option<(Change, usize)>, Reason> {
        let start = self.cursor.at;
        let how_many = self.cursor.eat("how many");
        self.cursor.eat("@det*");
        self.cursor.eat_any(&["total? number|count of", "nombre total? de|d"]);
        self.cursor.eat("@det*");
        let change = match self.cursor.word(0) {
            "words" | "mots" | "word" => Change::CountWords,
            "characters" | "letters" | "caracteres" => Change::CountCharacters,
            "lines" | "lignes" => Change::CountLines,
            "sentences" | "phrases" => Change::CountSentences,
            _ => {
                self.cursor.at = start;
                return Ok(None);
            }
        };
        self.cursor.at += 1;
        if how_many {
            self.cursor.eat("there are");
        }
        let mut from = 0;
        if self.cursor.eat("in|of|from|dans|de|du|des|d") {
            match self.noun()? {
                Some(noun) if noun.meaning == Meaning::Item => {}
                Some(noun) => {
                    from = self.draft.resolve(&noun.meaning).ok_or(Reason::UnknownName(noun.head))?;
                }
                None => {
                    self.cursor.at = start;
                    return Ok(None);
                }
            }
        }
        Ok(Some((change, from)))
    }
}
