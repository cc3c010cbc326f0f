//! Worker ↔ cell: the conversation of one run.
//!
//! `Start` → (`begun`) → any number of `call`, `entered`, `left`, answered by `Reply` → one of `returned`, `checked`,
//! `raised`, `too_large`. Nothing after that is read. Every frame *from* a cell may be forged by the program.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::control::Refusal;

/// Worker to cell.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToCell {
    /// First frame, once.
    Start(Box<Start>),
    /// The answer to one call, in any order.
    Reply {
        /// As in the call.
        id: u64,
        /// What the program gets.
        outcome: ReplyOutcome,
    },
}

/// What a cell is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Source text.
    pub program: String,
    /// What to do with it.
    pub task: Task,
    /// For `random`.
    pub seed: u64,
    /// What the cell itself enforces (the worker enforces the rest).
    pub limits: CellLimits,
}

/// What is wanted of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Call the entry point.
    Execute {
        /// Its argument.
        user_input: String,
    },
    /// Look at syntax and entry point; run nothing.
    Check,
}

/// Limits that are put in force inside the cell before the program is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellLimits {
    /// Address space beyond that of the warm interpreter, bytes.
    pub memory_bytes_max: u64,
    /// Processor time, whole seconds (the kernel's unit).
    pub cpu_secs: u64,
    /// The JSON of the result, bytes.
    pub result_bytes_max: u64,
    /// One file in `/work`, bytes.
    pub file_bytes_max: u64,
    /// The JSON of one tool call's arguments, bytes.
    pub arguments_bytes_max: u64,
}

/// One predeclared function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDeclaration {
    /// The name in Python.
    pub name: String,
    /// In order; those with a default may be left out by the program.
    pub parameters: Vec<ToolParameter>,
}

/// One parameter of a predeclared function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolParameter {
    /// The name in Python.
    pub name: String,
    /// May be given by keyword only.
    #[serde(default)]
    pub keyword_only: bool,
    /// The value when left out; without one the program must give it. A parameter left out is not sent.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A null that is there is a value: `None` in Python, and not the absence of a default.
fn present<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(given).map(Some)
}

/// What a call comes back with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyOutcome {
    /// The function's value.
    Value(Value),
    /// Becomes a Python `ToolError`.
    Error(String),
}

/// Cell to worker. All of it is claimed by an untrusted program.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FromCell {
    /// A wall could not be raised; the cell ends. Means something before `Begun` only.
    Wall(Refusal),
    /// The start frame was read; from here on the program may have run.
    Begun,
    /// A tool is called.
    Call(Call),
    /// A named stretch begins.
    Entered {
        /// Of this step.
        id: u64,
        /// The step around it.
        parent: Option<u64>,
        /// As the program names it.
        title: String,
    },
    /// A named stretch ends.
    Left {
        /// Of this step.
        id: u64,
        /// By an exception.
        failed: bool,
    },
    /// The result: its bytes, not looked at.
    Returned(Box<RawValue>),
    /// The answer to [`Task::Check`].
    Checked(CheckReport),
    /// The program did not come to a result.
    Raised(Raised),
    /// The result's JSON is larger than the limit.
    TooLarge {
        /// Its size.
        result_bytes: u64,
    },
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Unique in the run.
    pub id: u64,
    /// Which function.
    pub tool: String,
    /// By name.
    pub arguments: Map<String, Value>,
    /// The step it was made in.
    pub step: Option<u64>,
}

/// Why there is no result, as the cell sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raised {
    /// Which of the job's error codes it leads to.
    pub kind: RaisedKind,
    /// For people.
    pub message: String,
    /// The last line of the program's own frames.
    #[serde(default)]
    pub line: Option<u32>,
    /// With the program's own frames only.
    #[serde(default)]
    pub traceback: Option<String>,
}

/// Classes of [`Raised`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RaisedKind {
    /// Not a program with an entry point.
    InvalidCode,
    /// Any other uncaught exception.
    PythonError,
    /// An uncaught `ToolError`.
    ToolError,
    /// An uncaught `MemoryError`.
    OutOfMemory,
    /// An uncaught refusal of the system for a limit of files, room or threads; the message names it.
    LimitReached,
    /// The value cannot be JSON.
    ResultNotJson,
    /// The program ended itself (`sys.exit`).
    NoResult,
}

/// What a look at a program found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether the entry point is `async def`.
    pub entry_is_async: bool,
    /// Top-level names of the modules it imports.
    pub imports: Vec<String>,
    /// What will probably not work; never blocks by itself.
    pub findings: Vec<Finding>,
}

/// One remark about a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Where, when it is somewhere.
    pub line: Option<u32>,
    /// What.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_of_none_is_a_default_and_survives_the_wire() {
        for default in [None, Some(Value::Null), Some(Value::from(false))] {
            let parameter = ToolParameter { name: "file_ids".to_owned(), keyword_only: true, default };
            let json = serde_json::to_string(&parameter).expect("plain data");
            assert_eq!(
                serde_json::from_str::<ToolParameter>(&json).expect("our own JSON"),
                parameter,
                "{json}"
            );
        }
    }
}
