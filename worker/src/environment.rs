//! What jobs are carried out with: made once at the start, passed to every handler, never global.

use std::{fmt, sync::Arc};

use providers::{ChatModel, DocumentSearch, Generator};
use shared::{job::Sandbox, seal::Sealer, store::Store};

use crate::{cell::CellRoom, config::JobLimits, deliver::Deliverer, programs::Programs};

/// The dependencies of all handlers.
pub struct Environment {
    /// Jobs, workflows, events.
    pub store: Store,
    /// Where programs run.
    pub cells: CellRoom,
    /// What stands around them.
    pub sandbox: Sandbox,
    /// Programs of recent executions.
    pub programs: Programs,
    /// Writes programs.
    pub generator: Arc<dyn Generator>,
    /// Answers `paradigm_search`.
    pub search: Arc<dyn DocumentSearch>,
    /// Answers `chat_completion`.
    pub chat: Arc<dyn ChatModel>,
    /// Sends webhooks.
    pub deliverer: Deliverer,
    /// Opens webhook secrets.
    pub sealer: Sealer,
    /// What one run may use.
    pub limits: JobLimits,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("generator", &self.generator.provider())
            .field("search", &self.search.provider())
            .field("chat", &self.chat.provider())
            .finish_non_exhaustive()
    }
}
