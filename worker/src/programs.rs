//! Programs by workflow and version. Versions never change, so a program once read needs no second look.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use shared::{
    id::WorkflowId,
    store::{Store, StoreError},
    workflow::WorkflowStatus,
};

/// 256 programs of at most 256 kB: 64 MB at the very worst, a few MB in practice.
const PROGRAMS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Recently used programs.
#[derive(Debug)]
pub struct Programs {
    cache: Mutex<LruCache<(WorkflowId, u32), Arc<str>>>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { cache: Mutex::new(LruCache::new(PROGRAMS_MAX)) }
    }
}

impl Programs {
    /// The program of a version that is ready; `None` when there is none (any more).
    pub async fn get(
        &self,
        store: &Store,
        workflow: WorkflowId,
        version: u32,
    ) -> Result<Option<Arc<str>>, StoreError> {
        if let Some(program) = self.lock().get(&(workflow, version)) {
            return Ok(Some(program.clone()));
        }
        let Some(found) = store.version(workflow, version).await? else { return Ok(None) };
        if found.status != WorkflowStatus::Ready {
            return Ok(None);
        }
        let program: Arc<str> = found.code.into();
        self.lock().put((workflow, version), program.clone());
        Ok(Some(program))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<(WorkflowId, u32), Arc<str>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
