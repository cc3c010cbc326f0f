//! The connection to the Redis that has this shard's keys.
//!
//! All clones of a store share one multiplexed connection, made when it is first needed. It is given up, and the next
//! request makes a new one, when it broke; when an answer did not come in time (a peer that takes bytes and says
//! nothing would hold it for ever); and when the peer is no place to write to any more, because it became a replica.
//! A node of a cluster that names another one is followed. Nothing is repeated but what was redirected, which was not
//! carried out: whether to try again is the caller's decision.

use std::{sync::Arc, time::Instant};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo as _, Pipeline,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::sync::Mutex;

use crate::limits;

/// 3 redirections of one request: one is usual after a failover, more are a cluster that is being rebuilt.
const REDIRECTIONS_MAX: usize = 3;

/// Cheap to clone; clones share the connection.
#[derive(Clone)]
pub(super) struct Link(Arc<Shared>);

struct Shared {
    /// Where to begin, and to begin again when the node that was named last does not answer.
    configured: Client,
    state: Mutex<State>,
}

struct State {
    /// The node that has our keys, as far as known.
    node: Client,
    connection: Option<MultiplexedConnection>,
    /// How many connections there have been: who reports an error says of which.
    generation: u64,
    /// The last failure to connect, for those who waited for it.
    failed: Option<(Instant, RedisError)>,
}

impl Link {
    pub(super) fn new(configured: Client) -> Self {
        let state = State { node: configured.clone(), connection: None, generation: 0, failed: None };
        Self(Arc::new(Shared { configured, state: Mutex::new(state) }))
    }

    /// The node that has our keys, as far as known: for connections of another kind.
    pub(super) async fn node(&self) -> Client {
        self.0.state.lock().await.node.clone()
    }

    /// The connection, made now when there is none. Those who come while it is made wait for the same one.
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let asked = Instant::now();
        let mut state = self.0.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((state.generation, connection.clone()));
        }
        if let Some((at, error)) = &state.failed
            && *at >= asked
        {
            return Err(error.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits::REDIS_RESPONSE_TIMEOUT))
            .set_response_timeout(Some(limits::REDIS_RESPONSE_TIMEOUT));
        match state.node.get_multiplexed_async_connection_with_config(&config).await {
            Ok(connection) => {
                state.generation += 1;
                state.connection = Some(connection.clone());
                Ok((state.generation, connection))
            }
            Err(error) => {
                state.node = self.0.configured.clone();
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// What an error says about the connection. `true`: the request was redirected and is to be sent again.
    async fn heed(&self, generation: u64, error: &RedisError) -> bool {
        let causes = causes(error);
        let redirected = causes.iter().find_map(|cause| match cause.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => self.redirected(cause),
            _ => None,
        });
        let elsewhere = |cause: &RedisError| {
            matches!(cause.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
        };
        let useless = error.is_unrecoverable_error() || error.is_timeout() || causes.iter().any(elsewhere);
        if redirected.is_none() && !useless {
            return false;
        }
        let mut state = self.0.state.lock().await;
        if state.generation == generation {
            state.connection = None;
            state.node = redirected.clone().unwrap_or_else(|| self.0.configured.clone());
        }
        redirected.is_some()
    }

    /// The node an error names, reached in the same way as the configured one.
    fn redirected(&self, error: &RedisError) -> Option<Client> {
        let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let configured = self.0.configured.get_connection_info();
        let address = match configured.addr().clone() {
            // A node that does not know its own name leaves it out: it is the one that was asked.
            ConnectionAddr::Tcp(own, _) => ConnectionAddr::Tcp(named(host, own), port),
            ConnectionAddr::TcpTls { host: own, insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: named(host, own), port, insecure, tls_params }
            }
            _ => return None,
        };
        Client::open(configured.clone().set_addr(address).into_connection_info().ok()?).ok()
    }
}

fn named(host: &str, own: String) -> String {
    if host.is_empty() { own } else { host.to_owned() }
}

/// The error, and those of the commands for which a transaction was not carried out.
fn causes(error: &RedisError) -> Vec<RedisError> {
    let nested = error.clone().into_server_errors();
    let nested = nested.iter().flat_map(|errors| errors.iter()).map(|(_, cause)| cause.clone().into());
    std::iter::once(error.clone()).chain(nested).collect()
}

/// An answer of a pipeline may hold the error.
fn first_error(values: &[Value]) -> Option<RedisError> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) => Some(error.clone().into()),
        _ => None,
    })
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut redirections = 0;
            loop {
                let (generation, mut connection) = self.connection().await?;
                let answer = connection.req_packed_command(cmd).await.and_then(Value::extract_error);
                let Err(error) = &answer else { return answer };
                if !self.heed(generation, error).await || redirections == REDIRECTIONS_MAX {
                    return answer;
                }
                redirections += 1;
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut redirections = 0;
            loop {
                let (generation, mut connection) = self.connection().await?;
                let answer = connection.req_packed_commands(pipeline, offset, count).await;
                let error = match &answer {
                    Ok(values) => first_error(values),
                    Err(error) => Some(error.clone()),
                };
                let Some(error) = error else { return answer };
                if !self.heed(generation, &error).await || redirections == REDIRECTIONS_MAX {
                    return answer;
                }
                redirections += 1;
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.0.configured.get_connection_info().redis_settings().db()
    }
}
