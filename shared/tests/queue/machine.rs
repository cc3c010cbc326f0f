//! The machine's two cores: tests that measure time, or have leases of a second, have them alone; all others share them.
//!
//! A test takes its share with its first ground and keeps it until its thread ends. Its thread, so that a test with two
//! grounds does not wait, between them, for one that waits for it.

use std::{
    cell::RefCell,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

static MACHINE: RwLock<()> = RwLock::new(());

/// Held, never read.
enum Share {
    Alone { _guard: RwLockWriteGuard<'static, ()> },
    Shared { _guard: RwLockReadGuard<'static, ()> },
}

thread_local! {
    static SHARE: RefCell<Option<Share>> = const { RefCell::new(None) };
}

/// The rest of this test runs beside others, unless it is alone already.
pub fn share() {
    SHARE.with_borrow_mut(|share| {
        share.get_or_insert_with(|| Share::Shared {
            _guard: MACHINE.read().unwrap_or_else(PoisonError::into_inner),
        });
    });
}

/// The rest of this test runs alone: its first line.
pub fn alone() {
    SHARE.with_borrow_mut(|share| {
        *share = None;
        let guard = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
        *share = Some(Share::Alone { _guard: guard });
    });
}
