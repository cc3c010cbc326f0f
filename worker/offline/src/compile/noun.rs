//! Noun phrases: what a noun can name, and how "each comma-separated name of the input" is taken apart.

use super::cursor::{Cursor, is_one_of};
use super::lexer::Kind as TokenKind;
use super::plan::{Kind, Split};

/// Nouns the description itself introduced: for the item, and for the values made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aliases {
    /// The input is not split: there is no "line" or "sentence" to speak of.
    pub(crate) whole: bool,
    pub(crate) item: Vec<String>,
    pub(crate) values: Vec<String>,
}

/// What a noun phrase points at, before it is resolved against the values at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The item, or the whole input when nothing is split.
    Item,
    /// "result", "answer": the newest value made, whatever it is.
    Newest,
    /// A value of this kind.
    Of(Kind),
    /// What has been formatted: "all pairs", "the list".
    Formatted,
    /// "it", "them".
    Pronoun,
    /// The number of the item.
    Position,
    /// The sum over all items.
    Total,
    /// A noun the description itself gave to a value.
    Alias(String),
}

/// One noun phrase.
#[derive(Debug, Clone)]
pub(crate) struct Noun {
    pub(crate) meaning: Meaning,
    /// The phrase repeats what follows for each of these.
    pub(crate) each: Option<Split>,
    /// "all the summaries" / "tous les résumés".
    pub(crate) all: bool,
    pub(crate) plural: bool,
    /// "distinct line".
    pub(crate) distinct: bool,
    /// "each one": the items named before.
    pub(crate) each_again: bool,
    /// The head noun, folded.
    pub(crate) head: String,
}

const ITEM_NOUNS: &str = "sentence sentences phrase phrases line lines row rows ligne lignes item items element elements \
     entry entries paragraph paragraphs paragraphe paragraphes word words mot mots name names nom noms question \
     questions query queries requete requetes topic topics sujet sujets theme themes product products produit produits \
     company companies entreprise entreprises societe societes city cities ville villes person people persons \
     personne personnes term terms terme termes keyword keywords country countries pays chunk chunks piece pieces \
     morceau morceaux section bullet bullets client clients customer customers employee employees title titles titre \
     titres claim claims statement statements affirmation affirmations point points subject subjects request requests \
     reference references supplier suppliers fournisseur fournisseurs article articles comment comments commentaire \
     commentaires review reviews avis acronym acronyms sigle sigles concept concepts idea ideas idee idees expression \
     expressions value values valeur valeurs site sites service services skill skills role roles project projects \
     projet projets demande demandes candidat candidats candidate candidates";

/// How a counted noun splits the input when nothing more is said.
fn split_of(noun: &str) -> Option<Split> {
    Some(match noun {
        "sentence" | "sentences" | "phrase" | "phrases" => Split::Sentences,
        "line" | "lines" | "row" | "rows" | "ligne" | "lignes" => Split::Lines,
        "paragraph" | "paragraphs" | "paragraphe" | "paragraphes" => Split::Paragraphs,
        "word" | "words" | "mot" | "mots" => Split::Words,
        "question" | "questions" | "statement" | "statements" | "claim" | "claims" | "affirmation"
        | "affirmations" => Split::Sentences,
        _ if is_one_of_list(ITEM_NOUNS, noun) => Split::Items,
        _ => return None,
    })
}

fn is_one_of_list(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|member| member == word)
}

