//! Noun phrases as they are written: "each comma-separated name of the input", "le résultat de la recherche", "it". A
//! phrase that could only be read in part is not read at all.

use super::cursor::{Cursor, is_one_of};
use super::lexer::{Kind as TokenKind, fold};
use super::noun::{Aliases, Meaning, Noun, is_unit, meaning_of, slot_meaning, split_of};
use super::phrases::{eat_documents, eat_input, eat_model, eat_search_tool, eat_separator};
use super::plan::{Kind, Split};

/// "each of them", "chacune": the items named before.
const EACH_AGAIN: [&str; 4] =
    ["each|every of them|these|those", "each one", "chacun|chacune d entre? elles|eux", "chacun|chacune"];

/// "each company name", "chaque nom de client": one noun in two words.
const COMPOUND: [&str; 2] = ["name|names|title|titles", "de|d|du|des @item"];

/// "each sentence the user typed": whose the items are.
const BY_THE_USER: [&str; 3] = [
    "that|which? the? user|users typed|types|entered|enters|gave|gives|provided|provides|sent|sends|submitted|submits|\
     wrote|writes",
    "saisi|saisie|saisis|saisies|fourni|fournie|fournis|fournies|donne|donnee|donnes|donnees|envoye|envoyee|envoyes|\
     envoyees|ecrit|ecrite|ecrits|ecrites|recu|recue|recus|recues par|de l|un? utilisateur",
    "que|qu l|un? utilisateur a saisi|saisie|saisis|saisies|fourni|fournie|donne|donnee|envoye|envoyee|ecrit|ecrite",
];

/// Reads one noun phrase, or leaves the cursor where it is.
pub(crate) fn noun_phrase(cursor: &mut Cursor<'_>, aliases: &Aliases) -> Option<Noun> {
    let start = cursor.at;
    let found = read_noun_phrase(cursor, aliases);
    if found.is_none() {
        cursor.at = start;
    }
    found
}

/// What stands before the head noun.
#[derive(Default)]
struct Before {
    each: bool,
    all: bool,
    distinct: bool,
    /// "each one": the whole phrase.
    each_again: bool,
    /// An article was read, which may turn out to be a pronoun ("cherche-la").
    determined: bool,
    /// "merged text": what became of it.
    made: bool,
    /// "last translation".
    newest: bool,
    separator: Option<String>,
    flavour: Option<Kind>,
}

fn read_noun_phrase(cursor: &mut Cursor<'_>, aliases: &Aliases) -> Option<Noun> {
    let mut before = read_before(cursor);
    let mut noun = Noun {
        meaning: Meaning::Pronoun,
        each: None,
        all: before.all,
        plural: false,
        distinct: before.distinct,
        each_again: before.each_again,
        head: String::new(),
    };
    if before.each_again {
        noun.meaning = Meaning::Item;
        return Some(noun);
    }
    if cursor.eat_any(&[
        "what|whatever it|you|was|is|the|search? found|find|finds|returned",
        "ce qui|que|qu est|a|on|tu? ete|as|a? trouve",
    ]) {
        noun.meaning = Meaning::Newest;
        return Some(noun);
    }
    if let Some(name) = cursor.slot() {
        noun.meaning = slot_meaning(name, aliases)?;
        noun.head = fold(name);
        return Some(noun);
    }
    if !read_head(cursor, &mut noun, &mut before, aliases) {
        let pronoun = cursor.eat("it|them|one|celle|celui") || (before.determined && follows_pronoun(cursor));
        return pronoun.then_some(noun);
    }
    // "the last translation" is the newest one; "the last line" is a choice among items, which is not read.
    if before.newest && noun.meaning == Meaning::Item {
        return None;
    }
    let unit = aliases.whole && is_unit(&noun.head);
    eat_after_noun(cursor, &mut noun, &mut before.separator, aliases);
    repeated(noun, before, unit)
}

/// Settles whether the phrase repeats, and refuses what would be half read.
fn repeated(mut noun: Noun, before: Before, unit: bool) -> Option<Noun> {
    let item = noun.meaning == Meaning::Item;
    let all_items = noun.all && !is_one_of("@input", &noun.head);
    if item && (before.each || all_items || before.separator.is_some()) {
        noun.each = before.separator.map(Split::On).or_else(|| split_of(&noun.head));
    }
    let half_read = (before.each && item) || noun.distinct || (unit && item);
    (noun.each.is_some() || !half_read).then_some(noun)
}

