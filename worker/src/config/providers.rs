//! The settings of the outside world: who writes, searches and answers, with which keys and where.

use std::path::PathBuf;

use secrecy::SecretString;
use shared::config::Vars;
use url::Url;

/// How Paradigm is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchApi {
    /// `/api/v2/chat/document-search`.
    V2,
    /// `/api/v3/ask`.
    V3,
    /// `/api/v3/search`.
    V3Search,
}

/// Who writes programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneratorChoice {
    /// Nobody chose: the Anthropic API for whom there is a key, the operator's or its own; else the compiler.
    ByKey,
    /// The Anthropic API.
    Anthropic,
    /// A server that speaks OpenAI's chat completions: LightOn, Ollama, vLLM.
    OpenAiCompatible,
    /// The compiler that needs no key.
    Offline,
}

/// What becomes of what providers are asked and answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Traffic {
    /// It is kept nowhere.
    Live,
    /// It is appended to this file.
    Recorded(PathBuf),
    /// Nobody is asked: answers come from this recording.
    Replayed(PathBuf),
}

/// Keys and addresses of the outside world.
#[derive(Debug, Clone)]
pub struct ProviderConfig {
    /// Who writes programs.
    pub generator: GeneratorChoice,
    /// Key of the Anthropic API.
    pub anthropic_key: Option<SecretString>,
    /// Where the Anthropic API is.
    pub anthropic_url: Url,
    /// An OpenAI-compatible server.
    pub openai_url: Option<Url>,
    /// Its key.
    pub openai_key: Option<SecretString>,
    /// The model that writes programs.
    pub generator_model: String,
    /// The model behind `chat_completion`.
    pub chat_model: String,
    /// Key of Paradigm.
    pub lighton_key: Option<SecretString>,
    /// Where Paradigm is.
    pub lighton_url: Url,
    /// How it is asked.
    pub search_api: SearchApi,
    /// The folder of offline search.
    pub documents: PathBuf,
    /// What becomes of what they are asked and answer.
    pub traffic: Traffic,
}

impl ProviderConfig {
    /// All keys, for those who must not let them through.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        [&self.anthropic_key, &self.openai_key, &self.lighton_key].into_iter().flatten().cloned().collect()
    }
}

pub(super) fn providers(vars: &mut Vars) -> ProviderConfig {
    let (anthropic_key, lighton_key) = (vars.secret("ANTHROPIC_API_KEY"), vars.secret("LIGHTON_API_KEY"));
    if vars.text("APP_ENV") == Some("production") {
        for (name, key) in [("ANTHROPIC_API_KEY", &anthropic_key), ("LIGHTON_API_KEY", &lighton_key)] {
            if key.is_none() {
                vars.mistake(name, "a value, because APP_ENV is production");
            }
        }
    }
    let search_api = match vars.text("LIGHTON_SEARCH") {
        None | Some("v2") => SearchApi::V2,
        Some("v3") => SearchApi::V3,
        Some("v3_search") => SearchApi::V3Search,
        Some(_) => {
            vars.mistake("LIGHTON_SEARCH", "`v2`, `v3` or `v3_search`");
            SearchApi::V2
        }
    };
    let text = |vars: &Vars, name: &str, default: &str| vars.text(name).unwrap_or(default).to_owned();
    ProviderConfig {
        generator: generator(vars, anthropic_key.is_some()),
        anthropic_key,
        anthropic_url: address(vars, "ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
        openai_url: vars
            .text("OPENAI_BASE_URL")
            .is_some()
            .then(|| address(vars, "OPENAI_BASE_URL", "http://localhost")),
        openai_key: vars.secret("OPENAI_API_KEY"),
        generator_model: text(vars, "GENERATOR_MODEL", "claude-opus-5-5"),
        chat_model: text(vars, "CHAT_MODEL", "claude-haiku-5-5"),
        lighton_key,
        lighton_url: address(vars, "LIGHTON_BASE_URL", "https://paradigm.lighton.ai"),
        search_api,
        documents: text(vars, "SEARCH_DOCUMENTS", "examples/documents").into(),
        traffic: traffic(vars),
    }
}

fn traffic(vars: &mut Vars) -> Traffic {
    let path = |name| vars.text(name).map(PathBuf::from);
    let (recording, replay) = (path("PROVIDER_RECORDING"), path("PROVIDER_REPLAY"));
    if replay.is_some() && vars.text("APP_ENV") == Some("production") {
        vars.mistake("PROVIDER_REPLAY", "no value, because APP_ENV is production");
    }
    match (recording, replay) {
        (None, None) => Traffic::Live,
        (Some(path), None) => Traffic::Recorded(path),
        (None, Some(path)) => Traffic::Replayed(path),
        (Some(_), Some(path)) => {
            vars.mistake("PROVIDER_REPLAY", "no value beside PROVIDER_RECORDING");
            Traffic::Replayed(path)
        }
    }
}

fn generator(vars: &mut Vars, has_anthropic_key: bool) -> GeneratorChoice {
    let default = GeneratorChoice::ByKey;
    match vars.text("GENERATOR_PROVIDER") {
        None => default,
        Some("offline") => GeneratorChoice::Offline,
        Some("anthropic") if has_anthropic_key => GeneratorChoice::Anthropic,
        Some("anthropic") => {
            vars.mistake("ANTHROPIC_API_KEY", "a value, because GENERATOR_PROVIDER is anthropic");
            default
        }
        Some("openai_compatible") if vars.text("OPENAI_BASE_URL").is_some() => {
            GeneratorChoice::OpenAiCompatible
        }
        Some("openai_compatible") => {
            vars.mistake("OPENAI_BASE_URL", "a URL, because GENERATOR_PROVIDER is openai_compatible");
            default
        }
        Some(_) => {
            vars.mistake("GENERATOR_PROVIDER", "`anthropic`, `openai_compatible` or `offline`");
            default
        }
    }
}

fn address(vars: &mut Vars, name: &str, default: &str) -> Url {
    let fallback = || Url::parse(default).expect("the default is a URL");
    match vars.text(name).map(Url::parse) {
        None => fallback(),
        Some(Ok(url)) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        Some(_) => {
            vars.mistake(name, "a URL such as https://host");
            fallback()
        }
    }
}
