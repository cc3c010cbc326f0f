//! Statements of a program: tool calls in their steps, branches, and what happens when a call fails.

use super::Emitter;
use super::literal::literal;
use super::uses::{has_calls, into};
use crate::compile::plan::{Block, Call, Kind, Op, Piece, Tool};

/// Lines of Python at a depth.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) source: String,
    depth: usize,
}

impl Lines {
    pub(super) fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.source.push_str("    ");
        }
        self.source.push_str(line);
        self.source.push('\n');
    }

    pub(super) fn nested(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(head);
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }
}

impl Emitter<'_> {
    /// Calls, inside a `try` when the description says what stands for a failure.
    pub(super) fn guarded(&self, out: &mut Lines, ops: &[&Op], with_steps: bool) {
        match &self.plan.on_error {
            Some(text) if has_calls(ops) => {
                out.nested("try:", |out| self.ops(out, ops, with_steps));
                let names: Vec<&str> =
                    ops.iter().map(|op| self.plan.values[into(op)].name.as_str()).collect();
                out.nested("except ToolError:", |out| {
                    out.line(&format!("{} = {}", names.join(" = "), literal(text)));
                });
            }
            _ => self.ops(out, ops, with_steps),
        }
    }

    pub(super) fn ops(&self, out: &mut Lines, ops: &[&Op], with_steps: bool) {
        for op in ops {
            match op {
                Op::Call(call) => self.call(out, call, with_steps),
                Op::Change { change, from, into } => {
                    let name = &self.plan.values[*into].name;
                    out.line(&format!("{name} = {}", self.change(*change, *from)));
                }
                Op::Number { from, into, units } => {
                    let units: Vec<String> = units.iter().map(|unit| literal(unit)).collect();
                    let name = &self.plan.values[*into].name;
                    let from = self.variable(&Piece::Value(*from), true);
                    out.line(&format!("{name} = number_in({from}, [{}])", units.join(", ")));
                }
                Op::Choose { condition, then, otherwise, into } => {
                    out.nested(&format!("if {}:", self.condition(condition)), |out| {
                        self.block(out, then, *into);
                    });
                    out.nested("else:", |out| self.block(out, otherwise, *into));
                }
            }
        }
    }

    pub(super) fn block(&self, out: &mut Lines, block: &Block, into: usize) {
        let ops: Vec<&Op> = block.ops.iter().collect();
        self.ops(out, &ops, true);
        out.line(&format!("{} = {}", self.plan.values[into].name, self.text(&block.text)));
    }

    pub(super) fn call(&self, out: &mut Lines, call: &Call, with_step: bool) {
        let name = &self.plan.values[call.into].name;
        let argument = match call.tool {
            Tool::Search => self.text(&call.argument),
            // A prompt holds the input exactly as given.
            Tool::Model => self.raw_text(&call.argument),
        };
        let tool = match call.tool {
            Tool::Search => "paradigm_search",
            Tool::Model => "chat_completion",
        };
        let mut value = format!("await {tool}({argument})");
        if !call.labels.is_empty() {
            let labels: Vec<String> = call.labels.iter().map(|label| literal(label)).collect();
            value = format!("pick_label({value}, [{}])", labels.join(", "));
        }
        if self.plan.values[call.into].kind == Kind::Rating {
            value = format!("number_in({value}, [])");
        }
        let assign = |out: &mut Lines| {
            if with_step {
                out.nested(&format!("with step({}):", literal(&call.title)), |out| {
                    out.line(&format!("{name} = {value}"));
                });
            } else {
                out.line(&format!("{name} = {value}"));
            }
        };
        match &call.only_if {
            None => assign(out),
            Some((condition, otherwise)) => {
                out.line(&format!("{name} = {}", literal(otherwise)));
                out.nested(&format!("if {}:", self.condition(condition)), assign);
            }
        }
    }
}
