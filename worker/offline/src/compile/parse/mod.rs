//! Tokens to plan: one clause after the other. Each clause has a rule; what no rule reads ends the compilation.
//!
//! Rules answer `Ok(false)` and leave the cursor alone when the clause is not theirs; `Err` when it is theirs and
//! something in it cannot be read.

mod change;
mod condition;
mod instruction;
mod model;
mod number;
mod objects;
mod output;
mod remark;
mod report;
mod rows;
mod search;
mod source;
mod structured;

use super::cursor::Cursor;
use super::draft::Draft;
use super::error::Reason;
use super::lexer::{Kind as TokenKind, Token};
use super::noun::Noun;
use super::noun_phrase::noun_phrase;
use super::plan::{Kind, Language, Op, Output, Piece, Plan, Split, Text};
use super::template::shows_a_value;

/// The whole of a description, read into a plan.
pub(crate) fn parse(source: &str, tokens: &[Token], language: Language) -> Result<Plan, Reason> {
    let mut parser = Parser {
        cursor: Cursor::new(source, tokens),
        draft: Draft::new(language),
        asked_model: false,
        pending_object: None,
        pending_alias: Vec::new(),
        in_branch: false,
        object_before_verb: false,
    };
    parser.clauses()?;
    parser.finish()
}

pub(crate) struct Parser<'a> {
    cursor: Cursor<'a>,
    draft: Draft,
    /// A model was asked before, so that "ask it" means the model.
    asked_model: bool,
    /// The object of "pose la question au modèle", read before the model was named.
    pending_object: Option<Piece>,
    /// Nouns that will name the value being made: "its address".
    pending_alias: Vec<String>,
    /// Inside a branch, where a fixed text is an answer.
    in_branch: bool,
    /// The clause began with the pronoun that is its verb's object: "la présenter".
    object_before_verb: bool,
}

/// How a description may begin before it says what to do.
const PREAMBLES: [&str; 19] = [
    "i want|need|would|d like? a|an|the workflow|program|script|tool|automation that|which|to",
    "i want|need|would|d like? you? to",
    "you|it|he|she should|must|will|shall|can|have to?",
    "your task|job|goal|mission is|: to?",
    "ta|votre tache|mission est|: de?",
    "can|could you",
    "@det* workflow|program|script|tool|automation should|must|will|shall",
    "create|build|make|write|design me? a|the? python|small|simple? workflow|program|script|tool|automation that|which|to",
    "@det* workflow|programme|script|outil doit",
    "cree|creez|construis|ecris|fais moi? un|le? workflow|programme|script|outil qui|pour",
    "je veux|voudrais|souhaite|souhaiterais|aimerais un|le workflow|programme|script|outil qui|pour",
    "je veux|voudrais|souhaite|souhaiterais|aimerais que|qu? tu|il|on|vous?",
    "il faut|faudrait",
    "que|qu tu|vous|il|on",
    "merci de",
    "s il te|vous plait",
    "@det* workflow|program|script|automation|programme that|which?",
    "tu|vous|on|nous|we|you|it|il",
    "@number step|steps|etape|etapes :",
];

/// Where a clause stands among the others, said with more than one word.
pub(super) const SEQUENCE: [&str; 10] = [
    "at last|first",
    "at|in the end|beginning",
    "to finish|begin|start",
    "tout d abord",
    "pour finir|terminer|commencer|conclure",
    "a la fin",
    "dans un premier|second|deuxieme|troisieme|dernier temps",
    "en dernier|premier|second lieu",
    "par la suite",
    "after that|this",
];