fn read_before(cursor: &mut Cursor<'_>) -> Before {
    let mut before = Before::default();
    loop {
        // "chacune des lignes" repeats; "chacune d'elles" names what repeats already.
        if !cursor.sees("chacun|chacune d entre? elles|eux") && cursor.eat("chacun|chacune de|des|d @det*") {
            before.each = true;
            continue;
        }
        if cursor.eat_any(&EACH_AGAIN) && !cursor.sees("of") {
            before.each_again = true;
            return before;
        }
        if cursor.eat("@each one? of? @det*") {
            before.each = true;
        } else if cursor.eat("@all of? @det*") {
            before.all = true;
        } else if cursor.eat("distinct|unique|different") {
            before.distinct = true;
        } else if cursor.eat("@made") {
            before.made = true;
        } else if cursor.eat("last|latest|derniere|dernier") {
            before.newest = true;
        } else if cursor.eat("non|not empty|blank") {
            // Blank items are never taken.
        } else if let Some(kind) = eat_flavour(cursor) {
            before.flavour = Some(kind);
        } else if let Some(found) = eat_separated_adjective(cursor) {
            before.separator = Some(found);
        } else if cursor.eat("@det") || eat_quality(cursor) {
            before.determined = true;
        } else {
            return before;
        }
    }
}

/// Reads the head noun into `noun`.
fn read_head(cursor: &mut Cursor<'_>, noun: &mut Noun, before: &mut Before, aliases: &Aliases) -> bool {
    let word = cursor.word(0);
    let known = meaning_of(word, aliases);
    if known.is_none() && (before.separator.is_none() || !is_plain_noun(cursor)) {
        return false;
    }
    cursor.at += 1;
    noun.plural = word.ends_with('s') || word.ends_with('x') || word == "people";
    noun.meaning = flavoured(known.unwrap_or(Meaning::Item), before.flavour);
    word.clone_into(&mut noun.head);
    // "the merged text", "le texte traduit": not the input but what became of it.
    let made = before.made || cursor.eat("@made");
    if made && noun.meaning == Meaning::Item {
        noun.meaning = Meaning::Newest;
    }
    // "question text", "line number".
    if noun.meaning == Meaning::Item && !before.each {
        if cursor.eat("number") {
            noun.meaning = Meaning::Position;
        } else {
            cursor.eat("text|texts|line");
        }
    }
    true
}

fn flavoured(meaning: Meaning, flavour: Option<Kind>) -> Meaning {
    match (meaning, flavour) {
        (Meaning::Newest, Some(kind)) => Meaning::Of(kind),
        (meaning, _) => meaning,
    }
}

/// "search result", "model's answer", "document answer": whose result it is.
fn eat_flavour(cursor: &mut Cursor<'_>) -> Option<Kind> {
    const RESULT: &str = "result|results|answer|answers|reply|replies|output|response|responses";
    let searched = format!("search|document|documents|docs s? {RESULT}");
    let replied = format!("language|large? model|llm|ai|assistant s? {RESULT}");
    let kind = if cursor.sees(&searched) {
        Kind::Result
    } else if cursor.sees(&replied) || cursor.sees(&format!("language|large model s? {RESULT}")) {
        Kind::Reply
    } else {
        return None;
    };
    while !cursor.sees(RESULT) {
        cursor.at += 1;
    }
    // The caller reads the noun itself: "reply" is a kind, the others are flavoured.
    Some(kind)
}

fn eat_quality(cursor: &mut Cursor<'_>) -> bool {
    // A quality that is also a noun ("output", "name") is left to the noun.
    cursor.eat("user|users s") || cursor.eat("@quality|user|provided|given|supplied|submitted")
}

fn eat_separated_adjective(cursor: &mut Cursor<'_>) -> Option<String> {
    for (pattern, separator) in [
        ("comma separated|delimited", ","),
        ("semicolon separated|delimited", ";"),
        ("pipe separated|delimited", "|"),
        ("tab separated|delimited", "\t"),
        ("slash separated|delimited", "/"),
        ("newline separated|delimited", "\n"),
    ] {
        if cursor.eat(pattern) {
            return Some(separator.to_owned());
        }
    }
    None
}

/// Any word may be the noun once "comma-separated" says how it is found.
fn is_plain_noun(cursor: &Cursor<'_>) -> bool {
    cursor.peek().is_some_and(|t| t.kind == TokenKind::Word && t.folded.chars().all(char::is_alphabetic))
}

