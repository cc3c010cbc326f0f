//! What clients ask for, checked: from the members of a body to a job that may be submitted.
//!
//! Fields are private and [`Fields`] is the only way to one of these, so an unchecked request cannot be enqueued. The
//! types are also the schemas of the description; a test compares both.

mod edits;
mod retry;
mod rewrites;

use std::time::Duration;

use serde_json::{Map, Value};
use shared::{
    address::{CallbackUrl, InvalidCallbackUrl},
    id::{JobId, TenantId, WorkflowId},
    job::{EntryId, ExecuteInput, GenerateInput, JobSpec, Queue},
    limits,
    store::{self, NewVersion, Submission},
    workflow::Source,
};
use url::Url;
use utoipa::{
    ToSchema,
    openapi::schema::{Array, Object, Schema, SchemaType, Type},
};

pub use self::{
    edits::{NewCode, WorkflowPatch},
    retry::retry,
    rewrites::{Answers, Regeneration},
};
use crate::{
    config::{Config, JobDefaults},
    fields::Fields,
    idempotency::Idempotency,
    problem::Problem,
};

/// 200 characters: ids of files are short.
const FILE_ID_CHARS_MAX: usize = 200;
/// 30 days: who waits longer has forgotten the job.
const EXPIRES_IN_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Body of `POST /workflows`.
#[derive(Debug, ToSchema)]
pub struct NewWorkflow {
    /// What the workflow shall do, in plain language; at most 20,000 bytes.
    #[schema(
        min_length = 1,
        pattern = r"\S",
        example = "For each sentence of the input, search the documents."
    )]
    description: String,
    /// A title; made from the program when it is missing.
    #[schema(example = "Questions and answers")]
    name: Option<String>,
    /// Your own program, at most 256,000 bytes: nothing is generated, the program is checked.
    #[schema(example = json!(null))]
    code: Option<String>,
    /// Write anew, although the same description has a verified program already.
    #[schema(value_type = Option<bool>, example = false)]
    force: bool,
    /// Where the generate job's final state is posted; at most 2,048 bytes.
    #[schema(value_type = Option<String>, format = "uri", example = json!(null))]
    callback_url: Option<Url>,
    /// Your own labels: at most 50 keys, at most 8 KiB.
    #[schema(value_type = Option<Object>, example = json!({"team": "support"}))]
    metadata: Map<String, Value>,
}

impl NewWorkflow {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields, config: &Config) -> Result<Self, Problem> {
        let faults_before = fields.fault_count();
        let description = fields.required_text("description", limits::DESCRIPTION_BYTES_MAX);
        if fields.fault_count() == faults_before && description.trim().is_empty() {
            fields.fault("description", "must not be empty");
        }
        let read = Self {
            description,
            name: fields.text("name", limits::NAME_BYTES_MAX),
            code: fields.text("code", limits::CODE_BYTES_MAX),
            force: fields.flag("force").unwrap_or(false),
            callback_url: callback_url(&mut fields, config),
            metadata: metadata(&mut fields),
        };
        fields.finish(read)
    }

    /// The job that writes or checks the program, with the workflow it is for.
    pub fn submission(
        self,
        tenant: &TenantId,
        idempotency: Idempotency,
        defaults: &JobDefaults,
    ) -> Submission {
        let source = if self.code.is_some() { Source::Supplied } else { Source::Generated };
        let workflow = store::NewWorkflow {
            name: self.name.unwrap_or_default(),
            description: self.description.clone(),
            metadata: Value::Object(self.metadata.clone()).to_string(),
        };
        let (description, code) = (self.description, self.code);
        let force = self.force;
        let input = GenerateInput { description, code, force, ..GenerateInput::default() };
        Submission {
            job: JobSpec {
                timeout: limits::GENERATE_TIMEOUT,
                callback_url: self.callback_url,
                metadata: self.metadata,
                ..job(tenant, Queue::Generate, WorkflowId::new(), to_json(&input), defaults)
            },
            creates: Some(NewVersion { source, workflow: Some(workflow), after: None, answers: Vec::new() }),
            idempotency: idempotency.0,
            queued_max: defaults.queued_max,
            watcher: None,
        }
    }
}

/// Body of `POST /workflows/{id}/execute`.
#[derive(Debug, ToSchema)]
pub struct NewRun {
    /// The text the program works on; at most 1 MiB.
    #[schema(example = "Where is the contract kept? Who signed it?")]
    user_input: String,
    /// Uploaded files the program may search; at most 100.
    #[schema(schema_with = file_ids, required = false)]
    file_ids: Vec<String>,
    /// The version to run; the current one when it is missing.
    #[schema(minimum = 1, example = json!(null))]
    version: Option<u32>,
    /// Wall clock of one attempt, from its start.
    #[schema(rename = "timeout_ms", value_type = Option<u64>, minimum = 1, maximum = 1_800_000,
        example = 60_000)]
    timeout: Option<Duration>,
    /// From acceptance to the final state, waiting and retries included; at most 30 days.
    #[schema(rename = "expires_in_ms", value_type = Option<u64>, minimum = 1, maximum = 2_592_000_000_u64,
        example = 3_600_000)]
    expires_in: Option<Duration>,
    /// Where the job's final state is posted; at most 2,048 bytes.
    #[schema(value_type = Option<String>, format = "uri", example = json!(null))]
    callback_url: Option<Url>,
    /// Your own labels: at most 50 keys, at most 8 KiB.
    #[schema(value_type = Option<Object>, example = json!({"ticket": "A-17"}))]
    metadata: Map<String, Value>,
}

