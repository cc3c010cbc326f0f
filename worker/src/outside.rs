//! The clients of the outside world, as the configuration names them. Keys end here: handlers get traits.

use std::{io, sync::Arc};

use offline::DocumentIndex;
use providers::{
    AnthropicClient, AnthropicConfig, ChatModel, ConfigError, Constraint, DocumentSearch, Generator,
    HttpConfig, LightonAsk, ModelGenerator, OpenAiCompatible, OpenAiCompatibleConfig, ParadigmConfig,
    ParadigmV2, Transport, anthropic, http_client,
    offline::{OfflineChat, OfflineGenerator, OfflineSearch},
};
use secrecy::SecretString;

use crate::config::{GeneratorChoice, ProviderConfig, SearchApi};

/// Who writes, searches and answers.
pub struct Outside {
    /// Writes programs.
    pub generator: Arc<dyn Generator>,
    /// Answers `paradigm_search`.
    pub search: Arc<dyn DocumentSearch>,
    /// Answers `chat_completion`.
    pub chat: Arc<dyn ChatModel>,
}

/// A client cannot be made from the configuration.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// A provider's settings do not fit.
    #[error(transparent)]
    Provider(#[from] ConfigError),
    /// The folder of offline search does not read.
    #[error("SEARCH_DOCUMENTS: the folder {folder} cannot be read: {cause}")]
    Documents {
        /// The folder.
        folder: String,
        /// Why.
        cause: io::Error,
    },
}

impl Outside {
    /// Makes the clients; none of them connects yet.
    pub fn new(config: &ProviderConfig) -> Result<Self, OutsideError> {
        let transport = || Ok::<_, ConfigError>(Transport::new(http_client(&HttpConfig::default())?));
        let anthropic = transport()?; // one rate-limit gate for all models of the provider
        let chat: Arc<dyn ChatModel> = match &config.anthropic_key {
            Some(key) => Arc::new(model(config, key, &config.chat_model, &anthropic)?),
            None => Arc::new(OfflineChat),
        };
        let generator: Arc<dyn Generator> =
            match (config.generator, &config.anthropic_key, &config.openai_url) {
                (GeneratorChoice::Anthropic, Some(key), _) => {
                    Arc::new(ModelGenerator::new(model(config, key, &config.generator_model, &anthropic)?))
                }
                (GeneratorChoice::OpenAiCompatible, _, Some(url)) => {
                    let writer = OpenAiCompatibleConfig {
                        base_url: url.clone(),
                        api_key: config.openai_key.clone().unwrap_or_default(),
                        model: config.generator_model.clone(),
                        constraint: Constraint::ResponseFormat,
                    };
                    Arc::new(ModelGenerator::new(OpenAiCompatible::new(writer, transport()?)?))
                }
                _ => Arc::new(OfflineGenerator),
            };
        let search: Arc<dyn DocumentSearch> = match &config.lighton_key {
            Some(key) => {
                let paradigm = ParadigmConfig {
                    base_url: config.lighton_url.clone(),
                    api_key: key.clone(),
                    model: None,
                };
                match config.search_api {
                    SearchApi::V2 => Arc::new(ParadigmV2::new(paradigm, transport()?)?),
                    SearchApi::V3 => Arc::new(LightonAsk::new(paradigm, transport()?)?),
                }
            }
            None => {
                let index = DocumentIndex::from_folder(&config.documents).map_err(|cause| {
                    OutsideError::Documents { folder: config.documents.display().to_string(), cause }
                })?;
                Arc::new(OfflineSearch::new(index))
            }
        };
        Ok(Self { generator, search, chat })
    }
}

fn model(
    config: &ProviderConfig,
    key: &SecretString,
    model: &str,
    transport: &Transport,
) -> Result<AnthropicClient, ConfigError> {
    let anthropic = AnthropicConfig {
        base_url: config.anthropic_url.clone(),
        api_key: key.clone(),
        model: model.to_owned(),
        api_version: anthropic::API_VERSION.to_owned(),
        effort: None,
    };
    AnthropicClient::new(anthropic, transport.clone())
}
