//! The plan while it is being read: which values exist, what nouns they answer to, and how a reference resolves.

use super::noun::{Aliases, Meaning, Noun};
use super::plan::{Change, Condition, Kind, Language, Op, Output, Piece, Rank, Split, Text, Value};

/// What has been read so far.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) language: Language,
    pub(crate) split: Option<Split>,
    pub(crate) distinct: Option<bool>,
    pub(crate) values: Vec<Value>,
    pub(crate) ops: Vec<Op>,
    pub(crate) output: Option<Output>,
    pub(crate) separator: Option<String>,
    pub(crate) numbered: bool,
    pub(crate) bulleted: bool,
    pub(crate) on_error: Option<String>,
    pub(crate) rank: Option<Rank>,
    pub(crate) drop: Option<Condition>,
    pub(crate) whole_numbers: bool,
    /// "add up the amounts" was said: the total is what counts.
    pub(crate) summed: bool,
    /// All items have been brought together: what follows happens once.
    pub(crate) merged: bool,
}

impl Draft {
    pub(crate) fn new(language: Language) -> Self {
        let item = Value { kind: Kind::Item, name: "text".to_owned(), aliases: Vec::new(), each: false };
        Self {
            language,
            split: None,
            distinct: None,
            values: vec![item],
            ops: Vec::new(),
            output: None,
            separator: None,
            numbered: false,
            bulleted: false,
            on_error: None,
            rank: None,
            drop: None,
            whole_numbers: false,
            summed: false,
            merged: false,
        }
    }

    /// The item nouns and aliases the description has introduced.
    pub(crate) fn aliases(&self) -> Aliases {
        let of = |values: &[Value]| values.iter().flat_map(|value| value.aliases.iter().cloned()).collect();
        Aliases { whole: self.split.is_none(), item: of(&self.values[..1]), values: of(&self.values[1..]) }
    }

    /// Whether what is read now happens once per item.
    pub(crate) fn in_items(&self) -> bool {
        self.split.is_some() && !self.merged
    }

    /// Declares how the input is split; false when it was already split otherwise.
    pub(crate) fn split_by(&mut self, split: &Split, noun: &str) -> bool {
        match &self.split {
            Some(known) if known == split => true,
            // "each question", when "one question per line" was said before.
            Some(_) if self.values[0].aliases.iter().any(|alias| alias == noun) => true,
            // "each name" after "the names are separated by commas": any item noun means the items.
            Some(_) if *split == Split::Items => {
                self.name_item(noun);
                true
            }
            // "items … one per line", "every line is a town": the separator was only assumed before.
            Some(Split::Items) => {
                self.split = Some(split.clone());
                true
            }
            Some(_) => false,
            None if !self.ops.is_empty() => false,
            None => {
                let name = match split {
                    Split::Sentences => "sentence",
                    Split::Lines => "line",
                    Split::Paragraphs => "paragraph",
                    Split::Words => "word",
                    Split::Items | Split::On(_) => "item",
                    Split::Chunks(_) => "chunk",
                };
                name.clone_into(&mut self.values[0].name);
                self.values[0].each = true;
                self.split = Some(split.clone());
                self.name_item(noun);
                true
            }
        }
    }

    /// Lets a noun, in singular and plural, name the item.
    pub(crate) fn name_item(&mut self, noun: &str) {
        for form in forms(noun) {
            if !self.values[0].aliases.contains(&form) {
                self.values[0].aliases.push(form);
            }
        }
    }

    /// A new value of this kind.
    pub(crate) fn declare(&mut self, kind: Kind) -> usize {
        let base = match kind {
            Kind::Item => "item",
            Kind::Result => "result",
            Kind::Reply => "reply",
            Kind::Summary => "summary",
            Kind::Translation => "translation",
            Kind::Label => "label",
            Kind::Rating => "rating",
            Kind::Amount => "amount",
            Kind::Chosen => "choice",
            Kind::Changed | Kind::Hidden => "change",
        };
        let taken = self.values.iter().filter(|value| value.kind == kind).count();
        let name = if taken == 0 { base.to_owned() } else { format!("{base}_{}", taken + 1) };
        let each = self.in_items();
        self.values.push(Value { kind, name, aliases: Vec::new(), each });
        self.values.len() - 1
    }

    /// The newest value, the item when nothing was made yet.
    pub(crate) fn newest(&self) -> usize {
        self.values.iter().rposition(|value| value.kind != Kind::Hidden).unwrap_or(0)
    }

    /// The values made so far, those of closed branches left out.
    pub(crate) fn made(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        (1..self.values.len()).filter(|value| self.values[*value].kind != Kind::Hidden)
    }

    /// What a task is about when it names nothing: the newest text, never a category or a number, which say something
    /// about a text.
    pub(crate) fn subject(&self) -> usize {
        let about =
            |value: &Value| !matches!(value.kind, Kind::Label | Kind::Rating | Kind::Amount | Kind::Hidden);
        self.values.iter().rposition(about).unwrap_or(0)
    }