/// After a pronoun comes the end of the clause, or a preposition.
fn follows_pronoun(cursor: &Cursor<'_>) -> bool {
    cursor.at_boundary()
        || cursor.sees("precede|precedee|precedes|precedees|suivi|suivie|suivis|suivies|preceded|followed|prefixed|numbered")
        || cursor.sees("one|un|une|separated|separes|separees|without|sans|unchanged|tel|telle|only|seulement|uniquement")
        || cursor.sees("in|into|to|with|as|by|from|like|so|ainsi|selon|en|dans|avec|comme|sous|au|aux|par|using|up|a|sur")
}

fn eat_after_noun(
    cursor: &mut Cursor<'_>,
    noun: &mut Noun,
    separator: &mut Option<String>,
    aliases: &Aliases,
) {
    loop {
        let start = cursor.at;
        let bracket = cursor.eat("(");
        if !bracket
            && noun.meaning == Meaning::Item
            && cursor.sees(", separated|delimited|separe|separes|separee|separees")
        {
            cursor.at += 1;
        }
        // What separates results is said of the output, not of what they are.
        if noun.meaning == Meaning::Item
            && cursor.eat("separated|delimited|split|separe|separes|separee|separees by|with|on|par")
        {
            match eat_separator(cursor) {
                Some(found) if !bracket || cursor.eat(")") => *separator = Some(found),
                _ => cursor.at = start,
            }
        } else if bracket && cursor.eat("one|un|une per|par line|ligne )") {
            *separator = Some("\n".to_owned());
        } else if bracket {
            cursor.at = start;
        } else if cursor.eat("distinct|distincts|distincte|distinctes|differente|differentes") {
            noun.distinct = true;
        } else if is_one_of("@input", &noun.head) && !cursor.sees("user|users|s") && cursor.eat("@given") {
            // "le texte fourni".
        } else if let Some(found) = eat_separated_list(cursor) {
            *separator = Some(found);
        } else if cursor.eat_any(&[
            "non vide|vides|blank|empty",
            "on its|their own line|lines",
            "suivant|suivante|suivants|suivantes",
            "@found",
        ]) || (noun.meaning == Meaning::Item && cursor.eat_any(&BY_THE_USER))
            || (noun.meaning == Meaning::Item && cursor.eat_any(&COMPOUND))
        {
            // Says nothing that is not done anyway.
        } else if !set_apart(*cursor)
            && cursor.eat("of|from|in|to|for|by|dans|de|du|des|d|a|au|aux|pour|par|sur|about|on")
            && eat_owner(cursor, noun, aliases)
        {
            // "of the input", "to the question", "of the search".
        } else {
            cursor.at = start;
        }
        if cursor.at == start {
            return;
        }
    }
}

/// "(separate the blocks) by a blank line", "(la réponse) à la ligne suivante": where it stands, not whose it is.
fn set_apart(mut cursor: Cursor<'_>) -> bool {
    cursor.sees("a|sur la ligne suivante")
        || cursor.eat("by|with|par|avec") && eat_separator(&mut cursor).is_some()
}

/// "in the comma-separated list", "of the semicolon-separated input".
fn eat_separated_list(cursor: &mut Cursor<'_>) -> Option<String> {
    let start = cursor.at;
    if cursor.eat("in|of|from @det*")
        && let Some(separator) = eat_separated_adjective(cursor)
        && cursor.eat("list|input|text|string|line|values|names|user*")
    {
        return Some(separator);
    }
    cursor.at = start;
    None
}

/// What may stand after "of" behind a noun without changing which value it names.
fn eat_owner(cursor: &mut Cursor<'_>, noun: &mut Noun, aliases: &Aliases) -> bool {
    if cursor.sees("@det* search|recherche") && eat_search_tool(cursor) {
        noun.meaning = flavoured(noun.meaning.clone(), Some(Kind::Result));
        return true;
    }
    if eat_model(cursor) {
        noun.meaning = flavoured(noun.meaning.clone(), Some(Kind::Reply));
        return true;
    }
    if eat_input(cursor) || eat_documents(cursor) {
        return true;
    }
    if cursor.eat("the|l|de? user|utilisateur") {
        return true;
    }
    // "each item of the list": the list is what was given.
    if noun.meaning == Meaning::Item
        && cursor.eat("the|this|my|our|la|cette|ma|notre @given* list|liste @given*")
    {
        return true;
    }
    if noun.meaning == Meaning::Item {
        return false;
    }
    let Some(owner) = noun_phrase(cursor, aliases) else { return false };
    if owner.meaning == Meaning::Pronoun {
        return false;
    }
    noun.each = owner.each;
    noun.distinct |= owner.distinct;
    true
}
