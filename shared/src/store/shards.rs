//! Several shards: on which one a tenant lives, and what is to be done on each.
//!
//! A tenant gets its shard when it is made, and keeps it: the shard stands in the hash `{wf:keys}:shards` and in each of
//! the tenant's API keys, so one look at a key tells both. Who is not in the hash was made before there were several
//! shards and lives on shard 0, as the operator's own tenant does. What is no tenant's lies on shard 0 too.
//!
//! What a process is configured with says over how many shards *new* tenants are spread. Which shards are in use stands
//! in the store, and every process serves all of them, whatever it is configured with: no setting can leave a tenant
//! without workers. Shards come into use and never go out of it.
//!
//! A [`Store`] is got here only together with the tenant whose things lie on it ([`Home`]), or to do the same on every
//! shard, so nobody looks for a tenant's things in the wrong place.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::{join_all, select_ok, try_join_all};
use redis::AsyncCommands as _;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{KeyRecord, Page, Shard, Store, StoreConfig, StoreError};
use crate::{
    id::TenantId,
    limits,
    metrics::{Samples, series},
    tenant::Tenant,
};

/// 5 s between looks whether other processes brought shards into use: needed only while they are configured differently.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The shards of one system. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shards(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: StoreConfig,
    /// Those in use, by number.
    in_use: watch::Sender<Vec<Arc<Store>>>,
    told: OnceLock<()>,
}

/// A tenant, and the shard its things lie on.
#[derive(Debug, Clone)]
pub struct Home {
    tenant: TenantId,
    store: Arc<Store>,
}

