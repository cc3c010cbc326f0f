//! A position in the tokens and the small pattern language in which the grammar is written.
//!
//! A pattern is a row of elements: `word`, `this|that`, `@class` (a word list of the vocabulary), each with an
//! optional `?` (may be absent) or `*` (any number). Matching is greedy and never backtracks.

use super::lexer::{Kind, Token, slot_at};
use super::vocabulary::{class, number_word};

/// Where the parser is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) source: &'a str,
    pub(crate) tokens: &'a [Token],
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        Self { source, tokens, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(crate) fn at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    /// The folded word, number or mark `ahead` tokens from here; empty for quotes, placeholders and the end.
    pub(crate) fn word(&self, ahead: usize) -> &'a str {
        match self.tokens.get(self.at + ahead) {
            Some(Token { kind: Kind::Word | Kind::Number | Kind::Mark, folded, .. }) => folded,
            _ => "",
        }
    }

    /// Consumes the pattern if it is here.
    pub(crate) fn eat(&mut self, pattern: &str) -> bool {
        let mut ahead = 0;
        for element in pattern.split_whitespace() {
            let (body, least, most) = match element.as_bytes().last() {
                Some(b'?') => (&element[..element.len() - 1], 0, 1),
                Some(b'*') => (&element[..element.len() - 1], 0, usize::MAX),
                _ => (element, 1, 1),
            };
            let mut count = 0;
            while count < most && is_one_of(body, self.word(ahead)) {
                ahead += 1;
                count += 1;
            }
            if count < least {
                return false;
            }
        }
        self.at += ahead;
        ahead > 0
    }

    /// Whether the pattern is here.
    pub(crate) fn sees(mut self, pattern: &str) -> bool {
        self.eat(pattern)
    }

    /// Consumes the first of the patterns that is here.
    pub(crate) fn eat_any(&mut self, patterns: &[&str]) -> bool {
        patterns.iter().any(|pattern| self.eat(pattern))
    }

    /// A whole number in digits or in words.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let word = self.word(0);
        let number = word.parse().ok().or_else(|| number_word(word))?;
        self.at += 1;
        Some(number)
    }

    pub(crate) fn quoted(&mut self) -> Option<&'a str> {
        let Some(Token { kind: Kind::Quoted(text), .. }) = self.peek() else { return None };
        self.at += 1;
        Some(text)
    }

    /// `|` separates alternatives in patterns, so it cannot be written in one.
    pub(crate) fn at_pipe(&self) -> bool {
        self.peek().is_some_and(|token| token.folded == "|")
    }

    pub(crate) fn sees_quoted(&self) -> bool {
        matches!(self.peek(), Some(Token { kind: Kind::Quoted(_), .. }))
    }

    /// The quoted text here with its quotes, as typed and folded; empty when none is here.
    pub(crate) fn word_of_quote(&self) -> &'a str {
        if self.sees_quoted() { self.tokens.get(self.at).map_or("", |token| &token.folded) } else { "" }
    }

    /// Whether a quoted text with placeholders is here.
    pub(crate) fn holds_placeholders(&self) -> bool {
        let Some(Token { kind: Kind::Quoted(text), .. }) = self.peek() else { return false };
        text.char_indices().any(|(at, c)| slot_at(&text[at..], c).is_some())
    }

    /// Whether the token so far ahead is quoted.
    pub(crate) fn quoted_ahead(&self, ahead: usize) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token { kind: Kind::Quoted(_), .. }))
    }

    pub(crate) fn slot(&mut self) -> Option<&'a str> {
        let Some(Token { kind: Kind::Slot(name), .. }) = self.peek() else { return None };
        self.at += 1;
        Some(name)
    }

    /// The text as typed between two token positions.
    pub(crate) fn typed(&self, from: usize, to: usize) -> &'a str {
        let start = self.tokens.get(from).map_or(self.source.len(), |t| t.span.start);
        let end = match to.checked_sub(1).and_then(|last| self.tokens.get(last)) {
            Some(last) => last.span.end,
            None => start,
        };
        self.source.get(start..end.max(start)).unwrap_or("")
    }

    /// Whether a clause may end here.
    pub(crate) fn at_boundary(&self) -> bool {
        match self.peek() {
            None | Some(Token { kind: Kind::Break, .. }) => true,
            Some(Token { kind: Kind::Word | Kind::Mark, folded, .. }) => is_one_of("@stop|@link", folded),
            // "1) … 2) …" on one line.
            Some(Token { kind: Kind::Number, .. }) => self.word(1) == ")",
            Some(_) => false,
        }
    }
}

/// Whether `word` is one of the alternatives `a|b|@class`.
pub(crate) fn is_one_of(alternatives: &str, word: &str) -> bool {
    !word.is_empty()
        && alternatives.split('|').any(|alternative| match alternative.strip_prefix('@') {
            Some(name) => class(name).split_whitespace().any(|member| member == word),
            None => alternative == word,
        })
}
