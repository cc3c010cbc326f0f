//! Clauses that say what is given back and in which form.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::noun::{Meaning, Noun};
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::plan::{Kind, Language, Output, Piece, Text};
use crate::compile::template::shows_a_value;

/// What one output clause has said so far.
#[derive(Default)]
pub(super) struct Said {
    pub(super) output: Option<Output>,
    pub(super) object: Option<Noun>,
    /// Two values named side by side.
    both: Option<Text>,
    /// "… preceded by 'Answer: '".
    before: Text,
    after: Text,
    pub(super) detail: bool,
}

impl Parser<'_> {
    pub(super) fn output_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        let mut said = Said::default();
        if self.object_before_verb {
            said.object = Some(Noun::pronoun());
        }
        let passive = self.passive_output(&mut said)?;
        self.cursor.eat("the|your|le|la|final|each|chaque*");
        let noun_form = passive || self.cursor.eat_any(&[
            "format|output|result|resultat|sortie is|should|must|sera|doit be|etre? :?",
            "format|output|sortie :",
        ]);
        if !noun_form {
            self.cursor.at = start;
            let verb = self.cursor.eat_any(&[
                "met|mets|mettez|mettre en forme",
                "answer|reply|respond|reponds|repondez with|avec|par",
                "@output",
            ]);
            // "Each line as 'x'": the verb may have been said for several clauses.
            let unsaid = self.draft.output.is_none() && !self.draft.ops.is_empty();
            let goes_on = unsaid && self.cursor.sees("as|comme|sous");
            // "rédige « … »": without a pattern it is a task for the model.
            let composed = self.cursor.sees("redige|redigez|rediger|compose|composez|composer")
                && self.cursor.quoted_ahead(1);
            if composed {
                self.cursor.at += 1;
            }
            if !verb && !goes_on && !composed {
                return Ok(false);
            }
        }
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
        if said.object.is_some()
            && said.output.is_none()
            && let Some(change) = self.letter_case()
        {
            let noun = said.object.take().ok_or_else(|| self.unread_here())?;
            let from = self.draft.resolve(&noun.meaning).ok_or(Reason::UnknownName(noun.head))?;
            let into = self.draft.change(change, from);
            said.output = Some(Output::Text(vec![self.draft.piece_of(into)]));
            return Ok(true);
        }
        if said.output.is_none() && self.structured(said)? {
            return Ok(true);
        }
        // "give them all", "format each as …".
        if (said.object.is_some() && self.cursor.eat("all|tous|toutes"))
            || (self.cursor.sees("each|chacun|chacune as|in|like|using|with|comme|sous|au|en|selon|ainsi|:")
                && self.cursor.eat("each|chacun|chacune"))
        {
            said.detail = true;
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
        self.cursor.eat("formatted|written|presented|formate|formatee|formates|formatees");
        let found = self.cursor.eat_any(&[
            "as|in|with|using|following|like @det* following? form|format|template|pattern|style|shape|way|layout of|:?",
            "sous|dans|avec|selon|suivant|au @det* forme|format|modele|gabarit suivant|suivante? de|d|:?",
            "de la facon|maniere suivante",
            "ainsi",
            "comme suit|ceci|cela|ca",
            "as follows",
            "like this|so",
            "as|like|comme|with|avec|using|:",
        ]) || (self.cursor.sees("en") && self.cursor.quoted_ahead(1) && self.cursor.eat("en"));
        if found {
            self.cursor.eat(":");
            // The pattern may stand on the next line.
            if self.cursor.peek().is_some_and(|token| token.kind == TokenKind::Break) && self.cursor.quoted_ahead(1) {
                self.cursor.at += 1;
            }
        }
        found
    }

    /// "the result formatted as …", "les réponses sont présentées sous la forme …".
    fn passive_output(&mut self, said: &mut Said) -> Result<bool, Reason> {
        const DONE: &str = "formatted|returned|shown|displayed|printed|written|presented|output|formate|formatee|formates|\
            formatees|affiche|affichee|affiches|affichees|presente|presentee|presentes|presentees|renvoye|renvoyee|\
            renvoyes|renvoyees|mis|mise|mises";
        let mut ahead = self.cursor;
        let aliases = self.draft.aliases();
        let passive = noun_phrase(&mut ahead, &aliases)
            .is_some_and(|noun| noun.each.is_none() && noun.meaning != Meaning::Item)
            && (ahead.eat("should|must|shall|will|is|are|to|doit|doivent|est|sont|sera|seront* be|etre?") || ahead.sees(DONE))
            && ahead.eat(DONE);
        if passive {
            said.object = self.noun()?;
            self.cursor.at = ahead.at;
            self.cursor.eat("en forme");
        }
        Ok(passive)
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
            self.row_tail(&mut said.after, true)?;
            return Ok(true);
        }
        let start = self.cursor.at;
        if self.cursor.eat("for|pour each|chacun|chacune")
            && self.cursor.at_boundary()
            && self.draft.in_items()
        {
            return Ok(true);
        }
        self.cursor.at = start;
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
        let both = self.cursor.eat_any(&["both", "les deux", "a la fois"]);
        let Some(noun) = self.noun()? else { return Ok(false) };
        said.object = Some(noun);
        self.second_object(said)?;
        // "both answers" promises two of something.
        if both && said.both.is_none() {
            return Err(Reason::Unread(self.cursor.typed(start, self.cursor.at).to_owned()));
        }
        Ok(true)
    }

    /// "the sentence and the answer": named together, and laid out by a template or else side by side.
    fn second_object(&mut self, said: &mut Said) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat("and|et")
            && let Some(second) = self.noun()?
            && second.each.is_none()
            && (self.cursor.at_boundary()
                || self.cursor.sees("as|in|comme|sous|for|pour|par|per|separated|separes"))
            && let Some(first) = said.object.as_ref()
            && let Some([first, second]) = self.draft.pieces_beside([&first.meaning, &second.meaning])
            && first != second
        {
            let between = match (&first, self.draft.language) {
                (Piece::Value(0), Language::Fr) => " : ",
                (Piece::Value(0), Language::En) => ": ",
                _ => "\n",
            };
            said.both = Some(vec![first, Piece::Literal(between.to_owned()), second]);
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

    /// Takes over what the clause said, unless it contradicts what was said before.
    fn settle(&mut self, said: Said, start: usize) -> Result<(), Reason> {
        let Said { output, object, both, before, after, detail } = said;
        let has_object = object.is_some();
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
            // "la restituer suivie du résultat": the pronoun is not what follows it.
            if object.is_some_and(|noun| noun.meaning == Meaning::Pronoun) && after.first() == text.first() {
                *text = vec![self.draft.piece_of(0)];
            }
            text.splice(0..0, before);
            self.append(text, after);
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
            (None, _) if detail || has_object => Ok(()),
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