impl Home {
    /// Who lives there.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where its things are.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Shards {
    /// Handles that connect when they are first used.
    ///
    /// # Errors
    /// When the address is not a Redis URL.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let first = Store::new(&StoreConfig { shard: Shard(0), ..config.clone() })?;
        let (in_use, told) = (watch::Sender::new(vec![Arc::new(first)]), OnceLock::new());
        let shards = Self(Arc::new(Shared { config: config.clone(), in_use, told }));
        shards.bring_into_use(shards.spread());
        Ok(shards)
    }

    /// Over how many shards new tenants are spread.
    fn spread(&self) -> u16 {
        self.0.config.shards.clamp(1, limits::SHARDS_MAX)
    }

    /// Serves at least so many from now on.
    fn bring_into_use(&self, count: u16) {
        let count = count.min(limits::SHARDS_MAX);
        self.0.in_use.send_if_modified(|stores| {
            let before = stores.len();
            for number in u16::try_from(before).unwrap_or(u16::MAX)..count {
                stores.push(Arc::new(stores[0].beside(Shard(number), &self.0.config)));
            }
            stores.len() > before
        });
    }

    /// All that are in use, by number.
    pub fn all(&self) -> Vec<Arc<Store>> {
        self.0.in_use.borrow().clone()
    }

    /// Shard 0, where what is no tenant's lies.
    pub(super) fn first(&self) -> Arc<Store> {
        self.0.in_use.borrow()[0].clone()
    }

    fn home_on(&self, tenant: TenantId, shard: Shard) -> Result<Home, StoreError> {
        if shard.0 >= limits::SHARDS_MAX {
            return Err(StoreError::Unreadable(format!("the shard {} of tenant {tenant}", shard.0)));
        }
        if usize::from(shard.0) >= self.0.in_use.borrow().len() {
            self.bring_into_use(shard.0 + 1);
        }
        let store = self.0.in_use.borrow()[usize::from(shard.0)].clone();
        Ok(Home { tenant, store })
    }

    /// The operator's own tenant's.
    pub fn own_home(&self) -> Home {
        Home { tenant: TenantId::default_tenant(), store: self.first() }
    }

    /// The home of the tenant a key belongs to; the key tells it.
    pub fn home_of_key(&self, key: &KeyRecord) -> Result<Home, StoreError> {
        self.home_on(key.tenant.clone(), key.shard)
    }

    /// The home of a tenant, if there is such a tenant; otherwise where nothing of it is.
    pub async fn home(&self, tenant: &TenantId) -> Result<Home, StoreError> {
        if tenant.is_default() {
            return Ok(self.own_home());
        }
        let shard = self.first().shard_of(tenant).await?;
        self.home_on(tenant.clone(), shard.unwrap_or(Shard(0)))
    }

    /// The home of a tenant, which is made now when there is no such tenant: on the shard with the fewest.
    pub async fn settle(&self, tenant: &TenantId) -> Result<Home, StoreError> {
        let home = if tenant.is_default() { self.own_home() } else { self.find_home(tenant).await? };
        home.store.add_tenant(tenant).await?;
        Ok(home)
    }

    async fn find_home(&self, tenant: &TenantId) -> Result<Home, StoreError> {
        let first = self.first();
        if let Some(shard) = first.shard_of(tenant).await? {
            return self.home_on(tenant.clone(), shard);
        }
        let shard = if first.has_tenant(tenant).await? { Shard(0) } else { self.emptiest().await? };
        // Noted before anybody lives there: from then on every process serves it.
        first.note_in_use(shard).await?;
        // Somebody else may have been faster: what stands there counts.
        let shard = first.keep_shard_of(tenant, shard).await?;
        self.home_on(tenant.clone(), shard)
    }

    /// The shard with the fewest tenants, of those that answer.
    async fn emptiest(&self) -> Result<Shard, StoreError> {
        if self.spread() == 1 {
            return Ok(Shard(0));
        }
        let all = self.all();
        let counts = join_all(all[..usize::from(self.spread())].iter().map(async |store| {
            let count: u64 = store.connection.clone().zcard(store.key("tenants")).await?;
            Ok((count, store.shard))
        }));
        let counts: Vec<Result<_, StoreError>> = counts.await;
        let emptiest = counts.iter().flatten().min().map(|(_, shard)| *shard);
        match (emptiest, counts.into_iter().find_map(Result::err)) {
            (Some(shard), _) => Ok(shard),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(Shard(0)),
        }
    }

    /// Learns of shards that other processes brought into use, until `ended`.
    pub async fn learn_until(self, ended: CancellationToken) {
        let first = self.first();
        loop {
            let pause = match first.noted_in_use().await {
                Ok(count) => {
                    self.tell_of_more(count);
                    self.bring_into_use(count);
                    LOOK_EVERY
                }
                Err(_) => limits::REDIS_BACKOFF_MAX, // other tasks tell that Redis is away
            };
            tokio::select! {
                () = ended.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn tell_of_more(&self, count: u16) {
        let spread = self.spread();
        if count > limits::SHARDS_MAX {
            tracing::error!(count, "There are tenants on shards beyond what this version can serve.");
        } else if count > spread && self.0.told.set(()).is_ok() {
            tracing::warn!(
                in_use = count,
                REDIS_SHARDS = spread,
                "Tenants live on {count} shards: all are served, and new tenants are put on the first {spread} (REDIS_SHARDS)."
            );
        }
    }

    /// Does the same for every shard, each in a task of its own, also for those that come into use later; until
    /// `ended`, and until all have ended.
    pub async fn serve_each<F>(&self, ended: CancellationToken, serve: impl Fn(Store) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (mut in_use, mut tasks, mut begun) = (self.0.in_use.subscribe(), JoinSet::new(), 0);
        loop {
            let stores = in_use.borrow_and_update()[begun..].to_vec();
            begun += stores.len();
            for store in stores {
                tasks.spawn(serve(Store::clone(&store)));
            }
            tokio::select! {
                () = ended.cancelled() => break,
                _ = in_use.changed() => {} // we hold the other end: it does not close
            }
        }
        while let Some(served) = tasks.join_next().await {
            if let Err(error) = served {
                tracing::error!(%error, "A background task of a shard ended badly.");
            }
        }
    }

    /// Answers when Redis does, on every shard.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let all = self.all();
        try_join_all(all.iter().map(|store| store.ping())).await.map(|_| ())
    }

    /// Answers when Redis does, on any shard: some tenants are served then.
    pub async fn ping_any(&self) -> Result<(), StoreError> {
        let all = self.all();
        select_ok(all.iter().map(|store| Box::pin(store.ping()))).await.map(|_| ())
    }

    /// All tenants by name, those after `after`.
    pub async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Page<Tenant>, StoreError> {
        let all = self.all();
        let pages = try_join_all(all.iter().map(|store| store.tenants(after, limit))).await?;
        let mut more = pages.iter().any(|page| page.next.is_some());
        let mut items: Vec<Tenant> = pages.into_iter().flat_map(|page| page.items).collect();
        items.sort_by(|one, other| one.id.cmp(&other.id));
        more |= items.len() > limit;
        items.truncate(limit);
        let last = items.last().map(|tenant| tenant.id.to_string());
        Ok(Page { next: last.filter(|_| more), items })
    }

    /// Totals, queues, workers and Redis itself, of all shards together; the memory of Redis for each shard, because
    /// some may share a Redis.
    pub async fn measures(&self) -> Result<Samples, StoreError> {
        let all = self.all();
        let measured = try_join_all(all.iter().map(|store| store.measures())).await?;
        if measured.len() == 1 {
            return Ok(measured.into_iter().next().unwrap_or_default());
        }
        let mut samples: Samples = BTreeMap::new();
        for (number, own) in measured.into_iter().enumerate() {
            for (name, value) in own {
                if name.starts_with("wf_store_memory") {
                    samples.insert(series(&name, &[("shard", &number.to_string())]), value);
                } else if name.starts_with("wf_queue_oldest_age_seconds") {
                    let oldest = samples.entry(name).or_default();
                    *oldest = oldest.max(value);
                } else {
                    *samples.entry(name).or_default() += value;
                }
            }
        }
        Ok(samples)
    }
}

impl Store {
    /// Another shard of the same system: where keys are looked up and what is counted is the same.
    fn beside(&self, shard: Shard, config: &StoreConfig) -> Self {
        let own = Self::new(&StoreConfig { shard, ..config.clone() });
        let own = own.expect("the address was read before");
        Self { keys: self.keys.clone(), counters: self.counters.clone(), ..own }
    }

    /// Which shard this is.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Whether a tenant was made on this shard, or something set for it.
    async fn has_tenant(&self, tenant: &TenantId) -> Result<bool, StoreError> {
        let place: Option<f64> = self.connection.clone().zscore(self.key("tenants"), tenant.as_str()).await?;
        Ok(place.is_some())
    }

    /// Notes that a shard is in use, beside those that are.
    async fn note_in_use(&self, shard: Shard) -> Result<(), StoreError> {
        if shard.0 == 0 {
            return Ok(());
        }
        redis::cmd("ZADD")
            .arg(self.key("shards"))
            .arg("GT")
            .arg(shard.0 + 1)
            .arg("in_use")
            .query_async::<i64>(&mut self.connection.clone())
            .await?;
        self.replicated.wait().await
    }

    /// How many shards were noted to be in use.
    async fn noted_in_use(&self) -> Result<u16, StoreError> {
        let count: Option<u16> = self.connection.clone().zscore(self.key("shards"), "in_use").await?;
        Ok(count.unwrap_or(1))
    }
}
