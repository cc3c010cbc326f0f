//! The one error of the compiler: which part could not be read, and what can be.

use super::plan::Language;

/// A description, or a part of it, is outside the grammar. The message is for the person who wrote it, in their
/// language: it names the part and says what is understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotUnderstood {
    /// The part of the description that could not be read, as typed; empty when something is missing instead.
    pub unread: String,
    /// The whole message.
    pub message: String,
    /// The language of the message.
    pub language: Language,
}

/// Why a part is not read.
#[derive(Debug, Clone)]
pub(crate) enum Reason {
    /// No rule reads this text.
    Unread(String),
    /// A placeholder or noun names nothing that the description produces.
    UnknownName(String),
    /// Two parts of the description contradict each other.
    Conflict(String),
    /// Something is made that the result does not show.
    Unused(&'static str),
    /// Nothing to do was found.
    Empty,
    /// The description is longer than the compiler reads.
    TooLong,
}

impl NotUnderstood {
    pub(crate) fn new(reason: &Reason, language: Language) -> Self {
        let (unread, what) = match (reason, language) {
            (Reason::Unread(part), Language::En) => (part.as_str(), format!("I could not read \"{part}\".")),
            (Reason::Unread(part), Language::Fr) => {
                (part.as_str(), format!("Je n'ai pas compris « {part} »."))
            }
            (Reason::UnknownName(name), Language::En) => {
                (name.as_str(), format!("\"{name}\" names nothing that this description produces."))
            }
            (Reason::UnknownName(name), Language::Fr) => {
                (name.as_str(), format!("« {name} » ne désigne rien que cette description produise."))
            }
            (Reason::Conflict(part), Language::En) => {
                (part.as_str(), format!("\"{part}\" contradicts an earlier part of the description."))
            }
            (Reason::Conflict(part), Language::Fr) => {
                (part.as_str(), format!("« {part} » contredit une partie précédente de la description."))
            }
            (Reason::Unused(what), Language::En) => {
                ("", format!("The description does not say where {what} goes in the result."))
            }
            (Reason::Unused(what), Language::Fr) => {
                ("", format!("La description ne dit pas où {what} va dans le résultat."))
            }
            (Reason::Empty, Language::En) => ("", "The description names nothing to do.".to_owned()),
            (Reason::Empty, Language::Fr) => ("", "La description ne dit pas quoi faire.".to_owned()),
            (Reason::TooLong, Language::En) => {
                ("", "The description is too long to be read offline.".to_owned())
            }
            (Reason::TooLong, Language::Fr) => {
                ("", "La description est trop longue pour être lue hors ligne.".to_owned())
            }
        };
        let missing = missing_capability(unread, language).map(|m| format!(" {m}")).unwrap_or_default();
        let message = format!("{what}{missing} {}", understood(language));
        Self { unread: unread.to_owned(), message, language }
    }
}

fn understood(language: Language) -> &'static str {
    match language {
        Language::En => {
            "The offline generator reads descriptions of this shape: for each sentence (line, paragraph, word, \
             item separated by …) of the input, or for the whole input, search the documents, ask the model \
             (summarise, translate, classify …), then format the result. Example: For each line of the input, \
             search the documents, then ask the model to summarise the result in one sentence; format as \
             \"- [line]: [summary]\"."
        }
        Language::Fr => {
            "Le générateur hors ligne lit des descriptions de cette forme : pour chaque phrase (ligne, paragraphe, \
             mot, élément séparé par …) du texte, ou pour le texte entier, chercher dans les documents, demander au \
             modèle (résumer, traduire, classer …), puis mettre en forme le résultat. Exemple : Pour chaque ligne du \
             texte, cherche dans les documents, puis demande au modèle de résumer le résultat en une phrase ; \
             affiche « - [ligne] : [résumé] »."
        }
    }
}

/// Things people ask for that no program here can do, named so that the answer is plain.
fn missing_capability(part: &str, language: Language) -> Option<String> {
    const MISSING: [(&str, &str, &str); 6] = [
        ("mail email emails mails courriel courriels inbox", "e-mail", "de courrier électronique"),
        (
            "web internet website site url http https online google wikipedia fetch download weather meteo telecharge",
            "web access",
            "d'accès au web",
        ),
        (
            "file files folder fichier fichiers dossier etc passwd disk save store enregistre sauvegarde",
            "file access",
            "d'accès aux fichiers",
        ),
        (
            "tcp connection connect socket shell command commands commandes environment port ssh",
            "network or system access",
            "d'accès au réseau ou au système",
        ),
        ("slack teams sms whatsapp notify post send envoie publie notifie", "messaging", "de messagerie"),
        (
            "database sql crm table_name base_de_donnees excel sharepoint",
            "database access",
            "de base de données",
        ),
    ];
    let tokens = super::lexer::lex(part);
    let (_, english, french) = MISSING
        .iter()
        .find(|(words, ..)| tokens.iter().any(|t| words.split_whitespace().any(|w| w == t.folded)))?;
    Some(match language {
        Language::En => format!("There is no tool for {english}."),
        Language::Fr => format!("Il n'y a pas d'outil {french}."),
    })
}
