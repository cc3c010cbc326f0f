//! Expressions of a program: texts, conditions, changes, and what is returned.

use super::literal::{expression, literal};
use super::{Emitter, Returned, plural};
use crate::compile::plan::{Change, Condition, Kind, Output, Piece, Split, Test, Text};

impl Emitter<'_> {
    pub(super) fn condition(&self, condition: &Condition) -> String {
        let value = self.variable(&Piece::Value(condition.value), false);
        match &condition.test {
            Test::NotFound => format!("not {value}.strip() or {value}.startswith(\"NOT_FOUND\")"),
            Test::Empty => format!("not {value}.strip()"),
            Test::StartsWith(text) => format!("{value}.startswith({})", literal(text)),
            Test::Contains(text) => format!("{}.casefold() in {value}.casefold()", literal(text)),
            Test::Is(text) => {
                format!("{value}.strip().strip(\".!\").casefold() == {}.casefold()", literal(text))
            }
        }
    }

    pub(super) fn change(&self, change: Change, from: usize) -> String {
        let value = self.variable(&Piece::Value(from), true);
        match change {
            Change::Upper => format!("{value}.upper()"),
            Change::Lower => format!("{value}.lower()"),
            Change::Title => format!("{value}.title()"),
            Change::Reverse => format!("{value}[::-1]"),
            Change::CountWords => format!("str(len({value}.split()))"),
            Change::CountCharacters => format!("str(len({value}))"),
            Change::CountLines => format!("str(len(split_lines({value})))"),
            Change::CountSentences => format!("str(len(split_sentences({value})))"),
        }
    }

    pub(super) fn split_expression(&self, split: &Split) -> String {
        match split {
            Split::Sentences => "split_sentences(user_input)".to_owned(),
            Split::Lines => "split_lines(user_input)".to_owned(),
            Split::Paragraphs => "split_paragraphs(user_input)".to_owned(),
            Split::Words => "user_input.split()".to_owned(),
            Split::Items => "split_items(user_input)".to_owned(),
            Split::Chunks(size) => format!("split_chunks(user_input, {size})"),
            Split::On(separator) => {
                let item = &self.plan.values[0].name;
                format!(
                    "[{item}.strip() for {item} in user_input.split({}) if {item}.strip()]",
                    literal(separator)
                )
            }
        }
    }

    pub(super) fn returned_expression(&self, returns: &Returned<'_>) -> String {
        match returns {
            Returned::Row(Output::Table(columns)) => {
                let cells: Vec<String> =
                    columns.iter().map(|(_, text)| format!("table_cell({})", self.text(text))).collect();
                format!("[{}]", cells.join(", "))
            }
            Returned::Row(Output::Csv(columns)) => {
                let cells: Vec<String> = columns.iter().map(|(_, text)| self.text(text)).collect();
                format!("[{}]", cells.join(", "))
            }
            Returned::Row(Output::Object { fields, array: true }) => self.dictionary(fields),
            Returned::Row(Output::Object { fields, .. }) => {
                format!("json.dumps({}, ensure_ascii=False)", self.dictionary(fields))
            }
            Returned::Row(Output::Text(text) | Output::Strings(text)) => self.text(text),
            Returned::Values(values) => {
                values.iter().map(|v| self.plan.values[*v].name.clone()).collect::<Vec<_>>().join(", ")
            }
        }
    }

    pub(super) fn dictionary(&self, fields: &[(String, Text)]) -> String {
        let entries: Vec<String> =
            fields.iter().map(|(key, text)| format!("{}: {}", literal(key), self.raw_text(text))).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// What a program without items, or after they were brought together, returns.
    pub(super) fn result_expression(&self) -> String {
        match &self.plan.output {
            Output::Text(text) => self.text(text),
            Output::Object { fields, .. } => {
                format!("json.dumps({}, ensure_ascii=False)", self.dictionary(fields))
            }
            Output::Strings(text) => format!("json.dumps([{}], ensure_ascii=False)", self.raw_text(text)),
            Output::Csv(columns) => {
                let names: Vec<String> = columns.iter().map(|(name, _)| literal(name)).collect();
                let cells: Vec<String> = columns.iter().map(|(_, text)| self.text(text)).collect();
                format!("csv_text([[{}], [{}]])", names.join(", "), cells.join(", "))
            }
            Output::Table(columns) => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let head = format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()));
                let cells: Vec<String> =
                    columns.iter().map(|(_, text)| format!("table_cell({})", self.text(text))).collect();
                format!("{} + \"| \" + \" | \".join([{}]) + \" |\"", literal(&head), cells.join(", "))
            }
        }
    }

    pub(super) fn text(&self, text: &Text) -> String {
        expression(text, &|piece| self.variable(piece, false))
    }

    pub(super) fn raw_text(&self, text: &Text) -> String {
        expression(text, &|piece| self.variable(piece, true))
    }

    /// The Python name of a piece. The whole input is `text` without surrounding blanks, `user_input` as given.
    pub(super) fn variable(&self, piece: &Piece, raw: bool) -> String {
        match piece {
            Piece::Value(0) if self.plan.split.is_none() && raw => "user_input".to_owned(),
            Piece::Value(value) if matches!(self.plan.values[*value].kind, Kind::Amount | Kind::Rating) => {
                format!("show_number({})", self.plan.values[*value].name)
            }
            Piece::Value(value) => self.plan.values[*value].name.clone(),
            Piece::Total(value) => {
                let sum = format!("sum({})", plural(&self.plan.values[*value].name));
                if self.plan.whole_numbers { format!("round({sum})") } else { format!("show_number({sum})") }
            }
            Piece::All(value) => format!("all_{}", plural(&self.plan.values[*value].name)),
            Piece::Position => "number".to_owned(),
            Piece::Literal(text) => literal(text),
        }
    }
}
