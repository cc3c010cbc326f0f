//! Clauses about numbers: reading one in an answer, adding them up, keeping the best items.

use super::Parser;
use crate::compile::draft::forms;
use crate::compile::error::Reason;
use crate::compile::noun::Meaning;
use crate::compile::noun_phrase::noun_phrase;
use crate::compile::plan::{Kind, Op, Rank};

const BEST: &str = "best|top|highest|largest|biggest|meilleur|meilleure|meilleurs|meilleures";
const WORST: &str = "worst|lowest|smallest|pire|pires|moins";

impl Parser<'_> {
    /// "read the amount in pounds of the result", "extrais le montant de la réponse", "add up the amounts".
    pub(super) fn number_clause(&mut self) -> Result<bool, Reason> {
        let start = self.cursor.at;
        if self.cursor.eat_any(&[
            "add|sum|total|adds|sums up?",
            "additionne|additionnez|additionner|totalise",
            "fais|faites|calcule|calculez|compute|calculate @det* somme|sum|total",
        ]) {
            let aliases = self.draft.aliases();
            noun_phrase(&mut self.cursor, &aliases);
            self.cursor.eat("up");
            if self.draft.number().is_some() && self.draft.split.is_some() && self.cursor.at_boundary() {
                self.draft.summed = true;
                return Ok(true);
            }
            self.cursor.at = start;
            return Ok(false);
        }
        if !self.cursor.eat("take|takes|extract|extracts|read|get|keep|find|prends|prenez|extrais|extrayez|extraire|releve|relevez|relever|garde|lis") {
            return Ok(false);
        }
        self.cursor.eat("@det*");
        self.cursor.eat("@only");
        let noun = self.cursor.word(0).to_owned();
        if !self.cursor.eat("number|amount|figure|price|quantity|nombre|montant|chiffre|prix|quantite") {
            self.cursor.at = start;
            return Ok(false);
        }
        let mut units = Vec::new();
        if self.cursor.sees("of|in|en|d|de @unit") {
            self.cursor.at += 1;
            units = units_of(self.cursor.word(0));
            self.cursor.at += 1;
        }
        let mut from = self.draft.newest();
        if self.cursor.eat("in|from|of|dans|de|du|des|d") {
            let Some(noun) = self.noun()? else { return Err(self.unread_here()) };
            from = self.draft.resolve(&noun.meaning).ok_or(Reason::UnknownName(noun.head))?;
        }
        if from == 0 {
            self.cursor.at = start;
            return Ok(false);
        }
        let into = self.draft.declare(Kind::Amount);
        self.draft.values[into].aliases = forms(&noun);
        self.draft.values[into].aliases.retain(|alias| alias != "number" && alias != "nombre");
        self.draft.ops.push(Op::Number { from, into, units });
        Ok(true)
    }

    /// "sort them by rating, highest first": only by a number the program has.
    pub(super) fn rank_clause(&mut self) -> bool {
        let start = self.cursor.at;
        if self
            .cursor
            .eat("sort|sorted|order|ordered|rank|ranked|trie|triez|trier|triees|tries|classees|ordonne")
        {
            let aliases = self.draft.aliases();
            noun_phrase(&mut self.cursor, &aliases);
            if self.cursor.eat("by|par|selon|according") {
                self.cursor.eat("to");
                if let Some(noun) = noun_phrase(&mut self.cursor, &aliases)
                    && let Some(by) = self.number_named(&noun.meaning)
                {
                    self.draft.rank = Some(Rank { by, keep: None, descending: false });
                    self.direction();
                    return true;
                }
            }
        } else if self.draft.rank.is_some() {
            const WITHOUT: &str =
                "without|sans @det* ratings|rating|scores|score|notes|note|grades|numbers|amounts|montants";
            if self.direction() || self.cursor.eat(WITHOUT) {
                return true;
            }
        }
        self.cursor.at = start;
        false
    }

    fn number_named(&self, meaning: &Meaning) -> Option<usize> {
        let value = match meaning {
            Meaning::Position => self.draft.number()?,
            other => self.draft.resolve(other)?,
        };
        matches!(self.draft.values[value].kind, Kind::Amount | Kind::Rating).then_some(value)
    }

    /// "highest first", "in descending order".
    fn direction(&mut self) -> bool {
        let Some(rank) = self.draft.rank.as_mut() else { return false };
        self.cursor.eat("@det*");
        let descending = self.cursor.eat_any(&[
            &format!("{BEST} first|rated?"),
            "in|par|en? descending|decreasing|decroissant ordre|order?",
            "ordre|order decroissant|descending",
            "de la plus haute|grande a la plus basse|petite",
            "from highest|best to lowest|worst",
            &format!("{BEST} en premier|tete"),
        ]);
        if descending {
            rank.descending = true;
            self.cursor.eat_any(&["first", "en premier|tete", "d abord"]);
            return true;
        }
        let ascending = self.cursor.eat_any(&[
            &format!("{WORST} first"),
            "in|par|en? ascending|increasing|croissant ordre|order?",
            "ordre croissant",
            &format!("{WORST} en premier|tete"),
        ]);
        if ascending {
            rank.descending = false;
        }
        ascending
    }

    /// "the two best lines", "les 3 meilleures phrases": which items are given back.
    pub(super) fn best_items(&mut self) -> bool {
        let start = self.cursor.at;
        let Some(by) = self.draft.number().filter(|_| self.draft.in_items()) else { return false };
        self.cursor.eat("@det*");
        let mut keep = self.cursor.number();
        let descending = self.cursor.eat(BEST);
        if descending || self.cursor.eat(WORST) {
            keep = keep.or_else(|| self.cursor.number());
            self.cursor.eat("rated|scored|scoring|ranked|notees|notes");
            let aliases = self.draft.aliases();
            if let Some(noun) = noun_phrase(&mut self.cursor, &aliases)
                && noun.meaning == Meaning::Item
                && noun.each.is_none()
            {
                let keep = if noun.plural { keep } else { keep.or(Some(1)) };
                if keep.is_some() {
                    self.draft.rank = Some(Rank { by, keep, descending });
                    return true;
                }
            }
        }
        self.cursor.at = start;
        false
    }
}

/// How a unit is written beside a number.
fn units_of(word: &str) -> Vec<String> {
    let written: &[&str] = match word {
        "euros" | "euro" | "eur" => &["euros", "euro", "eur", "€"],
        "dollars" | "dollar" | "usd" => &["dollars", "dollar", "usd", "$"],
        "pounds" | "pound" | "gbp" => &["pounds", "pound", "gbp", "£"],
        "percent" => &["percent", "per cent", "%", "pour cent"],
        "days" | "day" => &["days", "day"],
        "jours" | "jour" => &["jours", "jour"],
        "hours" | "hour" => &["hours", "hour", "h"],
        "heures" | "heure" => &["heures", "heure", "h"],
        _ => return forms(word),
    };
    written.iter().map(|&unit| unit.to_owned()).collect()
}
