//! The slots of one queue in one worker: how many of its jobs may be in flight, whichever shard they come from.
//!
//! Each shard has a fetcher of its own, and all of them draw from here. Nobody keeps a slot while waiting for work, and
//! no shard starves: of free slots each fetcher that waits for one is offered an equal part, and where they do not go
//! round, those come first who were served longest ago. Some slots are kept for tenants with nothing running: the last
//! free ones, whichever they are. With one fetcher all that is free is its part.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// The slots of a queue. Cheap to clone.
#[derive(Clone)]
pub struct Slots(Arc<Shared>);

struct Shared {
    kept: usize,
    state: Mutex<State>,
    /// A slot became free, or somebody does not wait for one any more.
    changed: Notify,
}

struct State {
    free: usize,
    /// Grows with every turn taken.
    turn: u64,
    fetchers: BTreeMap<u64, Fetcher>,
}

/// What is known of a fetcher.
struct Fetcher {
    /// The turn in which it took slots last.
    served: u64,
    waits_for: Option<Wanted>,
}

/// What a fetcher waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Any slot.
    Any,
    /// One that is not kept.
    Open,
}

/// One job in flight. Dropping it frees the slot.
pub struct Slot(Slots);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().free += 1;
        self.0.0.changed.notify_waiters();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slots({} free)", self.free())
    }
}

impl Slots {
    /// So many, and some more that are kept for tenants with nothing running.
    pub fn new(slots: usize, kept: usize) -> Self {
        let state = State { free: slots + kept, turn: 0, fetchers: BTreeMap::new() };
        Self(Arc::new(Shared { kept, state: Mutex::new(state), changed: Notify::new() }))
    }

    /// How many are free, the kept ones included.
    pub fn free(&self) -> usize {
        self.lock().free
    }

    /// For one more fetcher.
    pub(super) fn share(&self) -> Share {
        let mut state = self.lock();
        let id = state.next_turn();
        state.fetchers.insert(id, Fetcher { served: id, waits_for: None });
        Share { slots: self.clone(), id }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slots in the hands of a fetcher: those it does not use go back when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) slots: Vec<Slot>,
    /// So many of them are kept ones.
    pub(super) kept: usize,
}

/// What one fetcher has of the slots.
pub(super) struct Share {
    slots: Slots,
    id: u64,
}

impl Share {
    /// Whether there are other fetchers.
    pub(super) fn has_others(&self) -> bool {
        self.slots.lock().fetchers.len() > 1
    }

    /// What is free for this fetcher now, at most so many.
    pub(super) fn take(&self, most: usize) -> Taken {
        let mut state = self.slots.lock();
        let (open, kept) = state.part_of(self.id, self.slots.0.kept);
        let open = open.min(most);
        let kept = kept.min(most - open);
        if open + kept > 0 {
            state.free -= open + kept;
            let turn = state.next_turn();
            if let Some(fetcher) = state.fetchers.get_mut(&self.id) {
                fetcher.served = turn;
            }
        }
        Taken { slots: (0..open + kept).map(|_| Slot(self.slots.clone())).collect(), kept }
    }

    /// What was offered, and what became free since then unless others wait for it.
    pub(super) fn with_more(&self, offered: Taken, most: usize) -> Taken {
        let mut state = self.slots.lock();
        if state.fetchers.iter().any(|(id, other)| *id != self.id && other.waits_for.is_some()) {
            return offered;
        }
        let Taken { mut slots, .. } = offered;
        state.free += slots.len();
        let (open, kept) = state.part_of(self.id, self.slots.0.kept);
        let open = open.min(most);
        let kept = kept.min(most - open);
        let count = (open + kept).max(slots.len()); // all that was offered was counted in
        state.free -= count;
        slots.resize_with(count, || Slot(self.slots.clone()));
        Taken { slots, kept }
    }

    /// Waits until something of what is wanted is free for this fetcher, and takes it.
    pub(super) async fn offered(&self, wanted: Wanted, most: usize) -> Taken {
        let waiting = Waiting::begin(self, wanted);
        loop {
            let mut changed = pin!(self.slots.0.changed.notified());
            changed.as_mut().enable();
            let (open, kept) = self.slots.lock().part_of(self.id, self.slots.0.kept);
            if open > 0 || (kept > 0 && wanted == Wanted::Any) {
                let taken = self.take(most);
                drop(waiting);
                return taken;
            }
            changed.await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.slots.lock().fetchers.remove(&self.id);
        self.slots.0.changed.notify_waiters();
    }
}

/// While it lives, its fetcher waits for slots, and others leave it its part.
struct Waiting<'a>(&'a Share);

impl<'a> Waiting<'a> {
    fn begin(share: &'a Share, wanted: Wanted) -> Self {
        if let Some(fetcher) = share.slots.lock().fetchers.get_mut(&share.id) {
            fetcher.waits_for = Some(wanted);
        }
        Self(share)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Share { slots, id } = self.0;
        if let Some(fetcher) = slots.lock().fetchers.get_mut(id) {
            fetcher.waits_for = None;
        }
        slots.0.changed.notify_waiters(); // what was its part is others' now
    }
}

