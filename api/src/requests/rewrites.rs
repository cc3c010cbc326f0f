//! Another program for a workflow: written anew, changed as its owner says, or mended after a run that failed; and the
//! answers to what a generation asked.

use serde_json::{Map, Value, json};
use shared::{
    id::{JobId, TenantId, WorkflowId},
    job::{GenerateInput, JobSpec, Queue},
    limits,
    store::{NewVersion, Submission},
    workflow::{Question, Source},
};
use url::Url;
use utoipa::{
    ToSchema,
    openapi::schema::{Object, Type},
};

use super::{callback_url, job, metadata, to_json};
use crate::{
    config::{Config, JobDefaults},
    fields::Fields,
    idempotency::Idempotency,
    problem::Problem,
};

/// 10 answers to nothing are named; more are a program's mistake, which shows in the first.
const UNKNOWN_TOLD_MAX: usize = 10;
/// 100 characters of such an answer's name.
const UNKNOWN_CHARS_MAX: usize = 100;

/// Body of `POST /workflows/{id}/regenerate`; all of it may be missing.
#[derive(Debug, ToSchema)]
pub struct Regeneration {
    /// What is to be different, in plain language; at most 20,000 bytes.
    #[schema(pattern = r"\S", example = "List the answers by date, newest first.")]
    feedback: Option<String>,
    /// A failed run of the workflow to mend: what kind of error, in which line, is told; nothing of its data is.
    #[schema(value_type = Option<String>, pattern = "^job_[0-9a-f]{32}$", example = json!(null))]
    job_id: Option<JobId>,
    /// Write anew, although the same description has a verified program already.
    #[schema(value_type = Option<bool>, example = false)]
    force: bool,
    /// Where the generate job's final state is posted; at most 2,048 bytes.
    #[schema(value_type = Option<String>, format = "uri", example = json!(null))]
    callback_url: Option<Url>,
    /// Your own labels on the job: at most 50 keys, at most 8 KiB.
    #[schema(value_type = Option<Object>, example = json!({"change": "A-18"}))]
    metadata: Map<String, Value>,
}

impl Regeneration {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields, config: &Config) -> Result<Self, Problem> {
        let read = Self {
            feedback: fields.text("feedback", limits::DESCRIPTION_BYTES_MAX),
            job_id: fields.parsed("job_id", "the id of a job"),
            force: fields.flag("force").unwrap_or(false),
            callback_url: callback_url(&mut fields, config),
            metadata: metadata(&mut fields),
        };
        if read.feedback.as_ref().is_some_and(|feedback| feedback.trim().is_empty()) {
            fields.fault("feedback", "must not be empty");
        }
        fields.finish(read)
    }

    /// The failed run, when one is named.
    pub fn job_id(&self) -> Option<JobId> {
        self.job_id
    }

    /// The job that writes the version.
    pub fn submission(
        self,
        tenant: &TenantId,
        workflow: (WorkflowId, String),
        answers: Vec<(String, String)>,
        idempotency: Idempotency,
        defaults: &JobDefaults,
    ) -> Submission {
        let (id, description) = workflow;
        let Self { feedback, job_id: failed_job, force, callback_url, metadata } = self;
        let input = GenerateInput { description, feedback, answers, failed_job, force, code: None };
        let spec =
            JobSpec { callback_url, metadata, ..job(tenant, Queue::Generate, id, to_json(&input), defaults) };
        submission(spec, Vec::new(), idempotency, defaults)
    }
}

const NO_ANSWER: &str = "must be a text that is not empty";

/// Body of `POST /workflows/{id}/answers`.
#[derive(Debug, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the name is the contract's")]
pub struct Answers {
    /// The id of each question, and what you say to it; every question has to be answered.
    #[schema(schema_with = answer_texts, required = true)]
    answers: Map<String, Value>,
    /// Where the generate job's final state is posted; at most 2,048 bytes.
    #[schema(value_type = Option<String>, format = "uri", example = json!(null))]
    callback_url: Option<Url>,
    /// Your own labels on the job: at most 50 keys, at most 8 KiB.
    #[schema(value_type = Option<Object>, example = json!({"change": "A-18"}))]
    metadata: Map<String, Value>,
}

fn answer_texts() -> Object {
    let text = Object::builder().schema_type(Type::String).pattern(Some(r"\S"));
    Object::builder()
        .additional_properties(Some(text))
        .description(Some(
            "The id of each question, and what you say to it; every question has to be answered.",
        ))
        .examples([json!({"q1": "The text that is pasted.", "q2": "A list."})])
        .build()
}