/// What one word names, if it names anything by itself.
pub(crate) fn meaning_of(word: &str, aliases: &Aliases) -> Option<Meaning> {
    if aliases.values.iter().any(|alias| alias == word) {
        return Some(Meaning::Alias(word.to_owned()));
    }
    if aliases.item.iter().any(|alias| alias == word) {
        return Some(Meaning::Item);
    }
    Some(match word {
        "result" | "results" | "resultat" | "resultats" | "answer" | "answers" | "reponse" | "reponses"
        | "finding" | "findings" | "response" | "responses" | "outcome" | "outcomes" | "information"
        | "informations" | "info" | "details" => Meaning::Newest,
        "passage" | "passages" | "hit" | "hits" | "extrait" | "extraits" | "excerpt" | "excerpts" => {
            Meaning::Of(Kind::Result)
        }
        "reply" | "replies" | "explanation" | "explanations" | "explication" | "explications" | "rewrite"
        | "reformulation" | "reformulations" | "correction" | "corrections" | "definition"
        | "definitions" | "description" | "descriptions" => Meaning::Of(Kind::Reply),
        "summary" | "summaries" | "resume" | "resumes" | "synthese" | "syntheses" | "synthesis" => {
            Meaning::Of(Kind::Summary)
        }
        "translation" | "translations" | "traduction" | "traductions" => Meaning::Of(Kind::Translation),
        "label" | "labels" | "category" | "categories" | "categorie" | "class" | "classe"
        | "classification" | "etiquette" | "etiquettes" | "type" => Meaning::Of(Kind::Label),
        "rating" | "ratings" | "score" | "scores" | "note" | "notes" | "grade" => Meaning::Of(Kind::Rating),
        "count" | "length" | "longueur" => Meaning::Of(Kind::Changed),
        "pair" | "pairs" | "paire" | "paires" | "couple" | "couples" | "block" | "blocks" | "bloc"
        | "blocs" | "list" | "liste" | "everything" | "output" | "outputs" | "sortie" | "tout" => {
            Meaning::Formatted
        }
        "sum" | "total" | "somme" => Meaning::Total,
        "amount" | "amounts" | "montant" | "montants" => Meaning::Of(Kind::Amount),
        "n" | "number" | "numbers" | "nombre" | "nombres" | "numero" | "index" | "i" | "position"
        | "rank" | "rang" | "#" => Meaning::Position,
        _ if is_one_of("@input", word) || is_one_of_list(ITEM_NOUNS, word) => Meaning::Item,
        _ => return None,
    })
}

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
    const NAMES: [(&str, &str); 11] = [
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
    for (pattern, separator) in NAMES {
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

/// What a model does to a text.
const MADE: &str = "merged|translated|combined|fused|consolidated|rewritten|rephrased|corrected|simplified|shortened|improved|fusionne|\
    fusionnee|combine|reformule|reformulee|corrige|corrigee|simplifie|simplifiee|traduit|traduite|traduites|traduits|reecrit|\
    reecrite|raccourci|ameliore|obtenu|obtenue";

/// Reads one noun phrase, or leaves the cursor where it is.
pub(crate) fn noun_phrase(cursor: &mut Cursor<'_>, aliases: &Aliases) -> Option<Noun> {
    let start = cursor.at;
    let found = read_noun_phrase(cursor, aliases);
    if found.is_none() {
        cursor.at = start;
    }
    found
}

fn read_noun_phrase(cursor: &mut Cursor<'_>, aliases: &Aliases) -> Option<Noun> {
    let mut noun = Noun {
        meaning: Meaning::Pronoun,
        each: None,
        all: false,
        plural: false,
        distinct: false,
        each_again: false,
        head: String::new(),
    };
    let mut each = false;
    let mut separator = None;
    let mut flavour = None;
    let mut determined = false;
    let mut made = false;
    let mut newest = false;
    loop {
        if cursor.eat_any(&[
            "each|every of them|these|those",
            "each one",
            "chacun|chacune d entre elles|eux",
            "chacun|chacune",
        ]) && !cursor.sees("of")
        {
            noun.meaning = Meaning::Item;
            "item".clone_into(&mut noun.head);
            noun.each_again = true;
            return Some(noun);
        } else if cursor.eat("@each one? of? @det*") {
            each = true;
        } else if cursor.eat("@all of? @det*") {
            noun.all = true;
        } else if cursor.eat("distinct|unique|different") {
            noun.distinct = true;
        } else if cursor.eat(MADE) {
            made = true;
        } else if cursor.eat("last|latest|derniere|dernier") {
            newest = true;
        } else if cursor.eat("non|not empty|blank") {
            // Blank items are never taken.
        } else if let Some(kind) = eat_flavour(cursor) {
            flavour = Some(kind);
        } else if let Some(found) = eat_separated_adjective(cursor) {
            separator = Some(found);
        } else if !(cursor.eat("@det") || eat_quality(cursor)) {
            break;
        } else {
            determined = true;
        }
    }
    if cursor.eat_any(&[
        "what|whatever it|you|was|is|the|search? found|find|finds|returned",
        "ce qui|que|qu est|a|on|tu? ete|as|a? trouve|trouvé",
    ]) {
        noun.meaning = Meaning::Newest;
        return Some(noun);
    }
    if let Some(name) = cursor.slot() {
        noun.meaning = slot_meaning(name, aliases)?;
        noun.head = super::lexer::fold(name);
        return Some(noun);
    }
    let word = cursor.word(0);
    match meaning_of(word, aliases) {
        Some(meaning) => {
            cursor.at += 1;
            noun.plural = word.ends_with('s') || word.ends_with('x') || word == "people";
            noun.meaning = flavoured(meaning, flavour);
            word.clone_into(&mut noun.head);
            // "the merged text", "le texte traduit": not the input but what became of it.
            made |= cursor.eat(MADE);
            if made && noun.meaning == Meaning::Item {
                noun.meaning = Meaning::Newest;
            }
        }
        None if separator.is_some() && is_plain_noun(cursor) => {
            cursor.at += 1;
            noun.plural = word.ends_with('s');
            noun.meaning = Meaning::Item;
            word.clone_into(&mut noun.head);
        }
        // "la", "them": what was read as an article was the whole phrase.
        None => {
            if cursor.eat("it|them|one|celle|celui") || (determined && follows_pronoun(cursor)) {
                return Some(noun);
            }
            return None;
        }
    }
    // "search results", "result text", "question line".
    if matches!(noun.meaning, Meaning::Item) && cursor.sees("text|texts|line|number") && !each {
        if cursor.eat("number") {
            noun.meaning = Meaning::Position;
        } else {
            cursor.at += 1;
        }
    }
    // "the last translation" is the newest one; "the last line" is a choice among items, which is not read.
    if newest && noun.meaning == Meaning::Item {
        return None;
    }
    let unit = aliases.whole && is_unit(&noun.head);
    eat_after_noun(cursor, &mut noun, &mut separator, aliases);
    let names_input = is_one_of("@input", &noun.head);
    if noun.meaning == Meaning::Item && (each || (noun.all && !names_input) || separator.is_some()) {
        noun.each = separator.map(Split::On).or_else(|| split_of(&noun.head));
    }
    if unit && noun.meaning == Meaning::Item && noun.each.is_none() && !each {
        return None;
    }
    if (each && noun.each.is_none() && noun.meaning == Meaning::Item)
        || (noun.distinct && noun.each.is_none())
    {
        return None;
    }
    Some(noun)
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
        || cursor.sees("in|into|to|with|as|by|from|en|dans|avec|comme|sous|au|aux|par|using|up|a|sur")
}

fn eat_after_noun(
    cursor: &mut Cursor<'_>,
    noun: &mut Noun,
    separator: &mut Option<String>,
    aliases: &Aliases,
) {
    loop {
        let start = cursor.at;
        if cursor.eat("separated|delimited|split|separe|separes|separee|separees by|with|on|par") {
            match eat_separator(cursor) {
                Some(found) => *separator = Some(found),
                None => cursor.at = start,
            }
        } else if cursor.eat("distinct|distincts|distincte|distinctes|differente|differentes") {
            noun.distinct = true;
        } else if is_one_of("@input", &noun.head) && !cursor.sees("user|users|s") && cursor.eat("@given") {
            // "le texte fourni".
        } else if let Some(found) = eat_separated_list(cursor) {
            *separator = Some(found);
        } else if cursor.eat_any(&["non vide|vides|blank|empty", "on its|their own line|lines", "@found"]) {
            // Says nothing that is not done anyway.
        } else if cursor.eat("of|from|in|to|for|by|dans|de|du|des|d|a|au|aux|pour|par|sur|about|on")
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

/// Nouns that only a split makes.
fn is_unit(noun: &str) -> bool {
    matches!(split_of(noun), Some(Split::Sentences | Split::Lines | Split::Paragraphs | Split::Words))
        && !noun.starts_with("question")
}

/// What the name inside a placeholder means.
pub(crate) fn slot_meaning(name: &str, aliases: &Aliases) -> Option<Meaning> {
    let name = name.replace('_', " ");
    let tokens = super::lexer::lex(&name);
    let mut cursor = Cursor::new(&name, &tokens);
    if let [only] = tokens.as_slice() {
        return meaning_of(&only.folded, aliases).filter(|_| !(aliases.whole && is_unit(&only.folded)));
    }
    let noun = noun_phrase(&mut cursor, aliases)?;
    cursor.at_end().then_some(noun.meaning)
}