fn file_ids() -> Schema {
    let (id, either) = (Object::builder().schema_type(Type::String), [Type::Array, Type::Null]);
    let id = id.min_length(Some(1)).max_length(Some(FILE_ID_CHARS_MAX));
    let list = Array::builder().schema_type(either.into_iter().collect::<SchemaType>()).items(id);
    list.max_items(Some(limits::FILE_IDS_MAX))
        .description(Some("Uploaded files the program may search; at most 100."))
        .examples([serde_json::json!([])])
        .into()
}

impl NewRun {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields, config: &Config) -> Result<Self, Problem> {
        let version = fields.integer("version", 1..=u64::from(u32::MAX));
        let read = Self {
            user_input: fields.required_text("user_input", limits::INPUT_BYTES_MAX),
            file_ids: fields.texts("file_ids", limits::FILE_IDS_MAX, FILE_ID_CHARS_MAX),
            version: version.and_then(|version| u32::try_from(version).ok()),
            timeout: duration(&mut fields, "timeout_ms", config.jobs.timeout_max),
            expires_in: duration(&mut fields, "expires_in_ms", EXPIRES_IN_MAX),
            callback_url: callback_url(&mut fields, config),
            metadata: metadata(&mut fields),
        };
        fields.finish(read)
    }

    /// The files the program may use.
    pub fn file_ids(&self) -> &[String] {
        &self.file_ids
    }

    /// The version asked for, when one was.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// The job that runs the version asked for, or the current one.
    pub fn submission(
        self,
        tenant: &TenantId,
        workflow: WorkflowId,
        idempotency: Idempotency,
        defaults: &JobDefaults,
    ) -> Submission {
        let input = ExecuteInput { user_input: self.user_input, file_ids: self.file_ids };
        Submission {
            job: JobSpec {
                version: self.version.unwrap_or(0),
                timeout: self.timeout.unwrap_or(defaults.timeout),
                expires_in: self.expires_in.unwrap_or(defaults.expires_in),
                callback_url: self.callback_url,
                metadata: self.metadata,
                ..job(tenant, Queue::Execute, workflow, to_json(&input), defaults)
            },
            creates: None,
            idempotency: idempotency.0,
            queued_max: defaults.queued_max,
            watcher: None,
        }
    }
}

/// A new job with everything by default.
fn job(
    tenant: &TenantId,
    queue: Queue,
    workflow: WorkflowId,
    input: String,
    defaults: &JobDefaults,
) -> JobSpec {
    JobSpec {
        id: EntryId::Job(JobId::new()),
        queue,
        tenant: tenant.clone(),
        workflow_id: Some(workflow),
        version: 0,
        timeout: defaults.timeout,
        expires_in: defaults.expires_in,
        max_attempts: defaults.max_attempts,
        callback_url: None,
        metadata: Map::new(),
        retry_of: None,
        input,
        subject: None,
        tries: 0,
        trace: None,
    }
}

fn duration(fields: &mut Fields, name: &str, most: Duration) -> Option<Duration> {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    fields.integer(name, 1..=most).map(Duration::from_millis)
}

fn callback_url(fields: &mut Fields, config: &Config) -> Option<Url> {
    // Longer texts are the URL's own fault, not the size of the request.
    let text = fields.text("callback_url", limits::BODY_BYTES_MAX)?;
    match CallbackUrl::parse(&text, config.webhook_allow_private) {
        Ok(url) => return Some(url.into_url()),
        Err(InvalidCallbackUrl::TooLong) => {
            fields.oversize("callback_url", text.len(), limits::CALLBACK_URL_BYTES_MAX);
        }
        Err(invalid) => fields.fault("callback_url", invalid.to_string()),
    }
    None
}

fn metadata(fields: &mut Fields) -> Map<String, Value> {
    let metadata = fields.object("metadata").unwrap_or_default();
    check_metadata(fields, &metadata);
    metadata
}

