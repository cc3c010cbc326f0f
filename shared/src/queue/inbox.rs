//! Where the fetcher leaves claimed jobs for apalis.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::Waker,
};

use super::leases::Attempt;
use crate::job::JobSpec;

/// Claimed jobs on their way from the fetcher to apalis.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox(Arc<Mutex<InboxState>>);

#[derive(Debug, Default)]
struct InboxState {
    jobs: VecDeque<(JobSpec, Attempt)>,
    waker: Option<Waker>,
    closed: bool,
}

/// What apalis finds when it asks for the next job.
pub(super) enum Next {
    Job(Box<(JobSpec, Attempt)>),
    Wait,
    End,
}

impl Inbox {
    pub(super) fn poll(&self, waker: &Waker) -> Next {
        let mut state = self.lock();
        match state.jobs.pop_front() {
            Some(job) => Next::Job(Box::new(job)),
            None if state.closed => Next::End,
            None => {
                state.waker = Some(waker.clone());
                Next::Wait
            }
        }
    }

    pub(super) fn put(&self, job: (JobSpec, Attempt)) {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn close(&self) -> VecDeque<(JobSpec, Attempt)> {
        let mut state = self.lock();
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
        std::mem::take(&mut state.jobs)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, InboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
