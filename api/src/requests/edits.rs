//! Changing what is there: new code for a workflow, other labels on it.

use serde_json::{Map, Value};
use shared::{
    id::{TenantId, WorkflowId},
    job::{GenerateInput, JobSpec, Queue},
    limits,
    store::{Labels, NewVersion, Submission},
    workflow::Source,
};
use url::Url;
use utoipa::ToSchema;

use super::{callback_url, check_metadata, job, metadata, to_json};
use crate::{
    config::{Config, JobDefaults},
    fields::Fields,
    idempotency::Idempotency,
    problem::Problem,
};

/// Body of `PUT /workflows/{id}/code`.
#[derive(Debug, ToSchema)]
pub struct NewCode {
    /// The new program, at most 256,000 bytes.
    #[schema(example = "def execute_workflow(user_input):\n    return user_input\n")]
    code: String,
    /// Where the final state of the job that checks it is posted; at most 2,048 bytes.
    #[schema(value_type = Option<String>, format = "uri", example = json!(null))]
    callback_url: Option<Url>,
    /// Your own labels on the job: at most 50 keys, at most 8 KiB.
    #[schema(value_type = Option<Object>, example = json!({"change": "A-17"}))]
    metadata: Map<String, Value>,
}

impl NewCode {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields, config: &Config) -> Result<Self, Problem> {
        let read = Self {
            code: fields.required_text("code", limits::CODE_BYTES_MAX),
            callback_url: callback_url(&mut fields, config),
            metadata: metadata(&mut fields),
        };
        fields.finish(read)
    }

    /// The job that checks the code; refused when the workflow has versions newer than `after`.
    pub fn submission(
        self,
        tenant: &TenantId,
        workflow: WorkflowId,
        description: String,
        after: Option<u32>,
        idempotency: Idempotency,
        defaults: &JobDefaults,
    ) -> Submission {
        let input = GenerateInput { description, code: Some(self.code), ..GenerateInput::default() };
        Submission {
            job: JobSpec {
                timeout: limits::GENERATE_TIMEOUT,
                callback_url: self.callback_url,
                metadata: self.metadata,
                ..job(tenant, Queue::Generate, workflow, to_json(&input), defaults)
            },
            creates: Some(NewVersion { source: Source::Edited, workflow: None, after, answers: Vec::new() }),
            idempotency: idempotency.0,
            queued_max: defaults.queued_max,
            watcher: None,
        }
    }
}

/// Body of `PATCH /workflows/{id}`, a JSON Merge Patch (RFC 7396): what is absent stays, what is null goes.
#[derive(Debug, ToSchema)]
pub struct WorkflowPatch {
    /// A title; null: the one made from the program.
    #[schema(value_type = Option<String>, example = "Questions and answers")]
    name: Option<String>,
    /// Your own labels: each key is set, or removed when it is null; all are removed when this is null.
    #[schema(value_type = Option<Object>, example = json!({"team": "support", "old": null}))]
    metadata: Option<Map<String, Value>>,
    #[schema(ignore)]
    removes_metadata: bool,
}

impl WorkflowPatch {
    /// Reads and checks the body.
    pub fn read(mut fields: Fields) -> Result<Self, Problem> {
        let (no_name, removes_metadata) = (fields.is_null("name"), fields.is_null("metadata"));
        let name = fields.text("name", limits::NAME_BYTES_MAX);
        let read = Self {
            name: if no_name { Some(String::new()) } else { name },
            metadata: fields.object("metadata"),
            removes_metadata,
        };
        fields.finish(read)
    }

    /// The labels after the change; they have to be within the limits, too.
    pub fn applied_to(&self, labels: &Labels) -> Result<Labels, Problem> {
        let mut metadata: Map<String, Value> = serde_json::from_str(&labels.metadata).unwrap_or_default();
        if self.removes_metadata {
            metadata.clear();
        }
        let mut merged = Value::Object(metadata);
        if let Some(patch) = &self.metadata {
            merge(&mut merged, Value::Object(patch.clone()));
        }
        let metadata = merged.as_object().cloned().unwrap_or_default();
        let mut checked = Fields::of_query(None);
        check_metadata(&mut checked, &metadata);
        let name = self.name.clone().unwrap_or_else(|| labels.name.clone());
        checked.finish(Labels { name, metadata: merged.to_string() })
    }
}

/// RFC 7396, section 2.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(labels: &Value, patch: &Value) -> Result<Labels, Problem> {
        let labels = Labels { name: "old".to_owned(), metadata: labels.to_string() };
        WorkflowPatch::read(Fields::of_json(patch.to_string().as_bytes())?)?.applied_to(&labels)
    }

    #[test]
    fn what_is_absent_stays_and_what_is_null_goes() {
        let before = json!({"a": 1, "b": {"c": 2, "d": 3}});
        for (patch, name, metadata) in [
            (json!({}), "old", before.clone()),
            (json!({"name": "new"}), "new", before.clone()),
            (json!({"name": null}), "", before.clone()),
            (json!({"metadata": {"a": null, "e": 5}}), "old", json!({"b": {"c": 2, "d": 3}, "e": 5})),
            (json!({"metadata": {"b": {"c": null}}}), "old", json!({"a": 1, "b": {"d": 3}})),
            (json!({"metadata": {"b": [1]}}), "old", json!({"a": 1, "b": [1]})),
            (json!({"metadata": null}), "old", json!({})),
        ] {
            let after = patched(&before, &patch).unwrap();
            assert_eq!(after.name, name, "{patch}");
            assert_eq!(serde_json::from_str::<Value>(&after.metadata).unwrap(), metadata, "{patch}");
        }
    }

    #[test]
    fn what_comes_of_a_patch_is_within_the_limits_too() {
        let many: Map<String, Value> = (0..50).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(patched(&json!(many), &json!({"metadata": {"x": 1}})).unwrap_err().status(), 422);
        assert!(patched(&json!(many), &json!({"metadata": {"x": 1, "0": null}})).is_ok());
        let large = json!({"a": "x".repeat(5000)});
        assert_eq!(patched(&large, &json!({"metadata": {"b": "x".repeat(5000)}})).unwrap_err().status(), 413);
    }
}
