//! Texts put together in a row: a quoted template, "'Answer: ' followed by the result", a template without quotes.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::plan::{Piece, Text};
use crate::compile::template::{shows_a_value, template, template_or_literal};

impl Parser<'_> {
    /// A quoted template, perhaps in a row with values: "'[model] ' followed by its reply".
    pub(super) fn quoted_row(&mut self, literal: bool) -> Result<Option<Text>, Reason> {
        let Some(raw) = self.cursor.quoted() else { return Ok(None) };
        let continues = self.cursor.sees("followed|suivi|suivie|suivis|+|then|puis");
        if !literal && !continues {
            // What a branch writes instead of an answer is a text unless it shows a value.
            let shows = template_or_literal(raw, &self.draft);
            let fixed = self.in_branch && !shows_a_value(&shows) && !raw.contains(['[', '{', '<']);
            return if fixed { Ok(Some(shows)) } else { template(raw, &self.draft).map(Some) };
        }
        let mut text = if literal {
            vec![Piece::Literal(raw.to_owned())]
        } else {
            template_or_literal(raw, &self.draft)
        };
        self.row_tail(&mut text, false)?;
        Ok(Some(text))
    }

    /// "… followed by a new line and 'Answer: ' and the answer".
    pub(super) fn row_tail(&mut self, text: &mut Text, mut chained: bool) -> Result<(), Reason> {
        loop {
            let start = self.cursor.at;
            let link = self.cursor.eat_any(&[
                "followed by|with",
                "suivi|suivie|suivis de|d|du|par",
                "+",
                "then|puis",
            ]);
            // "and" goes on with the row only if a text or value follows, not a new clause.
            let also = !link && chained && self.cursor.eat("and|et then|puis?");
            if !link && !also {
                return Ok(());
            }
            match self.row_part() {
                Ok(Some(part)) => text.extend(part),
                _ if also => {
                    self.cursor.at = start;
                    return Ok(());
                }
                Ok(None) => return Err(self.unread_here()),
                Err(reason) => return Err(reason),
            }
            chained = true;
        }
    }

    pub(super) fn row_part(&mut self) -> Result<Option<Text>, Reason> {
        if let Some(raw) = self.cursor.quoted() {
            return Ok(Some(template_or_literal(raw, &self.draft)));
        }
        if self.cursor.eat_any(&["@det* blank|empty line", "@det* ligne vide|blanche"]) {
            return Ok(Some(vec![Piece::Literal("\n\n".to_owned())]));
        }
        if self.cursor.eat_any(&["@det* new|line line|break", "@det* newline", "@det* retour a la ligne"]) {
            return Ok(Some(vec![Piece::Literal("\n".to_owned())]));
        }
        let start = self.cursor.at;
        let Some(noun) = self.noun()? else { return Ok(None) };
        match self.draft.piece(&noun) {
            Some(piece) => Ok(Some(vec![piece])),
            None => {
                self.cursor.at = start;
                Err(Reason::UnknownName(noun.head))
            }
        }
    }

    /// "format as [line] => [result]": a template without quotes runs to its last placeholder.
    pub(super) fn unquoted_template(&mut self) -> Result<Option<Text>, Reason> {
        self.cursor.eat(":");
        let mut last = None;
        for (at, token) in self.cursor.tokens.iter().enumerate().skip(self.cursor.at) {
            match token.kind {
                TokenKind::Slot(_) => last = Some(at),
                TokenKind::Break => break,
                TokenKind::Mark if last.is_some() && matches!(token.folded.as_str(), "." | ";") => break,
                _ => {}
            }
        }
        let Some(last) = last else { return Ok(None) };
        // Words before the first placeholder that belong to the sentence, not to the template, would be read as text:
        // at most a heading is accepted there.
        let first =
            self.cursor.tokens[self.cursor.at..].iter().position(|t| matches!(t.kind, TokenKind::Slot(_)));
        if first.is_none_or(|words| words > MAX_HEADING_TOKENS) {
            return Ok(None);
        }
        let raw = self.cursor.typed(self.cursor.at, last + 1);
        self.cursor.at = last + 1;
        template(raw, &self.draft).map(Some)
    }
}

/// "Question: [sentence]": words before the first placeholder of a template without quotes.
const MAX_HEADING_TOKENS: usize = 4;
