//! What of a plan is used where: decides which variables and Python functions a program needs.

use super::Emitter;
use crate::compile::plan::{Kind, Op, Output, Piece, Text, Tool};

impl Emitter<'_> {
    /// Whether the stripped input is needed beside the one as given.
    pub(super) fn uses_text(&self, ops: &[&Op]) -> bool {
        let shows = |text: &Text| text.contains(&Piece::Value(0));
        let output = match &self.plan.output {
            Output::Text(text) => shows(text),
            Output::Table(columns) | Output::Csv(columns) => columns.iter().any(|(_, text)| shows(text)),
            Output::Object { .. } | Output::Strings(_) => false,
        };
        output
            || ops.iter().any(|op| match op {
                Op::Call(call) => {
                    call.tool == Tool::Search && shows(&call.argument)
                        || call.only_if.as_ref().is_some_and(|(c, _)| c.value == 0)
                }
                Op::Change { .. } | Op::Number { .. } => false,
                Op::Choose { condition, then, otherwise, .. } => {
                    condition.value == 0
                        || [then, otherwise]
                            .iter()
                            .any(|block| shows(&block.text) || Self::uses_text_in(&block.ops))
                }
            })
    }

    fn uses_text_in(ops: &[Op]) -> bool {
        ops.iter().any(|op| {
            matches!(op, Op::Call(call) if call.tool == Tool::Search && call.argument.contains(&Piece::Value(0)))
        })
    }

    pub(super) fn shows_all(&self, value: usize) -> bool {
        self.all_texts().iter().any(|text| text.contains(&Piece::All(value)))
    }

    pub(super) fn is_number(&self, value: usize) -> bool {
        matches!(self.plan.values[value].kind, Kind::Amount | Kind::Rating)
    }

    pub(super) fn uses_position(&self) -> bool {
        self.all_texts().iter().any(|text| text.contains(&Piece::Position))
    }

    pub(super) fn all_texts(&self) -> Vec<&Text> {
        fn of_ops<'a>(ops: &'a [Op], texts: &mut Vec<&'a Text>) {
            for op in ops {
                match op {
                    Op::Call(call) => texts.push(&call.argument),
                    Op::Change { .. } | Op::Number { .. } => {}
                    Op::Choose { then, otherwise, .. } => {
                        for block in [then, otherwise] {
                            texts.push(&block.text);
                            of_ops(&block.ops, texts);
                        }
                    }
                }
            }
        }
        let mut texts = Vec::new();
        of_ops(&self.plan.ops, &mut texts);
        match &self.plan.output {
            Output::Text(text) | Output::Strings(text) => texts.push(text),
            Output::Table(fields) | Output::Csv(fields) | Output::Object { fields, .. } => {
                texts.extend(fields.iter().map(|(_, text)| text));
            }
        }
        texts
    }
}

pub(super) fn into(op: &Op) -> usize {
    match op {
        Op::Call(call) => call.into,
        Op::Choose { into, .. } | Op::Change { into, .. } | Op::Number { into, .. } => *into,
    }
}

pub(super) fn has_calls(ops: &[&Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Call(_) => true,
        Op::Change { .. } | Op::Number { .. } => false,
        Op::Choose { then, otherwise, .. } => !then.ops.is_empty() || !otherwise.ops.is_empty(),
    })
}