impl Parser<'_> {
    fn clauses(&mut self) -> Result<(), Reason> {
        loop {
            self.skip_between_clauses();
            if self.cursor.at_end() {
                return Ok(());
            }
            let start = self.cursor.at;
            // "For each line search …": what follows must be a clause anyway.
            if self.source_clause()? {
                continue;
            }
            if !self.clause()? || !self.cursor.at_boundary() {
                return Err(self.unread(start));
            }
        }
    }

    /// One clause of any kind.
    fn clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        self.object_before_verb = object_before_verb(&mut self.cursor);
        let read = self.clause_after_object()?;
        if !read {
            self.cursor.at = start;
        }
        Ok(read)
    }

    fn clause_after_object(&mut self) -> Result<bool, Reason> {
        Ok(self.condition_clause()?
            || self.skip_clause()?
            || self.remark_clause()
            || self.search_clause()?
            || self.ask_clause()?
            || self.merge_clause()?
            || self.task_clause()?
            || self.number_clause()?
            || self.rank_clause()
            || self.change_clause()?
            || self.output_clause()?)
    }

    fn skip_between_clauses(&mut self) {
        loop {
            let before = self.cursor.at;
            while self.cursor.peek().is_some_and(|t| t.kind == TokenKind::Break) {
                self.cursor.at += 1;
            }
            // A numbered list of instructions.
            if let Some(Token { kind: TokenKind::Number, .. }) = self.cursor.peek()
                && matches!(self.cursor.word(1), "." | ")")
            {
                self.cursor.at += 2;
            }
            self.cursor.eat("step|etape @number|1|2|3|4|5|6|7|8|9 :|.|-");
            self.cursor.eat("@stop* @link* @filler*");
            self.cursor.eat_any(&SEQUENCE);
            self.cursor.eat_any(&PREAMBLES);
            self.cursor.eat_any(&[
                "after|once that|this|done|finished",
                "apres cela|ca|quoi",
                "veuillez",
                "thanks|thank you?",
                "merci",
            ]);
            if self.cursor.at == before {
                return;
            }
        }
    }

    /// The part that could not be read: from where reading stopped, or the whole clause when it did not begin.
    fn unread(&self, start: usize) -> Reason {
        let from = self.cursor.at.max(start);
        let mut end = from;
        while let Some(token) = self.cursor.tokens.get(end) {
            if token.kind == TokenKind::Break || (end > from && matches!(token.folded.as_str(), "." | ";")) {
                break;
            }
            end += 1;
        }
        Reason::Unread(self.cursor.typed(from, end.max(from + 1)).to_owned())
    }

    fn unread_here(&self) -> Reason {
        self.unread(self.cursor.at)
    }

    /// A noun phrase; if it repeats ("each line"), the input is split accordingly.
    fn noun(&mut self) -> Result<Option<Noun>, Reason> {
        let start = self.cursor.at;
        let aliases = self.draft.aliases();
        let Some(noun) = noun_phrase(&mut self.cursor, &aliases) else { return Ok(None) };
        if let Some(split) = &noun.each {
            self.split_input(split, &noun.head, start)?;
        }
        if noun.distinct && noun.each.is_some() {
            self.draft.distinct.get_or_insert(false);
        }
        Ok(Some(noun))
    }

    fn split_input(&mut self, split: &Split, noun: &str, start: usize) -> Result<(), Reason> {
        if self.draft.split_by(split, noun) {
            Ok(())
        } else {
            Err(Reason::Conflict(self.cursor.typed(start, self.cursor.at).to_owned()))
        }
    }

    fn finish(self) -> Result<Plan, Reason> {
        let mut draft = self.draft;
        if draft.ops.is_empty() && draft.output.is_none() {
            return Err(Reason::Empty);
        }
        let newest = draft.piece_of(draft.newest());
        let output = match draft.output.take() {
            Some(output) => output,
            None => match draft.number().filter(|_| draft.summed) {
                Some(number) => {
                    draft.merged = true;
                    Output::Text(vec![Piece::Total(number)])
                }
                None => Output::Text(vec![newest]),
            },
        };
        // A text that stands for a failed call cannot be added up or ordered.
        if draft.on_error.is_some() && draft.number().is_some() {
            return Err(Reason::Conflict(self.cursor.source.trim().to_owned()));
        }
        if (draft.numbered || draft.bulleted) && !draft.in_items() {
            return Err(Reason::Conflict(self.cursor.source.trim().to_owned()));
        }
        // Left-out items would leave gaps in the numbers.
        if draft.drop.is_some() && (draft.numbered || draft.split.is_none() || shows_position(&output)) {
            return Err(Reason::Conflict(self.cursor.source.trim().to_owned()));
        }
        if draft.rank.is_some() && (draft.merged || draft.numbered || !draft.in_items()) {
            return Err(Reason::Conflict(self.cursor.source.trim().to_owned()));
        }
        if let Output::Text(text) = &output
            && !shows_a_value(text)
        {
            return Err(Reason::Empty);
        }
        if let Some(value) = draft.made().find(|value| !is_used(*value, &draft, &output)) {
            return Err(Reason::Unused(unused_name(draft.values[value].kind, draft.language)));
        }
        let output = decorate(output, &draft);
        let multiline = |text: &Vec<Piece>| {
            text.iter().any(|piece| matches!(piece, Piece::Literal(literal) if literal.contains('\n')))
        };
        let separator = draft.separator.unwrap_or_else(|| match &output {
            // Blocks of several lines are set apart by a blank line.
            Output::Text(text) if multiline(text) => "\n\n".to_owned(),
            _ => "\n".to_owned(),
        });
        // A rule between blocks stands on a line of its own.
        let rule =
            !separator.is_empty() && separator.chars().all(|c| matches!(c, '-' | '*' | '=' | '_' | '#'));
        let separator = match &output {
            Output::Text(text) if rule && multiline(text) => format!("\n{separator}\n"),
            _ => separator,
        };
        Ok(Plan {
            language: draft.language,
            split: draft.split,
            distinct: draft.distinct,
            values: draft.values,
            ops: draft.ops,
            output,
            separator,
            rank: draft.rank,
            drop: draft.drop,
            whole_numbers: draft.whole_numbers,
            on_error: draft.on_error,
        })
    }
}

