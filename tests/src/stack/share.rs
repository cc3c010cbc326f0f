//! The machine's two cores: stacks of tests that measure time have them alone, all others share them.

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::const_new(());

/// A stack's share of the machine; held, never read.
#[derive(Debug)]
pub(super) enum Share {
    Alone { _guard: RwLockWriteGuard<'static, ()> },
    Shared { _guard: RwLockReadGuard<'static, ()> },
}

/// The whole machine, without any stack, while this is held: for tests that measure what they start themselves.
pub async fn machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

impl Share {
    pub(super) async fn take(alone: bool) -> Self {
        if alone {
            Self::Alone { _guard: MACHINE.write().await }
        } else {
            Self::Shared { _guard: MACHINE.read().await }
        }
    }
}