impl Answers {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields, config: &Config) -> Result<Self, Problem> {
        let answers = fields.object("answers");
        if answers.is_none() && fields.fault_count() == 0 {
            fields.fault("answers", "is required");
        }
        let is_text = |answer: &Value| answer.as_str().is_some_and(|text| !text.trim().is_empty());
        let wrong = answers.iter().flatten().filter(|(_, answer)| !is_text(answer));
        for (id, _) in wrong.take(UNKNOWN_TOLD_MAX) {
            fields.fault_within("answers", &shown(id), NO_ANSWER);
        }
        let read = Self {
            answers: answers.unwrap_or_default(),
            callback_url: callback_url(&mut fields, config),
            metadata: metadata(&mut fields),
        };
        fields.finish(read)
    }

    /// Each question with its answer, in the order of the questions.
    pub fn paired(&self, questions: &[Question]) -> Result<Vec<(String, String)>, Problem> {
        let mut fields = Fields::of_query(None);
        let mut pairs = Vec::new();
        for Question { id, text } in questions {
            let wrong = match self.answers.get(id) {
                Some(Value::String(answer)) if answer.len() > limits::ANSWER_BYTES_MAX => {
                    format!("is longer than {} bytes", limits::ANSWER_BYTES_MAX)
                }
                Some(Value::String(answer)) if !answer.trim().is_empty() => {
                    pairs.push((text.clone(), answer.clone()));
                    continue;
                }
                Some(_) => NO_ANSWER.to_owned(),
                None => "is required: the question is open".to_owned(),
            };
            fields.fault_within("answers", id, wrong);
        }
        let open = |id: &String| questions.iter().any(|question| question.id == *id);
        for id in self.answers.keys().filter(|id| !open(id)).take(UNKNOWN_TOLD_MAX) {
            fields.fault_within("answers", &shown(id), "is not the id of an open question");
        }
        fields.finish(pairs)
    }

    /// The job that goes on with the generation; `answers` are all that were ever given.
    pub fn submission(
        self,
        tenant: &TenantId,
        workflow: (WorkflowId, String),
        answers: Vec<(String, String)>,
        idempotency: Idempotency,
        defaults: &JobDefaults,
    ) -> Submission {
        let (id, description) = workflow;
        let input = GenerateInput { description, answers: answers.clone(), ..GenerateInput::default() };
        let Self { callback_url, metadata, .. } = self;
        let spec =
            JobSpec { callback_url, metadata, ..job(tenant, Queue::Generate, id, to_json(&input), defaults) };
        submission(spec, answers, idempotency, defaults)
    }
}

/// Of a client's own name, as much as is repeated.
fn shown(id: &str) -> String {
    id.chars().take(UNKNOWN_CHARS_MAX).collect()
}

fn submission(
    spec: JobSpec,
    answers: Vec<(String, String)>,
    idempotency: Idempotency,
    defaults: &JobDefaults,
) -> Submission {
    Submission {
        job: JobSpec { timeout: limits::GENERATE_TIMEOUT, ..spec },
        creates: Some(NewVersion { source: Source::Generated, workflow: None, after: None, answers }),
        idempotency: idempotency.0,
        queued_max: defaults.queued_max,
        watcher: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_question_needs_its_answer_and_no_other() {
        let question = |id: &str| Question { id: id.to_owned(), text: format!("{id}?") };
        let questions = [question("q1"), question("q2")];
        let answers = |answers: Value| Answers {
            answers: answers.as_object().unwrap().clone(),
            callback_url: None,
            metadata: Map::new(),
        };
        let pairs = answers(json!({"q2": "b", "q1": "a"})).paired(&questions).unwrap();
        assert_eq!(pairs, [("q1?".to_owned(), "a".to_owned()), ("q2?".to_owned(), "b".to_owned())]);
        for (wrong, told) in [
            (json!({"q1": "a"}), "/answers/q2"),
            (json!({"q1": "a", "q2": " "}), "/answers/q2"),
            (json!({"q1": "a", "q2": 3}), "/answers/q2"),
            (json!({"q1": "a", "q2": "b", "q3": "c"}), "/answers/q3"),
        ] {
            let problem = format!("{:?}", answers(wrong).paired(&questions).unwrap_err());
            assert!(problem.contains(told), "{problem}");
        }
    }
}
