//! The HTTP face of the system: parse, one call, render.
//!
//! ```text
//! server       accepts connections          edge         what holds for every request and answer
//! auth, body   who asks, and what           fields       reading members, all faults at once
//! requests     checked requests -> jobs     routes       the handlers, one folder entry per resource
//! unread       bodies answered too early
//! wait         until a job is final         problem      every error, as RFC 9457
//! openapi      the description of it all    housekeeping what has to be done once a second
//! ```
//!
//! Nothing here knows Python, models or Redis keys: the store and the queue of `shared` do the work, and `uploads` alone
//! knows a provider, because files stream through. There
//! is no global state, so several of these run in one process.

mod auth;
mod body;
pub mod config;
mod edge;
mod fields;
mod guesses;
mod housekeeping;
mod idempotency;
pub mod openapi;
pub mod problem;
mod requests;
mod routes;
mod server;
mod shares;
mod unparsed;
mod unread;
mod uploads;
mod wait;

use std::{io, net::SocketAddr, sync::Arc};

use shared::{
    store::{Hub, Shards, StoreError},
    trace::Tracer,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{config::Config, shares::Shares, uploads::Uploads};

/// What every handler may use.
#[derive(Debug, Clone)]
pub struct Api {
    shards: Shards,
    hub: Hub,
    config: Arc<Config>,
    shutdown: CancellationToken,
    tracer: Tracer,
    /// Places for requests in flight.
    requests: Arc<Semaphore>,
    /// Places for event streams.
    streams: Shares,
    /// Places for requests that wait for a job.
    waits: Shares,
    /// The memory request bodies may take.
    bodies: Arc<Semaphore>,
    /// Wrong keys by address.
    guesses: Arc<guesses::Guesses>,
    /// Where files go.
    uploads: Uploads,
}

impl Api {
    /// With the task that listens for news of jobs until `shutdown`.
    fn new(config: Config, shutdown: CancellationToken) -> Result<(Self, JoinHandle<()>), StartError> {
        let shards = Shards::new(&config.store)?;
        let (hub, listening) = Hub::for_all_events(shards.clone(), shutdown.clone());
        let (uploads, one_tenant) = (Uploads::new(&config)?, !config.keys_required);
        let api = Self {
            shards,
            hub,
            config: Arc::new(config),
            shutdown,
            tracer: Tracer::default(),
            requests: Arc::new(Semaphore::new(edge::REQUESTS_MAX)),
            streams: Shares::new(routes::STREAMS_MAX, one_tenant),
            waits: Shares::new(wait::WAITS_MAX, one_tenant),
            bodies: body::budget(),
            guesses: Arc::new(guesses::Guesses::new()),
            uploads,
        };
        Ok((api, listening))
    }
}

/// Why the api does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port, or the address is not ours.
    #[error("cannot listen on {address} (API_BIND): {error}")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// The store's address is not one.
    #[error("REDIS_URL: {0}")]
    Store(#[from] StoreError),
    /// The client that sends traces cannot be made.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: {0}")]
    Traces(String),
    /// Where files go cannot be reached as configured.
    #[error(transparent)]
    Uploads(#[from] providers::ConfigError),
    /// The system refused to tell of signals.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

/// Serves the API at the configured address until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), StartError> {
    let address = config.bind;
    let listener = TcpListener::bind(address).await.map_err(|error| StartError::Bind { address, error })?;
    serve(listener, config, shutdown).await
}

/// Serves the API at a bound listener until `shutdown`: then it is not ready any more, takes no more connections,
/// ends waits and streams, and lets open requests end, by a deadline.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(|error| StartError::Bind { address: config.bind, error })?;
    tracing::info!(addr = %address, keys_required = config.keys_required, "Listening on http://{address}");
    if config.keys_required && config.admin_key.is_none() {
        tracing::warn!("API keys are required, but there is no ADMIN_API_KEY to make the first one with.");
    }
    let otlp_endpoint = config.otlp_endpoint.clone();
    let (mut api, listening) = Api::new(config, shutdown.clone())?;
    let (ended, mut exporting) = (CancellationToken::new(), None);
    if let Some(endpoint) = otlp_endpoint {
        let started = Tracer::start(&endpoint, "api", api.shards.counters(), ended.clone());
        let (tracer, task) = started.map_err(|error| StartError::Traces(error.to_string()))?;
        (api.tracer, exporting) = (tracer, Some(task));
    }
    let housekeeping = tokio::spawn(housekeeping::keep_all(api.shards.clone(), shutdown.clone()));
    let sealer = api.config.sealer.clone();
    let resealing = tokio::spawn(housekeeping::reseal_all(api.shards.clone(), sealer, shutdown.clone()));
    let learning = tokio::spawn(api.shards.clone().learn_until(shutdown.clone()));
    let refuse = edge::refusals(api.clone());
    server::serve(listener, routes::router(api), refuse, server::Bounds::default(), shutdown).await;
    ended.cancel();
    for task in [listening, housekeeping, resealing, learning].into_iter().chain(exporting) {
        if let Err(error) = task.await {
            tracing::error!(%error, "A background task ended badly.");
        }
    }
    tracing::info!("The api has ended.");
    Ok(())
}
