//! The program in words: its name, its summary and its steps, in the language of the description. What is assumed
//! (one item per line …) is said here, so that nobody has to read the program to learn it.

use super::is_model_kind;
use crate::compile::plan::{
    Block, Change, Condition, Kind, Language, Op, Output, Piece, Plan, Split, Test, Text, Tool,
};

/// A short name: "Search per sentence".
pub(crate) fn name(plan: &Plan) -> String {
    let en = plan.language == Language::En;
    let mut parts: Vec<&str> = Vec::new();
    for op in &plan.ops {
        let part = match op {
            Op::Call(call) if call.tool == Tool::Search => {
                if en {
                    "search"
                } else {
                    "recherche"
                }
            }
            Op::Call(call) => model_noun(plan.values[call.into].kind, en),
            Op::Choose { .. } => {
                if en {
                    "choose"
                } else {
                    "choix"
                }
            }
            Op::Change { .. } => {
                if en {
                    "change the text"
                } else {
                    "transformation"
                }
            }
            Op::Number { .. } => {
                if en {
                    "read the number"
                } else {
                    "lecture du nombre"
                }
            }
        };
        if parts.last() != Some(&part) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        parts.push(if en { "format" } else { "mise en forme" });
    }
    let mut name = parts.join(if en { ", then " } else { ", puis " });
    if let Some(split) = &plan.split {
        name.push_str(if en { " per " } else { " par " });
        name.push_str(unit(split, plan.language).0);
    }
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// One sentence.
pub(crate) fn summary(plan: &Plan) -> String {
    let steps = steps(plan);
    format!("{}.", steps.join(if plan.language == Language::En { "; then " } else { " ; puis " }))
}

/// What happens, in order.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    let en = plan.language == Language::En;
    let mut steps = Vec::new();
    if let Some(split) = &plan.split {
        let (_, how) = unit(split, plan.language);
        steps.push(if en {
            format!("Split the input into {how}")
        } else {
            format!("Découper le texte en {how}")
        });
    }
    if let Some(ignore_case) = plan.distinct {
        let once = match (ignore_case, en) {
            (false, true) => "Keep each one once",
            (true, true) => "Keep each one once, whatever its case",
            (false, false) => "Ne garder chacun qu'une fois",
            (true, false) => "Ne garder chacun qu'une fois, quelle que soit la casse",
        };
        steps.push(once.to_owned());
    }
    for op in &plan.ops {
        steps.push(op_step(plan, op));
    }
    if let Some(text) = &plan.on_error {
        steps.push(if en {
            format!("Where a call fails, write \"{text}\"")
        } else {
            format!("Si un appel échoue, écrire « {text} »")
        });
    }
    if let Some(condition) = &plan.drop {
        let when = condition_words(plan, condition);
        steps.push(if en {
            format!("Leave out items where {when}")
        } else {
            format!("Laisser de côté les éléments où {when}")
        });
    }
    if let Some(rank) = &plan.rank {
        let by = value_name(plan, rank.by);
        let first = match (rank.descending, en) {
            (true, true) => "highest first",
            (false, true) => "lowest first",
            (true, false) => "le plus haut d'abord",
            (false, false) => "le plus bas d'abord",
        };
        let keep = rank
            .keep
            .map(|n| if en { format!(", keep {n}") } else { format!(", en garder {n}") })
            .unwrap_or_default();
        steps.push(if en {
            format!("Order by {by}, {first}{keep}")
        } else {
            format!("Ordonner par {by}, {first}{keep}")
        });
    }
    steps.push(output_step(plan));
    steps
}

/// What one item is called.
pub(super) fn unit_name(plan: &Plan) -> &'static str {
    plan.split.as_ref().map_or("", |split| unit(split, plan.language).0)
}

