//! Plan to Python source. Emission decides nothing and knows no description: every name is fixed, and every text of a
//! description goes through `literal`.

mod describe;
mod helpers;
mod literal;

use std::fmt::Write as _;

pub(crate) use describe::{name, steps, summary};
use helpers::HELPERS;
use literal::{expression, literal};

use super::plan::{
    Block, Call, Change, Condition, Kind, Language, Op, Output, Piece, Plan, Split, Test, Text, Tool,
};

/// The whole program.
pub(crate) fn program(plan: &Plan) -> String {
    let emitter = Emitter { plan };
    let body = emitter.functions();
    let used: Vec<_> = HELPERS.iter().filter(|helper| body.contains(&format!("{}(", helper.name))).collect();
    let mut imports: Vec<&str> = used.iter().flat_map(|helper| helper.imports.iter().copied()).collect();
    for module in ["asyncio", "json"] {
        if body.contains(&format!("{module}.")) {
            imports.push(module);
        }
    }
    imports.sort_unstable();
    imports.dedup();
    let mut source = format!(
        "\"\"\"{}\"\"\"\n",
        emitter.say("Written by the offline generator.", "Écrit par le générateur hors ligne.")
    );
    if !imports.is_empty() {
        source.push('\n');
    }
    for module in imports {
        let _ = writeln!(source, "import {module}");
    }
    for helper in used {
        let _ = write!(source, "\n\n{}", helper.source);
    }
    let _ = write!(source, "\n\n{body}");
    source
}

struct Emitter<'a> {
    plan: &'a Plan,
}

/// Lines of Python at a depth.
#[derive(Default)]
struct Lines {
    source: String,
    depth: usize,
}

impl Lines {
    fn at(depth: usize) -> Self {
        Self { source: String::new(), depth }
    }

    fn line(&mut self, line: &str) {
        for _ in 0..self.depth {
            self.source.push_str("    ");
        }
        self.source.push_str(line);
        self.source.push('\n');
    }

    fn nested(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(head);
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }
}

