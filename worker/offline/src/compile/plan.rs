//! What a description means: the input split or whole, tool calls that each make one value, and the output.
//! A plan holds everything the program needs; emission decides nothing.

/// The language of a description, and so of everything said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English
    En,
    /// French
    Fr,
}

/// How the input becomes items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Split {
    Sentences,
    Lines,
    Paragraphs,
    Words,
    /// One per line or, on a single line, separated by semicolons or commas.
    Items,
    On(String),
    /// Pieces of at most so many characters, words kept whole.
    Chunks(u64),
}

/// What a value is, which decides the nouns that can name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Item,
    Result,
    Reply,
    Summary,
    Translation,
    Label,
    Rating,
    /// A number read in another value.
    Amount,
    /// What an "if … otherwise …" gave.
    Chosen,
    /// What a change of the text itself gave: upper case, a count.
    Changed,
    /// Made inside a branch, and nameable only there.
    Hidden,
}

/// One value of the program; number 0 is the item (or the whole input).
#[derive(Debug, Clone)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    /// Python name.
    pub(crate) name: String,
    /// Folded nouns of the description that name it beside those of its kind.
    pub(crate) aliases: Vec<String>,
    /// One per item rather than one in all.
    pub(crate) each: bool,
}

/// A piece of a text the program builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Value(usize),
    /// The values of all items, one after the other.
    All(usize),
    /// The sum of a number over all items.
    Total(usize),
    /// The position of the item, from 1.
    Position,
}

/// Literals and values in a row.
pub(crate) type Text = Vec<Piece>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    Search,
    Model,
}

/// A tool call that makes value `into`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) tool: Tool,
    pub(crate) argument: Text,
    pub(crate) into: usize,
    /// The reply is brought to one of these when there are any.
    pub(crate) labels: Vec<String>,
    /// The call is made only when this holds; otherwise the value is the text.
    pub(crate) only_if: Option<(Condition, String)>,
    /// Title of the step in the trace.
    pub(crate) title: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) value: usize,
    pub(crate) test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    NotFound,
    StartsWith(String),
    Contains(String),
    Is(String),
    Empty,
}

/// A change of the text itself, without a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Upper,
    Lower,
    Title,
    Reverse,
    CountWords,
    CountCharacters,
    CountLines,
    CountSentences,
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Call(Call),
    Choose {
        condition: Condition,
        then: Block,
        otherwise: Block,
        into: usize,
    },
    Change {
        change: Change,
        from: usize,
        into: usize,
    },
    /// The first number in a value, of those with one of these units when there are any.
    Number {
        from: usize,
        into: usize,
        units: Vec<String>,
    },
}

/// One branch: calls, then the text it gives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    pub(crate) ops: Vec<Op>,
    pub(crate) text: Text,
}

#[derive(Debug, Clone)]
pub(crate) enum Output {
    /// A text per item, or one text.
    Text(Text),
    /// A Markdown table, one row per item.
    Table(Vec<(String, Text)>),
    /// Comma-separated values with a header, one row per item.
    Csv(Vec<(String, Text)>),
    /// A JSON array with an object per item, or one object.
    Object {
        fields: Vec<(String, Text)>,
        /// One array around all objects; otherwise one object per line.
        array: bool,
    },
    /// A JSON array with one string per item.
    Strings(Text),
}

/// Items in order of a number instead of the input's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rank {
    pub(crate) by: usize,
    /// Only so many of them.
    pub(crate) keep: Option<u64>,
    pub(crate) descending: bool,
}

/// Everything a description says.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) language: Language,
    /// None: the whole input is the one item.
    pub(crate) split: Option<Split>,
    /// Items are taken once each; true: whatever their case.
    pub(crate) distinct: Option<bool>,
    pub(crate) values: Vec<Value>,
    pub(crate) ops: Vec<Op>,
    pub(crate) output: Output,
    /// Between the texts of the items.
    pub(crate) separator: String,
    pub(crate) rank: Option<Rank>,
    /// Items for which this holds are left out.
    pub(crate) drop: Option<Condition>,
    /// Totals are rounded to whole numbers.
    pub(crate) whole_numbers: bool,
    /// What stands for the values of an item whose tool call failed.
    pub(crate) on_error: Option<String>,
}