/// The unit in singular, and how the input is cut into it.
fn unit(split: &Split, language: Language) -> (&'static str, String) {
    let en = language == Language::En;
    let (one, how): (&str, &str) = match (split, en) {
        (Split::Sentences, true) => ("sentence", "sentences"),
        (Split::Sentences, false) => ("phrase", "phrases"),
        (Split::Lines, true) => ("line", "lines"),
        (Split::Lines, false) => ("ligne", "lignes"),
        (Split::Paragraphs, true) => ("paragraph", "paragraphs"),
        (Split::Paragraphs, false) => ("paragraphe", "paragraphes"),
        (Split::Words, true) => ("word", "words"),
        (Split::Words, false) => ("mot", "mots"),
        (Split::Items, true) => {
            ("item", "items, one per line (on a single line: between semicolons or commas)")
        }
        (Split::Items, false) => {
            ("élément", "éléments, un par ligne (sur une seule ligne : entre points-virgules ou virgules)")
        }
        (Split::On(separator), _) => {
            let shown = match separator.as_str() {
                "\n" => "\\n",
                "\t" => "\\t",
                "\n\n" => "\\n\\n",
                other => other,
            };
            return if en {
                ("item", format!("items separated by \"{shown}\""))
            } else {
                ("élément", format!("éléments séparés par « {shown} »"))
            };
        }
        (Split::Chunks(size), true) => return ("chunk", format!("chunks of at most {size} characters")),
        (Split::Chunks(size), false) => return ("morceau", format!("morceaux d'au plus {size} caractères")),
    };
    (one, how.to_owned())
}

fn op_step(plan: &Plan, op: &Op) -> String {
    let en = plan.language == Language::En;
    match op {
        Op::Call(call) => {
            let shown = shown(plan, &call.argument);
            match (call.tool, en) {
                (Tool::Search, true) => format!("Search the documents for {shown}"),
                (Tool::Search, false) => format!("Chercher dans les documents {shown}"),
                (Tool::Model, true) => format!("Ask the model: {shown}"),
                (Tool::Model, false) => format!("Demander au modèle : {shown}"),
            }
        }
        Op::Change { change, from, .. } => {
            let from = value_name(plan, *from);
            let (what_en, what_fr) = change_words(*change);
            if en { format!("{what_en} {from}") } else { format!("{what_fr} {from}") }
        }
        Op::Number { from, units, .. } => {
            let from = value_name(plan, *from);
            let unit = units.first().map(|unit| format!(" ({unit})")).unwrap_or_default();
            if en {
                format!("Take the number{unit} in {from}")
            } else {
                format!("Prendre le nombre{unit} dans {from}")
            }
        }
        Op::Choose { condition, then, otherwise, .. } => {
            let (then, otherwise) = (block(plan, then), block(plan, otherwise));
            let condition = condition_words(plan, condition);
            if en {
                format!("If {condition}: {then}; otherwise: {otherwise}")
            } else {
                format!("Si {condition} : {then} ; sinon : {otherwise}")
            }
        }
    }
}

fn change_words(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Upper => ("Put in upper case", "Mettre en majuscules"),
        Change::Lower => ("Put in lower case", "Mettre en minuscules"),
        Change::Title => ("Put in title case", "Mettre une majuscule à chaque mot de"),
        Change::Reverse => ("Reverse the characters of", "Inverser les caractères de"),
        Change::CountWords => ("Count the words of", "Compter les mots de"),
        Change::CountCharacters => ("Count the characters of", "Compter les caractères de"),
        Change::CountLines => ("Count the lines of", "Compter les lignes de"),
        Change::CountSentences => ("Count the sentences of", "Compter les phrases de"),
    }
}

fn block(plan: &Plan, block: &Block) -> String {
    let mut parts: Vec<String> = block.ops.iter().map(|op| op_step(plan, op)).collect();
    parts.push(shown(plan, &block.text));
    parts.join(", ")
}

fn condition_words(plan: &Plan, condition: &Condition) -> String {
    let value = value_name(plan, condition.value);
    let en = plan.language == Language::En;
    match &condition.test {
        Test::NotFound => if en { "nothing was found" } else { "rien n'a été trouvé" }.to_owned(),
        Test::Empty => {
            if en {
                format!("{value} is empty")
            } else {
                format!("{value} est vide")
            }
        }
        Test::StartsWith(t) => {
            if en {
                format!("{value} starts with \"{t}\"")
            } else {
                format!("{value} commence par « {t} »")
            }
        }
        Test::Contains(t) => {
            if en {
                format!("{value} contains \"{t}\"")
            } else {
                format!("{value} contient « {t} »")
            }
        }
        Test::Is(t) => {
            if en {
                format!("{value} is \"{t}\"")
            } else {
                format!("{value} est « {t} »")
            }
        }
    }
}

