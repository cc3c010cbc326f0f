//! The instruction inside a clause that asks the model: where it ends, what it is about, which labels it offers, and
//! whether it stays within what a model can do.

use super::{Parser, SEQUENCE, object_before_verb};
use crate::compile::cursor::{Cursor, is_one_of};
use crate::compile::error::Reason;
use crate::compile::lexer::{Kind as TokenKind, lex};
use crate::compile::noun::Meaning;
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::phrases::{eat_input, eat_model};
use crate::compile::plan::{Kind, Language, Piece};
use crate::compile::vocabulary::BEYOND_TOOLS;

/// How an instruction is worded: as typed, or completed to a sentence.
pub(super) struct Instruction {
    pub(super) text: String,
    pub(super) kind: Kind,
    pub(super) labels: Vec<String>,
    pub(super) about: Vec<Piece>,
}

impl Parser<'_> {
    /// The token at which the instruction that starts at `from` ends.
    pub(super) fn instruction_end(&self, from: usize) -> usize {
        let mut at = from;
        let mut depth = 0_usize;
        while let Some(token) = self.cursor.tokens.get(at) {
            match token.folded.as_str() {
                _ if token.kind == TokenKind::Break => return at,
                "(" => depth += 1,
                ")" | "." | ";" | "!" | "->" | "=>" | "→" if depth == 0 => return at,
                ")" => depth -= 1,
                "," | "and" | "&" | "then" | "et" | "puis" | "ensuite" | ":"
                    if depth == 0 && self.clause_follows(at) =>
                {
                    return at;
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Whether what comes after the comma or "and" at `at` is a new clause rather than more of the instruction.
    pub(super) fn clause_follows(&self, at: usize) -> bool {
        let mut ahead = Cursor { at, ..self.cursor };
        let sequel = ahead.sees(",|and|et* then|puis|ensuite");
        while ahead.eat_any(&["@link|,|@filler", "that you|it", "que|qu tu|vous|il"])
            || ahead.eat_any(&SEQUENCE)
        {}
        if object_before_verb(&mut ahead) {
            return true;
        }
        // "…, as a table", "…, one per line": how all items are laid out, not what is asked about one.
        let items = self.draft.in_items()
            || self.cursor.tokens[..at].iter().any(|token| is_one_of("@each", &token.folded));
        if items && self.cursor.tokens[at].folded == "," && LAYOUT.iter().any(|pattern| ahead.sees(pattern)) {
            return true;
        }
        if sequel {
            return true;
        }
        let verb = ahead.word(0).to_owned();
        ahead.at += 1;
        let object = ahead.sees_quoted()
            || ahead.sees("only|just|uniquement|seulement|as|all|it|them|the|this|each|every|le|la|les|l|ce|chaque|un|une|a|to|followed|suivi");
        if is_one_of(
            "if|si|when|otherwise|sinon|for|pour|join|separate|separated|sort|order|number|trie|ask|demande",
            &verb,
        ) {
            return object || is_one_of("otherwise|sinon|if|si", &verb);
        }
        let asks = is_one_of("@summarise|@translate|@classify|@rate|@rewrite|@tell|@merge", &verb);
        let outputs = is_one_of("@output", &verb);
        if outputs {
            // "and give an example" goes on, "and give '[line]'" or "and return the summary" does not.
            let undecided = is_one_of("give|list|write|answer|reply|report|donne|liste|ecris|reponds", &verb);
            return if undecided {
                ahead.sees_quoted() || ahead.sees("only|just|as|it|them|uniquement")
            } else {
                true
            };
        }
        if is_one_of("@search", &verb) {
            return object || ahead.sees("for|with|in|avec|dans|sur|paradigm_search");
        }
        if asks {
            return is_one_of("@summarise|@translate|@classify|@rate|@rewrite", &verb) && object;
        }
        // An unknown verb with an object is an action of its own, and will be reported as unread.
        ahead.sees("it|them|the|this|that|le|la|les") && !is_one_of("@det|in|of|en|by|with|from|to", &verb)
    }

    /// Without "ask the model to …", the clause must consist of words a language task is made of. `told` says that the
    /// model is named: then only what comes after its name is looked at.
    pub(super) fn known_words_only(&self, from: usize, end: usize, told: bool) -> Result<(), Reason> {
        let mut cursor = Cursor { at: from + 1, ..self.cursor };
        let aliases = self.draft.aliases();
        let classifies = is_one_of("@classify", &self.cursor.tokens[from].folded);
        let mut free = told;
        while cursor.at < end {
            let start = cursor.at;
            if eat_with_model(&mut cursor) {
                free = told && cursor.sees("whether|if|to|that|what|which|how|si|que|de");
                continue;
            }
            cursor.at = start;
            let known = free
                || (classifies && eat_labels(&mut cursor))
                || noun_phrase(&mut cursor, &aliases).is_some()
                || eat_input(&mut cursor)
                || cursor.eat(TASK_WORDS)
                || cursor.eat("@det|@number|@each|@all|and|et|or|ou|,|(|)|:|/|-|0|@found")
                || cursor.number().is_some()
                || cursor.slot().is_some()
                || cursor.quoted().is_some();
            if !known {
                return Err(Reason::Unread(self.cursor.typed(start, end).to_owned()));
            }
            if cursor.at == start {
                cursor.at += 1;
            }
        }
        Ok(())
    }

    pub(super) fn instruction(&mut self, from: usize, end: usize) -> Result<Instruction, Reason> {
        let typed = self.cursor.typed(from, end).trim();
        if let Some(beyond) = beyond_tools(typed) {
            return Err(Reason::Unread(beyond_phrase(typed, &beyond)));
        }
        // A pattern for the result is none of the model's business, and its placeholders would reach it unfilled.
        if let Some(pattern) = self.pattern_in(from, end) {
            return Err(Reason::Unread(pattern));
        }
        let verb = self.cursor.tokens[from].folded.clone();
        let merges = is_one_of("@merge", &verb);
        let kind = match task_kind(&verb) {
            Kind::Reply if merges && mentions_summary(typed) => Kind::Summary,
            kind => kind,
        };
        let labels = if kind == Kind::Label { labels(self.cursor, from, end) } else { Vec::new() };
        let (about, each_words) = self.references(from, end, merges)?;
        let mut text = capitalise(typed);
        if let Some((range, replacement)) = each_words {
            let start = self.cursor.tokens[range.0].span.start - self.cursor.tokens[from].span.start;
            let stop = self.cursor.tokens[range.0].span.end - self.cursor.tokens[from].span.start;
            if text.is_char_boundary(start) && text.is_char_boundary(stop) && stop <= text.len() {
                text.replace_range(start..stop, replacement);
            }
        }
        Ok(Instruction { text, kind, labels, about })
    }

    /// A quoted text with placeholders between two tokens.
    fn pattern_in(&self, from: usize, end: usize) -> Option<String> {
        let quoted = (from..end).find(|at| Cursor { at: *at, ..self.cursor }.holds_placeholders())?;
        Some(self.cursor.typed(quoted, quoted + 1).to_owned())
    }

    /// What the instruction is about: the values its nouns name, the newest one when it names none. "each line" also
    /// splits the input, and reads "this line" in the prompt of one.
    #[allow(clippy::type_complexity)]
    pub(super) fn references(
        &mut self,
        from: usize,
        end: usize,
        merges: bool,
    ) -> Result<(Vec<Piece>, Option<((usize, usize), &'static str)>), Reason> {
        let mut about: Vec<usize> = Vec::new();
        let mut each_words = None;
        let saved = self.cursor.at;
        let verb = &self.cursor.tokens[from].folded;
        self.cursor.at = from + 1;
        while self.cursor.at < end {
            let start = self.cursor.at;
            let determined = self.cursor.sees("@det|@each|@all|search|user") || start == from + 1;
            let slot = matches!(self.cursor.peek().map(|t| &t.kind), Some(TokenKind::Slot(_)));
            let found = if determined || slot { self.noun()? } else { None };
            let Some(noun) = found.filter(|_| self.cursor.at <= end) else {
                self.cursor.at = start + 1;
                continue;
            };
            // "in one sentence" is a length, not the sentence.
            let measure =
                noun.each.is_none() && is_one_of("in|en|into|par", &self.cursor.tokens[start - 1].folded);
            if measure && noun.meaning == Meaning::Item {
                continue;
            }
            // "rewrite it for a customer": any one, not the item at hand.
            if noun.meaning == Meaning::Item
                && noun.each.is_none()
                && is_one_of("a|an|un|une", &self.cursor.tokens[start].folded)
            {
                continue;
            }
            if merges || (noun.all && noun.plural && self.draft.in_items() && noun.meaning != Meaning::Item) {
                self.draft.merged = self.draft.split.is_some();
            }
            if noun.each.is_some() && self.cursor.tokens[start].folded != "all" {
                each_words = Some(((start, self.cursor.at), this_word(&noun.head, self.draft.language)));
            }
            let value = match noun.meaning {
                Meaning::Pronoun | Meaning::Formatted | Meaning::Position | Meaning::Total => None,
                _ => self.draft.resolve(&noun.meaning),
            };
            // "using the search result" when nothing was searched.
            if noun.meaning == Meaning::Of(Kind::Result) && value.is_none() {
                return Err(Reason::UnknownName(self.cursor.typed(start, self.cursor.at).to_owned()));
            }
            // "summarise the result" before there is one.
            let object =
                start == from + 1 && is_one_of("@summarise|@translate|@classify|@rate|@rewrite|@merge", verb);
            if object && value.is_none() && !matches!(noun.meaning, Meaning::Pronoun | Meaning::Formatted) {
                return Err(Reason::UnknownName(noun.head));
            }
            if let Some(value) = value
                && !about.contains(&value)
            {
                about.push(value);
            }
        }
        self.cursor.at = saved;
        if about.is_empty() {
            about.push(self.draft.subject());
        }
        // "translate the summary of the result" is about the summary; naming the item too keeps both.
        Ok((about.into_iter().map(|value| self.draft.piece_of(value)).collect(), each_words))
    }
}

/// After a comma, how the results of all items are laid out.
const LAYOUT: [&str; 6] = [
    "as|sous|comme",
    "numbered|numerote|numerotes|numerotee|numerotees",
    "separated|separes|separees|joined",
    "one|un|une per|par line|ligne",
    "in|dans the|l|same? input|original|meme? order|ordre",
    "with|avec a|an|un|une? blank|empty|ligne",
];

/// "with the language model", "à l'aide du modèle".
pub(super) fn eat_with_model(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    if cursor.eat_any(&["with|using|by|avec|par|via", "a l aide de|d|du"]) && eat_model(cursor) {
        return true;
    }
    cursor.at = start;
    false
}

/// "as A, B or C", up to the last label.
fn eat_labels(cursor: &mut Cursor<'_>) -> bool {
    if !cursor.eat("as|into|in|among|between|comme|parmi|entre|en|:") {
        return false;
    }
    cursor.eat("either|soit|one|of|the|following|categories|suivantes*");
    cursor.eat(":");
    loop {
        let word = cursor.peek().is_some_and(|token| token.kind == TokenKind::Word);
        if cursor.quoted().is_none() {
            if !word {
                return true;
            }
            cursor.at += 1;
        }
        let mut more = false;
        while cursor.eat(",|or|and|ou|et|/") {
            more = true;
        }
        if !more {
            return true;
        }
    }
}

/// Words a direct language task ("summarise it in one short sentence") may be made of besides nouns and numbers.
const TASK_WORDS: &str = "in|into|to|as|of|for|from|on|by|at|most|least|max|maximum|minimum|or|than|more|fewer|less|\
    en|vers|au|plus|moins|sur|a|pour|dans|with|avec|using|up|sentence|sentences|word|words|line|lines|paragraph|\
    paragraphs|bullet|bullets|points|point|phrase|phrases|mot|mots|ligne|lignes|puces|paragraphe|characters|caracteres|\
    english|french|german|spanish|italian|dutch|portuguese|polish|chinese|japanese|arabic|russian|anglais|francais|\
    allemand|espagnol|italien|neerlandais|portugais|polonais|chinois|japonais|arabe|russe|language|langue|short|brief|\
    briefly|back|seul|seule|unique|whole|whether|concise|concisely|plain|simple|simply|clear|clearly|formal|formally|informal|polite|politely|friendly|\
    neutral|professional|tone|style|way|court|courte|courts|breve|bref|brievement|clair|claire|clairement|simplement|\
    formel|formelle|poli|polie|ton|style|single|own|very|tres|exactly|exactement|spelling|errors|mistakes|typos|fautes|erreurs|spelling|grammar|orthographe|\
    grammaire|one|text|texte|scale|echelle|together|overall|global|globale|ensemble|using|reply|is|call|per|answers|it|\
    number|nombre|par|entre|between|either|soit|parmi|among|comme|categories|category|following|suivantes|categorie|\
    key|main|principal|principaux|principale|idea|ideas|point|idee|idees|facts|faits|children|beginner|child|enfant|\
    debutant|everyone|customer|readers|final|finale";

/// A word of the text that promises an action no tool can do.
///
/// "an e-mail" is a text like any other; "e-mail it" is not.
pub(super) fn beyond_tools(text: &str) -> Option<String> {
    let tokens: Vec<_> = lex(text).into_iter().filter(|token| token.kind == TokenKind::Word).collect();
    let written = |at: usize| {
        let mail = is_one_of("mail|mails|email|emails|courriel|courriels|sms|post", &tokens[at].folded);
        let before = tokens[..at].iter().rev().find(|token| token.folded != "e");
        mail && before.is_some_and(|token| is_one_of("a|an|the|this|un|le|l|cet|d", &token.folded))
    };
    (0..tokens.len())
        .filter(|at| !written(*at))
        .map(|at| &tokens[at].folded)
        .find(|word| BEYOND_TOOLS.split_whitespace().any(|beyond| beyond == *word))
        .cloned()
}

/// From the word that goes too far to the end of the instruction.
fn beyond_phrase(typed: &str, beyond: &str) -> String {
    lex(typed)
        .into_iter()
        .find(|token| token.folded == beyond)
        .map_or_else(|| typed.to_owned(), |token| typed[token.span.start..].to_owned())
}

fn mentions_summary(text: &str) -> bool {
    let words = lex(text);
    words.iter().filter(|t| matches!(t.folded.as_str(), "summary" | "resume" | "synthese")).count() > 0
}

fn task_kind(verb: &str) -> Kind {
    match verb {
        _ if is_one_of("@summarise|sum", verb) => Kind::Summary,
        _ if is_one_of("@translate", verb) => Kind::Translation,
        _ if is_one_of("@classify", verb) => Kind::Label,
        _ if is_one_of("@rate", verb) => Kind::Rating,
        _ => Kind::Reply,
    }
}

/// "as A, B or C": the labels as typed, in order.
fn labels(cursor: Cursor<'_>, from: usize, end: usize) -> Vec<String> {
    let mut ahead = Cursor { at: from, ..cursor };
    while ahead.at < end && !ahead.eat("as|into|among|between|comme|parmi|entre|:|en") {
        ahead.at += 1;
    }
    ahead.eat("either|soit|one of|the|following|categories|suivantes*");
    ahead.eat(":");
    let mut labels: Vec<String> = Vec::new();
    while ahead.at < end {
        if ahead.eat(",|or|ou|and|et|/") {
            continue;
        }
        if let Some(quoted) = ahead.quoted() {
            labels.push(quoted.to_owned());
            continue;
        }
        let start = ahead.at;
        let is_label = ahead.peek().is_some_and(|t| t.kind == TokenKind::Word);
        if !is_label || ahead.sees("with|using|avec|(") {
            break;
        }
        ahead.at += 1;
        labels.push(ahead.typed(start, ahead.at).to_owned());
    }
    if labels.len() < 2 { Vec::new() } else { labels }
}

pub(super) fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

pub(super) fn uncapitalise(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

/// "each line" is "this line" in the prompt about one of them.
fn this_word(noun: &str, language: Language) -> &'static str {
    let feminine =
        is_one_of("ligne|phrase|question|entree|ville|entreprise|societe|personne|requete|affirmation", noun);
    match language {
        Language::En => "this",
        Language::Fr if feminine => "cette",
        Language::Fr => "ce",
    }
}
