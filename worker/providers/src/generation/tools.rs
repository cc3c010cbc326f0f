//! The tools a program may call: one registry, from which the prompt's stubs are written, the worker's dispatcher
//! checks arguments, and the cell learns which names to define.

use std::fmt::Write as _;

use crate::limits::{
    ANALYSIS_DOCUMENTS_MAX, CHOICES_MAX, FILE_IDS_MAX, PATTERN_CHARS_MAX, PROMPT_CHARS_MAX, QUERY_CHARS_MAX,
    SCHEMA_FIELDS_MAX, STEP_TITLE_CHARS_MAX, WORKSPACE_IDS_MAX,
};

/// Goes up whenever the meaning of a tool changes: programs generated against another registry are not reused.
pub const REGISTRY_VERSION: u32 = 2;

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

/// How a parameter is given. What may be left out defaults to `None` (`False` for a flag).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// By place or by name; has to be there.
    Always,
    /// By place or by name; may be left out.
    Maybe,
    /// By name only; may be left out.
    ByName,
}

/// One parameter of a tool; those that have to be given come first, those given by name only last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParameterKind,
    /// How it is given.
    pub given: Given,
    /// Longest text in characters, longest list in items; longer is the program's mistake.
    pub length_max: usize,
}

/// One tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolSpec {
    /// The name in programs.
    pub name: &'static str,
    /// The registry in which its meaning changed last: what it answered under an older one is not its answer now.
    pub since: u32,
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

const fn parameter(name: &'static str, kind: ParameterKind, given: Given, length_max: usize) -> Parameter {
    Parameter { name, kind, given, length_max }
}

