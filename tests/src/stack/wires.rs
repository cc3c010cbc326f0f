//! The wires between the parts of a stack, each through a proxy of its own, for tests that cut them.

use super::RedisServer;
use crate::fakes::{AnthropicFake, ParadigmFake};
use crate::proxy::{Proxy, Target};

/// One proxy per pair. The client's own leads to whatever api is there now.
#[derive(Debug)]
pub struct Wires {
    /// Client – api.
    pub client_api: Proxy,
    /// Api – Redis.
    pub api_redis: Proxy,
    /// All workers – Redis.
    pub worker_redis: Proxy,
    /// All workers – the model.
    pub worker_anthropic: Proxy,
    /// All workers – the document search.
    pub worker_paradigm: Proxy,
}

impl Wires {
    pub(super) async fn lay(redis: &RedisServer, model: &AnthropicFake, search: &ParadigmFake) -> Self {
        let http = |url: &str| Target::Tcp(url.trim_start_matches("http://").to_owned());
        let to_redis = || Proxy::start(Target::Unix(redis.socket()));
        Self {
            // Nobody listens there until the api has told its address.
            client_api: Proxy::start(Target::Tcp("127.0.0.1:1".to_owned())).await,
            api_redis: to_redis().await,
            worker_redis: to_redis().await,
            worker_anthropic: Proxy::start(http(model.url())).await,
            worker_paradigm: Proxy::start(http(search.url())).await,
        }
    }
}
