//! The same job once more.

use shared::{
    id::JobId,
    job::{EntryId, JobSpec, Queue},
    store::{NewVersion, Submission},
    workflow::Source,
};

use crate::{config::JobDefaults, idempotency::Idempotency};

/// A new job that does what a job did: same workflow, input, bounds, callback and labels. A generate job makes a new
/// version, from the same `source`.
pub fn retry(
    spec: JobSpec,
    source: Option<Source>,
    idempotency: Idempotency,
    defaults: &JobDefaults,
) -> Submission {
    let retry_of = match spec.id {
        EntryId::Job(id) => Some(id),
        EntryId::Message(_) => None,
    };
    let creates = (spec.queue == Queue::Generate).then_some(NewVersion {
        source: source.unwrap_or(Source::Generated),
        workflow: None,
        after: None,
        answers: Vec::new(),
    });
    let version = if creates.is_some() { 0 } else { spec.version };
    Submission {
        job: JobSpec { id: EntryId::Job(JobId::new()), version, retry_of, tries: 0, ..spec },
        creates,
        idempotency: idempotency.0,
        queued_max: defaults.queued_max,
        watcher: None,
    }
}
