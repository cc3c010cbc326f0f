//! Waiting for a queue's wake token on a connection of its own.
//!
//! A wait is never given up in the middle: Redis may have handed over the token already, and it would be lost. It
//! goes on beside whatever its owner does, who looks at it again the next time it waits; a token that comes when
//! there is no slot any more is passed on by claiming nothing. An owner that goes has it ended: a connection that is merely
//! dropped still takes a token until Redis notices.

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
    store::{Store, StoreError, Wake},
};

/// One kind of token, and the wait for it when one is under way.
pub(super) struct TokenWait {
    store: Store,
    queue: Queue,
    wake: Wake,
    connection: Option<MultiplexedConnection>,
    /// What Redis calls the connection; 0 without one.
    client_id: Arc<AtomicI64>,
    under_way: Option<BoxFuture<'static, (bool, Option<MultiplexedConnection>)>>,
}

impl TokenWait {
    pub(super) fn new(store: Store, queue: Queue, wake: Wake) -> Self {
        Self { store, queue, wake, connection: None, client_id: Arc::default(), under_way: None }
    }

    /// Begins to wait, unless it does already.
    pub(super) fn begin(&mut self) {
        if self.under_way.is_none() {
            let connection = self.connection.take();
            let (store, client_id) = (self.store.clone(), self.client_id.clone());
            let waiting = wait(store, self.queue, self.wake, (connection, client_id));
            self.under_way = Some(Box::pin(waiting));
        }
    }

    /// Ends the wait that is under way. A token that it took is the caller's to pass on.
    pub(super) async fn end(self) {
        let Some(waiting) = self.under_way else { return };
        let mut waiting = pin!(tokio::time::timeout(limits::WAKE_BLOCK_MAX, waiting));
        loop {
            let client_id = self.client_id.load(Ordering::Relaxed);
            // Without a connection, or without Redis, nothing waits there.
            if client_id == 0 || self.store.end_wait(client_id).await.is_err() {
                return;
            }
            tokio::select! {
                _ = &mut waiting => return,
                // It may just be on its way there.
                () = tokio::time::sleep(END_AGAIN) => {}
            }
        }
    }

    /// Until a token was taken or the wait that is under way ended without one: `true` for a token. Without a wait,
    /// for ever. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> bool {
        let Some(waiting) = &mut self.under_way else { return pending().await };
        let (token, connection) = waiting.await;
        self.under_way = None;
        self.connection = connection;
        token
    }
}

/// Without Redis it takes a moment to fail: other commands tell of that, and nothing here has to.
async fn wait(
    store: Store,
    queue: Queue,
    wake: Wake,
    (connection, client_id): (Option<MultiplexedConnection>, Arc<AtomicI64>),
) -> (bool, Option<MultiplexedConnection>) {
    let connection = match connection {
        Some(connection) => Ok(connection),
        None => connect(&store, &client_id).await,
    };
    if let Ok(mut connection) = connection
        && let Ok(token) = store.wait_for_wake(&mut connection, queue, wake, limits::WAKE_BLOCK_MAX).await
    {
        return (token, Some(connection));
    }
    client_id.store(0, Ordering::Relaxed);
    tokio::time::sleep(BACKOFF).await;
    (false, None)
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
