//! Waiting for a queue's wake token on a connection of its own.
//!
//! A wait is never given up in the middle: Redis may have handed over the token already, and it would be lost. It
//! goes on beside whatever its owner does, who looks at it again the next time it waits; a token that comes when
//! there is no slot any more is passed on by claiming nothing.

use std::{future::pending, time::Duration};

use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;

use crate::{
    job::Queue,
    limits,
    store::{Store, Wake},
};

/// One kind of token, and the wait for it when one is under way.
pub(super) struct TokenWait {
    store: Store,
    queue: Queue,
    wake: Wake,
    connection: Option<MultiplexedConnection>,
    under_way: Option<BoxFuture<'static, (bool, Option<MultiplexedConnection>)>>,
}

impl TokenWait {
    pub(super) fn new(store: Store, queue: Queue, wake: Wake) -> Self {
        Self { store, queue, wake, connection: None, under_way: None }
    }

    /// Begins to wait, unless it does already.
    pub(super) fn begin(&mut self) {
        if self.under_way.is_none() {
            let connection = self.connection.take();
            let waiting = wait(self.store.clone(), self.queue, self.wake, connection);
            self.under_way = Some(Box::pin(waiting));
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
    connection: Option<MultiplexedConnection>,
) -> (bool, Option<MultiplexedConnection>) {
    let connection = match connection {
        Some(connection) => Ok(connection),
        None => store.blocking_connection().await,
    };
    if let Ok(mut connection) = connection
        && let Ok(token) = store.wait_for_wake(&mut connection, queue, wake, limits::WAKE_BLOCK_MAX).await
    {
        return (token, Some(connection));
    }
    tokio::time::sleep(BACKOFF).await;
    (false, None)
}

/// 100 ms until a new connection is tried.
const BACKOFF: Duration = limits::REDIS_BACKOFF_MIN;
