//! What is given back: a value, two of them, a count, everything there is.

use super::Parser;
use super::output::Said;
use super::remark::as_output;
use crate::compile::error::Reason;
use crate::compile::noun::{Meaning, Noun};
use crate::compile::phrases::eat_separator;
use crate::compile::plan::{Change, Kind, Language, Output, Piece, Text};

impl Parser<'_> {
    /// The thing to give back: a quoted template, a value, "all pairs", a count.
    pub(super) fn output_object(&mut self, said: &mut Said) -> Result<bool, Reason> {
        if said.output.is_none()
            && let Some(text) = self.quoted_row(false)?
        {
            said.output = Some(Output::Text(text));
            return Ok(true);
        }
        if said.object.is_some() || said.output.is_some() {
            return Ok(false);
        }
        let start = self.cursor.at;
        if let Some((change, from)) = self.counted_object()? {
            let into = self.draft.change(change, from);
            said.output = Some(Output::Text(vec![self.draft.piece_of(into)]));
            return Ok(true);
        }
        self.cursor.at = start;
        if self.best_items() {
            said.output = Some(Output::Text(vec![Piece::Value(0)]));
            return Ok(true);
        }
        if self.cursor.eat_any(&["one|a|une? line|block|entry|ligne per|par|for|each*"]) {
            if self.cursor.eat("distinct|unique|different") {
                self.draft.distinct.get_or_insert(false);
            }
            if let Some(noun) = self.noun()?
                && noun.meaning == Meaning::Item
            {
                self.draft.separator.get_or_insert_with(|| "\n".to_owned());
                said.detail = true;
                return Ok(true);
            }
            self.cursor.at = start;
        }
        let both = self.cursor.eat_any(&["both", "les deux", "a la fois"]);
        let Some(noun) = self.noun()? else { return Ok(false) };
        said.object = Some(noun);
        self.second_object(said)?;
        // "both answers" promises two of something.
        if both && said.both.is_none() {
            return Err(Reason::Unread(self.cursor.typed(start, self.cursor.at).to_owned()));
        }
        Ok(true)
    }

    /// "the sentence and the answer": named together, and laid out by a template or else side by side.
    fn second_object(&mut self, said: &mut Said) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat("and|et")
            && let Some(second) = self.noun()?
            && second.each.is_none()
            && (self.cursor.at_boundary()
                || self.cursor.sees("as|in|comme|sous|for|pour|par|per|separated|joined|separes|separees"))
            && let Some(first) = said.object.as_ref()
            && let Some([first, second]) = self.draft.pieces_beside([&first.meaning, &second.meaning])
            && first != second
        {
            let between = match (&first, self.draft.language) {
                (Piece::Value(0), Language::Fr) => " : ",
                (Piece::Value(0), Language::En) => ": ",
                _ => "\n",
            };
            let here = self.cursor.at;
            let between = if self.cursor.eat("separated|joined|separes|separees|separe|separee by|with|par")
                && let Some(separator) = eat_separator(&mut self.cursor)
            {
                as_output(separator)
            } else {
                self.cursor.at = here;
                between.to_owned()
            };
            said.both = Some(vec![first, Piece::Literal(between), second]);
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(true)
    }

    fn counted_object(&mut self) -> Result<Option<(Change, usize)>, Reason> {
        if !self.cursor.sees("@det* total? number|nombre|count of|de|d|total") {
            return Ok(None);
        }
        self.counted()
    }

    /// What a noun alone gives back; None when it speaks of what is given back anyway.
    pub(super) fn object_output(&self, noun: &Noun) -> Result<Option<Output>, Reason> {
        let formatted = self.draft.output.is_some()
            && (noun.plural || noun.meaning == Meaning::Pronoun || noun.meaning == Meaning::Newest);
        if noun.meaning == Meaning::Formatted || formatted {
            return Ok(None);
        }
        if noun.meaning == Meaning::Item && self.draft.split.is_some() && self.draft.newest() > 0 {
            // "Output each line with …": the line stands for its whole entry.
            return Ok(None);
        }
        // "the results" of several searches are all of them.
        let results: Vec<usize> =
            self.draft.made().filter(|value| self.draft.values[*value].kind == Kind::Result).collect();
        if noun.plural
            && noun.meaning == Meaning::Newest
            && results.len() > 1
            && results.last() == Some(&self.draft.newest())
        {
            let mut text = Text::new();
            for value in results {
                if !text.is_empty() {
                    text.push(Piece::Literal("\n".to_owned()));
                }
                text.push(self.draft.piece_of(value));
            }
            return Ok(Some(Output::Text(text)));
        }
        let piece = self.draft.piece(noun).ok_or_else(|| Reason::UnknownName(noun.head.clone()))?;
        if let Piece::Value(value) = piece
            && self.draft.values[value].kind == Kind::Hidden
        {
            return Err(Reason::UnknownName(noun.head.clone()));
        }
        Ok(Some(Output::Text(vec![piece])))
    }
}