/// All tools.
pub const TOOLS: &[ToolSpec] = &[
    ToolSpec {
        name: "paradigm_search",
        since: 2,
        kind: ToolKind::Call,
        parameters: &[
            parameter("query", ParameterKind::Text, Given::Always, QUERY_CHARS_MAX),
            parameter("workspace_ids", ParameterKind::Integers, Given::ByName, WORKSPACE_IDS_MAX),
            parameter("file_ids", ParameterKind::Integers, Given::ByName, FILE_IDS_MAX),
            parameter("vision", ParameterKind::Flag, Given::ByName, 0),
        ],
        doc: "Asks the company's documents one question in natural language and returns the answer as text. \
              The wording is free prose, may be long, and may say that nothing was found. One question per call. \
              Searches the files attached to the run when there are some, else everything the user may search; \
              workspace_ids and file_ids narrow that further and are used only when the description names such \
              numbers. vision=True looks at pages as images: scans, drawings, tables in pictures.",
        errors: "ToolError when the search fails for good, or when nothing named may be searched; transient \
                 failures were already retried.",
        limits: "query: not empty, at most 4,000 characters. workspace_ids, file_ids: at most 100. Seconds per call.",
    },
    ToolSpec {
        name: "paradigm_analyze",
        since: 2,
        kind: ToolKind::Call,
        parameters: &[
            parameter("query", ParameterKind::Text, Given::Always, QUERY_CHARS_MAX),
            parameter("document_ids", ParameterKind::Integers, Given::Maybe, ANALYSIS_DOCUMENTS_MAX),
        ],
        doc: "Has whole documents read from the first page to the last and returns what the query asks of them as \
              text: a summary, a comparison, every clause of a kind. Without document_ids it reads the files \
              attached to the run. For a single fact paradigm_search is the better and faster tool.",
        errors: "ToolError when the analysis fails for good, or when there is no document the user may read.",
        limits: "query: not empty, at most 4,000 characters. document_ids: at most 50. Minutes per call.",
    },
    ToolSpec {
        name: "chat_completion",
        since: 2,
        kind: ToolKind::Call,
        parameters: &[
            parameter("prompt", ParameterKind::Text, Given::Always, PROMPT_CHARS_MAX),
            parameter("choices", ParameterKind::Texts, Given::ByName, CHOICES_MAX),
            parameter("regex", ParameterKind::Text, Given::ByName, PATTERN_CHARS_MAX),
            parameter("schema", ParameterKind::Object, Given::ByName, SCHEMA_FIELDS_MAX),
        ],
        doc: "Sends one prompt to a language model and returns its reply as text. It knows nothing of earlier calls \
              and has no tools, no web and no documents: whatever it needs has to be in the prompt. At most one of \
              the three gives the reply a form: choices=[\"YES\", \"NO\"] makes it exactly one of these texts, \
              regex=r\"\\d{9}\" a text that matches as a whole (no look-around, no back-references), \
              schema={\"type\": \"object\", \"properties\": {...}, \"required\": [...]} the JSON text of such an \
              object, for json.loads.",
        errors: "ToolError when the model declines, fails for good or does not keep to the form; transient failures \
                 were already retried.",
        limits: "prompt: not empty, at most 300,000 characters. choices: at most 100. regex: at most 500 characters. \
                 schema: at most 50 keywords at its top, 16 KiB. Seconds to a minute per call.",
    },
    ToolSpec {
        name: "step",
        since: 1,
        kind: ToolKind::Context,
        parameters: &[parameter("title", ParameterKind::Text, Given::Always, STEP_TITLE_CHARS_MAX)],
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

impl Parameter {
    /// Whether a call without it is wrong.
    pub fn is_required(&self) -> bool {
        self.given == Given::Always
    }

    /// Whether it may not be given by place.
    pub fn is_keyword_only(&self) -> bool {
        self.given == Given::ByName
    }

    fn written(&self) -> String {
        let (name, annotation) = (self.name, self.kind.annotation());
        match (self.given, self.kind) {
            (Given::Always, _) => format!("{name}: {annotation}"),
            (_, ParameterKind::Flag) => format!("{name}: bool = False"),
            _ => format!("{name}: {annotation} | None = None"),
        }
    }
}

impl ToolSpec {
    /// Its meaning in one line: whatever changes it is another tool to what was recorded of it.
    pub fn meaning(&self) -> String {
        format!("{} since {}", self.signature(), self.since)
    }

    /// The signature as Python writes it.
    pub fn signature(&self) -> String {
        let by_name = self.parameters.iter().position(Parameter::is_keyword_only);
        let mut parameters: Vec<String> = self.parameters.iter().map(Parameter::written).collect();
        if let Some(first) = by_name {
            parameters.insert(first, "*".to_owned());
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
                "async def paradigm_search(query: str, *, workspace_ids: list[int] | None = None, \
                 file_ids: list[int] | None = None, vision: bool = False) -> str",
                "async def paradigm_analyze(query: str, document_ids: list[int] | None = None) -> str",
                "async def chat_completion(prompt: str, *, choices: list[str] | None = None, \
                 regex: str | None = None, schema: dict | None = None) -> str",
                "def step(title: str) -> ContextManager",
            ]
        );
    }

    #[test]
    fn the_registry_is_as_new_as_its_newest_tool() {
        assert_eq!(TOOLS.iter().map(|tool| tool.since).max(), Some(REGISTRY_VERSION));
    }

    #[test]
    fn python_takes_the_order_in_which_parameters_are_given() {
        for tool in TOOLS {
            let order = |parameter: &Parameter| match parameter.given {
                Given::Always => 0,
                Given::Maybe => 1,
                Given::ByName => 2,
            };
            assert!(tool.parameters.is_sorted_by_key(order), "{}", tool.name);
        }
    }

    #[test]
    fn the_limits_told_are_the_limits_kept() {
        for tool in TOOLS {
            for parameter in tool.parameters.iter().filter(|p| p.kind != ParameterKind::Flag) {
                let told = tool.limits.replace(',', "");
                assert!(told.contains(&parameter.length_max.to_string()), "{}: {told}", tool.name);
            }
        }
    }
}
