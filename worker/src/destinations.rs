//! Receivers of webhooks, told apart by scheme, host and port: none of them may take the places of all.
//!
//! A receiver that answers gets a few messages at a time; one that does not answer gets as few, and what else is for it
//! goes back into the queue at once, at growing intervals, instead of waiting in a slot others need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use url::Url;

/// 8 messages at a time to one receiver, of a worker's 64.
const AT_ONCE_MAX: usize = 8;
/// 1 s in which a receiver that answers has taken one of them; longer waits are waited for in the queue.
const PATIENCE: Duration = Duration::from_secs(1);
/// 250 ms between messages that go back: four claims a second, however many messages there are.
const SPACING: Duration = Duration::from_millis(250);
/// 1 min: the longest a message goes back for.
const BACK_MAX: Duration = Duration::from_secs(60);

/// The receivers messages are being sent to, or were lately.
#[derive(Debug, Clone, Default)]
pub struct Destinations(Arc<Mutex<HashMap<String, Arc<Destination>>>>);

#[derive(Debug)]
struct Destination {
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The last message was not answered.
    silent: bool,
    /// When the next message that goes back is to come again.
    next_turn: Instant,
}

/// A place among the messages sent to a receiver; dropping it gives it back.
#[derive(Debug)]
pub struct Place {
    destinations: Destinations,
    name: String,
    destination: Arc<Destination>,
    held: Option<OwnedSemaphorePermit>,
}

impl Destinations {
    /// A place, or how long the message should stay in the queue.
    pub async fn enter(&self, url: &Url) -> Result<Place, Duration> {
        let name = url.origin().ascii_serialization();
        let destination = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(name.clone()).or_insert_with(|| Arc::new(Destination::new())).clone()
        };
        // Made before any wait: whoever leaves last, by whichever way, takes the entry away.
        let mut place = Place { destinations: self.clone(), name, destination, held: None };
        let places = place.destination.places.clone();
        let silent = place.destination.lock().silent;
        place.held = match places.clone().try_acquire_owned() {
            Ok(held) => Some(held),
            Err(_) if silent => None,
            Err(_) => tokio::time::timeout(PATIENCE, places.acquire_owned()).await.ok().and_then(Result::ok),
        };
        if place.held.is_some() { Ok(place) } else { Err(place.destination.turn()) }
    }
}

impl Destination {
    fn new() -> Self {
        let state = State { silent: false, next_turn: Instant::now() };
        Self { places: Arc::new(Semaphore::new(AT_ONCE_MAX)), state: Mutex::new(state) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next message that found no place is to come again.
    fn turn(&self) -> Duration {
        let (mut state, now) = (self.lock(), Instant::now());
        state.next_turn = (state.next_turn + SPACING).clamp(now + SPACING, now + BACK_MAX);
        state.next_turn - now
    }
}

impl Place {
    /// Notes whether the receiver answered at all.
    pub fn answered(&self, answered: bool) {
        self.destination.lock().silent = !answered;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.take();
        let mut all = self.destinations.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours and the map's: nobody else uses it, and nobody can come to it while the map is locked. What is known of
        // a receiver that went silent is learned again with the next message.
        if Arc::strong_count(&self.destination) == 2 {
            all.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn one_receiver_takes_a_few_places_and_others_are_not_concerned() {
        let all = Destinations::default();
        let mut held = Vec::new();
        for n in 0..AT_ONCE_MAX {
            held.push(all.enter(&url(&format!("https://dead.example/{n}"))).await.unwrap());
        }
        held[0].answered(false);
        let began = Instant::now();
        let first = all.enter(&url("https://dead.example/x")).await.unwrap_err();
        let second = all.enter(&url("https://dead.example:443/y")).await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::ZERO, "nobody waits for a silent receiver");
        assert!(first >= SPACING && second >= first + SPACING, "{first:?} {second:?}");
        for other in ["https://alive.example/", "http://dead.example/", "https://dead.example:8443/"] {
            assert!(all.enter(&url(other)).await.is_ok(), "{other}");
        }
        for _ in 0..1000 {
            assert!(all.enter(&url("https://dead.example/z")).await.unwrap_err() <= BACK_MAX);
        }
        drop(held);
        assert!(all.0.lock().unwrap().is_empty(), "nothing is kept of receivers nobody sends to");
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_answers_is_waited_for_a_little() {
        let all = Destinations::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE_MAX {
            held.push(all.enter(&url("https://busy.example/")).await.unwrap());
        }
        let waiting = tokio::spawn({
            let all = all.clone();
            async move { all.enter(&url("https://busy.example/")).await.is_ok() }
        });
        tokio::time::sleep(PATIENCE / 2).await;
        held.pop();
        assert!(waiting.await.unwrap());
        let began = Instant::now();
        held.push(all.enter(&url("https://busy.example/")).await.unwrap());
        assert!(all.enter(&url("https://busy.example/")).await.is_err());
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
