//! Fixed phrases: the input, the documents, the model, the search tool, separators. Each function consumes its phrase
//! or leaves the cursor alone.

use super::cursor::Cursor;

/// What separators are called.
const SEPARATORS: [(&str, &str); 11] = [
    ("ligne|lignes vide|vides|blanche|blanches", "\n\n"),
    ("saut|sauts de ligne", "\n"),
    ("space|spaces|espace|espaces", " "),
    ("point|points virgule|virgules", ";"),
    ("comma|commas|virgule|virgules", ","),
    ("semicolon|semicolons", ";"),
    ("semi colon|colons", ";"),
    ("pipe|pipes", "|"),
    ("tab|tabs|tabulation|tabulations", "\t"),
    ("blank|empty line|lines", "\n\n"),
    ("slash|slashes", "/"),
];

/// "the user's input", "le texte fourni", "the input".
pub(crate) fn eat_input(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    cursor.eat("@det*");
    cursor.eat("@given* @det*");
    let mut found = false;
    // "input text": both may be the head.
    while cursor.eat("@input") {
        found = true;
    }
    if !found {
        cursor.at = start;
        return false;
    }
    loop {
        let before = cursor.at;
        cursor.eat_any(&[
            "by|from|of|par|de|du the|l|d|un? user|utilisateur|usager",
            "i|we|you provide|provided|give|gave",
            "d|en|in entree|input",
            "as given|provided|typed|is",
        ]);
        while cursor.sees("@given") && !cursor.sees("user|users|s") {
            cursor.eat("@given");
        }
        if cursor.at == before {
            return true;
        }
    }
}

/// "our internal documents", "la base de connaissances".
pub(crate) fn eat_documents(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    cursor.eat("all? @det* @owner* @det*");
    if !cursor.eat("@document @document*") {
        cursor.at = start;
        return false;
    }
    while cursor.eat_any(&["de|of|d l|la|the|our? @owner", "@owner"]) {}
    true
}

/// "the language model", "chat_completion", "l'IA".
pub(crate) fn eat_model(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    cursor.eat("@det*");
    if !cursor.eat("@modelword") {
        cursor.at = start;
        return false;
    }
    while cursor.eat_any(&["de|d langage|langue", "@modelword", "( )"]) {}
    true
}

/// "paradigm_search", "the document search tool".
pub(crate) fn eat_search_tool(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    cursor.eat("@det*");
    if !cursor.eat("@searchtool") {
        cursor.at = start;
        return false;
    }
    while cursor.eat_any(&["de recherche", "@searchtool", "( )"]) {}
    true
}

/// A separator: "commas", "a semicolon", `' vs '`.
pub(crate) fn eat_separator(cursor: &mut Cursor<'_>) -> Option<String> {
    cursor.eat("@det*");
    if let Some(text) = cursor.quoted() {
        return (!text.is_empty()).then(|| text.to_owned());
    }
    for (pattern, separator) in SEPARATORS {
        if cursor.eat(pattern) {
            cursor.eat("character|characters|sign|signs");
            return Some(separator.to_owned());
        }
    }
    if cursor.eat_any(&[
        "new|line line|break|lines|breaks",
        "newline|newlines",
        "retour|retours a? @det* ligne",
    ]) {
        return Some("\n".to_owned());
    }
    None
}
