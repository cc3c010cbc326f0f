//! Where webhooks may be sent: to public addresses, unless the operator allows others.
//!
//! [`CallbackUrl`] is checked when a request names it and again when it is sent to; [`is_public`] is for the address
//! that is about to be dialled, so that no name can lead elsewhere. A table, not the standard library's methods:
//! what is special is decided by the IANA registries, not by a Rust version.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::limits;

/// IPv4 ranges that are not somebody's public host, with what they are for.
const SPECIAL_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT, cloud internals
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, broadcast
];

/// The only range from which public IPv6 hosts get their addresses.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Exceptions inside it.
const SPECIAL_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, ORCHID, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address in disguise
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Ports below this belong to mail, shells and the like: nobody shall talk to those in our name.
const UNPRIVILEGED: u16 = 1024;

/// A URL that webhooks may be sent to, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackUrl(Url);

/// Why a URL is not one webhooks are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCallbackUrl {
    /// Longer than proxies take.
    #[error("must be at most {} bytes long", limits::CALLBACK_URL_BYTES_MAX)]
    TooLong,
    /// Not an absolute URL with a host.
    #[error("must be an absolute http or https URL")]
    NotHttp,
    /// A name or password in the URL would end up in logs.
    #[error("must not contain a user name or password")]
    Credentials,
    /// A port where something else than a web server listens.
    #[error("must lead to port 80, 443 or one above 1023")]
    Port,
    /// It says that it leads to a special address.
    #[error("must not lead to a private, loopback, link-local or otherwise special address")]
    NotPublic,
}

impl CallbackUrl {
    /// Checks all that the text tells. Where a name leads is only known when it is dialled: see [`is_public`].
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, InvalidCallbackUrl> {
        if text.len() > limits::CALLBACK_URL_BYTES_MAX {
            return Err(InvalidCallbackUrl::TooLong);
        }
        let url = Url::parse(text).map_err(|_| InvalidCallbackUrl::NotHttp)?;
        let Some(host) = url.host().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            return Err(InvalidCallbackUrl::NotHttp);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidCallbackUrl::Credentials);
        }
        if !allow_private && !may_be_public(&host) {
            return Err(InvalidCallbackUrl::NotPublic);
        }
        if !allow_private && url.port().is_some_and(|port| port < UNPRIVILEGED && ![80, 443].contains(&port))
        {
            return Err(InvalidCallbackUrl::Port);
        }
        Ok(Self(url))
    }

    /// The URL.
    pub fn into_url(self) -> Url {
        self.0
    }
}

/// Whether this is the address of a host on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|(range, bits)| within_v4(address, *range, *bits)),
        IpAddr::V6(address) => {
            within_v6(address, GLOBAL_V6.0, GLOBAL_V6.1)
                && !SPECIAL_V6.iter().any(|(range, bits)| within_v6(address, *range, *bits))
        }
    }
}

fn may_be_public(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => is_public(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_public(IpAddr::V6(*address)),
        Host::Domain(name) => !is_local_name(name),
    }
}

/// Names of this machine and its network, which need not be looked up to be refused.
fn is_local_name(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    ["localhost", "localdomain", "local", "internal"].iter().any(|own| last.eq_ignore_ascii_case(own))
}

fn within_v4(address: Ipv4Addr, range: Ipv4Addr, bits: u32) -> bool {
    (address.to_bits() ^ range.to_bits()) >> (32 - bits) == 0
}

fn within_v6(address: Ipv6Addr, range: Ipv6Addr, bits: u32) -> bool {
    (address.to_bits() ^ range.to_bits()) >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let special = include_str!("../testdata/special_addresses.txt");
        assert!(special.lines().count() > 40);
        for text in special.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        let ordinary = "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 \
            169.253.255.255 172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 198.17.255.255 198.20.0.0 \
            223.255.255.255 ::ffff:8.8.8.8 2001:4860:4860::8888 2001:200::1 2003::1 2606:4700::1111 2a00:1450::1";
        for text in ordinary.split_whitespace() {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_special_address_cannot_hide_in_its_spelling() {
        let hidden = "http://127.1/ http://2130706433/ http://0x7f.0.0.1/ http://0177.0.0.1/ http://[::1]/ \
            http://[::ffff:7f00:1]/ http://localhost/ http://LOCALHOST./ http://a.localhost:8080/ \
            http://metadata.google.internal/ http://printer.local/ http://①②⑦.0.0.1/";
        for text in hidden.split_whitespace() {
            assert_eq!(CallbackUrl::parse(text, false), Err(InvalidCallbackUrl::NotPublic), "{text}");
            assert!(CallbackUrl::parse(text, true).is_ok(), "{text}");
        }
        for text in [
            "https://example.com/",
            "http://notlocalhost/",
            "http://local.example/",
            "http://8.8.8.8:8080/?q",
        ] {
            assert_eq!(CallbackUrl::parse(text, false).unwrap().into_url().as_str(), text);
        }
    }

    #[test]
    fn only_ports_of_web_servers_are_taken() {
        for port in ["1", "22", "25", "53", "445", "1023"] {
            let url = format!("https://example.com:{port}/");
            assert_eq!(CallbackUrl::parse(&url, false), Err(InvalidCallbackUrl::Port), "{url}");
            assert!(CallbackUrl::parse(&url, true).is_ok(), "{url}");
        }
        for url in ["http://example.com:443/", "https://example.com:80/", "http://example.com:1024/"] {
            assert!(CallbackUrl::parse(url, false).is_ok(), "{url}");
        }
    }

    #[test]
    fn only_http_urls_without_credentials_are_taken() {
        for text in
            ["", "/hook", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://", "data:,x"]
        {
            assert_eq!(CallbackUrl::parse(text, true), Err(InvalidCallbackUrl::NotHttp), "{text}");
        }
        for text in ["http://user@example.com/", "http://:secret@example.com/"] {
            assert_eq!(CallbackUrl::parse(text, true), Err(InvalidCallbackUrl::Credentials), "{text}");
        }
        let long = format!("https://example.com/{}", "x".repeat(limits::CALLBACK_URL_BYTES_MAX));
        assert_eq!(CallbackUrl::parse(&long, true), Err(InvalidCallbackUrl::TooLong));
    }
}
