//! Description text to tokens. Words are folded (lower case, no accents) so that the grammar is written once;
//! every token keeps its span, so that what cannot be read is shown exactly as it was typed.

use std::ops::Range;

pub(crate) use crate::text::fold;

/// What a token is. Words, numbers and marks are matched by their folded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    /// A quoted string, its escapes decoded.
    Quoted(String),
    /// A placeholder outside quotes: `[line]`, `{line}`, `<line>`.
    Slot(String),
    Mark,
    /// A line break.
    Break,
}

/// One token of a description.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) folded: String,
    pub(crate) span: Range<usize>,
}

/// A placeholder longer than this, in characters, is text in brackets, not a name.
const SLOT_CHARS_MAX: usize = 40;

/// Splits a description into tokens. Never fails: what is no word, number, quote or placeholder is a mark.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let chars: Vec<(usize, char)> = source.char_indices().collect();
    let mut lexer = Lexer { source, chars, at: 0, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.next_token();
    }
    lexer.tokens
}

struct Lexer<'a> {
    source: &'a str,
    chars: Vec<(usize, char)>,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn char(&self, at: usize) -> Option<char> {
        self.chars.get(at).map(|&(_, c)| c)
    }

    fn offset(&self, at: usize) -> usize {
        self.chars.get(at).map_or(self.source.len(), |&(offset, _)| offset)
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let span = self.offset(self.at)..self.offset(end);
        let folded = fold(&self.source[span.clone()]);
        self.tokens.push(Token { kind, folded, span });
        self.at = end;
    }

    fn next_token(&mut self) {
        let Some(c) = self.char(self.at) else { return };
        if c == '\n' {
            self.push(Kind::Break, self.at + 1);
        } else if c.is_whitespace() {
            self.at += 1;
        } else if let Some(kind_end) = self.quoted(c).or_else(|| self.slot(c)) {
            self.push(kind_end.0, kind_end.1);
        } else if c.is_ascii_digit() {
            self.number();
        } else if c.is_alphanumeric() || c == '_' {
            self.word();
        } else if self.joins_words(c) {
            self.at += 1;
        } else {
            let arrow = matches!(c, '-' | '=') && self.char(self.at + 1) == Some('>');
            self.push(Kind::Mark, self.at + if arrow { 2 } else { 1 });
        }
    }

    /// A hyphen or apostrophe between letters separates two words and is not kept: `comma-separated`,
    /// `cherche-la`, `l'entrée`, `user's`.
    fn joins_words(&self, c: char) -> bool {
        matches!(c, '-' | '\u{2011}' | '\'' | '’')
            && self.at > 0
            && self.char(self.at - 1).is_some_and(char::is_alphanumeric)
            && self.char(self.at + 1).is_some_and(char::is_alphanumeric)
    }

    fn word(&mut self) {
        let mut end = self.at;
        while self.char(end).is_some_and(|c| c.is_alphanumeric() || c == '_' || is_combining(c)) {
            end += 1;
        }
        self.push(Kind::Word, end);
    }

    fn number(&mut self) {
        let mut end = self.at;
        while self.char(end).is_some_and(|c| c.is_ascii_digit())
            || (self.char(end) == Some('.') && self.char(end + 1).is_some_and(|c| c.is_ascii_digit()))
        {
            end += 1;
        }
        self.push(Kind::Number, end);
    }

    fn quoted(&self, open: char) -> Option<(Kind, usize)> {
        let closers: &[char] = match open {
            '"' => &['"'],
            '“' | '„' | '”' => &['”', '“'],
            '«' => &['»'],
            '‹' => &['›'],
            '‘' => &['’', '‘'],
            '\'' => &['\''],
            '`' => &['`'],
            _ => return None,
        };
        // An apostrophe is not a quote: `the user's question`, `l'entrée`.
        let apostrophe = matches!(open, '\'' | '‘');
        if apostrophe && self.at > 0 && self.char(self.at - 1).is_some_and(char::is_alphanumeric) {
            return None;
        }
        let mut end = self.at + 1;
        loop {
            let c = self.char(end)?;
            if c == '\\' && self.char(end + 1).is_some_and(|next| closers.contains(&next)) {
                end += 2;
            } else if closers.contains(&c)
                && !(apostrophe && self.char(end + 1).is_some_and(char::is_alphanumeric))
            {
                break;
            } else {
                end += 1;
            }
        }
        let inner = &self.source[self.offset(self.at + 1)..self.offset(end)];
        if inner.is_empty() {
            return if open == '`' { None } else { Some((Kind::Quoted(String::new()), end + 1)) };
        }
        // The blanks inside « » and ‹ › are typography, not text.
        let inner = if matches!(open, '«' | '‹') { inner.trim() } else { inner };
        Some((Kind::Quoted(unescape(inner)), end + 1))
    }

    fn slot(&self, open: char) -> Option<(Kind, usize)> {
        let (name, end) = slot_at(&self.source[self.offset(self.at)..], open)?;
        Some((Kind::Slot(name.to_owned()), self.at + end))
    }
}

fn is_combining(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// The placeholder at the start of `text`: its name and its length in characters.
pub(crate) fn slot_at(text: &str, open: char) -> Option<(&str, usize)> {
    let close = match open {
        '[' => ']',
        '{' => '}',
        '<' => '>',
        _ => return None,
    };
    let body = text.strip_prefix(open)?;
    let length = body.chars().take(SLOT_CHARS_MAX).position(|c| c == close)?;
    let name: &str = &body[..body.find(close)?];
    let plain =
        |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '\'' | '’' | '#') || is_combining(c);
    (name.chars().all(plain) && name.chars().any(|c| c.is_alphanumeric() || c == '#'))
        .then_some((name, length + 2))
}

/// Decodes `\n`, `\t`, `\"`, `\'` and `\\`; any other backslash stays as typed.
fn unescape(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            decoded.push(c);
            continue;
        }
        match chars.clone().next() {
            Some('n') => decoded.push('\n'),
            Some('t') => decoded.push('\t'),
            Some(escaped @ ('"' | '\'' | '\\' | '’' | '”')) => decoded.push(escaped),
            _ => {
                decoded.push('\\');
                continue;
            }
        }
        chars.next();
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        lex(text)
            .into_iter()
            .map(|t| match t.kind {
                Kind::Quoted(q) => format!("q:{q}"),
                Kind::Slot(s) => format!("s:{s}"),
                _ => t.folded,
            })
            .collect()
    }

    #[test]
    fn apostrophes_are_not_quotes() {
        assert_eq!(kinds("the user's 'it's [a]' l'été"), ["the", "user", "s", "q:it's [a]", "l", "ete"]);
    }

    #[test]
    fn every_kind_of_quote_is_read_and_escapes_are_decoded() {
        assert_eq!(kinds(r#""a\nb" “c” « d » ‘e’ `f`"#), ["q:a\nb", "q:c", "q:d", "q:e", "q:f"]);
    }

    #[test]
    fn placeholders_and_json_braces_differ() {
        assert_eq!(kinds(r#"<name> {"text": [x]}"#), ["s:name", "{", "q:text", ":", "s:x", "}"]);
    }
}
