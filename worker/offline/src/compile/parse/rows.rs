//! Texts put together in a row: a quoted template, "'Answer: ' followed by the result", a template without quotes.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::plan::{Language, Piece, Text};
use crate::compile::template::{shows_a_value, template, template_or_literal};

impl Parser<'_> {
    /// A quoted template, perhaps in a row with values: "'Model: ' followed by the reply".
    pub(super) fn quoted_row(&mut self, literal: bool) -> Result<Option<Text>, Reason> {
        let Some(raw) = self.cursor.quoted() else { return Ok(None) };
        if !literal && let Some(lines) = self.quoted_lines(raw)? {
            return Ok(Some(lines));
        }
        let continues = self.row_goes_on();
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
            let link =
                self.cursor.eat_any(&["followed by|with", "suivi|suivie|suivis|suivies de|d|du|par", "+"]);
            // "and" and "then" go on with the row only if a text or value follows, not a new clause.
            let also =
                !link && (self.cursor.eat("then|puis") || (chained && self.cursor.eat("and|et then|puis?")));
            if !link && !also {
                return Ok(());
            }
            match self.row_part() {
                Ok(Some(part)) => {
                    if self.on_a_new_line() {
                        text.push(Piece::Literal("\n".to_owned()));
                    }
                    self.append(text, part);
                }
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

    /// "'Q: [line]' and 'A: [result]' on separate lines": one below the other.
    fn quoted_lines(&mut self, first: &str) -> Result<Option<Text>, Reason> {
        let start = self.cursor.at;
        let mut lines = vec![first];
        while self.cursor.eat(",|and|et*")
            && let Some(next) = self.cursor.quoted()
        {
            lines.push(next);
        }
        let set_apart = self.cursor.eat_any(&[
            "on|in separate|two|three|different|distinct lines",
            "each on|in its|their|a own|separate line",
            "sur deux|trois|des lignes separees|distinctes|differentes?",
            "chacun|chacune sur une|sa propre? ligne",
        ]);
        if lines.len() < 2 || !set_apart {
            self.cursor.at = start;
            return Ok(None);
        }
        template(&lines.join("\n"), &self.draft).map(Some)
    }

    /// Whether a row follows its first text: "… followed by", "+", "then the answer".
    fn row_goes_on(&self) -> bool {
        let mut ahead = self.cursor;
        let aliases = self.draft.aliases();
        ahead.sees("followed|suivi|suivie|suivis|suivies|+")
            || (ahead.eat("then|puis")
                && (ahead.sees_quoted()
                    || (noun_phrase(&mut ahead, &aliases).is_some()
                        && (ahead.at_boundary() || ON_A_NEW_LINE.iter().any(|pattern| ahead.sees(pattern))))))
    }

    /// "(the line), then the answer": the row goes on with a value, not with a new clause.
    pub(super) fn value_follows(&mut self) -> bool {
        let mut ahead = self.cursor;
        let aliases = self.draft.aliases();
        let follows = ahead.eat_any(&[", then|puis", "then|puis"]) && {
            let value = ahead.at;
            noun_phrase(&mut ahead, &aliases).is_some_and(|noun| noun.each.is_none())
                && (ahead.at_boundary() || ON_A_NEW_LINE.iter().any(|pattern| ahead.sees(pattern)))
                && {
                    ahead.at = value;
                    true
                }
        };
        if follows {
            self.cursor = ahead;
        }
        follows
    }

    /// The part that was read stands on a line of its own.
    pub(super) fn on_a_new_line(&mut self) -> bool {
        self.cursor.eat_any(&ON_A_NEW_LINE)
    }

    /// Puts a part at the end of a text. Two values side by side are set apart, as where they are named together.
    pub(super) fn append(&self, text: &mut Text, part: Text) {
        let shown = |piece: Option<&Piece>| piece.is_some_and(|piece| !matches!(piece, Piece::Literal(_)));
        if shown(text.last()) && shown(part.first()) {
            let between = match (text.last(), self.draft.language) {
                (Some(Piece::Value(0)), Language::Fr) => " : ",
                (Some(Piece::Value(0)), Language::En) => ": ",
                _ => "\n",
            };
            text.push(Piece::Literal(between.to_owned()));
        }
        text.extend(part);
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
        if self.cursor.peek().is_some_and(|token| token.kind == TokenKind::Break) {
            return self.template_lines();
        }
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

    /// "format as:" above lines of their own, each with a placeholder: the template is these lines as they stand.
    fn template_lines(&mut self) -> Result<Option<Text>, Reason> {
        let start = self.cursor.at;
        let mut lines: Vec<&str> = Vec::new();
        let mut end = start;
        while self.cursor.tokens.get(end).is_some_and(|token| token.kind == TokenKind::Break) {
            let line = &self.cursor.tokens[end + 1..];
            let length = line.iter().take_while(|token| token.kind != TokenKind::Break).count();
            let slot = line[..length].iter().position(|token| matches!(token.kind, TokenKind::Slot(_)));
            if slot.is_none_or(|words| words > MAX_HEADING_TOKENS) {
                break;
            }
            lines.push(self.cursor.typed(end + 1, end + 1 + length));
            end += 1 + length;
        }
        if lines.is_empty() {
            return Ok(None);
        }
        self.cursor.at = end;
        template(&lines.join("\n"), &self.draft).map(Some)
    }
}

/// Where the next part of a row stands.
const ON_A_NEW_LINE: [&str; 3] = [
    "on|in its|the|a own|next|new|following|separate|second line",
    "a la ligne suivante?",
    "sur|dans la|une ligne|nouvelle suivante|ligne",
];

/// "Question: [sentence]": words before the first placeholder of a template without quotes.
const MAX_HEADING_TOKENS: usize = 4;
