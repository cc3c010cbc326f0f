//! The tools a program may call: one registry, from which the prompt's stubs are written, the worker's dispatcher
//! checks arguments, and the cell learns which names to define.

use std::fmt::Write as _;

use crate::limits::{PROMPT_CHARS_MAX, QUERY_CHARS_MAX, STEP_TITLE_CHARS_MAX};

/// Goes up whenever the meaning of a tool changes: programs generated against another registry are not reused.
pub const REGISTRY_VERSION: u32 = 1;

/// How a program uses a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    /// `await tool(…)`, answered by the worker.
    Call,
    /// `with tool(…):`, reported to the worker, answers nothing.
    Context,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// `str`
    Text,
    /// `list[int]`
    Integers,
    /// `list[str]`
    Texts,
    /// `bool`
    Flag,
    /// `dict`, a JSON object
    Object,
}

/// One parameter of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// Required parameters come first and may be positional; the others are keyword-only and default to `None`
    /// (`False` for a flag).
    pub required: bool,
    /// Longest text in characters, longest list in items; longer is the program's mistake.
    pub length_max: usize,
}

/// One tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSpec {
    /// The name in programs.
    pub name: &'static str,
    /// How it is used.
    pub kind: ToolKind,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// What it does, for the writer of a program.
    pub doc: &'static str,
    /// When it raises, for the writer of a program.
    pub errors: &'static str,
    /// What bounds it, for the writer of a program.
    pub limits: &'static str,
}

/// All tools.
pub const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        name: "paradigm_search",
        kind: ToolKind::Call,
        parameters: &[Parameter {
            name: "query",
            kind: ParameterKind::Text,
            required: true,
            length_max: QUERY_CHARS_MAX,
        }],
        doc: "Asks the company's documents one question in natural language and returns the answer as text. \
              The wording is free prose, may be long, and may say that nothing was found. One question per call.",
        errors: "ToolError when the search fails for good; transient failures were already retried.",
        limits: "query: not empty, at most 4,000 characters. Seconds per call.",
    },
    ToolSpec {
        name: "chat_completion",
        kind: ToolKind::Call,
        parameters: &[Parameter {
            name: "prompt",
            kind: ParameterKind::Text,
            required: true,
            length_max: PROMPT_CHARS_MAX,
        }],
        doc: "Sends one prompt to a language model and returns its reply as text. It knows nothing of earlier calls \
              and has no tools, no web and no documents: whatever it needs has to be in the prompt.",
        errors: "ToolError when the model declines or fails for good; transient failures were already retried.",
        limits: "prompt: not empty, at most 300,000 characters. Seconds to a minute per call.",
    },
    ToolSpec {
        name: "step",
        kind: ToolKind::Context,
        parameters: &[Parameter {
            name: "title",
            kind: ParameterKind::Text,
            required: true,
            length_max: STEP_TITLE_CHARS_MAX,
        }],
        doc: "Names a stretch of the run in the trace the user watches: with step(\"Search the documents\"): ...",
        errors: "Never raises.",
        limits: "title: at most 200 characters, the title of a declared step.",
    },
];

/// The tool of that name.
pub fn tool(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().find(|tool| tool.name == name)
}

impl ParameterKind {
    fn annotation(self) -> &'static str {
        match self {
            Self::Text => "str",
            Self::Integers => "list[int]",
            Self::Texts => "list[str]",
            Self::Flag => "bool",
            Self::Object => "dict",
        }
    }
}

impl ToolSpec {
    /// The signature as Python writes it.
    pub fn signature(&self) -> String {
        let mut parameters = Vec::new();
        for parameter in self.parameters {
            let annotation = parameter.kind.annotation();
            if parameter.required {
                parameters.push(format!("{}: {annotation}", parameter.name));
                continue;
            }
            if !parameters.iter().any(|written| written == "*") {
                parameters.push("*".to_owned());
            }
            parameters.push(match parameter.kind {
                ParameterKind::Flag => format!("{}: bool = False", parameter.name),
                _ => format!("{}: {annotation} | None = None", parameter.name),
            });
        }
        let parameters = parameters.join(", ");
        match self.kind {
            ToolKind::Call => format!("async def {}({parameters}) -> str", self.name),
            ToolKind::Context => format!("def {}({parameters}) -> ContextManager", self.name),
        }
    }
}

/// The stubs of all tools, as the prompt shows them.
pub fn stubs() -> String {
    let mut text = String::new();
    for tool in TOOLS {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}:\n    \"\"\"{}\n\n    Errors: {}\n    Limits: {}\n    \"\"\"\n\n",
            tool.signature(),
            tool.doc,
            tool.errors,
            tool.limits
        );
    }
    text.push_str("class ToolError(Exception):\n    \"\"\"A tool call that failed for good. str(error) says why.\"\"\"\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_public_contract() {
        let signatures: Vec<String> = TOOLS.iter().map(ToolSpec::signature).collect();
        assert_eq!(
            signatures,
            [
                "async def paradigm_search(query: str) -> str",
                "async def chat_completion(prompt: str) -> str",
                "def step(title: str) -> ContextManager",
            ]
        );
    }

    #[test]
    fn optional_parameters_are_keyword_only() {
        let optional = |name, kind| Parameter { name, kind, required: false, length_max: 10 };
        let parameters = vec![
            Parameter { name: "query", kind: ParameterKind::Text, required: true, length_max: 10 },
            optional("file_ids", ParameterKind::Integers),
            optional("vision", ParameterKind::Flag),
        ];
        let spec = ToolSpec { parameters: parameters.leak(), name: "find", ..TOOLS[0] };
        assert_eq!(
            spec.signature(),
            "async def find(query: str, *, file_ids: list[int] | None = None, vision: bool = False) -> str"
        );
    }

    #[test]
    fn the_limits_told_are_the_limits_kept() {
        for tool in TOOLS {
            for parameter in tool.parameters {
                let told = tool.limits.replace(',', "");
                assert!(told.contains(&parameter.length_max.to_string()), "{}: {told}", tool.name);
            }
        }
    }
}
