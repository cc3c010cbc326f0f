//! The clients of the outside world, as the configuration and the tenants' own credentials name them. Keys end here:
//! handlers get traits.
//!
//! A tenant's own key is used for it alone. The operator's keys serve the operator's tenant and those it grants them
//! to; for any other a provider it has no key for says so. Where the operator has no key either, everybody gets the
//! offline stand-in.
//!
//! Only the operator's traffic is recorded: what a tenant sends with its own key is nobody else's to keep.

mod denied;

use std::{
    collections::HashMap,
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use offline::DocumentIndex;
use providers::{
    AnthropicClient, AnthropicConfig, ChatModel, ConfigError, Constraint, DocumentAnalysis, DocumentSearch,
    Generator, HttpConfig, LightonAsk, LightonPassages, ModelGenerator, OfflineAnalysis, OfflineChat,
    OfflineGenerator, OfflineSearch, OpenAiCompatible, OpenAiCompatibleConfig, ParadigmAnalysis,
    ParadigmConfig, ParadigmV2, Transport, anthropic, http_client, openai_compatible, paradigm,
    traffic::{Recorded, Recording, Replay, ReplayError},
};
use secrecy::SecretString;
use shared::{
    id::TenantId,
    seal::{Sealer, Unopenable},
    tenant::{CredentialName, Credentials, Tenant},
};

use self::denied::Denied;
use crate::config::{GeneratorChoice, ProviderConfig, SearchApi, Traffic};

/// 1,000 tenants' clients are kept ready; they cost a few kilobytes each and are made anew in microseconds.
const TENANTS_KEPT_MAX: usize = 1_000;

/// Who writes, searches, reads and answers.
pub struct Clients {
    /// Writes programs.
    pub generator: Arc<dyn Generator>,
    /// Answers `paradigm_search`.
    pub search: Arc<dyn DocumentSearch>,
    /// Answers `paradigm_analyze`.
    pub analysis: Arc<dyn DocumentAnalysis>,
    /// Answers `chat_completion`.
    pub chat: Arc<dyn ChatModel>,
}

/// What of a tenant's record decides about its clients: its sealed credentials, and whether the operator's serve it.
type Deciding = (Option<String>, bool);

/// The clients of all tenants.
pub struct Outside {
    config: ProviderConfig,
    http: reqwest::Client,
    operators: Arc<Clients>,
    tenants: Mutex<HashMap<TenantId, (Deciding, Arc<Clients>)>>,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside")
            .field("generator", &self.operators.generator.provider())
            .field("search", &self.operators.search.provider())
            .field("chat", &self.operators.chat.provider())
            .finish_non_exhaustive()
    }
}

/// A client cannot be made.
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
    /// What providers are asked cannot be written down.
    #[error("PROVIDER_RECORDING: {} cannot be written: {cause}", .path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Answers cannot be taken from a recording.
    #[error("PROVIDER_REPLAY: {0}")]
    Replay(#[from] ReplayError),
    /// A tenant's own credentials do not open.
    #[error("the account's provider keys cannot be opened; they have to be set again")]
    Sealed(#[from] Unopenable),
}

/// Whose client a tenant gets of one provider.
enum Whose<'a> {
    /// One with the tenant's own key.
    Own(&'a SecretString),
    /// The operator's; a stand-in where the operator has no key.
    Operators,
    /// None: the operator's key is not for it.
    Nobodys,
}

fn whose(own: Option<&SecretString>, operator_has_one: bool, granted: bool) -> Whose<'_> {
    match own {
        Some(key) => Whose::Own(key),
        None if granted || !operator_has_one => Whose::Operators,
        None => Whose::Nobodys,
    }
}

impl Outside {
    /// Makes the operator's clients; none of them connects yet.
    pub fn new(config: &ProviderConfig) -> Result<Self, OutsideError> {
        let http = http_client(&HttpConfig::default())?;
        let operators = Arc::new(match &config.traffic {
            Traffic::Live => Makers { config, http: &http, recording: None }.operators()?,
            Traffic::Recorded(path) => {
                let recording = Recording::append_to(path, config.secrets())
                    .map_err(|cause| OutsideError::Recording { path: path.clone(), cause })?;
                Makers { config, http: &http, recording: Some(recording) }.operators()?
            }
            Traffic::Replayed(path) => replayed(&Replay::from_file(path)?),
        });
        Ok(Self { config: config.clone(), http, operators, tenants: Mutex::default() })
    }

