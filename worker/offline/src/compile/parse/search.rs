//! Clauses that search the documents.

use super::Parser;
use crate::compile::cursor::is_one_of;
use crate::compile::draft::forms;
use crate::compile::error::Reason;
use crate::compile::noun::{Meaning, meaning_of};
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::phrases::{eat_documents, eat_search_tool};
use crate::compile::plan::{Call, Kind, Language, Op, Piece, Text, Tool};
use crate::compile::template::template;

impl Parser<'_> {
    pub(super) fn search_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        let mut query: Option<Text> = None;
        if self.passive_search()? {
            query = Some(vec![self.draft.piece_of(0)]);
        } else if !self.search_verb() {
            self.cursor.at = start;
            // "search its address, then its revenue": the verb is said once.
            let again = matches!(self.draft.ops.last(), Some(Op::Call(Call { tool: Tool::Search, .. })))
                && self.cursor.sees("its|their|son|sa|ses|leur|leurs");
            if !again {
                return Ok(false);
            }
        }
        let mut in_documents = false;
        let mut only_if = None;
        while !self.cursor.at_boundary() {
            let here = self.cursor.at;
            if self.search_place() {
                in_documents = true;
            } else if only_if.is_none()
                && let Some(condition) = self.only_for()
            {
                only_if = Some((condition, String::new()));
            } else if self.search_manner() {
                // One search per item, side by side, is how it is done anyway.
            } else if query.is_none() {
                query = self.search_object()?;
                if query.is_none() && self.cursor.at == here {
                    return self.not_a_search(start, in_documents);
                }
            } else {
                return self.not_a_search(start, in_documents);
            }
        }
        // "Answer the question" says with what only if the documents are named.
        let named =
            || self.cursor.tokens[start..self.cursor.at].iter().any(|t| is_one_of("@document", &t.folded));
        if is_one_of("@answer", &self.cursor.tokens[start].folded) && !in_documents && !named() {
            self.cursor.at = start;
            return Ok(false);
        }
        let argument = query.unwrap_or_else(|| vec![self.draft.piece_of(self.draft.search_subject())]);
        let into = self.draft.declare(Kind::Result);
        self.draft.values[into].aliases = std::mem::take(&mut self.pending_alias);
        let title = match self.draft.language {
            Language::En => "Search the documents",
            Language::Fr => "Chercher dans les documents",
        };
        self.draft.ops.push(Op::Call(Call {
            tool: Tool::Search,
            argument,
            into,
            labels: Vec::new(),
            only_if,
            title: title.to_owned(),
        }));
        Ok(true)
    }

    /// What began like a search but did not go on like one: an error, unless the verb has other uses ("ask", "use").
    fn not_a_search(&mut self, start: usize, in_documents: bool) -> Result<bool, Reason> {
        let unsure = !in_documents && self.cursor.tokens[start].folded != "search";
        if unsure {
            let reached = self.cursor.at;
            self.cursor.at = start;
            if self
                .cursor
                .sees("@answer|use|call|run|make|do|utilise|appelle|fais|query|interroge|get|find|retrieve")
            {
                return Ok(false);
            }
            self.cursor.at = reached;
        }
        Err(self.unread_here())
    }

    /// "Each line is searched …", "chaque phrase doit être recherchée …".
    fn passive_search(&mut self) -> Result<bool, Reason> {
        let mut ahead = self.cursor;
        let aliases = self.draft.aliases();
        let passive = noun_phrase(&mut ahead, &aliases).is_some_and(|noun| {
            noun.meaning == Meaning::Item && (noun.each.is_some() || (noun.each_again && !aliases.whole))
        }) && ahead.eat("should|must|shall|will|is|are|has|have|doit|doivent|est|sont|sera|seront to? be|etre?")
            && ahead.eat("searched|queried|looked|recherche|recherchee|recherches|recherchees|cherche|cherchee|cherches|cherchees");
        if passive {
            self.noun()?;
            self.cursor.at = ahead.at;
            self.cursor.eat("up|for");
        }
        Ok(passive)
    }

    fn search_verb(&mut self) -> bool {
        if self.cursor.eat_any(&[
            "look|looks|looking it|them|this|that|each? up",
            "look|looks|looking up|for",
            "run|runs|do|does|make|perform|launch|fais|faites|faire|fait|lance|lancez|lancer|effectue|effectuez|effectuer \
             @det* document|documents|documentary? search|query|lookup|recherche|recherches documentaire?",
            "search|searches|searching for|on|about",
            "find out|the? answer|answers|reponse|reponses to|for|a|aux",
            "trouve|trouvez|trouver|cherche|cherchez|chercher|recherche|recherchez @det* reponse|reponses a|au|aux",
            "@search",
            "@answer a|au|aux?",
        ]) {
            return true;
        }
        // "use paradigm_search to find …", "call paradigm_search with …".
        let start = self.cursor.at;
        if self.cursor.eat("@use") && eat_search_tool(&mut self.cursor) {
            if self.cursor.eat("to|for|pour") {
                self.cursor.eat("@det* @search|answer|repondre for|up|a|to?");
            }
            return true;
        }
        self.cursor.at = start;
        if eat_search_tool(&mut self.cursor) && self.cursor.tokens[start].folded == "paradigm_search" {
            return true;
        }
        self.cursor.at = start;
        // "look each line up".
        if self.cursor.eat("look")
            && self.noun().ok().flatten().is_some_and(|noun| noun.each.is_some())
            && self.cursor.sees("up")
        {
            self.cursor.at += 1;
            return true;
        }
        self.cursor.at = start;
        false
    }

    /// Where and with what: says nothing new, there is one search.
    fn search_place(&mut self) -> bool {
        let start = self.cursor.at;
        if self.cursor.eat("with|using|via|through|by|in|avec|par|dans") && eat_search_tool(&mut self.cursor)
        {
            self.cursor.eat("function|tool|()");
            return true;
        }
        self.cursor.at = start;
        if self.cursor.eat("a l aide de|d|du") && eat_search_tool(&mut self.cursor) {
            return true;
        }
        self.cursor.at = start;
        if self.cursor.eat_any(&[
            "based on",
            "a partir de|d|du|des",
            "in|within|through|across|from|against|on|dans|parmi|sur|among|using|with|avec|de|d",
        ]) && eat_documents(&mut self.cursor)
        {
            return true;
        }
        self.cursor.at = start;
        if eat_documents(&mut self.cursor)
            || (self.cursor.sees("@det* paradigm_search") && eat_search_tool(&mut self.cursor))
        {
            return true;
        }
        self.cursor.at = start;
        false
    }

    fn search_manner(&mut self) -> bool {
        self.cursor.eat_any(&[
            "once only? each?",
            "separately|individually|separement|individuellement|up",
            "in parallel|turn",
            "en parallele",
            "at the same time",
            "one by one",
            "un|une par un|une",
            "as @det* search? query|argument|input|parameter|term|question",
            "comme|en @det* requete|argument|parametre|question|terme @det* recherche?",
            "une seule? fois chacun|chacune?",
        ])
    }

    /// What is searched. None: what this clause would search anyway.
    fn search_object(&mut self) -> Result<Option<Text>, Reason> {
        let start = self.cursor.at;
        self.cursor.eat("for|on|about|with|using|of|pour|sur|avec|de|a|au|aux|to");
        self.cursor.eat("@det* words|phrase|query|text|requete|texte|expression? :?");
        if let Some(raw) = self.cursor.quoted() {
            let text = template(raw, &self.draft)?;
            self.cursor.eat_any(&["for|pour each|both|chaque|chacun|chacune|every of? @det*"]);
            return Ok(Some(text));
        }
        self.cursor.at = start;
        if let Some(text) = self.attribute_query()? {
            return Ok(Some(text));
        }
        self.cursor.at = start;
        self.cursor.eat("for|on|about|with|using|pour|sur|avec|a|au|aux|to");
        let Some(noun) = self.noun()? else {
            self.cursor.at = start;
            return Ok(None);
        };
        if noun.distinct && noun.each.is_some() {
            self.draft.distinct.get_or_insert(false);
        }
        let piece = match noun.meaning {
            // "find the answer": nothing was found yet, so the item is asked.
            Meaning::Newest
                if self.draft.search_subject() == self.draft.subject() || self.draft.newest() == 0 =>
            {
                self.draft.piece_of(self.draft.search_subject())
            }
            Meaning::Pronoun => self.draft.piece_of(self.draft.search_subject()),
            Meaning::Formatted | Meaning::Position => return Err(self.unread(start)),
            _ => match self.draft.piece(&noun) {
                Some(piece) => piece,
                None => return Err(Reason::UnknownName(noun.head)),
            },
        };
        Ok(Some(vec![piece]))
    }

    /// "its address", "son chiffre d'affaires", "the price of each product": words of the query, then the item.
    fn attribute_query(&mut self) -> Result<Option<Text>, Reason> {
        self.cursor.eat("for|pour");
        let owned = self.cursor.eat("its|their|son|sa|ses|leur|leurs");
        if !owned && !self.cursor.eat("the|le|la|les|l") {
            return Ok(None);
        }
        let from = self.cursor.at;
        if owned && self.cursor.sees("@found|@quality|answer|result|reponse|resultat|summary|translation") {
            return Ok(None);
        }
        while self.cursor.at - from < MAX_ATTRIBUTE_WORDS && !self.cursor.at_boundary() {
            let word = self.cursor.word(0);
            if word.is_empty() || !word.chars().all(|c| c.is_alphabetic() || c == '_') {
                break;
            }
            if self.cursor.at > from && self.at_attribute_end(owned) {
                break;
            }
            self.cursor.at += 1;
        }
        let words = self.cursor.typed(from, self.cursor.at).to_owned();
        if words.is_empty() || super::instruction::beyond_tools(&words).is_some() {
            return Ok(None);
        }
        let link = match self.draft.language {
            Language::En => " of ",
            Language::Fr => " de ",
        };
        let head = self.cursor.tokens[from].folded.clone();
        let owner = if owned {
            self.draft.piece_of(0)
        } else {
            if !self.cursor.eat("of|for|about|de|du|des|d|pour|sur") {
                return Ok(None);
            }
            match self.noun()? {
                Some(noun) if noun.meaning == Meaning::Item || noun.meaning == Meaning::Pronoun => {
                    self.draft.piece_of(0)
                }
                Some(noun) if matches!(noun.meaning, Meaning::Alias(_)) => match self.draft.piece(&noun) {
                    Some(piece) => piece,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            }
        };
        // "the summary of the line" names a value there is; "the price of the line" is something to look for.
        let known =
            meaning_of(&head, &self.draft.aliases()).and_then(|meaning| self.draft.piece_for(&meaning));
        if known.is_some() && !self.draft.aliases().values.contains(&head) {
            return Ok(None);
        }
        self.pending_alias = forms(&head);
        Ok(Some(vec![Piece::Literal(format!("{words}{link}")), owner]))
    }

    fn at_attribute_end(&self, owned: bool) -> bool {
        if owned {
            self.cursor.sees("in|within|with|using|dans|avec|via|par|from")
        } else {
            let mut ahead = self.cursor;
            let aliases = self.draft.aliases();
            ahead.eat("of|for|about|de|du|des|d|pour|sur") && noun_phrase(&mut ahead, &aliases).is_some()
        }
    }
}

/// "chiffre d'affaires de l'année dernière": longer is not a search term.
const MAX_ATTRIBUTE_WORDS: usize = 6;
