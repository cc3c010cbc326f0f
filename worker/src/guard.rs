//! Where webhooks may go: only to public addresses, unless the operator allows private ones.
//!
//! The address that is checked is the address that is dialled: names are resolved inside the connector, so a
//! second resolution cannot differ. Redirects are not followed and proxies of the environment not used, because
//! both would lead around the check.

use std::{error::Error, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
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

/// Where addresses of names come from.
type Lookup = fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

#[derive(Debug)]
struct GuardedResolver {
    lookup: Lookup,
    allow_private: bool,
}

fn system_lookup(name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
    async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }.boxed()
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, allow_private) = (self.lookup, self.allow_private);
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?.into_iter();
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
    client_with(system_lookup, allow_private)
}

fn client_with(lookup: Lookup, allow_private: bool) -> Result<reqwest::Client, providers::ConfigError> {
    let told = |error: reqwest::Error| providers::ConfigError::Client(error.without_url().to_string());
    reqwest::Client::builder()
        .tls_backend_preconfigured(providers::tls_config()?)
        .dns_resolver(Arc::new(GuardedResolver { lookup, allow_private }))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("workflow-automation/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(told)
}

/// The URL, checked again at the time of sending: a literal address never meets the resolver.
pub fn check(url: &str, allow_private: bool) -> Result<url::Url, String> {
    let checked = CallbackUrl::parse(url, allow_private).map(CallbackUrl::into_url);
    checked.map_err(|error| format!("the callback URL {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpListener;

    use super::*;

    /// How often `rebinding` was asked: a function pointer has no other memory. One test uses it.
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    /// Public for whoever checks, loopback for whoever dials.
    fn rebinding(_: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let address = if ASKED.fetch_add(1, Ordering::SeqCst) == 0 { "8.8.8.8:0" } else { "127.0.0.1:0" };
        async move { Ok(vec![address.parse().expect("an address")]) }.boxed()
    }

    fn mixed(_: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let addresses = ["127.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700::1111]:0", "169.254.169.254:0"];
        async move { Ok(addresses.map(|text| text.parse().expect("an address")).to_vec()) }.boxed()
    }

    fn is_forbidden(error: &(dyn Error + 'static)) -> bool {
        error.downcast_ref::<Forbidden>().is_some() || error.source().is_some_and(is_forbidden)
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_the_second_time_is_not_followed() {
        let resolver = GuardedResolver { lookup: rebinding, allow_private: false };
        let first = resolver.resolve("rebind.example".parse().unwrap()).await.unwrap();
        assert_eq!(first.map(|a| a.ip().to_string()).collect::<Vec<_>>(), ["8.8.8.8"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = client_with(rebinding, false).unwrap();
        let refused = client.post(format!("http://rebind.example:{port}/")).send().await.unwrap_err();
        assert!(is_forbidden(&refused), "{refused:?}");
        assert!(listener.accept().now_or_never().is_none(), "nobody came");
        // The same client setup does connect where it may: the listener would have been found.
        let allowed = client_with(rebinding, true).unwrap();
        let request = tokio::spawn(allowed.post(format!("http://rebind.example:{port}/")).send());
        tokio::time::timeout(CONNECT_TIMEOUT, listener.accept()).await.expect("somebody comes").unwrap();
        request.abort();
    }

    #[tokio::test]
    async fn of_several_addresses_only_public_ones_are_dialled() {
        let resolver = GuardedResolver { lookup: mixed, allow_private: false };
        let admitted = resolver.resolve("mixed.example".parse().unwrap()).await.unwrap();
        let admitted: Vec<String> = admitted.map(|address| address.ip().to_string()).collect();
        assert_eq!(admitted, ["8.8.8.8", "2606:4700::1111"]);
    }

    #[test]
    fn a_literal_address_is_refused_when_it_is_sent_to() {
        for address in include_str!("../../shared/testdata/special_addresses.txt").lines() {
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            assert!(check(&format!("http://{host}/hook"), false).is_err(), "{address}");
        }
        for url in ["http://0x7f.1/", "http://a:b@example.com/", "http://example.com:25/"] {
            assert!(check(url, false).is_err(), "{url}");
        }
        assert!(check("https://example.com/", false).is_ok());
    }
}