    /// The operator's own.
    pub fn operators(&self) -> Arc<Clients> {
        self.operators.clone()
    }

    /// Those of a tenant. A key of its own has a rate-limit gate of its own: who is limited holds up nobody else.
    pub fn clients_of(&self, tenant: &Tenant, sealer: &Sealer) -> Result<Arc<Clients>, OutsideError> {
        let granted = tenant.may_use_operator_credentials();
        let deciding: Deciding = (tenant.credentials_version().map(str::to_owned), granted);
        if deciding == (None, true) || matches!(self.config.traffic, Traffic::Replayed(_)) {
            return Ok(self.operators());
        }
        let kept = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant.id).cloned();
        if let Some((_, clients)) = kept.filter(|(seen, _)| *seen == deciding) {
            return Ok(clients);
        }
        let made = Arc::new(self.made_for(&tenant.credentials(sealer)?, granted)?);
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS_KEPT_MAX {
            tenants.clear();
        }
        tenants.insert(tenant.id.clone(), (deciding, made.clone()));
        Ok(made)
    }

    fn made_for(&self, own: &Credentials, granted: bool) -> Result<Clients, OutsideError> {
        let Self { config, http, operators, .. } = self;
        let makers = Makers { config, http, recording: None };
        let transport = makers.transport();
        let (search, analysis) =
            match whose(own.get(CredentialName::LightonApiKey), config.lighton_key.is_some(), granted) {
                Whose::Own(key) => makers.paradigm(key)?,
                Whose::Operators => (operators.search.clone(), operators.analysis.clone()),
                Whose::Nobodys => nobodys(paradigm::PROVIDER),
            };
        let anthropic_key = own.get(CredentialName::AnthropicApiKey);
        let anthropic = || whose(anthropic_key, config.anthropic_key.is_some(), granted);
        let chat: Arc<dyn ChatModel> = match anthropic() {
            Whose::Own(key) => makers.chat(key, &transport)?,
            Whose::Operators => operators.chat.clone(),
            Whose::Nobodys => Arc::new(Denied(anthropic::PROVIDER)),
        };
        let generator: Arc<dyn Generator> = match config.generator {
            // Who runs this has chosen that no description leaves the machine: no tenant's key changes that.
            GeneratorChoice::Offline => operators.generator.clone(),
            GeneratorChoice::OpenAiCompatible => {
                match whose(own.get(CredentialName::OpenaiApiKey), true, granted) {
                    Whose::Own(key) => makers.openai_generator(Some(key))?,
                    Whose::Operators => operators.generator.clone(),
                    Whose::Nobodys => Arc::new(Denied(openai_compatible::PROVIDER)),
                }
            }
            GeneratorChoice::ByKey | GeneratorChoice::Anthropic => match anthropic() {
                Whose::Own(key) => makers.anthropic_generator(key, &transport)?,
                Whose::Operators => operators.generator.clone(),
                Whose::Nobodys => Arc::new(Denied(anthropic::PROVIDER)),
            },
        };
        Ok(Clients { generator, search, analysis, chat })
    }
}

type Documents = (Arc<dyn DocumentSearch>, Arc<dyn DocumentAnalysis>);

fn nobodys(provider: &'static str) -> Documents {
    (Arc::new(Denied(provider)), Arc::new(Denied(provider)))
}

/// Everybody's answers come from a recording; nothing is sent.
fn replayed(replay: &Replay) -> Clients {
    Clients {
        generator: Arc::new(ModelGenerator::new(replay.clone())),
        search: Arc::new(replay.clone()),
        analysis: Arc::new(replay.clone()),
        chat: Arc::new(replay.clone()),
    }
}

/// Makes clients of the configured addresses and models with a given key.
struct Makers<'a> {
    config: &'a ProviderConfig,
    http: &'a reqwest::Client,
    /// Where their traffic is written down.
    recording: Option<Recording>,
}

