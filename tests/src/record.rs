//! What a fake or a process has seen so far, and a way to wait for more of it without polling.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::DEADLINE;

/// 1,000,000 items: a test which records more is a runaway, and would eat the machine before it failed.
const ITEMS_MAX: usize = 1_000_000;

/// An append-only list that can be awaited.
#[derive(Debug)]
pub struct Record<T> {
    items: Mutex<Vec<T>>,
    length: watch::Sender<usize>,
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Self { items: Mutex::new(Vec::new()), length: watch::Sender::new(0) }
    }
}

impl<T: Clone> Record<T> {
    /// Appends one item and wakes who waits for it.
    pub fn push(&self, item: T) {
        let mut items = self.lock();
        assert!(items.len() < ITEMS_MAX, "more than {ITEMS_MAX} items recorded");
        items.push(item);
        let length = items.len();
        drop(items);
        self.length.send_replace(length);
    }

    /// A copy of everything recorded so far, oldest first.
    pub fn all(&self) -> Vec<T> {
        self.lock().clone()
    }

    /// How many items there are now.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything, for the next part of a test.
    pub fn clear(&self) {
        self.lock().clear();
        self.length.send_replace(0);
    }

    /// Waits until at least `count` items are there, and gives them all.
    ///
    /// # Panics
    /// When the deadline passes; the message says how many there were.
    pub async fn wait_for(&self, count: usize) -> Vec<T> {
        let mut length = self.length.subscribe();
        let waited = tokio::time::timeout(DEADLINE, length.wait_for(|now| *now >= count)).await;
        assert!(waited.is_ok(), "{} of {count} items within {DEADLINE:?}", self.len());
        self.all()
    }

    /// Waits for the first item for which `wanted` gives something.
    ///
    /// # Panics
    /// When the deadline passes; the message names what was waited for.
    pub async fn wait_until<R>(&self, what: &str, mut wanted: impl FnMut(&T) -> Option<R>) -> R {
        let mut length = self.length.subscribe();
        let mut seen = 0;
        let search = async {
            loop {
                length.borrow_and_update();
                let items: Vec<T> = self.lock().iter().skip(seen).cloned().collect();
                seen += items.len();
                if let Some(found) = items.iter().find_map(&mut wanted) {
                    return found;
                }
                length.changed().await.expect("the sender lives in self");
            }
        };
        let found = tokio::time::timeout(DEADLINE, search).await;
        found.unwrap_or_else(|_| panic!("{what}: not seen within {DEADLINE:?}"))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.items.lock().expect("no holder of this lock panics")
    }
}