    /// What a search is for when it names nothing: as above, but not what a search has found.
    pub(crate) fn search_subject(&self) -> usize {
        let about = |value: &Value| {
            !matches!(value.kind, Kind::Label | Kind::Rating | Kind::Amount | Kind::Hidden | Kind::Result)
        };
        self.values.iter().rposition(about).unwrap_or(0)
    }

    fn newest_of(&self, wanted: &[Kind]) -> Option<usize> {
        self.values.iter().rposition(|value| wanted.contains(&value.kind))
    }

    /// The value a meaning points at; None when the description made no such value.
    pub(crate) fn resolve(&self, meaning: &Meaning) -> Option<usize> {
        match meaning {
            Meaning::Item => Some(0),
            Meaning::Newest => (self.newest() > 0).then(|| self.newest()),
            Meaning::Pronoun => Some(self.newest()),
            Meaning::Of(Kind::Reply) => {
                self.newest_of(&[Kind::Reply, Kind::Summary, Kind::Translation, Kind::Label, Kind::Rating])
            }
            Meaning::Of(Kind::Summary) => self.newest_of(&[Kind::Summary]),
            Meaning::Of(kind) => self.newest_of(&[*kind]),
            Meaning::Alias(word) => self.values.iter().rposition(|value| value.aliases.contains(word)),
            Meaning::Formatted | Meaning::Position | Meaning::Total => None,
        }
    }

    /// The piece of text a noun stands for.
    pub(crate) fn piece(&self, noun: &Noun) -> Option<Piece> {
        self.piece_for(&noun.meaning)
    }

    /// The piece of text a meaning stands for.
    pub(crate) fn piece_for(&self, meaning: &Meaning) -> Option<Piece> {
        let value = match meaning {
            // "that number", after something was counted.
            Meaning::Position => match self.newest_of(&[Kind::Changed, Kind::Amount]) {
                Some(counted) => counted,
                None => return self.split.is_some().then_some(Piece::Position),
            },
            Meaning::Total => return self.number().map(Piece::Total),
            other => self.resolve(other)?,
        };
        Some(self.piece_of(value))
    }

    /// Two values named side by side: "the answer and the translation" are not the same value.
    pub(crate) fn pieces_beside(&self, meanings: [&Meaning; 2]) -> Option<[Piece; 2]> {
        let [first, second] = meanings.map(|meaning| self.piece_for(meaning));
        let named = |piece: &Option<Piece>| match piece {
            Some(Piece::Value(value) | Piece::All(value)) => vec![*value],
            _ => Vec::new(),
        };
        let other = |meaning: &Meaning, piece: Option<Piece>, beside: &Option<Piece>| match meaning {
            Meaning::Newest if piece == *beside => {
                self.newest_beside(&named(beside)).map(|v| self.piece_of(v))
            }
            _ => piece,
        };
        Some([other(meanings[0], first.clone(), &second)?, other(meanings[1], second.clone(), &first)?])
    }

    /// "[result] ([summary])": the newest value that is not named by its own kind beside it.
    pub(crate) fn newest_beside(&self, named: &[usize]) -> Option<usize> {
        self.made().rev().find(|value| !named.contains(value))
    }

    /// The newest value that is a number.
    pub(crate) fn number(&self) -> Option<usize> {
        self.newest_of(&[Kind::Amount, Kind::Rating])
    }

    /// A value in the text being built now: all of them when the items have been brought together.
    pub(crate) fn piece_of(&self, value: usize) -> Piece {
        if self.merged && self.values[value].each { Piece::All(value) } else { Piece::Value(value) }
    }

    /// The values that no piece of this text shows, the item among them.
    pub(crate) fn not_shown(&self, text: &Text) -> Vec<usize> {
        let shown = |value: &usize| {
            text.iter().any(|piece| matches!(piece, Piece::Value(v) | Piece::All(v) if v == value))
        };
        std::iter::once(0).chain(self.made()).filter(|value| !shown(value)).collect()
    }

    /// Adds a change of the text itself.
    pub(crate) fn change(&mut self, change: Change, from: usize) -> usize {
        let into = self.declare(Kind::Changed);
        self.values[into].each = self.values[from].each && !self.merged;
        self.ops.push(Op::Change { change, from, into });
        into
    }
}

/// Singular and plural of a folded noun, as far as spelling tells.
pub(crate) fn forms(noun: &str) -> Vec<String> {
    let mut all = vec![noun.to_owned()];
    if let Some(stem) = noun.strip_suffix("ies") {
        all.push(format!("{stem}y"));
    } else if let Some(stem) = noun.strip_suffix('s').or_else(|| noun.strip_suffix('x')) {
        all.push(stem.to_owned());
    } else {
        all.push(format!("{noun}s"));
        if let Some(stem) = noun.strip_suffix('y') {
            all.push(format!("{stem}ies"));
        }
    }
    all.retain(|form| !form.is_empty());
    all
}
