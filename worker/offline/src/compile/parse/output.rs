//! Clauses that say what is given back and in which form.

use super::Parser;
use crate::compile::error::Reason;
use crate::compile::lexer::Kind as TokenKind;
use crate::compile::noun::{Meaning, Noun};
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::plan::{Output, Piece, Text};
use crate::compile::template::shows_a_value;

/// What one output clause has said so far.
#[derive(Default)]
pub(super) struct Said {
    pub(super) output: Option<Output>,
    pub(super) object: Option<Noun>,
    /// Two values named side by side.
    pub(super) both: Option<Text>,
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
        let noun_form = passive
            || self.cursor.eat_any(&[
                "format|output|result|resultat|sortie is|should|must|sera|doit be|etre? :?",
                "format|output|sortie :",
            ]);
        if !noun_form {
            self.cursor.at = start;
            let verb = self.cursor.eat_any(&[
                "met|mets|mettez|mettre|mise en forme",
                "formatage|affichage",
                "answer|reply|respond|reponds|repondez with|avec|par",
                "@output",
            ]);
            // "Each line as 'x'": the verb may have been said for several clauses.
            let unsaid = self.draft.output.is_none() && !self.draft.ops.is_empty();
            let goes_on = unsaid && (self.cursor.sees("as|comme|sous") || self.cursor.holds_placeholders());
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
        // "give them all", "format each as …", "as a list": all are there anyway, one below the other.
        if self.cursor.eat_any(&["as|in a list", "sous la? forme de|d une? liste"])
            || (said.object.is_some() && self.cursor.eat("all|tous|toutes"))
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
            if self.cursor.peek().is_some_and(|token| token.kind == TokenKind::Break)
                && self.cursor.quoted_ahead(1)
            {
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
            && (ahead.eat("should|must|shall|will|is|are|to|doit|doivent|est|sont|sera|seront* be|etre?")
                || ahead.sees(DONE))
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
            let quote = self.cursor.word_of_quote();
            said.before = self.quoted_row(true)?.ok_or_else(|| self.unread_here())?;
            // The blank inside of » is typography; the one after a colon is meant all the same.
            if quote.starts_with('«')
                && matches!(said.before.last(), Some(Piece::Literal(l)) if l.ends_with(':'))
            {
                said.before.push(Piece::Literal(" ".to_owned()));
            }
            return Ok(true);
        }
        let followed = self.cursor.eat_any(&[
            "followed|ending by|with",
            ", followed by|with",
            "suivi|suivie|suivis|suivies de|d|du|par",
            ", suivi|suivie|suivis|suivies de|d|du|par",
        ]) || (said.object.is_some() && said.output.is_none() && self.value_follows());
        if followed {
            let part = self.row_part()?.ok_or_else(|| self.unread_here())?;
            if self.on_a_new_line() {
                said.after.push(Piece::Literal("\n".to_owned()));
            }
            said.after.extend(part);
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
            // "the line followed by its summary" is the line itself; "la restituer suivie du résultat": the pronoun is
            // not what follows it.
            let is_item = object.is_some_and(|noun| match noun.meaning {
                Meaning::Item => true,
                Meaning::Pronoun => after.first() == text.first(),
                _ => false,
            });
            if is_item {
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
}
