//! Texts as Python expressions. The only place where text of a description enters source, and only inside literals.

use std::fmt::Write as _;

use crate::compile::plan::{Piece, Text};

/// A Python string literal in double quotes.
pub(super) fn literal(text: &str) -> String {
    format!("\"{}\"", escape(text, false))
}

/// A Python expression for a text: a name, a literal or an f-string. `name_of` gives the variable of a piece that is
/// not a literal.
pub(super) fn expression(text: &Text, name_of: &dyn Fn(&Piece) -> String) -> String {
    if let [piece] = text.as_slice() {
        return match piece {
            Piece::Literal(only) => literal(only),
            Piece::Position => format!("str({})", name_of(piece)),
            other => name_of(other),
        };
    }
    if text.iter().all(|piece| matches!(piece, Piece::Literal(_))) {
        let whole: String = text
            .iter()
            .map(|piece| if let Piece::Literal(part) = piece { part.as_str() } else { "" })
            .collect();
        return literal(&whole);
    }
    let mut source = String::from("f\"");
    for piece in text {
        match piece {
            Piece::Literal(part) => source.push_str(&escape(part, true)),
            other => {
                let _ = write!(source, "{{{}}}", name_of(other));
            }
        }
    }
    source.push('"');
    source
}

fn escape(text: &str, in_f_string: bool) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '{' | '}' if in_f_string => {
                escaped.push(c);
                escaped.push(c);
            }
            // Invisible characters could make the source read otherwise than it runs.
            c if is_invisible(c) => {
                let code = u32::from(c);
                let _ = if code <= 0xffff {
                    write!(escaped, "\\u{code:04x}")
                } else {
                    write!(escaped, "\\U{code:08x}")
                };
            }
            other => escaped.push(other),
        }
    }
    escaped
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c), 0xa0 | 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f
            | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe007f)
}