impl Emitter<'_> {
    fn say(&self, en: &'static str, fr: &'static str) -> &'static str {
        match self.plan.language {
            Language::En => en,
            Language::Fr => fr,
        }
    }

    fn functions(&self) -> String {
        match &self.plan.split {
            None => self.whole(),
            Some(split) => self.each(split),
        }
    }

    /// One pass over the whole input.
    fn whole(&self) -> String {
        let mut out = Lines::at(0);
        let ops: Vec<&Op> = self.plan.ops.iter().collect();
        let stripped = self.uses_text(&ops);
        out.nested("async def execute_workflow(user_input: str) -> str:", |out| {
            if stripped {
                out.line("text = user_input.strip()");
            }
            if has_calls(&ops) {
                let blank = if stripped { "text" } else { "user_input.strip()" };
                out.nested(&format!("if not {blank}:"), |out| {
                    out.line(&format!(
                        "return \"\"  # {}",
                        self.say("nothing was asked", "rien n'est demandé")
                    ));
                });
            }
            self.guarded(out, &ops, true);
            out.line(&format!("return {}", self.result_expression()));
        });
        out.source
    }

    /// A function for one item, and the entry point that runs it for all of them side by side.
    fn each(&self, split: &Split) -> String {
        let item = &self.plan.values[0].name;
        let items = plural(item);
        let (inner, outer): (Vec<&Op>, Vec<&Op>) =
            self.plan.ops.iter().partition(|op| self.plan.values[into(op)].each);
        let merged = !outer.is_empty()
            || self.all_texts().iter().any(|t| t.iter().any(|p| matches!(p, Piece::Total(_))));
        let numbered = self.uses_position();
        let calls = has_calls(&inner);
        // One call per item: its step is opened once, around all of them.
        let lone_title = match inner.as_slice() {
            [Op::Call(call)] if call.only_if.is_none() => Some(call.title.clone()),
            _ => None,
        };
        let parameters = if numbered { format!("number: int, {item}: str") } else { format!("{item}: str") };
        let returns = self.returned(merged);
        let annotation = match &returns {
            Returned::Row(Output::Table(_)) => "list[str]",
            Returned::Row(Output::Object { array: true, .. }) => "dict[str, str]",
            Returned::Values(values) if values.len() > 1 => "tuple",
            Returned::Values(values) if self.is_number(values[0]) => "float",
            _ => "str",
        };
        let annotation = if self.plan.rank.is_some() {
            format!("tuple[float, {annotation}]")
        } else {
            annotation.to_owned()
        };
        let keyword = if calls { "async def" } else { "def" };
        let mut out = Lines::at(0);
        out.nested(&format!("{keyword} handle_{item}({parameters}) -> {annotation}:"), |out| {
            self.guarded(out, &inner, lone_title.is_none());
            let row = self.returned_expression(&returns);
            out.line(&match &self.plan.rank {
                Some(rank) => format!("return {}, {row}", self.plan.values[rank.by].name),
                None => format!("return {row}"),
            });
        });
        out.source.push_str("\n\n");
        out.nested("async def execute_workflow(user_input: str) -> str:", |out| {
            out.line(&format!("{items} = {}", self.split_expression(split)));
            if let Some(ignore_case) = self.plan.distinct {
                let flag = if ignore_case { "True" } else { "False" };
                out.line(&format!("{items} = distinct({items}, ignore_case={flag})"));
            }
            let empty = if matches!(self.plan.output, Output::Object { array: true, .. } | Output::Strings(_))
            {
                "[]"
            } else {
                ""
            };
            out.nested(&format!("if not {items}:"), |out| {
                out.line(&format!(
                    "return \"{empty}\"  # {}",
                    self.say("nothing was asked", "rien n'est demandé")
                ));
            });
            self.gather(out, calls, numbered, lone_title.as_deref(), &returns);
            if let Some(rank) = &self.plan.rank {
                let kept = self.collected(&returns);
                let reverse = if rank.descending { ", reverse=True" } else { "" };
                out.line(&format!("ranked = sorted({kept}, key=lambda pair: pair[0]{reverse})"));
                let limit = rank.keep.map(|keep| format!("[:{keep}]")).unwrap_or_default();
                out.line(&format!("{kept} = [row for _, row in ranked{limit}]"));
            }
            self.finish_items(out, &outer, &returns);
        });
        out.source
    }

    fn gather(
        &self,
        out: &mut Lines,
        calls: bool,
        numbered: bool,
        title: Option<&str>,
        returns: &Returned<'_>,
    ) {
        let item = &self.plan.values[0].name;
        let items = plural(item);
        let each = if numbered {
            format!("handle_{item}(number, {item}) for number, {item} in enumerate({items}, start=1)")
        } else {
            format!("handle_{item}({item}) for {item} in {items}")
        };
        let gathered = if calls { format!("await asyncio.gather(*[{each}])") } else { format!("[{each}]") };
        let target = self.collected(returns);
        match title {
            Some(title) => out.nested(&format!("with step({}):", literal(title)), |out| {
                out.line(&format!("{target} = {gathered}"));
            }),
            None => out.line(&format!("{target} = {gathered}")),
        }
    }

    /// The list that holds what the items gave.
    fn collected(&self, returns: &Returned<'_>) -> String {
        match returns {
            Returned::Row(Output::Table(_)) => "rows".to_owned(),
            Returned::Row(Output::Object { array: true, .. }) => "objects".to_owned(),
            Returned::Row(_) => "texts".to_owned(),
            Returned::Values(values) => match values.as_slice() {
                [only] => plural(&self.plan.values[*only].name),
                _ => "handled".to_owned(),
            },
        }
    }

    fn finish_items(&self, out: &mut Lines, outer: &[&Op], returns: &Returned<'_>) {
        match returns {
            Returned::Row(Output::Table(columns)) => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let header = format!("| {} |", names.join(" | "));
                let rule = format!("|{}", "---|".repeat(names.len()));
                out.line(&format!("lines = [{}, {}]", literal(&header), literal(&rule)));
                out.line("lines += [\"| \" + \" | \".join(row) + \" |\" for row in rows]");
                out.line("return \"\\n\".join(lines)");
            }
            Returned::Row(Output::Object { array: true, .. }) => {
                out.line("return json.dumps(objects, ensure_ascii=False, indent=2)")
            }
            Returned::Row(Output::Strings(_)) => {
                out.line("return json.dumps(texts, ensure_ascii=False, indent=2)")
            }
            Returned::Row(_) => out.line(&format!("return {}.join(texts)", literal(&self.plan.separator))),
            Returned::Values(values) => {
                if values.len() > 1 {
                    let names: Vec<String> =
                        values.iter().map(|value| plural(&self.plan.values[*value].name)).collect();
                    out.line(&format!("{} = zip(*handled)", names.join(", ")));
                }
                for value in values.iter().filter(|value| self.shows_all(**value)) {
                    let name = plural(&self.plan.values[*value].name);
                    out.line(&format!("all_{name} = \"\\n\\n\".join({name})"));
                }
                self.guarded(out, outer, true);
                out.line(&format!("return {}", self.result_expression()));
            }
        }
    }

    /// Calls, inside a `try` when the description says what stands for a failure.
    fn guarded(&self, out: &mut Lines, ops: &[&Op], with_steps: bool) {
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

    fn ops(&self, out: &mut Lines, ops: &[&Op], with_steps: bool) {
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

    fn block(&self, out: &mut Lines, block: &Block, into: usize) {
        let ops: Vec<&Op> = block.ops.iter().collect();
        self.ops(out, &ops, true);
        out.line(&format!("{} = {}", self.plan.values[into].name, self.text(&block.text)));
    }

    fn call(&self, out: &mut Lines, call: &Call, with_step: bool) {
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
                    out.line(&format!("{name} = {value}"))
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

    fn condition(&self, condition: &Condition) -> String {
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

    fn change(&self, change: Change, from: usize) -> String {
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

    fn split_expression(&self, split: &Split) -> String {
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

    fn returned(&self, merged: bool) -> Returned<'_> {
        if !merged {
            return Returned::Row(&self.plan.output);
        }
        let mut values: Vec<usize> = Vec::new();
        for text in self.all_texts() {
            for piece in text {
                if let Piece::All(value) | Piece::Total(value) = piece
                    && !values.contains(value)
                {
                    values.push(*value);
                }
            }
        }
        Returned::Values(values)
    }

    fn returned_expression(&self, returns: &Returned<'_>) -> String {
        match returns {
            Returned::Row(Output::Table(columns)) => {
                let cells: Vec<String> =
                    columns.iter().map(|(_, text)| format!("table_cell({})", self.text(text))).collect();
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

    fn dictionary(&self, fields: &[(String, Text)]) -> String {
        let entries: Vec<String> =
            fields.iter().map(|(key, text)| format!("{}: {}", literal(key), self.raw_text(text))).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// What a program without items, or after they were brought together, returns.
    fn result_expression(&self) -> String {
        match &self.plan.output {
            Output::Text(text) => self.text(text),
            Output::Object { fields, .. } => {
                format!("json.dumps({}, ensure_ascii=False)", self.dictionary(fields))
            }
            Output::Strings(text) => format!("json.dumps([{}], ensure_ascii=False)", self.raw_text(text)),
            Output::Table(columns) => {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                let head = format!("| {} |\n|{}\n", names.join(" | "), "---|".repeat(names.len()));
                let cells: Vec<String> =
                    columns.iter().map(|(_, text)| format!("table_cell({})", self.text(text))).collect();
                format!("{} + \"| \" + \" | \".join([{}]) + \" |\"", literal(&head), cells.join(", "))
            }
        }
    }

    fn text(&self, text: &Text) -> String {
        expression(text, &|piece| self.variable(piece, false))
    }

    fn raw_text(&self, text: &Text) -> String {
        expression(text, &|piece| self.variable(piece, true))
    }

    /// The Python name of a piece. The whole input is `text` without surrounding blanks, `user_input` as given.
    fn variable(&self, piece: &Piece, raw: bool) -> String {
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

    /// Whether the stripped input is needed beside the one as given.
    fn uses_text(&self, ops: &[&Op]) -> bool {
        let shows = |text: &Text| text.contains(&Piece::Value(0));
        let output = match &self.plan.output {
            Output::Text(text) => shows(text),
            Output::Table(columns) => columns.iter().any(|(_, text)| shows(text)),
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
                            .any(|block| shows(&block.text) || self.uses_text_in(&block.ops))
                }
            })
    }

    fn uses_text_in(&self, ops: &[Op]) -> bool {
        ops.iter().any(|op| {
            matches!(op, Op::Call(call) if call.tool == Tool::Search && call.argument.contains(&Piece::Value(0)))
        })
    }

    fn is_number(&self, value: usize) -> bool {
        matches!(self.plan.values[value].kind, Kind::Amount | Kind::Rating)
    }

    fn shows_all(&self, value: usize) -> bool {
        self.all_texts().iter().any(|text| text.contains(&Piece::All(value)))
    }

    fn uses_position(&self) -> bool {
        self.all_texts().iter().any(|text| text.contains(&Piece::Position))
    }

    fn all_texts(&self) -> Vec<&Text> {
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
            Output::Table(fields) | Output::Object { fields, .. } => {
                texts.extend(fields.iter().map(|(_, text)| text))
            }
        }
        texts
    }
}

/// What the function for one item gives back.
enum Returned<'a> {
    Row(&'a Output),
    Values(Vec<usize>),
}

fn into(op: &Op) -> usize {
    match op {
        Op::Call(call) => call.into,
        Op::Choose { into, .. } | Op::Change { into, .. } | Op::Number { into, .. } => *into,
    }
}

fn has_calls(ops: &[&Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Call(_) => true,
        Op::Change { .. } | Op::Number { .. } => false,
        Op::Choose { then, otherwise, .. } => !then.ops.is_empty() || !otherwise.ops.is_empty(),
    })
}

fn plural(name: &str) -> String {
    let (base, suffix) =
        name.split_once('_').map_or((name, String::new()), |(base, n)| (base, format!("_{n}")));
    match base.strip_suffix('y') {
        Some(stem) => format!("{stem}ies{suffix}"),
        None => format!("{base}s{suffix}"),
    }
}

/// Kinds that come from the model, for the words of the summary.
fn is_model_kind(kind: Kind) -> bool {
    matches!(kind, Kind::Reply | Kind::Summary | Kind::Translation | Kind::Label | Kind::Rating)
}
