//! Plan to Python source. Emission decides nothing and knows no description: every name is fixed, and every text of a
//! description goes through `literal`.

mod describe;
mod expressions;
mod literal;
mod python_functions;
mod statements;
mod uses;

use std::fmt::Write as _;

pub(crate) use describe::{name, steps, summary};
use literal::literal;
use python_functions::PYTHON_FUNCTIONS;
use statements::Lines;
use uses::{has_calls, into};

use super::plan::{Kind, Language, Op, Output, Piece, Plan, Split, Test, Text};

/// The whole program.
pub(crate) fn program(plan: &Plan) -> String {
    let emitter = Emitter { plan };
    let body = emitter.functions();
    let used: Vec<_> =
        PYTHON_FUNCTIONS.iter().filter(|function| body.contains(&format!("{}(", function.name))).collect();
    let mut imports: Vec<&str> = used.iter().flat_map(|function| function.imports.iter().copied()).collect();
    for module in ["asyncio", "json"] {
        if body.contains(&format!("{module}.")) {
            imports.push(module);
        }
    }
    imports.sort_unstable();
    imports.dedup();
    let mut source = String::from(match plan.language {
        Language::En => {
            "\"\"\"Written by the offline generator.\"\"\"
"
        }
        Language::Fr => {
            "\"\"\"Écrit par le générateur hors ligne.\"\"\"
"
        }
    });
    if !imports.is_empty() {
        source.push('\n');
    }
    for module in imports {
        let _ = writeln!(source, "import {module}");
    }
    for function in used {
        let _ = write!(source, "\n\n{}", function.source);
    }
    let _ = write!(source, "\n\n{body}");
    source
}

struct Emitter<'a> {
    plan: &'a Plan,
}

