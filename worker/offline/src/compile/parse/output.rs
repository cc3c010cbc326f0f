//! Clauses that say what is given back and in which form.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::noun::{Meaning, Noun};
use crate::compile::plan::{Kind, Language, Output, Piece, Text};
use crate::compile::template::{shows_a_value, template, template_or_literal};

/// What one output clause has said so far.
#[derive(Default)]
struct Said {
    output: Option<Output>,
    object: Option<Noun>,
    /// Two values named side by side.
    both: Option<Text>,
    /// "… preceded by 'Answer: '".
    before: Text,
    after: Text,
    detail: bool,
}

impl Parser<'_> {
    pub(super) fn output_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        self.cursor.eat("the|your|le|la|final|each|chaque*");
        let noun_form = self.cursor.eat_any(&[
            "format|output|result|resultat|sortie is|should|must|sera|doit be|etre? :?",
            "format|output|sortie :",
        ]);
        if !noun_form {
            self.cursor.at = start;
            let verb = self.cursor.eat_any(&[
                "mets|mettez|mettre en forme",
                "answer|reply|respond|reponds|repondez with|avec|par",
                "@output",
            ]);
            // "Each line as 'x'": the verb may have been said for several clauses.
            if !verb
                && !(self.draft.output.is_none()
                    && self.cursor.sees("as|comme|sous")
                    && !self.draft.ops.is_empty())
            {
                return Ok(false);
            }
        }
        let mut said = Said::default();
        loop {
            let before = self.cursor.at;
            if !self.output_part(&mut said)? || self.cursor.at == before {
                break;
            }
        }
        if self.cursor.at == start || !self.cursor.at_boundary() {
            return Err(self.unread_here());
        }
        self.settle(said, start)?;
        Ok(true)
    }

    fn output_part(&mut self, said: &mut Said) -> Result<bool, Reason> {
        if self.cursor.eat("@only|back|out|then|me|us|moi|nous|instead|plutot")
            || self.cursor.eat_any(&["to @det* user", "a l utilisateur", "a la place"])
        {
            return Ok(true);
        }
        if self.draft.number().is_some()
            && self.cursor.eat_any(&[
                "as a|an? integer",
                "as a|an whole number",
                "en entier",
                "sous forme d entier|un? entier?",
                "rounded|arrondi",
            ])
        {
            self.draft.whole_numbers = true;
            return Ok(true);
        }
        if self.default_of_guarded() || self.order() || self.separator() || self.manner() || self.numbering()
        {
            said.detail = true;
            return Ok(true);
        }
        if self.verbatim() {
            return Ok(true);
        }
        if said.object.is_some() && said.output.is_none() {
            if let Some(change) = self.letter_case() {
                let noun = said.object.take().ok_or_else(|| self.unread_here())?;
                let from = self.draft.resolve(&noun.meaning).ok_or(Reason::UnknownName(noun.head))?;
                let into = self.draft.change(change, from);
                said.output = Some(Output::Text(vec![self.draft.piece_of(into)]));
                return Ok(true);
            }
        }
        if said.output.is_none() && self.structured(said)? {
            return Ok(true);
        }
        let here = self.cursor.at;
        if self.format_word() && (said.output.is_none() || said.object.is_none()) {
            if let Some(text) = self.quoted_row(false)?.or(self.unquoted_template()?) {
                said.output = Some(Output::Text(text));
                return Ok(true);
            }
            if self.structured(said)? {
                return Ok(true);
            }
            self.cursor.at = here;
        }
        self.surroundings(said)?.then_some(true).map_or_else(|| self.output_object(said), Ok)
    }

    fn format_word(&mut self) -> bool {
        self.cursor.eat_any(&[
            "as|in|with|using|following|like @det* form|format|template|pattern|style|shape of|:?",
            "sous|dans|avec|selon|suivant|au @det* forme|format|modele de|d|:?",
            "as|like|comme|with|avec|using|:",
        ])
    }

    fn verbatim(&mut self) -> bool {
        self.cursor.eat_any(&[
            "as it? is",
            "as they are",
            "unchanged|verbatim|exactly",
            "exactly? as given|typed|found|returned",
            "tel|telle|tels|telles quel|quelle|quels|quelles",
            "sans modification|changement|changer|modifier",
            "without changes|modification",
            "and|et? nothing|rien else|d autre*",
        ])
    }

    /// "preceded by 'Answer: '", "followed by its reply", "for each line", "par ligne".
    fn surroundings(&mut self, said: &mut Said) -> Result<bool, Reason> {
        if self.cursor.eat_any(&[
            "preceded|prefixed|introduced|starting by|with",
            "precede|precedee|precedes|precedees|prefixe de|d|par",
            "after",
        ]) {
            said.before = self.quoted_row(true)?.ok_or_else(|| self.unread_here())?;
            return Ok(true);
        }
        let followed =
            self.cursor.eat_any(&["followed|ending by|with", "suivi|suivie|suivis|suivies de|d|du|par"]);
        if followed {
            said.after.extend(self.row_part()?.ok_or_else(|| self.unread_here())?);
            self.row_tail(&mut said.after)?;
            return Ok(true);
        }
        let start = self.cursor.at;
        if self.cursor.eat("for|per|by|pour|par|on|sur") {
            let per = self.cursor.tokens[start].folded != "for" && self.cursor.tokens[start].folded != "pour";
            if let Some(noun) = self.noun()?
                && noun.meaning == Meaning::Item
                && (noun.each.is_some() || noun.each_again || per)
            {
                return Ok(true);
            }
        }
        self.cursor.at = start;
        Ok(false)
    }

    /// The thing to give back: a quoted template, a value, "all pairs", a count.
    fn output_object(&mut self, said: &mut Said) -> Result<bool, Reason> {
        if said.output.is_none()
            && let Some(text) = self.quoted_row(false)?
        {
            said.output = Some(Output::Text(text));
            return Ok(true);
        }
        if said.object.is_some() || said.output.is_some() {
            return Ok(false);
        }
        let start = self.cursor.at;
        if let Some((change, from)) = self.counted_object()? {
            let into = self.draft.change(change, from);
            said.output = Some(Output::Text(vec![self.draft.piece_of(into)]));
            return Ok(true);
        }
        self.cursor.at = start;
        if self.best_items() {
            said.output = Some(Output::Text(vec![Piece::Value(0)]));
            return Ok(true);
        }
        if self.cursor.eat_any(&["one|a|une? line|block|entry|ligne per|par|for|each*"]) {
            if self.cursor.eat("distinct|unique|different") {
                self.draft.distinct.get_or_insert(false);
            }
            if let Some(noun) = self.noun()?
                && noun.meaning == Meaning::Item
            {
                self.draft.separator.get_or_insert_with(|| "\n".to_owned());
                said.detail = true;
                return Ok(true);
            }
            self.cursor.at = start;
        }
        let Some(noun) = self.noun()? else { return Ok(false) };
        said.object = Some(noun);
        self.second_object(said)
    }

    /// "the sentence and the answer": named together, and laid out by a template or else side by side.
    fn second_object(&mut self, said: &mut Said) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat("and|et")
            && let Some(second) = self.noun()?
            && second.each.is_none()
            && (self.cursor.at_boundary()
                || self.cursor.sees("as|in|comme|sous|for|pour|par|per|separated|separes"))
            && let Some(first) = said.object.as_ref().and_then(|noun| self.draft.piece(noun))
            && let Some(second) = self.draft.piece(&second)
            && first != second
        {
            let colon = if self.draft.language == Language::Fr { " : " } else { ": " };
            said.both = Some(vec![first, Piece::Literal(colon.to_owned()), second]);
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(true)
    }

    fn counted_object(&mut self) -> Result<Option<(crate::compile::plan::Change, usize)>, Reason> {
        if !self.cursor.sees("@det* total? number|nombre|count of|de|d|total") {
            return Ok(None);
        }
        self.counted()
    }

    /// A quoted template, perhaps in a row with values: "'[model] ' followed by its reply".
    fn quoted_row(&mut self, literal: bool) -> Result<Option<Text>, Reason> {
        let Some(raw) = self.cursor.quoted() else { return Ok(None) };
        let continues = self.cursor.sees("followed|suivi|suivie|suivis|+|then|puis");
        if !literal && !continues {
            // What a branch writes instead of an answer is a text unless it shows a value.
            let shows = template_or_literal(raw, &self.draft);
            let fixed = self.in_branch && !shows_a_value(&shows) && !raw.contains(['[', '{', '<']);
            return if fixed { Ok(Some(shows)) } else { template(raw, &self.draft).map(Some) };
        }
        let mut text = if literal {
            vec![Piece::Literal(raw.to_owned())]
        } else {
            template_or_literal(raw, &self.draft)
        };
        self.row_tail(&mut text)?;
        Ok(Some(text))
    }

    /// "… followed by a new line and 'Answer: ' and the answer".
    fn row_tail(&mut self, text: &mut Text) -> Result<(), Reason> {
        let mut chained = false;
        loop {
            let start = self.cursor.at;
            let link = self.cursor.eat_any(&[
                "followed by|with",
                "suivi|suivie|suivis de|d|du|par",
                "+",
                "then|puis",
            ]);
            // "and" goes on with the row only if a text or value follows, not a new clause.
            let also = !link && chained && self.cursor.eat("and|et then|puis?");
            if !link && !also {
                return Ok(());
            }
            match self.row_part() {
                Ok(Some(part)) => text.extend(part),
                _ if also => {
                    self.cursor.at = start;
                    return Ok(());
                }
                Ok(None) => return Err(self.unread_here()),
                Err(reason) => return Err(reason),
            }
            chained = true;
        }
    }

    fn row_part(&mut self) -> Result<Option<Text>, Reason> {
        if let Some(raw) = self.cursor.quoted() {
            return Ok(Some(template_or_literal(raw, &self.draft)));
        }
        if self.cursor.eat_any(&["@det* new|line line|break", "@det* newline", "@det* retour a la ligne"]) {
            return Ok(Some(vec![Piece::Literal("\n".to_owned())]));
        }
        let start = self.cursor.at;
        let Some(noun) = self.noun()? else { return Ok(None) };
        match self.draft.piece(&noun) {
            Some(piece) => Ok(Some(vec![piece])),
            None => {
                self.cursor.at = start;
                Err(Reason::UnknownName(noun.head))
            }
        }
    }

    /// "format as [line] => [result]": a template without quotes runs to its last placeholder.
    fn unquoted_template(&mut self) -> Result<Option<Text>, Reason> {
        self.cursor.eat(":");
        let mut last = None;
        for (at, token) in self.cursor.tokens.iter().enumerate().skip(self.cursor.at) {
            match token.kind {
                TokenKind::Slot(_) => last = Some(at),
                TokenKind::Break => break,
                TokenKind::Mark if last.is_some() && matches!(token.folded.as_str(), "." | ";") => break,
                _ => {}
            }
        }
        let Some(last) = last else { return Ok(None) };
        // Words before the first placeholder that belong to the sentence, not to the template, would be read as text:
        // at most a heading is accepted there.
        let first =
            self.cursor.tokens[self.cursor.at..].iter().position(|t| matches!(t.kind, TokenKind::Slot(_)));
        if first.is_none_or(|words| words > MAX_HEADING_TOKENS) {
            return Ok(None);
        }
        let raw = self.cursor.typed(self.cursor.at, last + 1);
        self.cursor.at = last + 1;
        template(raw, &self.draft).map(Some)
    }

    /// A Markdown table, a JSON array or object, a list.
    fn structured(&mut self, said: &mut Said) -> Result<bool, Reason> {
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

    fn columns(&mut self) -> Result<Vec<(String, Text)>, Reason> {
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

    fn json(&mut self, array: bool) -> Result<Output, Reason> {
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
    fn json_literal(&mut self, array: bool) -> Result<Output, Reason> {
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
    fn names(&mut self) -> Result<Vec<String>, Reason> {
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

    fn new_clause_after_name(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.eat(",|and|et*");
        ahead.sees("in|dans|keep|keeping|garde|one|une|then|puis|numbered|ignore|if|si|return|output|renvoie|nothing|rien")
    }

    /// Values for named columns or keys; one unknown name takes the one value no other name took.
    fn assign(&mut self, names: &[String]) -> Result<Vec<(String, Text)>, Reason> {
        let marked = names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join("\u{0}");
        let text = template(&marked, &self.draft)?;
        let pieces: Vec<Piece> =
            text.into_iter().filter(|piece| !matches!(piece, Piece::Literal(_))).collect();
        if pieces.len() != names.len() {
            return Err(Reason::UnknownName(names.join(", ")));
        }
        Ok(names.iter().cloned().zip(pieces.into_iter().map(|piece| vec![piece])).collect())
    }

    /// Takes over what the clause said, unless it contradicts what was said before.
    fn settle(&mut self, said: Said, start: usize) -> Result<(), Reason> {
        let Said { output, object, both, before, after, detail } = said;
        let surrounded = !before.is_empty() || !after.is_empty();
        let mut new = output.or(both.filter(|_| self.draft.output.is_none()).map(Output::Text));
        if new.is_none()
            && let Some(noun) = &object
        {
            new = self.object_output(noun)?;
        }
        if new.is_none() && surrounded {
            new = Some(Output::Text(vec![self.draft.piece_of(self.draft.newest())]));
        }
        if surrounded {
            let Some(Output::Text(text)) = new.as_mut() else { return Err(self.unread(start)) };
            text.splice(0..0, before);
            text.extend(after);
        }
        if let Some(Output::Text(text)) = &new
            && text.iter().any(|piece| matches!(piece, Piece::Total(_)))
        {
            // A total is about all items: nothing of a single one can stand beside it.
            if self.draft.split.is_none()
                || text.iter().any(|p| matches!(p, Piece::Value(_) | Piece::Position))
            {
                return Err(self.unread(start));
            }
            self.draft.merged = true;
        }
        match (new, &self.draft.output) {
            (Some(Output::Text(text)), None)
                if self.draft.in_items() && !self.in_branch && !shows_a_value(&text) =>
            {
                Err(Reason::UnknownName(self.cursor.typed(start, self.cursor.at).to_owned()))
            }
            (Some(output), None) => {
                self.draft.output = Some(output);
                Ok(())
            }
            // "Return all pairs in order" after "format … as '…'".
            (None, _) if detail || object.is_some() => Ok(()),
            (None, _) => Err(self.unread(start)),
            (Some(_), Some(_)) => Err(Reason::Conflict(self.cursor.typed(start, self.cursor.at).to_owned())),
        }
    }

    /// What a noun alone gives back; None when it speaks of what is given back anyway.
    fn object_output(&self, noun: &Noun) -> Result<Option<Output>, Reason> {
        let formatted = self.draft.output.is_some()
            && (noun.plural || noun.meaning == Meaning::Pronoun || noun.meaning == Meaning::Newest);
        if noun.meaning == Meaning::Formatted || formatted {
            return Ok(None);
        }
        if noun.meaning == Meaning::Item && self.draft.split.is_some() && self.draft.newest() > 0 {
            // "Output each line with …": the line stands for its whole entry.
            return Ok(None);
        }
        // "the results" of several searches are all of them.
        let results: Vec<usize> =
            self.draft.made().filter(|value| self.draft.values[*value].kind == Kind::Result).collect();
        if noun.plural
            && noun.meaning == Meaning::Newest
            && results.len() > 1
            && results.last() == Some(&self.draft.newest())
        {
            let mut text = Text::new();
            for value in results {
                if !text.is_empty() {
                    text.push(Piece::Literal("\n".to_owned()));
                }
                text.push(self.draft.piece_of(value));
            }
            return Ok(Some(Output::Text(text)));
        }
        let piece = self.draft.piece(noun).ok_or_else(|| Reason::UnknownName(noun.head.clone()))?;
        if let Piece::Value(value) = piece
            && self.draft.values[value].kind == Kind::Hidden
        {
            return Err(Reason::UnknownName(noun.head.clone()));
        }
        Ok(Some(Output::Text(vec![piece])))
    }
}

/// "Question: [sentence]": words before the first placeholder of a template without quotes.
const MAX_HEADING_TOKENS: usize = 4;
