//! "a report with the title '# …' and the sections '## …'": headings in order, each above the value it names.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::{fold, lex};
use crate::compile::plan::{Piece, Text};
use crate::compile::template::template;

impl Parser<'_> {
    pub(super) fn report(&mut self) -> Result<Text, Reason> {
        let mut text = Text::new();
        self.cursor.eat("with|having|avec|ayant|comportant|contenant @det*");
        if self.cursor.eat("title|heading|titre|headed|titled|intitule :?") {
            let raw = self.cursor.quoted().ok_or_else(|| self.unread_here())?;
            text.extend(template(raw, &self.draft)?);
            self.cursor.eat(",? and|et|with|avec* @det*");
        }
        self.cursor.eat("@number");
        if !self.cursor.eat("sections|section|parts|headings|parties|rubriques|intertitres :?") {
            return if text.is_empty() { Err(self.unread_here()) } else { Ok(text) };
        }
        let mut headings = Vec::new();
        loop {
            match self.cursor.quoted() {
                Some(raw) => headings.push(raw.to_owned()),
                None if self.cursor.sees(",|and|et") && !headings.is_empty() => {
                    let start = self.cursor.at;
                    self.cursor.eat(",|and|et*");
                    if !self.cursor.sees_quoted() {
                        self.cursor.at = start;
                        break;
                    }
                }
                None => break,
            }
        }
        let values = self.values_under(&headings)?;
        for (heading, value) in headings.iter().zip(values) {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            text.push(Piece::Literal(format!("{gap}{heading}\n\n")));
            text.push(self.draft.piece_of(value));
        }
        Ok(text)
    }

    /// By name where the heading holds a noun of the value ("## Address" for "its address"); otherwise in order, when
    /// there are as many headings as values.
    fn values_under(&self, headings: &[String]) -> Result<Vec<usize>, Reason> {
        let made: Vec<usize> = self.draft.made().collect();
        let named: Vec<Option<usize>> = headings
            .iter()
            .map(|heading| {
                let words: Vec<String> = lex(heading).into_iter().map(|token| token.folded).collect();
                made.iter().copied().find(|value| {
                    self.draft.values[*value].aliases.iter().any(|alias| words.contains(&fold(alias)))
                })
            })
            .collect();
        if let Some(all) = named.iter().copied().collect::<Option<Vec<usize>>>() {
            return Ok(all);
        }
        if made.len() == headings.len() && named.iter().all(Option::is_none) {
            return Ok(made);
        }
        let unknown = headings.iter().zip(&named).find(|(_, value)| value.is_none());
        Err(Reason::UnknownName(unknown.map_or_else(String::new, |(heading, _)| heading.clone())))
    }
}