impl State {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    /// Of the free slots: how many a fetcher may take for anybody, and how many of the kept ones.
    fn part_of(&self, id: u64, kept: usize) -> (usize, usize) {
        let kept = self.free.min(kept);
        let open = self.free - kept;
        let waiting_for = |which: fn(Wanted) -> bool| {
            let others = self.fetchers.iter().filter(move |(other, _)| **other != id);
            others.filter(move |(_, fetcher)| fetcher.waits_for.is_some_and(which))
        };
        let served = self.fetchers.get(&id).map_or(self.turn, |fetcher| fetcher.served);
        let part = |free: usize, which: fn(Wanted) -> bool| {
            let rivals = waiting_for(which).count();
            let before = waiting_for(which).filter(|(_, rival)| rival.served < served).count();
            free / (rivals + 1) + usize::from(before < free % (rivals + 1))
        };
        (part(open, |_| true), part(kept, |wanted| wanted == Wanted::Any))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn sizes(taken: &Taken) -> (usize, usize) {
        (taken.slots.len() - taken.kept, taken.kept)
    }

    #[test]
    fn a_fetcher_that_is_alone_takes_all_that_is_free_and_the_last_ones_are_kept() {
        let slots = Slots::new(8, 2);
        let share = slots.share();
        assert!(!share.has_others());
        let first = share.take(5);
        assert_eq!(sizes(&first), (5, 0));
        let rest = share.take(64);
        assert_eq!((sizes(&rest), slots.free()), ((3, 2), 0));
        drop(first);
        assert_eq!(sizes(&share.take(64)), (3, 2), "whichever are free last");
        drop(rest);
        assert_eq!(slots.free(), 10);
    }

    #[test]
    fn what_becomes_free_after_an_offer_goes_along_and_the_last_ones_are_still_kept() {
        let slots = Slots::new(3, 1);
        let (one, other) = (slots.share(), slots.share());
        let mut held = other.take(64).slots;
        assert_eq!(slots.free(), 0);
        let mut wait = pin!(one.offered(Wanted::Any, 64));
        assert!(poll(wait.as_mut()).is_pending());
        held.pop();
        let Poll::Ready(offered) = poll(wait) else { panic!("nothing was offered") };
        assert_eq!(sizes(&offered), (0, 1));
        held.truncate(1);
        let more = one.with_more(offered, 64);
        assert_eq!((sizes(&more), slots.free()), ((2, 1), 0));
        // While others wait, what is offered is all there is.
        let mut rival = pin!(other.offered(Wanted::Any, 64));
        assert!(poll(rival.as_mut()).is_pending());
        held.clear();
        assert_eq!((sizes(&one.with_more(more, 64)), slots.free()), ((2, 1), 1));
        assert!(poll(rival).is_ready());
    }

    #[test]
    fn those_who_wait_are_offered_equal_parts_and_nobody_else_takes_them() {
        let slots = Slots::new(6, 0);
        let (one, other, third) = (slots.share(), slots.share(), slots.share());
        let all = one.take(64);
        let (mut first, mut second) =
            (pin!(one.offered(Wanted::Any, 64)), pin!(other.offered(Wanted::Any, 64)));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        drop(all);
        assert_eq!(sizes(&third.take(64)), (2, 0), "two others wait");
        let Poll::Ready(taken) = poll(second) else { panic!("nothing was offered") };
        assert_eq!(sizes(&taken), (3, 0));
        let Poll::Ready(rest) = poll(first) else { panic!("nothing was offered") };
        assert_eq!(sizes(&rest), (3, 0), "nobody else waits any more");
    }

    #[test]
    fn slots_that_do_not_go_round_go_by_turns() {
        let slots = Slots::new(1, 0);
        let shares = [slots.share(), slots.share(), slots.share()];
        let mut held = Some(shares[0].take(64));
        let mut served = Vec::new();
        for _ in 0..6 {
            let mut waits: Vec<_> =
                shares.iter().map(|share| Box::pin(share.offered(Wanted::Any, 64))).collect();
            assert!(waits.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()));
            held = None;
            for (n, wait) in waits.iter_mut().enumerate() {
                if let Poll::Ready(taken) = poll(wait.as_mut()) {
                    served.push(n);
                    held = Some(taken);
                    break;
                }
            }
        }
        drop(held);
        assert_eq!(served, [1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn who_waits_for_an_open_slot_leaves_the_kept_ones_to_others() {
        let slots = Slots::new(1, 1);
        let (long, short) = (slots.share(), slots.share());
        let running = long.take(1);
        let mut more = pin!(long.offered(Wanted::Open, 64));
        assert!(poll(more.as_mut()).is_pending(), "only the kept one is free");
        let first_of_a_tenant = short.take(64);
        assert_eq!(sizes(&first_of_a_tenant), (0, 1));
        drop(running);
        assert!(poll(more.as_mut()).is_pending(), "the last free one is kept");
        drop(first_of_a_tenant);
        assert!(matches!(poll(more), Poll::Ready(taken) if sizes(&taken) == (1, 1)));
    }

    #[test]
    fn who_gives_up_waiting_holds_up_nobody() {
        let slots = Slots::new(1, 0);
        let (one, other) = (slots.share(), slots.share());
        let held = other.take(1);
        let mut gone = Box::pin(one.offered(Wanted::Any, 64));
        let mut waits = pin!(other.offered(Wanted::Any, 64));
        assert!(poll(gone.as_mut()).is_pending() && poll(waits.as_mut()).is_pending());
        drop(held);
        assert!(poll(waits.as_mut()).is_pending(), "the other one was served longer ago");
        drop(gone);
        assert!(poll(waits).is_ready());
    }
}
