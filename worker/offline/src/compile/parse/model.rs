//! Clauses that ask the model. The instruction itself is handed over as typed; the grammar decides where it ends, what
//! it is about, and that it holds nothing a model cannot do.

use super::Parser;
use crate::compile::cursor::{Cursor, is_one_of};
use crate::compile::error::Reason;
use crate::compile::lexer::{Kind as TokenKind, lex};
use crate::compile::noun::{Meaning, eat_input, eat_model, noun_phrase};
use crate::compile::plan::{Call, Kind, Language, Op, Piece, Text, Tool};
use crate::compile::template::template;
use crate::compile::vocabulary::BEYOND_TOOLS;

/// How an instruction is worded: as typed, or completed to a sentence.
struct Instruction {
    text: String,
    kind: Kind,
    labels: Vec<String>,
    about: Vec<Piece>,
}

impl Parser<'_> {
    /// "Ask the model to …", "use the model to …", "demande au modèle de …".
    pub(super) fn ask_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if !self.ask_verb() {
            self.cursor.at = start;
            return Ok(false);
        }
        self.asked_model = true;
        self.cursor.eat(":");
        self.cursor.eat_any(&["instead|plutot", "a la place"]);
        if let Some(raw) = self.cursor.quoted() {
            let text = template(raw, &self.draft)?;
            return self.prompt(text);
        }
        if self.cursor.at_boundary() {
            let value = self.draft.piece_of(self.draft.subject());
            return self.prompt(vec![value]);
        }
        if let Some(piece) = self.asked_value()? {
            return self.prompt(vec![piece]);
        }
        let from = self.cursor.at;
        let opening = self.opening();
        let body = self.cursor.at;
        let end = self.instruction_end(body);
        if end == body {
            self.cursor.at = from;
            return Err(self.unread_here());
        }
        let mut instruction = self.instruction(body, end)?;
        if !opening.is_empty() {
            instruction.text = format!("{opening}{}", uncapitalise(&instruction.text));
        }
        self.cursor.at = end;
        self.add_call(instruction)?;
        Ok(true)
    }

    /// "Summarise it in one sentence", "traduis la réponse en anglais": the verb says that the model is asked.
    pub(super) fn task_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        let with_model = self.cursor.eat("with|using|avec|via") && eat_model(&mut self.cursor);
        if with_model {
            self.cursor.eat(",");
        } else {
            self.cursor.at = start;
        }
        let body = self.cursor.at;
        if !self.cursor.sees("@summarise|@translate|@classify|@rate|@rewrite") && !self.cursor.sees("sum up")
        {
            self.cursor.at = start;
            return Ok(false);
        }
        let end = self.instruction_end(body);
        self.known_words_only(body, end, with_model)?;
        let instruction = self.instruction(body, end)?;
        self.cursor.at = end;
        self.add_call(instruction)?;
        Ok(true)
    }

    /// "merge the summaries into one text": once, over what all items gave.
    pub(super) fn merge_clause(&mut self) -> Result<bool, Reason> {
        if !self.cursor.sees("@merge") || !self.draft.in_items() {
            return Ok(false);
        }
        let body = self.cursor.at;
        let end = self.instruction_end(body);
        self.known_words_only(body, end, false)?;
        let instruction = self.instruction(body, end)?;
        self.cursor.at = end;
        self.add_call(instruction)?;
        Ok(true)
    }

    fn ask_verb(&mut self) -> bool {
        let start = self.cursor.at;
        if self.cursor.eat("@ask") {
            self.cursor.eat("a|au|l|to");
            let named = eat_model(&mut self.cursor);
            if named || (self.asked_model && self.cursor.eat("it|lui")) {
                return true;
            }
        }
        self.cursor.at = start;
        if self.cursor.eat("@use") {
            self.cursor.eat("with|avec|a|au");
            if eat_model(&mut self.cursor) {
                self.cursor.eat("on|with|avec|sur");
                return true;
            }
        }
        self.cursor.at = start;
        // "pose la question au modèle", "send the result to the model".
        let posed = self.cursor.eat("pose|posez|poser|pass|give|feed|transmets|soumets|donne|send");
        let aliases = self.draft.aliases();
        if posed && let Some(noun) = noun_phrase(&mut self.cursor, &aliases) {
            if self.cursor.eat("to|a|au") && eat_model(&mut self.cursor) {
                self.pending_object = self.draft.piece(&noun);
                return self.pending_object.is_some();
            }
        }
        self.cursor.at = start;
        false
    }

    /// "ask the model the question", or the object of "pose la question au modèle".
    fn asked_value(&mut self) -> Result<Option<Piece>, Reason> {
        if let Some(piece) = self.pending_object.take() {
            self.cursor.eat("to|for|et|pour|and");
            return Ok(Some(piece));
        }
        let start = self.cursor.at;
        if self.cursor.sees("to|for|de|d|un|une|whether|if") {
            return Ok(None);
        }
        if let Some(noun) = self.noun()? {
            self.cursor.eat_any(&["instead|plutot", "a la place"]);
            if self.cursor.at_boundary() || self.cursor.sees_quoted() {
                let piece = self.draft.piece(&noun).ok_or(Reason::UnknownName(noun.head))?;
                return Ok(Some(piece));
            }
        }
        self.cursor.at = start;
        Ok(None)
    }

    fn prompt(&mut self, argument: Text) -> Result<bool, Reason> {
        self.push_model_call(argument, Kind::Reply, Vec::new());
        Ok(true)
    }

    /// Turns "to …", "for a slogan …", "whether …" into the beginning of a sentence addressed to the model.
    fn opening(&mut self) -> &'static str {
        let language = self.draft.language;
        if self.cursor.eat("to|de|d|pour|que") {
            self.cursor.eat("please");
            return "";
        }
        if self.cursor.eat("for") || self.cursor.sees("un|une|des|a|an") {
            return if language == Language::En { "Give " } else { "Donne " };
        }
        if self.cursor.sees("whether|if|si|what|who|which|how|quel|quelle|quels|quelles|comment") {
            return if language == Language::En { "Say " } else { "Dis " };
        }
        ""
    }

    /// The token at which the instruction that starts at `from` ends.
    fn instruction_end(&self, from: usize) -> usize {
        let mut at = from;
        let mut depth = 0_usize;
        while let Some(token) = self.cursor.tokens.get(at) {
            match token.folded.as_str() {
                _ if token.kind == TokenKind::Break => return at,
                "(" => depth += 1,
                ")" if depth == 0 => return at,
                ")" => depth -= 1,
                "." | ";" | "!" if depth == 0 => return at,
                "," | "and" | "then" | "et" | "puis" | "ensuite" | ":"
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
    fn clause_follows(&self, at: usize) -> bool {
        let mut ahead = Cursor { at, ..self.cursor };
        let sequel = ahead.sees(",|and|et* then|puis|ensuite");
        while ahead.eat("@link|,|@filler") {}
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

    /// Without "ask the model to …", the clause must consist of words a language task is made of.
    fn known_words_only(&self, from: usize, end: usize, with_model: bool) -> Result<(), Reason> {
        if with_model {
            return Ok(());
        }
        let mut cursor = Cursor { at: from + 1, ..self.cursor };
        let aliases = self.draft.aliases();
        let mut labels_follow = false;
        while cursor.at < end {
            let start = cursor.at;
            if cursor.eat_any(&["with|using|by|avec|par|via", "a l aide de|d|du"]) && eat_model(&mut cursor) {
                return Cursor { at: end, ..cursor }.at_boundary().then_some(()).ok_or(self.unread_here());
            }
            cursor.at = start;
            labels_follow |= cursor.sees("as|into|among|between|comme|parmi|entre|:")
                || (cursor.sees("in|en") && self.cursor.tokens[from].folded.starts_with("cla"));
            if noun_phrase(&mut cursor, &aliases).is_some()
                || eat_input(&mut cursor)
                || cursor.eat(TASK_WORDS)
                || cursor.eat("@det|@number|@each|@all|and|et|or|ou|,|(|)|:|/|-|0|@found")
                || cursor.number().is_some()
                || cursor.slot().is_some()
                || cursor.quoted().is_some()
                || labels_follow
            {
                if cursor.at == start {
                    cursor.at += 1;
                }
                continue;
            }
            return Err(Reason::Unread(self.cursor.typed(start, end).to_owned()));
        }
        Ok(())
    }

    fn instruction(&mut self, from: usize, end: usize) -> Result<Instruction, Reason> {
        let typed = self.cursor.typed(from, end).trim();
        if let Some(beyond) = beyond_tools(typed) {
            return Err(Reason::Unread(beyond_phrase(typed, &beyond)));
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

    /// What the instruction is about: the values its nouns name, the newest one when it names none. "each line" also
    /// splits the input, and reads "this line" in the prompt of one.
    #[allow(clippy::type_complexity)]
    fn references(
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

    fn add_call(&mut self, instruction: Instruction) -> Result<(), Reason> {
        let Instruction { text, kind, labels, about } = instruction;
        let language = self.draft.language;
        let mut prompt = text;
        if !prompt.ends_with(['.', '!', '?', ':']) {
            prompt.push('.');
        }
        if !labels.is_empty() {
            prompt.push_str(match language {
                Language::En => "\nAnswer with exactly one of: ",
                Language::Fr => "\nRéponds exactement par l'un de ces mots : ",
            });
            prompt.push_str(&labels.join(", "));
        }
        let mut argument: Text = Vec::new();
        for piece in about {
            let heading = self.heading(&piece);
            argument.push(Piece::Literal(format!("{prompt}\n\n{heading}\n")));
            prompt = String::new();
            argument.push(piece);
        }
        self.push_model_call(argument, kind, labels);
        Ok(())
    }

    fn push_model_call(&mut self, argument: Text, kind: Kind, labels: Vec<String>) {
        let into = self.draft.declare(kind);
        let title = step_title(kind, self.draft.language).to_owned();
        self.draft.ops.push(Op::Call(Call {
            tool: Tool::Model,
            argument,
            into,
            labels,
            only_if: None,
            title,
        }));
    }

    /// The line above a value in a prompt.
    fn heading(&self, piece: &Piece) -> String {
        let (Piece::Value(value) | Piece::All(value)) = piece else { return String::new() };
        let all = matches!(piece, Piece::All(_));
        let (en, fr) = match self.draft.values[*value].kind {
            _ if all => ("Texts", "Textes"),
            Kind::Item => match self.draft.values[0].name.as_str() {
                "sentence" => ("Sentence", "Phrase"),
                "line" => ("Line", "Ligne"),
                "paragraph" => ("Paragraph", "Paragraphe"),
                "word" => ("Word", "Mot"),
                "item" => ("Item", "Élément"),
                _ => ("Text", "Texte"),
            },
            Kind::Result => ("Search result", "Résultat de la recherche"),
            Kind::Summary => ("Summary", "Résumé"),
            Kind::Translation => ("Translation", "Traduction"),
            Kind::Label => ("Category", "Catégorie"),
            Kind::Rating => ("Rating", "Note"),
            Kind::Amount => ("Number", "Nombre"),
            Kind::Reply | Kind::Chosen | Kind::Changed | Kind::Hidden => ("Text", "Texte"),
        };
        match self.draft.language {
            Language::En => format!("{en}:"),
            Language::Fr => format!("{fr} :"),
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
    formel|formelle|poli|polie|ton|style|single|own|very|tres|exactly|exactement|spelling|grammar|orthographe|\
    grammaire|one|text|texte|scale|echelle|together|overall|global|globale|ensemble|using|reply|is|call|per|answers|it|\
    number|nombre|par|entre|between|either|soit|parmi|among|comme|categories|category|following|suivantes|categorie|\
    key|main|principal|principaux|principale|idea|ideas|point|idee|idees|facts|faits|children|beginner|child|enfant|\
    debutant|everyone|customer|readers|final|finale";

/// A word of the text that promises an action no tool can do.
pub(super) fn beyond_tools(text: &str) -> Option<String> {
    lex(text)
        .into_iter()
        .filter(|token| matches!(token.kind, TokenKind::Word))
        .map(|token| token.folded)
        .find(|word| BEYOND_TOOLS.split_whitespace().any(|beyond| beyond == word))
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

fn step_title(kind: Kind, language: Language) -> &'static str {
    match (kind, language) {
        (Kind::Summary, Language::En) => "Summarise",
        (Kind::Summary, Language::Fr) => "Résumer",
        (Kind::Translation, Language::En) => "Translate",
        (Kind::Translation, Language::Fr) => "Traduire",
        (Kind::Label, Language::En) => "Classify",
        (Kind::Label, Language::Fr) => "Classer",
        (Kind::Rating, Language::En) => "Rate",
        (Kind::Rating, Language::Fr) => "Noter",
        (_, Language::En) => "Ask the model",
        (_, Language::Fr) => "Demander au modèle",
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

fn capitalise(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

fn uncapitalise(text: &str) -> String {
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
