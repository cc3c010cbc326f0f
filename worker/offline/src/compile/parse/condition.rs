//! "If … , … ; otherwise …": failed searches, unanswered questions, branches on a value.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::fold;
use crate::compile::noun::Meaning;
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::plan::{Block, Call, Condition, Kind, Op, Output, Piece, Test, Text};

enum Case {
    /// A tool failed.
    Failure,
    When(Condition),
}

impl Parser<'_> {
    pub(super) fn condition_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat_any(&["on error|failure", "en cas d echec|erreur", "en cas de panne"]) {
            return self.failure_body();
        }
        if !self.cursor.eat("if|when|whenever|where|si|s|quand|lorsque|lorsqu") {
            return Ok(false);
        }
        let case = self.case()?.ok_or_else(|| self.unread(start))?;
        self.cursor.eat("then|alors|, then|alors?");
        match case {
            Case::Failure => self.failure_body(),
            Case::When(condition) => self.branches(condition),
        }
    }

    fn case(&mut self) -> Result<Option<Case>, Reason> {
        const SEARCH: &str =
            "search|searches|call|lookup|request|query|tool|recherche|appel|requete|outil|model|modele";
        let start = self.cursor.at;
        self.cursor.eat("@det|any|one|une*");
        if self.cursor.eat(SEARCH)
            && self.cursor.eat_any(&[
                "fails|fail|failed|raises|errors|breaks|echoue|plante",
                "is unavailable",
                "raises|returns|gives an error",
                "renvoie une erreur",
            ])
        {
            return Ok(Some(Case::Failure));
        }
        self.cursor.at = start;
        if self.cursor.eat_any(&[
            "there is|was an error|failure",
            "it fails",
            "elle echoue",
            "il y a une erreur",
            "une erreur se produit|survient",
        ]) {
            return Ok(Some(Case::Failure));
        }
        self.cursor.at = start;
        Ok(self.unanswered().or(self.comparison()?).map(Case::When))
    }

    /// "nothing is found", "no document answers it", "aucun résultat n'est trouvé".
    fn unanswered(&mut self) -> Option<Condition> {
        let value = self.draft.resolve(&Meaning::Of(Kind::Result))?;
        let found = self.cursor.eat_any(&[
            "nothing|none is|was? found|returned|available",
            "no answer|result|results|document|documents|match|matches is|was|are|were? found|returned|available|answers|matches? it|them|@det* question|line|sentence|item?",
            "@det* search|documents? finds|find|returns|return|gives|give|has|have nothing|none",
            "@det* search|documents finds|find|returns|return|gives no|nothing result|results|answer",
            "@det* answer|result|document is|was not|n found",
            "rien n est|a? ete? trouve",
            "aucun|aucune resultat|reponse|document n|ne? est|a|repond|correspond? ete? trouve|trouvee?",
            "@det* recherche ne donne|renvoie|trouve rien",
            "on ne trouve rien",
            "il n y a pas|aucun|aucune de? resultat|reponse",
        ]);
        found.then_some(Condition { value, test: Test::NotFound })
    }

    /// "the answer starts with X", "the category is 'B'".
    fn comparison(&mut self) -> Result<Option<Condition>, Reason> {
        let start = self.cursor.at;
        let Some(noun) = self.noun()? else { return Ok(None) };
        let Some(value) = self.draft.resolve(&noun.meaning) else {
            self.cursor.at = start;
            return Ok(None);
        };
        let test = if self.cursor.eat_any(&["starts|begins|start|begin with", "commence|debute par"]) {
            self.literal().map(Test::StartsWith)
        } else if self
            .cursor
            .eat_any(&["contains|includes|mentions @det* word|text?", "contient|mentionne @det* mot?"])
        {
            self.literal().map(Test::Contains)
        } else if self.cursor.eat("is|est blank|empty|vide") {
            Some(Test::Empty)
        } else if self.cursor.eat_any(&["is not found", "is|equals|est equal|egal|egale? to|a?"]) {
            self.literal().map(Test::Is)
        } else {
            None
        };
        if test.is_none() {
            self.cursor.at = start;
        }
        Ok(test.map(|test| Condition { value, test }))
    }

    /// "only for the sentences labelled as orders", "seulement si la catégorie est QUESTION".
    pub(super) fn only_for(&mut self) -> Option<Condition> {
        let start = self.cursor.at;
        let label = self.draft.resolve(&Meaning::Of(Kind::Label));
        self.cursor.eat("but|mais|and|et|, @only");
        self.cursor.eat("@only");
        if self.cursor.eat("if|when|si|quand|lorsque")
            && let Ok(Some(condition)) = self.comparison()
        {
            return Some(condition);
        }
        self.cursor.at = start;
        self.cursor.eat("@only");
        if let Some(value) = label
            && self.cursor.eat(
                "for|pour @det* lines|line|items|sentences|ones|those|lignes|phrases|elements|celles|ceux",
            )
            && self
                .cursor
                .eat("that|which|classified|labelled|labeled|qui|classees|etiquetees* are|is|were|sont|est*")
        {
            self.cursor.eat("classified|labelled|labeled|classees|etiquetees|tagged* as|comme|en* @det*");
            let wanted = match self.literal() {
                Some(literal) => literal,
                None => {
                    let word = self.cursor.word(0).to_owned();
                    self.cursor.at += 1;
                    word
                }
            };
            if let Some(known) = self.label_like(value, &wanted) {
                return Some(Condition { value, test: Test::Is(known) });
            }
        }
        self.cursor.at = start;
        None
    }

    /// The label of the classification that a word ("questions") means.
    fn label_like(&self, value: usize, word: &str) -> Option<String> {
        let wanted = crate::compile::draft::forms(&fold(word));
        self.draft.ops.iter().find_map(|op| match op {
            Op::Call(call) if call.into == value => {
                call.labels.iter().find(|label| wanted.contains(&fold(label))).cloned()
            }
            _ => None,
        })
    }

    /// "with 'none' where no lookup was needed": the text of a call that was left out.
    pub(super) fn default_of_guarded(&mut self) -> bool {
        let start = self.cursor.at;
        self.cursor.eat("with|using|write|put|and|avec|mets|ecris|et*");
        if let Some(text) = self.cursor.quoted()
            && self.cursor.eat_any(&[
                "when|if|where no search|call|lookup was|is made|done|performed|needed?",
                "for|in the? others|rest|other lines|ones|cases?",
                "otherwise|else",
                "quand|lorsqu|si aucune|il recherche n|ne? a|est? ete? faite|effectuee|lancee",
                "pour les autres lignes|phrases?",
                "sinon",
            ])
        {
            for op in self.draft.ops.iter_mut().rev() {
                if let Op::Call(Call { only_if: Some((_, otherwise)), .. }) = op {
                    text.clone_into(otherwise);
                    return true;
                }
            }
        }
        self.cursor.at = start;
        false
    }

    /// A quoted text or one word in capitals.
    fn literal(&mut self) -> Option<String> {
        if let Some(text) = self.cursor.quoted() {
            return Some(text.to_owned());
        }
        let typed = self.cursor.typed(self.cursor.at, self.cursor.at + 1);
        let capitals = typed.chars().any(char::is_alphabetic) && typed.chars().all(|c| !c.is_lowercase());
        capitals.then(|| {
            self.cursor.at += 1;
            typed.to_owned()
        })
    }

    /// "put 'n/a' in its place and go on".
    fn failure_body(&mut self) -> Result<bool, Reason> {
        const GO_ON: &str =
            "carry|go|move|keep|continue|continues|continuez|continuer|poursuis|poursuivez|passe|passez";
        self.cursor.eat(",|:|just*");
        let mut written = None;
        loop {
            let before = self.cursor.at;
            if self.cursor.eat("@output|use|say|utilise|indique|indiquez @det*") {
                written = Some(self.literal().ok_or_else(|| self.unread_here())?);
                self.cursor.eat_any(&[
                    "for|as|in|pour|comme that|this|the|its|cette|ce|la|le|son? line|result|sentence|item|answer|ligne|phrase|element|resultat|reponse|place",
                    "instead", "a la place",
                ]);
            } else if self.cursor.eat(GO_ON) {
                self.cursor.eat("on|going");
                self.cursor.eat("with|to|avec|a @det* next|other|others|rest|suivante|suivant|autres|reste line|lines|one|item|items|sentence|ligne|lignes?");
            } else if written.is_some()
                && self.cursor.sees(
                    "and|et|, @filler* carry|go|move|keep|continue|continuez|continuer|poursuis|poursuivez|passe|passez",
                )
            {
                self.cursor.at += 1;
                self.cursor.eat("@filler*");
            }
            if self.cursor.at == before {
                break;
            }
        }
        self.draft.on_error = Some(written.ok_or_else(|| self.unread_here())?);
        Ok(true)
    }

    fn branches(&mut self, condition: Condition) -> Result<bool, Reason> {
        let start = self.cursor.at;
        self.cursor.eat(",");
        if self.skip_words() {
            return Ok(self.drop_items(condition, start));
        }
        self.cursor.at = start;
        let values_before = self.draft.values.len();
        let newest = self.draft.piece_of(self.draft.newest());
        // Where nothing was found, "ask the model instead" is about the question, not about the empty answer.
        let hidden = (condition.test == Test::NotFound).then_some(condition.value);
        let kind = hidden.map(|value| std::mem::replace(&mut self.draft.values[value].kind, Kind::Hidden));
        let then = self.block();
        if let (Some(value), Some(kind)) = (hidden, kind) {
            self.draft.values[value].kind = kind;
        }
        let then = then?;
        self.hide_values(values_before);
        let mut otherwise = None;
        let end = self.cursor.at;
        self.cursor.eat("@stop*");
        if self.cursor.eat("otherwise|else|sinon|autrement ,?") {
            otherwise = Some(self.block()?);
        } else {
            self.cursor.at = end;
        }
        let gives_output = otherwise.as_ref().is_some_and(|(_, output)| *output) || then.1;
        let otherwise =
            otherwise.map_or_else(|| Block { ops: Vec::new(), text: vec![newest] }, |(block, _)| block);
        self.hide_values(values_before);
        let into = self.draft.declare(Kind::Chosen);
        self.draft.ops.push(Op::Choose { condition, then: then.0, otherwise, into });
        if gives_output && self.draft.output.is_none() && self.ends_here() {
            self.draft.output = Some(Output::Text(vec![self.draft.piece_of(into)]));
        }
        Ok(true)
    }

    /// "skip the line if nothing is found", "ignore-la si rien n'est trouvé".
    pub(super) fn skip_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.skip_words()
            && self.cursor.eat("if|when|where|for|si|quand|lorsque which|whom?")
            && let Some(Case::When(condition)) = self.case()?
            && self.drop_items(condition, start)
        {
            return Ok(true);
        }
        self.cursor.at = start;
        Ok(false)
    }

    fn skip_words(&mut self) -> bool {
        let start = self.cursor.at;
        if self.cursor.eat("skip|skips|ignore|omit|drop|discard|exclude|leave|saute|sautez|ignorez|omets|omettez|exclus|laisse") {
            let leave = matches!(self.cursor.tokens[start].folded.as_str(), "leave" | "laisse");
            let aliases = self.draft.aliases();
            let item = noun_phrase(&mut self.cursor, &aliases)
                .is_none_or(|noun| matches!(noun.meaning, Meaning::Item | Meaning::Pronoun) && noun.each.is_none());
            let out = self.cursor.eat_any(&["out|away", "de cote"]);
            if item && (out || !leave) {
                return true;
            }
        }
        self.cursor.at = start;
        false
    }

    fn drop_items(&mut self, condition: Condition, start: usize) -> bool {
        if !self.draft.in_items() || self.in_branch || self.draft.drop.is_some() {
            self.cursor.at = start;
            return false;
        }
        self.draft.drop = Some(condition);
        true
    }

    /// Values made inside a branch exist only there.
    fn hide_values(&mut self, from: usize) {
        for value in &mut self.draft.values[from..] {
            value.kind = Kind::Hidden;
        }
    }

    fn ends_here(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.eat("@stop*");
        ahead.at_end()
    }

    /// The clauses of one branch, up to "otherwise" or the end of the sentence; true when it says what to return.
    fn block(&mut self) -> Result<(Block, bool), Reason> {
        let outer = std::mem::take(&mut self.draft.ops);
        let outer_branch = std::mem::replace(&mut self.in_branch, true);
        let output = self.draft.output.take();
        let mut read = 0;
        loop {
            self.cursor.eat(",|and|then|et|puis|ensuite|@filler*");
            if self.cursor.at_end() || self.cursor.sees(".|;|otherwise|else|sinon|autrement") {
                break;
            }
            let start = self.cursor.at;
            let known =
                self.search_clause()? || self.ask_clause()? || self.task_clause()? || self.output_clause()?;
            self.cursor.eat("instead|plutot");
            if !known || !self.cursor.at_boundary() {
                return Err(self.unread(start));
            }
            read += 1;
            if self.cursor.peek().is_some_and(|t| matches!(t.folded.as_str(), "\n")) {
                break;
            }
        }
        if read == 0 {
            return Err(self.unread_here());
        }
        self.in_branch = outer_branch;
        let ops = std::mem::replace(&mut self.draft.ops, outer);
        let given = std::mem::replace(&mut self.draft.output, output);
        let (text, is_output): (Text, bool) = match given {
            Some(Output::Text(text)) => (text, true),
            Some(_) => return Err(self.unread_here()),
            None => (vec![Piece::Value(self.draft.newest())], false),
        };
        Ok((Block { ops, text }, is_output))
    }
}
