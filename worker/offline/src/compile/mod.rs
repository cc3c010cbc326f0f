//! Descriptions to programs: lexer, grammar, plan, Python. Nothing here knows a whole description; what the grammar
//! does not read is an error that names it, never skipped.

mod cursor;
mod draft;
mod emit;
mod error;
mod lexer;
mod noun;
mod noun_phrase;
mod parse;
mod phrases;
mod plan;
mod template;
mod vocabulary;

pub use error::NotUnderstood;
pub use plan::Language;

use error::Reason;

/// A description longer than this, in tokens, is no simple description; the limit bounds the work of reading it.
const TOKENS_MAX: usize = 1_000;

/// A compiled description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A short name for the workflow, in the language of the description.
    pub name: String,
    /// What the program does, in one sentence.
    pub summary: String,
    /// The language the description is written in.
    pub language: Language,
    /// What the program does, step by step, with what was assumed.
    pub steps: Vec<String>,
    /// Python source with `async def execute_workflow(user_input: str) -> str`.
    pub code: String,
}

/// Compiles a description in English or French.
pub fn compile(description: &str) -> Result<Program, NotUnderstood> {
    let tokens = lexer::lex(description);
    let language = language_of(&tokens);
    let fail = |reason: &Reason| NotUnderstood::new(reason, language);
    if tokens.len() > TOKENS_MAX {
        return Err(fail(&Reason::TooLong));
    }
    let plan = parse::parse(description, &tokens, language).map_err(|reason| fail(&reason))?;
    Ok(Program {
        name: emit::name(&plan),
        summary: emit::summary(&plan),
        language,
        steps: emit::steps(&plan),
        code: emit::program(&plan),
    })
}

/// French when more of its small words occur than of English ones.
fn language_of(tokens: &[lexer::Token]) -> Language {
    const FRENCH: &str = "le la les l un une des du de d dans pour chaque et puis avec par sur en est sont cherche \
        recherche resume traduis affiche renvoie texte ligne phrase qui que au aux ce cette reponse modele sous \
        fais mets toutes tous sinon si demande";
    const ENGLISH: &str = "the a an of for each every and then with by on in is are search ask return format output \
        text line sentence to from as it this that result answer model if otherwise user input all";
    let count = |list: &str| {
        tokens.iter().filter(|token| list.split_whitespace().any(|word| word == token.folded)).count()
    };
    if count(FRENCH) > count(ENGLISH) { Language::Fr } else { Language::En }
}