impl Emitter<'_> {
    fn functions(&self) -> String {
        match &self.plan.split {
            None => self.whole(),
            Some(split) => self.each(split),
        }
    }

    /// One pass over the whole input.
    fn whole(&self) -> String {
        let mut out = Lines::default();
        let ops: Vec<&Op> = self.plan.ops.iter().collect();
        let stripped = self.uses_text(&ops);
        out.nested("async def execute_workflow(user_input: str) -> str:", |out| {
            if stripped {
                out.line("text = user_input.strip()");
            }
            // A description that says what an empty input means has the last word.
            let decided = ops.iter().any(
                |op| matches!(op, Op::Choose { condition, .. } if condition.value == 0 && condition.test == Test::Empty),
            );
            if has_calls(&ops) && !decided {
                self.when_blank(out, if stripped { "text" } else { "user_input.strip()" }, "");
            }
            self.guarded(out, &ops, true);
            out.line(&format!("return {}", self.result_expression()));
        });
        out.source
    }

    /// A function for one item, and the entry point that runs it for all of them side by side.
    fn each(&self, split: &Split) -> String {
        let (inner, outer): (Vec<&Op>, Vec<&Op>) =
            self.plan.ops.iter().partition(|op| self.plan.values[into(op)].each);
        let totals = |text: &&Text| text.iter().any(|piece| matches!(piece, Piece::Total(_)));
        let merged = !outer.is_empty() || self.all_texts().iter().any(totals);
        let handler = Handler {
            calls: has_calls(&inner),
            numbered: self.uses_position(),
            // One call per item: its step is opened once, around all of them.
            title: match inner.as_slice() {
                [Op::Call(call)] if call.only_if.is_none() => Some(call.title.clone()),
                _ => None,
            },
            returns: self.returned(merged),
        };
        let mut out = Lines::default();
        self.handler(&mut out, &handler, &inner);
        out.source.push_str("\n\n");
        out.nested("async def execute_workflow(user_input: str) -> str:", |out| {
            out.line(match self.plan.language {
                Language::En => "\"\"\"All of them side by side, in the order of the input.\"\"\"",
                Language::Fr => "\"\"\"Tous côte à côte, dans l'ordre du texte.\"\"\"",
            });
            let items = plural(&self.plan.values[0].name);
            out.line(&format!("{items} = {}", self.split_expression(split)));
            if let Some(ignore_case) = self.plan.distinct {
                let flag = if ignore_case { "True" } else { "False" };
                out.line(&format!("{items} = distinct({items}, ignore_case={flag})"));
            }
            let json = matches!(self.plan.output, Output::Object { array: true, .. } | Output::Strings(_));
            self.when_blank(out, &items, if json && !merged { "[]" } else { "" });
            self.gather(out, &handler);
            if self.plan.drop.is_some() {
                let kept = self.collected(&handler.returns);
                out.line(&format!("{kept} = [row for row in {kept} if row is not None]"));
            }
            self.rank(out, &handler);
            self.finish_items(out, &outer, &handler.returns);
        });
        out.source
    }

    fn when_blank(&self, out: &mut Lines, name: &str, result: &str) {
        let why = match self.plan.language {
            Language::En => "nothing was asked",
            Language::Fr => "rien n'est demandé",
        };
        out.nested(&format!("if not {name}:"), |out| out.line(&format!("return \"{result}\"  # {why}")));
    }

    /// What is done with one item.
    fn handler(&self, out: &mut Lines, handler: &Handler<'_>, ops: &[&Op]) {
        let item = &self.plan.values[0].name;
        let number = if handler.numbered { "number: int, " } else { "" };
        let returned = match &handler.returns {
            Returned::Row(Output::Table(_) | Output::Csv(_)) => "list[str]",
            Returned::Row(Output::Object { array: true, .. }) => "dict[str, str]",
            Returned::Values(values) if values.len() > 1 => "tuple",
            Returned::Values(values) if self.is_number(values[0]) => "float",
            _ => "str",
        };
        let returned = match self.plan.rank {
            Some(_) => format!("tuple[float, {returned}]"),
            None => returned.to_owned(),
        };
        let returned = if self.plan.drop.is_some() { format!("{returned} | None") } else { returned };
        let keyword = if handler.calls { "async def" } else { "def" };
        out.nested(&format!("{keyword} handle_{item}({number}{item}: str) -> {returned}:"), |out| {
            let unit = describe::unit_name(self.plan);
            out.line(&match self.plan.language {
                Language::En => format!("\"\"\"What becomes of one {unit}.\"\"\""),
                Language::Fr => format!("\"\"\"Ce que devient chaque {unit}.\"\"\""),
            });
            self.guarded(out, ops, handler.title.is_none());
            if let Some(condition) = &self.plan.drop {
                out.nested(&format!("if {}:", self.condition(condition)), |out| out.line("return None"));
            }
            let row = self.returned_expression(&handler.returns);
            out.line(&match &self.plan.rank {
                Some(rank) => format!("return {}, {row}", self.plan.values[rank.by].name),
                None => format!("return {row}"),
            });
        });
    }

    /// Items that came with their number, in its order.
    fn rank(&self, out: &mut Lines, handler: &Handler<'_>) {
        let Some(rank) = &self.plan.rank else { return };
        let kept = self.collected(&handler.returns);
        let reverse = if rank.descending { ", reverse=True" } else { "" };
        out.line(&format!("ranked = sorted({kept}, key=lambda pair: pair[0]{reverse})"));
        let limit = rank.keep.map(|keep| format!("[:{keep}]")).unwrap_or_default();
        out.line(&format!("{kept} = [row for _, row in ranked{limit}]"));
    }

    fn gather(&self, out: &mut Lines, handler: &Handler<'_>) {
        let item = &self.plan.values[0].name;
        let items = plural(item);
        let each = if handler.numbered {
            format!("handle_{item}(number, {item}) for number, {item} in enumerate({items}, start=1)")
        } else {
            format!("handle_{item}({item}) for {item} in {items}")
        };
        let gathered =
            if handler.calls { format!("await asyncio.gather(*[{each}])") } else { format!("[{each}]") };
        let target = self.collected(&handler.returns);
        match &handler.title {
            Some(title) => out.nested(&format!("with step({}):", literal(title)), |out| {
                out.line(&format!("{target} = {gathered}"));
            }),
            None => out.line(&format!("{target} = {gathered}")),
        }
    }

    /// The list that holds what the items gave.
    fn collected(&self, returns: &Returned<'_>) -> String {
        match returns {
            Returned::Row(Output::Table(_) | Output::Csv(_)) => "rows".to_owned(),
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
            Returned::Row(Output::Csv(columns)) => {
                let names: Vec<String> = columns.iter().map(|(name, _)| literal(name)).collect();
                out.line(&format!("return csv_text([[{}], *rows])", names.join(", ")));
            }
            Returned::Row(Output::Object { array: true, .. }) => {
                out.line("return json.dumps(objects, ensure_ascii=False, indent=2)");
            }
            Returned::Row(Output::Strings(_)) => {
                out.line("return json.dumps(texts, ensure_ascii=False, indent=2)");
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
                    let texts = if self.is_number(*value) {
                        format!("show_number(number) for number in {name}")
                    } else {
                        name.clone()
                    };
                    out.line(&format!("all_{name} = \"\\n\\n\".join({texts})"));
                }
                self.guarded(out, outer, true);
                out.line(&format!("return {}", self.result_expression()));
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
}

/// The function for one item, as seen from outside.
struct Handler<'a> {
    calls: bool,
    /// It is told the position of the item.
    numbered: bool,
    /// The step around all of them, when they do not open their own.
    title: Option<String>,
    returns: Returned<'a>,
}

/// What the function for one item gives back.
enum Returned<'a> {
    Row(&'a Output),
    Values(Vec<usize>),
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
