//! Clauses that ask the model. The instruction itself is handed over as typed; the grammar decides where it ends, what
//! it is about, and that it holds nothing a model cannot do.

use super::Parser;
use super::instruction::{Instruction, eat_with_model, uncapitalise};
use crate::compile::cursor::{Cursor, is_one_of};
use crate::compile::draft::forms;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;

use crate::compile::noun_phrase::noun_phrase;
use crate::compile::phrases::eat_model;
use crate::compile::plan::{Call, Kind, Language, Op, Piece, Text, Tool};
use crate::compile::template::template;

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
            self.push_model_call(text, Kind::Reply, Vec::new());
            return Ok(true);
        }
        if self.cursor.at_boundary() {
            let value = self.draft.piece_of(self.draft.subject());
            self.push_model_call(vec![value], Kind::Reply, Vec::new());
            return Ok(true);
        }
        if let Some(piece) = self.asked_value()? {
            self.push_model_call(vec![piece], Kind::Reply, Vec::new());
            return Ok(true);
        }
        let from = self.cursor.at;
        let opening = self.opening().ok_or_else(|| self.unread(from))?;
        // "demande au modèle de la résumer", "d'en donner une définition": the pronoun is what it is about anyway.
        if opening.is_empty()
            && self
                .cursor
                .sees("le|la|les|l|en|lui @summarise|@translate|@classify|@rate|@rewrite|@tell|@output")
        {
            self.cursor.at += 1;
        }
        let body = self.cursor.at;
        let end = self.instruction_end(body);
        if end == body {
            self.cursor.at = from;
            return Err(self.unread_here());
        }
        let mut instruction = self.instruction(body, end)?;
        if !opening.is_empty() {
            self.name_what_is_asked(body, end, &mut instruction);
        } else if self.cursor.sees("@make") {
            self.name_what_is_asked(body + 1, end, &mut instruction);
        }
        if !opening.is_empty() {
            instruction.text = format!("{opening}{}", uncapitalise(&instruction.text));
        }
        self.cursor.at = end;
        self.add_call(instruction);
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
        let end = self.instruction_end(body);
        let task =
            self.cursor.sees("@summarise|@translate|@classify|@rate|@rewrite") || self.cursor.sees("sum up");
        // "write a title with the model": the model is named, so the instruction is its own affair.
        let told = !task && self.cursor.sees("@tell") && (with_model || self.names_model(body, end));
        if !task && !told {
            self.cursor.at = start;
            return Ok(false);
        }
        self.known_words_only(body, end, told)?;
        let mut instruction = self.instruction(body, end)?;
        if !task {
            self.name_what_is_asked(body + 1, end, &mut instruction);
        }
        self.cursor.at = end;
        self.add_call(instruction);
        Ok(true)
    }

    /// "combine all the summaries": once, over what all items gave.
    pub(super) fn merge_clause(&mut self) -> Result<bool, Reason> {
        if !self.cursor.sees("@merge") || !self.draft.in_items() {
            return Ok(false);
        }
        let body = self.cursor.at;
        let end = self.instruction_end(body);
        self.known_words_only(body, end, false)?;
        let instruction = self.instruction(body, end)?;
        self.cursor.at = end;
        self.add_call(instruction);
        Ok(true)
    }

    /// "… with the language model": said inside the clause.
    fn names_model(&self, from: usize, end: usize) -> bool {
        (from..end).any(|at| eat_with_model(&mut Cursor { at, ..self.cursor }))
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
        if posed
            && let Some(noun) = noun_phrase(&mut self.cursor, &aliases)
            && self.cursor.eat("to|a|au")
            && eat_model(&mut self.cursor)
        {
            self.pending_object = self.draft.piece(&noun);
            return self.pending_object.is_some();
        }
        self.cursor.at = start;
        false
    }

    /// "ask the model the question", or the object of "pose la question au modèle".
    fn asked_value(&mut self) -> Result<Option<Piece>, Reason> {
        if let Some(piece) = self.pending_object.take() {
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

    /// Turns "to …", "for a slogan …", "whether …" into the beginning of a sentence addressed to the model; None when
    /// what follows is no instruction.
    fn opening(&mut self) -> Option<&'static str> {
        let say = |en, fr| Some(if self.draft.language == Language::En { en } else { fr });
        if self.cursor.sees("@summarise|@translate|@classify|@rate|@rewrite|@tell|@merge") {
            return Some("");
        }
        if self.cursor.sees(
            "whether|if|si|s|what|who|which|how|why|where|when|quel|quelle|quels|quelles|comment|pourquoi",
        ) {
            return say("Say ", "Dis ");
        }
        if self.cursor.eat("to|de|d|pour|que") {
            self.cursor.eat("please");
            return Some("");
        }
        if self.cursor.eat("for") || self.cursor.sees("a|an|@det|@number") {
            return say("Give ", "Donne ");
        }
        None
    }

    /// "a title for the text" makes something that `[title]` names; "a summary" is one.
    fn name_what_is_asked(&mut self, from: usize, end: usize, instruction: &mut Instruction) {
        let item = self.draft.aliases().item;
        let nouns = self.cursor.tokens[from..end]
            .iter()
            .skip_while(|token| is_one_of("@det|@number|a|an", &token.folded))
            .take_while(|token| {
                token.kind == TokenKind::Word && !is_one_of("@det|@preposition", &token.folded)
            })
            .filter(|token| token.folded.len() > 2 && !item.contains(&token.folded))
            .take(NAME_WORDS_MAX);
        for noun in nouns {
            match noun.folded.as_str() {
                "summary" | "resume" | "synthese" => instruction.kind = Kind::Summary,
                "translation" | "traduction" => instruction.kind = Kind::Translation,
                other => self.pending_alias.extend(forms(other)),
            }
        }
    }

    /// "; answer YES or NO": the replies the call just asked for may give.
    pub(super) fn answer_choice(&mut self) -> bool {
        let start = self.cursor.at;
        if !self.cursor.eat("answer|answers|answering|reply|replies|reponds|repondez|repond|reponse") {
            return false;
        }
        self.cursor.eat("with|by|par|only|either|exactly|is|:|uniquement|seulement*");
        let first = self.choice_word();
        if self.cursor.eat("or|ou|/")
            && let (Some(first), Some(second)) = (first, self.choice_word())
            && let Some(Op::Call(call)) = self.draft.ops.last_mut()
            && call.tool == Tool::Model
            && call.labels.is_empty()
        {
            let line = label_line(&[first.clone(), second.clone()], self.draft.language);
            match call.argument.first_mut() {
                Some(Piece::Literal(prompt)) if prompt.contains("\n\n") => {
                    *prompt = prompt.replacen("\n\n", &format!("{line}\n\n"), 1);
                }
                _ => call.argument.push(Piece::Literal(format!("\n{line}"))),
            }
            call.labels = vec![first, second];
            return true;
        }
        self.cursor.at = start;
        false
    }

    /// A quoted word, a word in capitals, yes or no.
    fn choice_word(&mut self) -> Option<String> {
        if let Some(quoted) = self.cursor.quoted() {
            return Some(quoted.to_owned());
        }
        let typed = self.cursor.typed(self.cursor.at, self.cursor.at + 1);
        let capitals = typed.chars().any(char::is_alphabetic) && typed.chars().all(|c| !c.is_lowercase());
        (capitals || self.cursor.sees("yes|no|oui|non|true|false|vrai|faux")).then(|| {
            self.cursor.at += 1;
            typed.to_owned()
        })
    }

    fn add_call(&mut self, instruction: Instruction) {
        let Instruction { text, kind, labels, about } = instruction;
        let language = self.draft.language;
        let mut prompt = text;
        if !prompt.ends_with(['.', '!', '?', ':']) {
            prompt.push('.');
        }
        if !labels.is_empty() {
            prompt.push_str(&label_line(&labels, language));
        }
        let mut argument: Text = Vec::new();
        for piece in about {
            let heading = self.heading(&piece);
            argument.push(Piece::Literal(format!("{prompt}\n\n{heading}\n")));
            prompt = String::new();
            argument.push(piece);
        }
        self.push_model_call(argument, kind, labels);
    }

    fn push_model_call(&mut self, argument: Text, kind: Kind, labels: Vec<String>) {
        let into = self.draft.declare(kind);
        self.draft.values[into].aliases = std::mem::take(&mut self.pending_alias);
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

/// "key points", "quiz question": words of a noun phrase that may name what the model was asked for.
const NAME_WORDS_MAX: usize = 2;

/// The line of a prompt that says which replies there are; extraction reads it, too.
fn label_line(labels: &[String], language: Language) -> String {
    let begin = match language {
        Language::En => "\nAnswer with exactly one of: ",
        Language::Fr => "\nRéponds exactement par l'un de ces mots : ",
    };
    format!("{begin}{}", labels.join(", "))
}