impl Makers<'_> {
    fn operators(&self) -> Result<Clients, OutsideError> {
        let config = self.config;
        let anthropic = self.transport(); // one rate-limit gate for all models of a key
        let (search, analysis) = match &config.lighton_key {
            Some(key) => self.paradigm(key)?,
            None => self.offline_documents()?,
        };
        let chat: Arc<dyn ChatModel> = match &config.anthropic_key {
            Some(key) => self.chat(key, &anthropic)?,
            None => self.heard(OfflineChat),
        };
        let generator: Arc<dyn Generator> = match (config.generator, &config.anthropic_key) {
            (GeneratorChoice::ByKey | GeneratorChoice::Anthropic, Some(key)) => {
                self.anthropic_generator(key, &anthropic)?
            }
            (GeneratorChoice::OpenAiCompatible, _) => self.openai_generator(config.openai_key.as_ref())?,
            _ => Arc::new(OfflineGenerator),
        };
        Ok(Clients { generator, search, analysis, chat })
    }

    fn heard(&self, model: impl ChatModel + 'static) -> Arc<dyn ChatModel> {
        match &self.recording {
            Some(recording) => Arc::new(Recorded::new(model, recording.clone())),
            None => Arc::new(model),
        }
    }

    fn heard_documents(
        &self,
        search: impl DocumentSearch + 'static,
        analysis: impl DocumentAnalysis + 'static,
    ) -> Documents {
        match &self.recording {
            Some(recording) => (
                Arc::new(Recorded::new(search, recording.clone())),
                Arc::new(Recorded::new(analysis, recording.clone())),
            ),
            None => (Arc::new(search), Arc::new(analysis)),
        }
    }

    fn transport(&self) -> Transport {
        Transport::new(self.http.clone())
    }

    fn paradigm(&self, key: &SecretString) -> Result<Documents, OutsideError> {
        let base_url = self.config.lighton_url.clone();
        let installation = ParadigmConfig { base_url, api_key: key.clone(), model: None };
        let transport = self.transport();
        let search: Arc<dyn DocumentSearch> = match self.config.search_api {
            SearchApi::V2 => Arc::new(ParadigmV2::new(installation.clone(), transport.clone())?),
            SearchApi::V3 => Arc::new(LightonAsk::new(installation.clone(), transport.clone())?),
            SearchApi::V3Search => Arc::new(LightonPassages::new(installation.clone(), transport.clone())?),
        };
        Ok(self.heard_documents(search, ParadigmAnalysis::new(installation, transport)?))
    }

    fn offline_documents(&self) -> Result<Documents, OutsideError> {
        let folder = &self.config.documents;
        let index = DocumentIndex::from_folder(folder)
            .map_err(|cause| OutsideError::Documents { folder: folder.display().to_string(), cause })?;
        Ok(self.heard_documents(OfflineSearch::new(index), OfflineAnalysis))
    }

    fn chat(&self, key: &SecretString, transport: &Transport) -> Result<Arc<dyn ChatModel>, OutsideError> {
        Ok(self.heard(self.anthropic(key, &self.config.chat_model, transport)?))
    }

    fn anthropic_generator(
        &self,
        key: &SecretString,
        transport: &Transport,
    ) -> Result<Arc<dyn Generator>, OutsideError> {
        let model = self.anthropic(key, &self.config.generator_model, transport)?;
        Ok(Arc::new(ModelGenerator::new(self.heard(model))))
    }

    fn openai_generator(&self, key: Option<&SecretString>) -> Result<Arc<dyn Generator>, OutsideError> {
        let Some(base_url) = self.config.openai_url.clone() else { return Ok(Arc::new(OfflineGenerator)) };
        let writer = OpenAiCompatibleConfig {
            base_url,
            api_key: key.cloned().unwrap_or_default(),
            model: self.config.generator_model.clone(),
            constraint: Constraint::ResponseFormat,
        };
        let model = OpenAiCompatible::new(writer, self.transport())?;
        Ok(Arc::new(ModelGenerator::new(self.heard(model))))
    }

    fn anthropic(
        &self,
        key: &SecretString,
        model: &str,
        transport: &Transport,
    ) -> Result<AnthropicClient, ConfigError> {
        let config = AnthropicConfig {
            base_url: self.config.anthropic_url.clone(),
            api_key: key.clone(),
            model: model.to_owned(),
            api_version: anthropic::API_VERSION.to_owned(),
            effort: None,
        };
        AnthropicClient::new(config, transport.clone())
    }
}
