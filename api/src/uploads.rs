//! Paradigm's files: the one place of the api that knows a provider.
//!
//! An upload is a stream from the client to the provider; a worker between the two would have to hold the document, or
//! the api a second way to reach workers. Nothing of the content is kept here.

use providers::{
    CallContext, ConfigError, HttpClient, HttpConfig, ParadigmConfig, ParadigmFiles, ProviderError,
    Transport, http_client,
    paradigm::{FileStatus, StoredFile, Upload},
};
use secrecy::SecretString;
use shared::{
    id::TenantId,
    limits, store,
    tenant::{CredentialName, Tenant},
};
use url::Url;

use crate::{
    config::Config,
    problem::{Code, Problem},
    shares::{Place, Shares},
};

/// 16 uploads at once in a process, half of them of one tenant where there are several: each may hold a connection for minutes.
const UPLOADS_MAX: usize = 16;

/// Where files go.
#[derive(Debug, Clone)]
pub(crate) struct Uploads {
    http: HttpClient,
    url: Url,
    operators_key: Option<SecretString>,
    places: Shares,
}

impl Uploads {
    /// None of the clients connects yet.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            http: http_client(&HttpConfig::default())?,
            url: config.lighton_url.clone(),
            operators_key: config.lighton_key.clone(),
            places: Shares::new(UPLOADS_MAX, !config.keys_required),
        })
    }

    /// A place for an upload.
    pub(crate) fn place(&self, tenant: &TenantId) -> Result<Place, Problem> {
        let place = self.places.take(tenant);
        place.ok_or_else(|| Problem::new(Code::OverCapacity, "Too many uploads at once; try again."))
    }

    /// The files of a tenant: with its own key, or the operator's where that is for it.
    pub(crate) fn files_of(&self, tenant: &Tenant, config: &Config) -> Result<Account, Problem> {
        let own = tenant.credentials(&config.sealer);
        let own = own.map_err(|error| Problem::internal(format!("credentials of {}: {error}", tenant.id)))?;
        let operators = self.operators_key.as_ref().filter(|_| tenant.may_use_operator_credentials());
        let own = own.get(CredentialName::LightonApiKey);
        let key = own.or(operators).ok_or_else(|| {
            let detail = "Files are kept by Paradigm, and this account has no key for it yet: set LIGHTON_API_KEY, or the \
                          account's own with PUT /credentials/lighton_api_key. Without one, programs search the folder \
                          SEARCH_DOCUMENTS.";
            Problem::new(Code::NotConfigured, detail)
        })?;
        let installation = ParadigmConfig { base_url: self.url.clone(), api_key: key.clone(), model: None };
        let files = ParadigmFiles::new(installation, Transport::new(self.http.clone()));
        let files = files.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Account { files, is_own: own.is_some() })
    }
}

/// Files under one key.
pub(crate) struct Account {
    pub(crate) files: ParadigmFiles,
    /// The key is the tenant's own.
    is_own: bool,
}

impl Account {
    /// What went wrong, for the tenant: a key of its own that is not taken is its own affair, and no fault of a server.
    pub(crate) fn problem(&self, error: ProviderError) -> Problem {
        match error {
            ProviderError::Unauthorized { .. } if self.is_own => Problem::new(
                Code::NotConfigured,
                "Paradigm does not take this account's own key: set another with PUT /credentials/lighton_api_key.",
            ),
            error => error.into(),
        }
    }
}

/// What one call to the provider may take.
pub(crate) fn call() -> CallContext {
    CallContext::within(limits::FILE_CALL_TIMEOUT)
}

/// One upload.
pub(crate) async fn upload(files: &ParadigmFiles, upload: Upload) -> Result<StoredFile, ProviderError> {
    files.upload(upload, &CallContext::within(limits::UPLOAD_TIMEOUT)).await
}

/// The provider's state of a file as ours.
pub(crate) fn status(status: FileStatus) -> store::FileStatus {
    match status {
        FileStatus::Processing => store::FileStatus::Processing,
        FileStatus::Ready => store::FileStatus::Ready,
        FileStatus::Failed => store::FileStatus::Failed,
    }
}
