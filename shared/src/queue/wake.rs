//! Waiting for a queue's wake token on a connection of its own.
//!
//! A wait is never given up in the middle: Redis may have handed over the token already, and it would be lost. It
//! goes on beside whatever its owner does, who looks at it again the next time it waits; a token that comes when
//! there is no slot any more is passed on by claiming nothing. An owner that goes has it ended: a connection that is merely
//! dropped still takes a token until Redis notices.
//!
//! A wait may have a claim that goes along: then its owner claims nothing else meanwhile, keeps the slots the claim was
//! made for, and takes what it found, however the wait ended.

use std::{
    future::pending,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;

use crate::{
    job::Queue,
    limits,
    store::{ClaimAnswer, Claimant, Room, Store, StoreError, Wake},
};

/// One kind of token, and the wait for it when one is under way.
pub(super) struct TokenWait {
    store: Store,
    queue: Queue,
    wake: Wake,
    connection: Option<MultiplexedConnection>,
    /// What Redis calls the connection; 0 without one.
    client_id: Arc<AtomicI64>,
    under_way: Option<BoxFuture<'static, Ended>>,
}

/// The connection when it can be used again, and what a claim that went along has found.
type Ended = (Option<MultiplexedConnection>, Option<ClaimAnswer>);

/// A claim that goes along with a wait for any work.
#[derive(Debug)]
pub(super) struct Along {
    pub(super) claimant: Claimant,
    pub(super) room: Room,
    /// The longest it waits for work.
    pub(super) block: Duration,
}

impl TokenWait {
    pub(super) fn new(store: Store, queue: Queue, wake: Wake) -> Self {
        Self { store, queue, wake, connection: None, client_id: Arc::default(), under_way: None }
    }

    /// Begins to wait, unless it does already.
    pub(super) fn begin(&mut self) {
        if self.under_way.is_none() {
            self.under_way = Some(Box::pin(self.waiting(None)));
        }
    }

    /// Begins to wait with a claim that goes along; no wait may be under way.
    pub(super) fn begin_with(&mut self, along: Along) {
        debug_assert!(
            self.under_way.is_none() && self.wake == Wake::Any,
            "it would claim for whom it has no slots"
        );
        self.under_way = Some(Box::pin(self.waiting(Some(along))));
    }

    /// Whether a wait is under way.
    pub(super) fn waits(&self) -> bool {
        self.under_way.is_some()
    }

    fn waiting(&mut self, along: Option<Along>) -> impl Future<Output = Ended> + use<> {
        let (connection, client_id) = (self.connection.take(), self.client_id.clone());
        wait(self.store.clone(), self.queue, self.wake, (connection, client_id), along)
    }

    /// Ends the wait that is under way; what a claim that went along has found. A token that it took is the caller's to
    /// pass on.
    pub(super) async fn end(&mut self) -> Option<ClaimAnswer> {
        let waiting = self.under_way.take()?;
        let mut waiting = pin!(tokio::time::timeout(limits::WAKE_BLOCK_MAX, waiting));
        loop {
            let client_id = self.client_id.load(Ordering::Relaxed);
            // Without a connection, or without Redis, nothing waits there.
            if client_id == 0 || self.store.end_wait(client_id).await.is_err() {
                return None;
            }
            tokio::select! {
                ended = &mut waiting => {
                    let (connection, found) = ended.ok()?;
                    self.connection = connection;
                    return found;
                }
                // It may just be on its way there.
                () = tokio::time::sleep(END_AGAIN) => {}
            }
        }
    }

    /// Until the wait that is under way has ended, with a token or without one; what a claim that went along has found.
    /// Without a wait, for ever. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> Option<ClaimAnswer> {
        let Some(waiting) = &mut self.under_way else { return pending().await };
        let (connection, found) = waiting.await;
        self.under_way = None;
        self.connection = connection;
        found
    }
}

/// Without Redis it takes a moment to fail: other commands tell of that, and nothing here has to.
async fn wait(
    store: Store,
    queue: Queue,
    wake: Wake,
    (connection, client_id): (Option<MultiplexedConnection>, Arc<AtomicI64>),
    along: Option<Along>,
) -> Ended {
    let connection = match connection {
        Some(connection) => Ok(connection),
        None => connect(&store, &client_id).await,
    };
    if let Ok(mut connection) = connection {
        let ended = match along {
            None => {
                store.wait_for_wake(&mut connection, queue, wake, limits::WAKE_BLOCK_MAX).await.map(|_| None)
            }
            Some(Along { claimant, room, block }) => {
                store.wait_and_claim(&mut connection, queue, &claimant, room, block).await.map(Some)
            }
        };
        if let Ok(found) = ended {
            return (Some(connection), found);
        }
    }
    client_id.store(0, Ordering::Relaxed);
    tokio::time::sleep(BACKOFF).await;
    (None, None)
}

async fn connect(store: &Store, client_id: &AtomicI64) -> Result<MultiplexedConnection, StoreError> {
    let mut connection = store.blocking_connection().await?;
    client_id.store(store.client_id(&mut connection).await?, Ordering::Relaxed);
    Ok(connection)
}

/// 10 ms until Redis is told again that a wait is over.
const END_AGAIN: Duration = Duration::from_millis(10);

/// 100 ms until a new connection is tried.
const BACKOFF: Duration = limits::REDIS_BACKOFF_MIN;