fn output_step(plan: &Plan) -> String {
    let en = plan.language == Language::En;
    let fields = |fields: &[(String, Text)]| {
        fields
            .iter()
            .map(|(name, text)| format!("{name} = {}", shown(plan, text)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match &plan.output {
        Output::Text(text) => {
            let shown = shown(plan, text);
            match (plan.split.is_some(), en) {
                (true, true) => format!("Return, in order, {shown}"),
                (true, false) => format!("Renvoyer, dans l'ordre, {shown}"),
                (false, true) => format!("Return {shown}"),
                (false, false) => format!("Renvoyer {shown}"),
            }
        }
        Output::Table(columns) => {
            let columns = fields(columns);
            if en {
                format!("Return a Markdown table: {columns}")
            } else {
                format!("Renvoyer un tableau Markdown : {columns}")
            }
        }
        Output::Csv(columns) => {
            let columns = fields(columns);
            if en { format!("Return CSV: {columns}") } else { format!("Renvoyer du CSV : {columns}") }
        }
        Output::Object { fields: columns, .. } => {
            let columns = fields(columns);
            if en { format!("Return JSON: {columns}") } else { format!("Renvoyer du JSON : {columns}") }
        }
        Output::Strings(text) => {
            let shown = shown(plan, text);
            if en {
                format!("Return a JSON array of {shown}")
            } else {
                format!("Renvoyer un tableau JSON de {shown}")
            }
        }
    }
}

/// A text as people read it: values in brackets.
fn shown(plan: &Plan, text: &Text) -> String {
    let only_literals = text.iter().any(|piece| matches!(piece, Piece::Literal(_)));
    let joined: String = text
        .iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Value(value) | Piece::All(value) => value_name(plan, *value),
            Piece::Position => "[n]".to_owned(),
            Piece::Total(value) => format!("[sum of {}]", value_name(plan, *value).trim_matches(['[', ']'])),
        })
        .collect();
    let joined = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    if !only_literals {
        return joined;
    }
    if plan.language == Language::En { format!("\"{joined}\"") } else { format!("« {joined} »") }
}

fn value_name(plan: &Plan, value: usize) -> String {
    let en = plan.language == Language::En;
    let kind = plan.values[value].kind;
    let word = match (kind, &plan.split) {
        (Kind::Item, Some(split)) => unit(split, plan.language).0,
        (Kind::Item, None) => {
            if en {
                "input"
            } else {
                "texte"
            }
        }
        (Kind::Result, _) => {
            if en {
                "search result"
            } else {
                "résultat de la recherche"
            }
        }
        (Kind::Chosen, _) => {
            if en {
                "that answer"
            } else {
                "cette réponse"
            }
        }
        (Kind::Changed, _) => {
            if en {
                "changed text"
            } else {
                "texte changé"
            }
        }
        (Kind::Amount, _) => {
            if en {
                "number"
            } else {
                "nombre"
            }
        }
        (kind, _) if is_model_kind(kind) => model_noun(kind, en),
        _ => {
            if en {
                "answer"
            } else {
                "réponse"
            }
        }
    };
    format!("[{word}]")
}

fn model_noun(kind: Kind, en: bool) -> &'static str {
    match (kind, en) {
        (Kind::Summary, true) => "summary",
        (Kind::Summary, false) => "résumé",
        (Kind::Translation, true) => "translation",
        (Kind::Translation, false) => "traduction",
        (Kind::Label, true) => "category",
        (Kind::Label, false) => "catégorie",
        (Kind::Rating, true) => "rating",
        (Kind::Rating, false) => "note",
        (_, true) => "model's reply",
        (_, false) => "réponse du modèle",
    }
}
