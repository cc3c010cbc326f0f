//! Quoted templates: which placeholders they hold and which values those mean.

use super::cursor::Cursor;
use super::draft::Draft;
use super::error::Reason;
use super::lexer::{Kind as TokenKind, fold, lex, slot_at};
use super::noun::{Aliases, Meaning, is_unit, meaning_of, slot_meaning};
use super::plan::{Kind, Piece, Text};

/// Placeholder names that would promise something no value holds; they are never filled by elimination.
const NOT_A_VALUE: &str = "date time today day year heure jour annee author auteur source sources file fichier page url \
     link lien confidence confiance email id title titre total sum somme count nombre average moyenne";

/// A template piece before its name is resolved.
enum Part {
    Literal(String),
    Name(String),
}

/// Reads a template: placeholders in brackets, braces or angles; without any, plain words that name values.
pub(crate) fn template(raw: &str, draft: &Draft) -> Result<Text, Reason> {
    let parts = split(raw);
    if parts.iter().any(|part| matches!(part, Part::Name(_))) {
        return resolve(parts, draft);
    }
    Ok(bare(raw, draft))
}

/// A quoted string in a row ("'Answer: ' followed by the result"): a template if its placeholders mean something,
/// otherwise just text.
pub(crate) fn template_or_literal(raw: &str, draft: &Draft) -> Text {
    let parts = split(raw);
    let aliases = draft.aliases();
    let known = |part: &Part| match part {
        Part::Literal(_) => true,
        Part::Name(name) => slot_meaning(name, &aliases).is_some(),
    };
    if parts.iter().any(|part| matches!(part, Part::Name(_)))
        && parts.iter().all(known)
        && let Ok(text) = resolve(parts, draft)
    {
        return text;
    }
    vec![Piece::Literal(raw.to_owned())]
}

fn split(raw: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        if let Some((name, length)) = slot_at(rest, c) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Name(name.to_owned()));
            rest = &rest[rest.char_indices().nth(length).map_or(rest.len(), |(at, _)| at)..];
        } else {
            literal.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

fn resolve(parts: Vec<Part>, draft: &Draft) -> Result<Text, Reason> {
    let aliases = draft.aliases();
    let meanings: Vec<Option<Meaning>> = parts
        .iter()
        .map(|part| match part {
            Part::Literal(_) => None,
            Part::Name(name) => slot_meaning(name, &aliases),
        })
        .collect();
    let pieces: Vec<Option<Piece>> =
        meanings.iter().map(|meaning| meaning.as_ref().and_then(|m| piece(m, &meanings, draft))).collect();
    let mut text = Text::new();
    for (part, found) in parts.into_iter().zip(&pieces) {
        match (part, found) {
            (Part::Literal(literal), _) => text.push(Piece::Literal(literal)),
            (Part::Name(_), Some(piece)) => text.push(piece.clone()),
            (Part::Name(name), None) => text.push(eliminate(&name, &pieces, draft)?),
        }
    }
    Ok(text)
}

/// `[result]` is the newest value, unless the template names that one by its own kind: in "[result] ([summary])"
/// the result is what was found before it was summarised.
fn piece(meaning: &Meaning, beside: &[Option<Meaning>], draft: &Draft) -> Option<Piece> {
    if *meaning == Meaning::Newest {
        let mut value = draft.resolve(meaning)?;
        let named: Vec<usize> = beside
            .iter()
            .flatten()
            .filter(|other| {
                !matches!(other, Meaning::Newest | Meaning::Position | Meaning::Total | Meaning::Item)
            })
            .filter_map(|other| draft.resolve(other))
            .collect();
        value = draft.newest_beside(&named).unwrap_or(value);
        return Some(draft.piece_of(value));
    }
    draft.piece_for(meaning)
}

/// A name of its own ("[bio]") means the one value that nothing else in the template shows.
fn eliminate(name: &str, pieces: &[Option<Piece>], draft: &Draft) -> Result<Piece, Reason> {
    let unknown = pieces.iter().filter(|piece| piece.is_none()).count();
    let folded = fold(name);
    let promises =
        lex(&folded).iter().any(|token| NOT_A_VALUE.split_whitespace().any(|word| word == token.folded));
    // "[summary]" promises one: nothing else may stand in for it.
    let made = matches!(
        slot_meaning(name, &draft.aliases()),
        Some(Meaning::Of(Kind::Summary | Kind::Translation | Kind::Rating))
    );
    let shown: Text = pieces.iter().flatten().cloned().collect();
    let unused = draft.not_shown(&shown);
    match unused.as_slice() {
        _ if promises || made || unknown == 0 || is_unit(&folded) => {
            Err(Reason::UnknownName(name.to_owned()))
        }
        [only] => Ok(draft.piece_of(*only)),
        // The item may be left unsaid; an answer may not.
        [0, only] if draft.values[*only].kind != Kind::Item => Ok(draft.piece_of(*only)),
        _ => Err(Reason::UnknownName(name.to_owned())),
    }
}

/// 'line => result': with no marked placeholder, words that name values are placeholders. A capitalised word is a
/// heading ("Answer: result"); any other word that names nothing makes the whole a text.
fn bare(raw: &str, draft: &Draft) -> Text {
    let tokens = lex(raw);
    let aliases = draft.aliases();
    let mut text = Text::new();
    let mut from = 0;
    let mut cursor = Cursor::new(raw, &tokens);
    while let Some(token) = cursor.peek() {
        let start = token.span.start;
        let typed = &raw[token.span.clone()];
        let heading = typed.chars().next().is_some_and(char::is_uppercase) && !is_capitals(typed);
        let meaning = if heading { None } else { bare_meaning(&mut cursor, &aliases) };
        let Some(found) = meaning.and_then(|m| piece(&m, &[], draft)) else {
            // A word of prose: this is a text, not a pattern.
            if !heading && token.kind == TokenKind::Word && typed.chars().count() > 1 {
                return vec![Piece::Literal(raw.to_owned())];
            }
            cursor.at += 1;
            continue;
        };
        let end = cursor.tokens[cursor.at].span.end;
        cursor.at += 1;
        if start > from {
            text.push(Piece::Literal(raw[from..start].to_owned()));
        }
        text.push(found);
        from = end;
    }
    if from < raw.len() {
        text.push(Piece::Literal(raw[from..].to_owned()));
    }
    text
}

fn is_capitals(word: &str) -> bool {
    word.chars().count() > 1 && word.chars().all(|c| !c.is_lowercase())
}

/// The meaning of the word here; on success the cursor stands on the last word of the name.
fn bare_meaning(cursor: &mut Cursor<'_>, aliases: &Aliases) -> Option<Meaning> {
    if cursor.sees("search|document result|answer") {
        cursor.at += 1;
        return Some(Meaning::Of(Kind::Result));
    }
    meaning_of(cursor.word(0), aliases)
}

/// Whether a text shows any value at all.
pub(crate) fn shows_a_value(text: &Text) -> bool {
    text.iter().any(|piece| !matches!(piece, Piece::Literal(_)))
}
