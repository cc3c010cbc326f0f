//! Where webhooks may go: only to public addresses, unless the operator allows private ones.
//!
//! The address that is checked is the address that is dialled: names are resolved inside the connector, so a
//! second resolution cannot differ. Redirects are not followed and proxies of the environment not used, because
//! both would lead around the check.

use std::{error::Error, fmt, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared::address::{CallbackUrl, is_public};

/// 5 s to connect; the rest of the delivery's time is for the answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A name led only to addresses webhooks may not go to.
#[derive(Debug)]
pub struct Forbidden;

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is not public")
    }
}

impl Error for Forbidden {}

#[derive(Debug)]
struct GuardedResolver {
    allow_private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<SocketAddr> = found.filter(|a| allow_private || is_public(a.ip())).collect();
            if admitted.is_empty() {
                return Err(Box::new(Forbidden) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// The client webhooks are sent with.
pub fn client(allow_private: bool) -> Result<reqwest::Client, providers::ConfigError> {
    let told = |error: reqwest::Error| providers::ConfigError::Client(error.without_url().to_string());
    reqwest::Client::builder()
        .tls_backend_preconfigured(providers::tls_config()?)
        .dns_resolver(Arc::new(GuardedResolver { allow_private }))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("workflow-automation/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(told)
}

/// The URL, checked again at the time of sending: a literal address never meets the resolver.
pub fn check(url: &str, allow_private: bool) -> Result<url::Url, String> {
    CallbackUrl::parse(url, allow_private).map(CallbackUrl::into_url).map_err(|error| error.to_string())
}
