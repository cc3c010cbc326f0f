//! The apalis backend: the only file of this crate that knows apalis.
//!
//! Both directions carry the same [`JobSpec`]. What an attempt needs beside it ([`Attempt`]) travels in the
//! task's data; so does what a submission creates. Nothing is encoded here: the store's scripts do the storing.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use apalis_core::{
    backend::{Backend, BackendConfig, TaskSink, TaskSinkError, finalize::Ephemeral},
    task::{Task, builder::TaskBuilder, task_id::TaskId},
    worker::context::WorkerContext,
};
use futures_util::{FutureExt as _, Sink, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_layer::Identity;

use super::{
    fetch::{Consumer, fetch},
    inbox::{Inbox, Next},
};
use crate::{
    job::JobSpec,
    store::{Store, Submission, SubmitError, Submitted},
};

/// One queue: pushes jobs, and hands them to an apalis worker when it was made with a [`Consumer`].
pub struct JobQueue {
    store: Store,
    consumer: Option<Consumer>,
    inbox: Inbox,
    fetcher: Option<JoinHandle<()>>,
    /// A backend that is dropped takes its fetcher with it: nobody would read what that claims.
    fetching: Option<DropGuard>,
    pushes: FuturesUnordered<BoxFuture<'static, Result<(), SubmitError>>>,
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").field("consumer", &self.consumer).finish_non_exhaustive()
    }
}

impl JobQueue {
    /// The push side alone.
    pub fn producer(store: Store) -> Self {
        let pushes = FuturesUnordered::new();
        Self { store, consumer: None, inbox: Inbox::default(), fetcher: None, fetching: None, pushes }
    }

    /// For a worker: fetching starts when apalis first polls.
    pub fn consumer(store: Store, consumer: Consumer) -> Self {
        Self { consumer: Some(consumer), ..Self::producer(store) }
    }
}

/// What a push makes beside the job, and where its answer goes.
#[derive(Debug, Clone)]
struct Push {
    submission: Arc<Submission>,
    answer: Arc<OnceLock<Submitted>>,
}

/// Enqueues a job through apalis. The answer names the job that stands for the request, which is an earlier one
/// when the idempotency key was used before.
pub async fn enqueue(store: &Store, submission: Submission) -> Result<Submitted, SubmitError> {
    let answer = Arc::new(OnceLock::new());
    let spec = submission.job.clone();
    let push = Push { submission: Arc::new(submission), answer: answer.clone() };
    let task = TaskBuilder::new(spec).data(push).build();
    match JobQueue::producer(store.clone()).push_task(task).await {
        Ok(()) => Ok(answer.get().cloned().expect("a push that went well has answered")),
        Err(TaskSinkError::PushError(error)) => Err(error),
        Err(other) => unreachable!("this sink has no codec and no channel: {other}"),
    }
}

impl Sink<Task<JobSpec>> for JobQueue {
    type Error = SubmitError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SubmitError>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, task: Task<JobSpec>) -> Result<(), SubmitError> {
        let store = self.store.clone();
        let push = task.ctx().data().get::<Push>().cloned().unwrap_or_else(|| Push {
            submission: Arc::new(Submission {
                job: task.args,
                creates: None,
                idempotency: None,
                queued_max: 0,
                watcher: None,
            }),
            answer: Arc::default(),
        });
        let submit = async move {
            let submitted = store.submit(&push.submission).await?;
            let _ = push.answer.set(submitted);
            Ok(())
        };
        self.pushes.push(submit.boxed());
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SubmitError>> {
        while let Some(pushed) = ready!(self.pushes.poll_next_unpin(cx)) {
            pushed?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SubmitError>> {
        Sink::poll_flush(self, cx)
    }
}

impl Backend for JobQueue {
    type Task = Task<JobSpec>;
    type Error = SubmitError;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), SubmitError>> {
        if self.fetcher.is_none()
            && let Some(consumer) = self.consumer.clone()
        {
            let ended: CancellationToken = consumer.shutdown.child_token();
            self.fetching = Some(ended.clone().drop_guard());
            self.fetcher = Some(tokio::spawn(fetch(self.store.clone(), consumer, self.inbox.clone(), ended)));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Task<JobSpec>, SubmitError>>> {
        match self.inbox.poll(cx.waker()) {
            Next::Wait => Poll::Pending,
            Next::End => Poll::Ready(None),
            Next::Job(job) => {
                let (spec, attempt) = *job;
                let id = TaskId::from_string(spec.id.to_string());
                let number = usize::try_from(attempt.claim.attempt).unwrap_or(usize::MAX).saturating_sub(1);
                let task = TaskBuilder::new(spec).task_id(id).attempt(number).data(attempt).build();
                Poll::Ready(Some(Ok(task)))
            }
        }
    }

    /// Done when the fetcher has handed back what it held.
    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), SubmitError>> {
        self.fetching = None; // apalis may close without the consumer's own shutdown
        if let Some(fetcher) = &mut self.fetcher {
            if let Err(error) = ready!(fetcher.poll_unpin(cx)) {
                tracing::error!(%error, "The fetcher ended badly; its jobs are left to their leases.");
            }
            self.fetcher = None;
            self.consumer = None;
        }
        Sink::poll_flush(Pin::new(self), cx)
    }
}

impl BackendConfig for JobQueue {
    type Args = JobSpec;
    type Id = String;
    type Kind = Ephemeral;
    type Config = Option<Consumer>;
    type Layer = Identity;

    fn config(&self) -> &Option<Consumer> {
        &self.consumer
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
