//! Results with a structure: Markdown tables, JSON, reports, lists.

use super::Parser;
use super::output::Said;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::plan::{Output, Piece, Text};
use crate::compile::template::template;

impl Parser<'_> {
    /// A Markdown table, a JSON array or object, a list.
    pub(super) fn structured(&mut self, said: &mut Said) -> Result<bool, Reason> {
        let start = self.cursor.at;
        self.cursor.eat_any(&["as|in|into", "sous* la? forme de|d", "en|dans|comme"]);
        self.cursor.eat("@det*");
        self.cursor.eat("@number column|columns");
        let array = self.cursor.eat_any(&[
            "json array|list|tableau|liste",
            "array|list|tableau|liste json",
            "array|list|tableau|liste in|en|au format? json",
        ]);
        if array
            || self.cursor.eat_any(&[
                "json object|objet",
                "object|objet json",
                "object|objet in|en|au format? json",
                "format? json",
            ])
        {
            said.output = Some(self.json(array)?);
            return Ok(true);
        }
        if self
            .cursor
            .eat_any(&["markdown? table in|en? markdown?", "tableau|table en|au? format? markdown?"])
        {
            said.output = Some(Output::Table(self.columns()?));
            return Ok(true);
        }
        if self.cursor.eat_any(&["csv table|text|output|format?", "tableau|format csv"]) {
            said.output = Some(Output::Csv(self.columns()?));
            return Ok(true);
        }
        if self.cursor.eat_any(&[
            "markdown? report|document|note|page in|en? markdown?",
            "rapport|document|fiche|note|page en|au? format? markdown?",
        ]) {
            said.output = Some(Output::Text(self.report()?));
            return Ok(true);
        }
        let numbered = self.cursor.eat_any(&["numbered list", "liste numerotee"]);
        if numbered
            || self
                .cursor
                .eat_any(&["bullet|bulleted|bullets|unordered|dashed points|list?", "liste a puces|tirets"])
        {
            if numbered {
                self.draft.numbered = true;
            } else {
                self.draft.bulleted = true;
            }
            said.detail = true;
            if self.cursor.eat("of|de|d|des|with|avec")
                && let Some(noun) = self.noun()?
            {
                said.object = Some(noun);
            }
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(false)
    }

    pub(super) fn columns(&mut self) -> Result<Vec<(String, Text)>, Reason> {
        self.cursor.eat("with|of|having|whose|a|avec|dont|de|comportant @det*");
        self.cursor.eat("@number");
        self.cursor.eat("headers|header|headings|columns|column|colonnes|colonne named|called|nommees|intitulees|are|sont?");
        self.cursor.eat(":|(*");
        let names = self.names()?;
        self.cursor.eat(")");
        self.cursor.eat("as @det* columns|headers|column|header");
        self.cursor.eat("columns");
        self.assign(&names)
    }

    pub(super) fn json(&mut self, array: bool) -> Result<Output, Reason> {
        if self.cursor.sees("{") {
            return self.json_literal(array);
        }
        self.cursor.eat("of|de|d @det*");
        let objects = self.cursor.eat("objects|objets|object|objet");
        if self.cursor.sees("{") {
            return self.json_literal(array);
        }
        if self.cursor.eat("with|having|whose|containing|avec|dont|contenant @det*") || objects {
            self.cursor.eat("two|three|deux|trois");
            self.cursor.eat("keys|key|fields|properties|attributes|cles|cle|champs|are|sont*");
            self.cursor.eat(":|(*");
            let names = self.names()?;
            self.cursor.eat(")");
            return Ok(Output::Object { fields: self.assign(&names)?, array: array || objects });
        }
        if let Some(noun) = self.noun()? {
            let piece = self.draft.piece(&noun).ok_or(Reason::UnknownName(noun.head))?;
            return Ok(Output::Strings(vec![piece]));
        }
        Err(self.unread_here())
    }

    /// `{"text": <input>}`.
    pub(super) fn json_literal(&mut self, array: bool) -> Result<Output, Reason> {
        let mut fields = Vec::new();
        self.cursor.eat("{");
        loop {
            let Some(key) = self.cursor.quoted() else { return Err(self.unread_here()) };
            if !self.cursor.eat(":") {
                return Err(self.unread_here());
            }
            let text = if let Some(raw) = self.cursor.quoted() {
                template(raw, &self.draft)?
            } else {
                self.row_part()?.ok_or_else(|| self.unread_here())?
            };
            fields.push((key.to_owned(), text));
            if self.cursor.eat("}") {
                break;
            }
            if !self.cursor.eat(",") {
                return Err(self.unread_here());
            }
        }
        let start = self.cursor.at;
        if self.cursor.eat("holding|containing|with|contenant") && self.noun()?.is_none() {
            self.cursor.at = start;
        }
        Ok(Output::Object { fields, array })
    }

    /// Column or key names as typed: "A | B", "A, B and C", "'a' and 'b'".
    pub(super) fn names(&mut self) -> Result<Vec<String>, Reason> {
        let piped = self.cursor.tokens[self.cursor.at..]
            .iter()
            .take_while(|t| t.kind != TokenKind::Break && !matches!(t.folded.as_str(), "." | ";"))
            .any(|t| t.folded == "|" && t.kind == TokenKind::Mark);
        let mut names = Vec::new();
        let mut from = self.cursor.at;
        loop {
            let at = self.cursor.at;
            let token = self.cursor.peek();
            let stop = token
                .is_none_or(|t| t.kind == TokenKind::Break || matches!(t.folded.as_str(), "." | ";" | ")"));
            let link = self.cursor.sees("then|puis|in|dans|with|avec|one|une|as|:")
                || (self.cursor.sees(",|and|et") && (piped || self.new_clause_after_name()));
            let between = if piped { self.cursor.at_pipe() } else { self.cursor.sees(",|and|et|/") };
            if stop || link || between {
                let name = self
                    .cursor
                    .typed(from, at)
                    .trim()
                    .trim_matches(['\'', '"', '«', '»', '“', '”', '`', ' ', '\u{a0}']);
                if !name.is_empty() {
                    names.push(name.to_owned());
                }
                if stop || link {
                    break;
                }
                from = at + 1;
            }
            self.cursor.at += 1;
        }
        if names.is_empty() { Err(self.unread_here()) } else { Ok(names) }
    }

    pub(super) fn new_clause_after_name(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.eat(",|and|et*");
        ahead.sees("in|dans|keep|keeping|garde|one|une|then|puis|numbered|ignore|if|si|return|output|renvoie|nothing|rien")
    }

    /// Values for named columns or keys; one unknown name takes the one value no other name took.
    pub(super) fn assign(&mut self, names: &[String]) -> Result<Vec<(String, Text)>, Reason> {
        let marked = names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join("\u{0}");
        let text = template(&marked, &self.draft)?;
        let pieces: Vec<Piece> =
            text.into_iter().filter(|piece| !matches!(piece, Piece::Literal(_))).collect();
        if pieces.len() != names.len() {
            return Err(Reason::UnknownName(names.join(", ")));
        }
        Ok(names.iter().cloned().zip(pieces.into_iter().map(|piece| vec![piece])).collect())
    }
}
