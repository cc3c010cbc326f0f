//! What problem each error of the rooms below becomes.

use providers::ProviderError;
use shared::{
    store::{StoreError, SubmitError},
    workflow::WorkflowStatus,
};

use super::{Code, Problem};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                Code::StoreUnavailable,
                "The store does not answer, so it is not known whether this was carried out. Repeat it, with an \
                 Idempotency-Key if it creates something.",
            )
            .because(error.to_string()),
            StoreError::Unreadable(_) => Self::internal(error.to_string()),
        }
    }
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        match &error {
            ProviderError::TooLong { .. } => Self::new(Code::TooLarge, error.to_string()),
            ProviderError::Rejected { status: 415, .. } => {
                Self::new(Code::UnsupportedMediaType, error.to_string())
            }
            _ => Self::new(Code::ProviderError, error.to_string()),
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::KeyReused => {
                Self::new(Code::IdempotencyKeyReused, "This Idempotency-Key came with another request before.")
            }
            SubmitError::UnknownWorkflow => Self::no_such("workflow"),
            SubmitError::NotReady(status) => Self::new(Code::WorkflowNotReady, match status {
                WorkflowStatus::Generating => "The workflow's program is still being made.",
                WorkflowStatus::NeedsClarification => "The workflow has questions that must be answered first.",
                WorkflowStatus::Refused => "The workflow was refused; it has no program.",
                WorkflowStatus::Failed | WorkflowStatus::Ready => "No program could be made for the workflow.",
            }),
            SubmitError::Changed => {
                Self::new(Code::PreconditionFailed, "The workflow has changed since it was read: read it again.")
            }
            SubmitError::TooManyVersions => {
                Self::new(Code::TooManyVersions, "The workflow has as many versions as it may; make a new one.")
            }
            SubmitError::QueueFull => {
                Self::new(Code::QueueFull, "As many jobs are waiting as may; try again when some have ended.")
            }
            // It may have been accepted: its answer was lost. A retry under an idempotency key tells.
            SubmitError::Store(StoreError::Unavailable(cause)) => Self::new(
                Code::StoreUnavailable,
                "The store does not answer. Try again, with the same Idempotency-Key to be sure it happens once.",
            )
            .because(cause),
            SubmitError::Store(error) => error.into(),
        }
    }
}
