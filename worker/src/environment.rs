//! What jobs are carried out with: made once at the start, passed to every handler, never global.

use std::{fmt, sync::Arc};

use shared::{job::Sandbox, seal::Sealer, store::Store, tenant::DailyDefaults, trace::Tracer};

use crate::{cell::CellRoom, config::JobLimits, deliver::Deliverer, outside::Outside, programs::Programs};

/// The dependencies of all handlers, for the jobs of one shard. Cheap to clone.
#[derive(Clone)]
pub struct Environment {
    /// Jobs, workflows, events: the shard the jobs come from, which is where everything of their tenants lies.
    pub store: Store,
    /// Where programs run.
    pub cells: CellRoom,
    /// What stands around them.
    pub sandbox: Sandbox,
    /// Programs of recent executions.
    pub programs: Arc<Programs>,
    /// Who writes, searches, reads and answers, for each tenant.
    pub outside: Arc<Outside>,
    /// Sends webhooks.
    pub deliverer: Deliverer,
    /// Opens webhook secrets.
    pub sealer: Sealer,
    /// Tells what takes how long.
    pub tracer: Tracer,
    /// What one run may use.
    pub limits: JobLimits,
    /// What a tenant may use in a day, unless its record says otherwise.
    pub daily: DailyDefaults,
}

impl Environment {
    /// The same for the jobs of another shard.
    #[must_use]
    pub fn on(&self, store: Store) -> Self {
        Self { store, ..self.clone() }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("outside", &self.outside).finish_non_exhaustive()
    }
}