/// French puts a pronoun before its verb: "la chercher", "les afficher". Words that are nouns as well ("la recherche",
/// "la liste") are left to the rules that read nouns.
pub(super) fn object_before_verb(cursor: &mut Cursor<'_>) -> bool {
    const NOUNS_TOO: &str = "recherche|recherches|liste|listes|resume|resumes|note|notes|classe|classes|format|report|\
        score|grade|rate|label|tag|query|search|find|output|print|show|write|put|give|list|return|display|present|emit";
    let mut ahead = *cursor;
    let object = ahead.eat("le|la|les|l")
        && !ahead.sees(NOUNS_TOO)
        && ahead.sees("@search|@output|@summarise|@translate|@classify|@rate|@rewrite");
    if object {
        *cursor = ahead;
    }
    object
}

/// Whether a value is shown, handed on or decided by.
fn is_used(value: usize, draft: &Draft, output: &Output) -> bool {
    fn in_text(text: &Text, value: usize) -> bool {
        text.iter()
            .any(|piece| matches!(piece, Piece::Value(v) | Piece::All(v) | Piece::Total(v) if *v == value))
    }
    fn in_ops(ops: &[Op], value: usize) -> bool {
        ops.iter().any(|op| match op {
            Op::Call(call) => {
                in_text(&call.argument, value) || call.only_if.as_ref().is_some_and(|(c, _)| c.value == value)
            }
            Op::Change { from, .. } | Op::Number { from, .. } => *from == value,
            Op::Choose { condition, then, otherwise, .. } => {
                condition.value == value
                    || [then, otherwise]
                        .iter()
                        .any(|block| in_text(&block.text, value) || in_ops(&block.ops, value))
            }
        })
    }
    let shown = match output {
        Output::Text(text) | Output::Strings(text) => in_text(text, value),
        Output::Table(fields) | Output::Csv(fields) | Output::Object { fields, .. } => {
            fields.iter().any(|(_, text)| in_text(text, value))
        }
    };
    shown
        || draft.drop.as_ref().is_some_and(|condition| condition.value == value)
        || in_ops(&draft.ops, value)
        || draft.rank.is_some_and(|rank| rank.by == value)
}

fn shows_position(output: &Output) -> bool {
    match output {
        Output::Text(text) | Output::Strings(text) => text.contains(&Piece::Position),
        Output::Table(fields) | Output::Csv(fields) | Output::Object { fields, .. } => {
            fields.iter().any(|(_, text)| text.contains(&Piece::Position))
        }
    }
}

fn unused_name(kind: Kind, language: Language) -> &'static str {
    match (kind, language) {
        (Kind::Result, Language::En) => "the search result",
        (Kind::Result, Language::Fr) => "le résultat de la recherche",
        (Kind::Summary, Language::En) => "the summary",
        (Kind::Summary, Language::Fr) => "le résumé",
        (Kind::Translation, Language::En) => "the translation",
        (Kind::Translation, Language::Fr) => "la traduction",
        (Kind::Label, Language::En) => "the category",
        (Kind::Label, Language::Fr) => "la catégorie",
        (Kind::Rating | Kind::Amount, Language::En) => "the number",
        (Kind::Rating | Kind::Amount, Language::Fr) => "le nombre",
        (_, Language::En) => "what was asked before",
        (_, Language::Fr) => "ce qui est demandé avant",
    }
}

/// Numbers or bullets in front of each item's text.
fn decorate(output: Output, draft: &Draft) -> Output {
    let Output::Text(mut text) = output else { return output };
    if draft.numbered && !text.contains(&Piece::Position) {
        text.splice(0..0, [Piece::Position, Piece::Literal(". ".to_owned())]);
    } else if draft.bulleted {
        text.insert(0, Piece::Literal("- ".to_owned()));
    }
    Output::Text(text)
}
