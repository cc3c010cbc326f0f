//! How many wrong keys an address may send.
//!
//! An address that has sent too many is answered 429 for every further wrong one, and the operator's key is not even
//! compared: a person chose it, so it could be guessed. Our own keys cannot be, so who holds one gets through from
//! any address: a proxy or an office in front of many clients is not locked out by one of them. Counted in each process.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use tokio::time::Instant;

/// 20 wrong keys at once: a program with an old key in a loop, or a person who mistypes.
const BURST: u32 = 20;
/// 3 s until one more may be sent.
const INTERVAL: Duration = Duration::from_secs(3);
/// 10,000 addresses are remembered, about 1 MB; who has more can wait for none.
const ADDRESSES_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// The wrong keys of each address.
#[derive(Debug)]
pub(crate) struct Guesses(Mutex<LruCache<IpAddr, Instant>>);

impl Guesses {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(ADDRESSES_MAX)))
    }

    /// How long the address has to wait before it may guess again; none when it may.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let paid_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner).peek(&network(address))?;
        let owed = paid_at.saturating_duration_since(now) + INTERVAL;
        owed.checked_sub(INTERVAL * BURST).filter(|wait| !wait.is_zero())
    }

    /// Counts a wrong key.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let paid_at = known.get_or_insert_mut(network(address), || now);
        *paid_at = ((*paid_at).max(now) + INTERVAL).min(now + INTERVAL * BURST);
    }
}

/// A client has a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (!0 << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn after_a_burst_of_wrong_keys_an_address_waits_and_others_do_not() {
        let (guesses, now) = (Guesses::new(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(guesses.wait(ip("192.0.2.1"), now), None);
            guesses.count(ip("192.0.2.1"), now);
        }
        assert_eq!(guesses.wait(ip("192.0.2.1"), now), Some(INTERVAL));
        assert_eq!(guesses.wait(ip("192.0.2.2"), now), None);
        assert_eq!(guesses.wait(ip("192.0.2.1"), now + INTERVAL), None);
    }

    #[test]
    fn however_many_are_sent_the_wait_is_the_same() {
        let (guesses, now) = (Guesses::new(), Instant::now());
        for _ in 0..10 * BURST {
            guesses.count(ip("192.0.2.1"), now);
        }
        assert_eq!(guesses.wait(ip("192.0.2.1"), now), Some(INTERVAL));
    }

    #[test]
    fn addresses_of_one_client_count_together() {
        let (guesses, now) = (Guesses::new(), Instant::now());
        for n in 0..BURST {
            guesses.count(ip(&format!("2001:db8:0:1::{n:x}")), now);
        }
        assert!(guesses.wait(ip("2001:db8:0:1:ffff::1"), now).is_some());
        assert!(guesses.wait(ip("2001:db8:0:2::1"), now).is_none());
        assert_eq!(network(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }
}
