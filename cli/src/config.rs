//! The environment of `wf`, read once at the start, as api and worker read theirs. Nothing else in this package
//! reads the environment; tests pass a map.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use secrecy::SecretString;
use url::Url;

use crate::args::ApiArgs;

/// Where `wf dev` listens, and so where a client looks first.
const URL_DEFAULT: &str = "http://127.0.0.1:8000";

/// Variables by name. A variable set to nothing counts as not set: `.env` templates are full of those.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
}

/// How to reach the API.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Its root.
    pub base: Url,
    /// The key to show, when there is one.
    pub api_key: Option<SecretString>,
}

/// The environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The API's address is no address.
    #[error("{0:?} is not the URL of an API: use http://HOST:PORT")]
    Url(String),
}

impl Environment {
    /// The process's variables, over those of `.env` in the current folder.
    pub fn of_process() -> Self {
        shared::config::process_vars().into_iter().collect()
    }

    /// The value of a variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The same as text; what is not text was not meant for us.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// Sets a variable, whatever it was.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.vars.insert(name.into(), value.into());
    }

    /// Sets a variable that the user left unset.
    pub fn set_default(&mut self, name: &str, value: impl Into<OsString>) {
        if self.get(name).is_none() {
            self.set(name, value);
        }
    }

    /// Only the variables that `keep` wants.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let vars = self.vars.iter().filter(|(name, _)| name.to_str().is_some_and(&keep));
        Self { vars: vars.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// All of them, for a child process.
    pub fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.vars.iter()
    }

    /// How to reach the API: flags, then variables, then the default.
    pub fn api(&self, args: &ApiArgs) -> Result<ApiConfig, ConfigError> {
        let text = args.url.as_deref().or_else(|| self.text("WF_URL")).unwrap_or(URL_DEFAULT);
        let base = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| ConfigError::Url(text.to_owned()))?;
        let api_key = args.api_key.as_deref().or_else(|| self.text("WF_API_KEY")).map(SecretString::from);
        Ok(ApiConfig { base, api_key })
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { vars: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn args(url: Option<&str>, api_key: Option<&str>) -> ApiArgs {
        ApiArgs { url: url.map(Into::into), api_key: api_key.map(Into::into), json: false }
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_default() {
        let empty = Environment::default();
        assert_eq!(empty.api(&args(None, None)).unwrap().base.as_str(), "http://127.0.0.1:8000/");
        let set: Environment = [("WF_URL", "http://a:1"), ("WF_API_KEY", "wfk_a")].into_iter().collect();
        let api = set.api(&args(None, None)).unwrap();
        assert_eq!(api.base.as_str(), "http://a:1/");
        assert_eq!(api.api_key.unwrap().expose_secret(), "wfk_a");
        let api = set.api(&args(Some("https://b"), Some("wfk_b"))).unwrap();
        assert_eq!(api.base.as_str(), "https://b/");
        assert_eq!(api.api_key.unwrap().expose_secret(), "wfk_b");
    }

    #[test]
    fn an_address_without_a_scheme_is_refused_by_name() {
        for url in ["localhost:8000", "127.0.0.1:8000", "ftp://host", ""] {
            let error = Environment::default().api(&args(Some(url), None)).unwrap_err();
            assert!(error.to_string().contains("http://HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn a_variable_set_to_nothing_is_not_set() {
        let mut environment: Environment = [("SECRETS_KEY", "")].into_iter().collect();
        assert_eq!(environment.text("SECRETS_KEY"), None);
        environment.set_default("SECRETS_KEY", "made");
        assert_eq!(environment.text("SECRETS_KEY"), Some("made"));
        environment.set_default("SECRETS_KEY", "made again");
        assert_eq!(environment.text("SECRETS_KEY"), Some("made"));
    }
}