fn check_metadata(fields: &mut Fields, metadata: &Map<String, Value>) {
    let bytes = if metadata.is_empty() { 0 } else { to_json(metadata).len() };
    if metadata.len() > limits::METADATA_KEYS_MAX {
        fields.fault("metadata", format!("has more than {} keys", limits::METADATA_KEYS_MAX));
    } else if bytes > limits::METADATA_BYTES_MAX {
        fields.oversize("metadata", bytes, limits::METADATA_BYTES_MAX);
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data serialises")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::config::Vars;
    use utoipa::PartialSchema as _;

    use super::*;

    fn config() -> Config {
        let key = ("SECRETS_KEY".to_owned(), "A".repeat(43) + "=");
        Config::from_vars(Vars::new([key])).unwrap()
    }

    fn workflow(body: &Value) -> Result<NewWorkflow, Problem> {
        NewWorkflow::read(Fields::of_json(body.to_string().as_bytes())?, &config())
    }

    fn run(body: &Value) -> Result<NewRun, Problem> {
        NewRun::read(Fields::of_json(body.to_string().as_bytes())?, &config())
    }

    #[test]
    fn the_schemas_name_exactly_the_fields_that_are_read() {
        // Every documented field is read (it is faulted for its type), no other is.
        let properties = |schema: &Value| schema["properties"].as_object().unwrap().clone();
        for (schema, read) in [
            (NewWorkflow::schema(), (|body| workflow(body).map(drop)) as fn(&Value) -> Result<(), Problem>),
            (NewRun::schema(), |body| run(body).map(drop)),
            (NewCode::schema(), |body| {
                NewCode::read(Fields::of_json(body.to_string().as_bytes())?, &config()).map(drop)
            }),
            (Regeneration::schema(), |body| {
                Regeneration::read(Fields::of_json(body.to_string().as_bytes())?, &config()).map(drop)
            }),
            (Answers::schema(), |body| {
                Answers::read(Fields::of_json(body.to_string().as_bytes())?, &config()).map(drop)
            }),
            (WorkflowPatch::schema(), |body| {
                WorkflowPatch::read(Fields::of_json(body.to_string().as_bytes())?).map(drop)
            }),
        ] {
            let documented = properties(&serde_json::to_value(schema).unwrap());
            // A text where a yes or no is wanted, else a yes.
            let wrong = |about: &Value| {
                if about["type"].to_string().contains("boolean") { json!("") } else { json!(true) }
            };
            let wrong: Map<String, Value> =
                documented.iter().map(|(name, about)| (name.clone(), wrong(about))).collect();
            let told = format!("{:?}", read(&Value::Object(wrong)).unwrap_err());
            for name in documented.keys() {
                assert!(told.contains(&format!("\"/{name}\"")), "{name} is documented but not read: {told}");
            }
            assert!(!told.contains("is not a field"), "{told}");
        }
    }

    #[test]
    fn a_supplied_program_is_not_generated() {
        let made = workflow(&json!({"description": "d", "code": "x = 1"})).unwrap();
        let submission = made.submission(&TenantId::default_tenant(), Idempotency(None), &config().jobs);
        assert_eq!(submission.creates.unwrap().source, Source::Supplied);
        let made = workflow(&json!({"description": "d", "code": null})).unwrap();
        let submission = made.submission(&TenantId::default_tenant(), Idempotency(None), &config().jobs);
        assert_eq!(submission.creates.unwrap().source, Source::Generated);
    }

    #[test]
    fn sizes_are_limits_and_not_shapes() {
        let status = |result: Result<(), Problem>| result.unwrap_err().status().as_u16();
        let text = |bytes: usize| "é".repeat(bytes.div_ceil(2));
        assert_eq!(status(workflow(&json!({"description": text(20_001)})).map(drop)), 413);
        assert_eq!(status(workflow(&json!({"description": "d", "code": text(256_001)})).map(drop)), 413);
        assert_eq!(status(run(&json!({"user_input": text((1 << 20) + 1)})).map(drop)), 413);
        assert!(workflow(&json!({"description": text(20_000), "code": text(256_000)})).is_ok());
        assert!(run(&json!({"user_input": text(1 << 20)})).is_ok());
        assert_eq!(status(workflow(&json!({"description": " \n"})).map(drop)), 422);
        assert_eq!(
            status(workflow(&json!({"description": "d", "metadata": {"k": text(9000)}})).map(drop)),
            413
        );
    }

    #[test]
    fn a_callback_may_not_go_to_a_private_address() {
        for url in
            ["http://127.0.0.1/", "ftp://example.com/", "https://u:p@example.com/", "http://[::1]/", "x"]
        {
            let refused = run(&json!({"user_input": "", "callback_url": url})).unwrap_err();
            assert!(format!("{refused:?}").contains("/callback_url"), "{url}");
        }
        for address in include_str!("../../shared/testdata/special_addresses.txt").lines() {
            let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
            let body = json!({"user_input": "", "callback_url": format!("https://{host}/hook")});
            assert!(format!("{:?}", run(&body).unwrap_err()).contains("/callback_url"), "{address}");
        }
        assert!(run(&json!({"user_input": "", "callback_url": "https://example.com/hook"})).is_ok());
    }

    #[test]
    fn times_are_within_their_bounds() {
        let within = run(&json!({"user_input": "", "timeout_ms": 1000, "expires_in_ms": 1})).unwrap();
        assert_eq!(within.timeout, Some(Duration::from_secs(1)));
        for wrong in
            [json!({"timeout_ms": 0}), json!({"timeout_ms": 1_800_001}), json!({"expires_in_ms": -1})]
        {
            let mut body = json!({"user_input": ""});
            body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
            assert!(run(&body).is_err(), "{body}");
        }
    }
}
