//! Examples: a whole one of every body, made of those of its fields, and one of every parameter.

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    Content, OpenApi, RefOr, Response, Schema,
    path::{Operation, Parameter},
};

use super::operations;
use crate::problem::Code;

/// The schemas by name, as they are written out.
struct Schemas(Value);

/// Adds what is missing.
pub(super) fn add(document: &mut OpenApi) {
    let schemas = document.components.as_ref().map(|components| serde_json::to_value(&components.schemas));
    let schemas = Schemas(schemas.and_then(Result::ok).unwrap_or_default());
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            add_to_parameters(path, operation);
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.content.values_mut().for_each(|content| schemas.add_to(content));
            }
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response {
                    add_to_answer(&schemas, status, response);
                }
            }
        }
    }
}

/// An example of a problem of this status.
pub(super) fn add_to_problem(status: &str, response: &mut Response) {
    let problem = problem(status, &response.description);
    if let Some(RefOr::T(content)) = response.content.get_mut("application/problem+json") {
        content.example = Some(problem);
    }
}

fn add_to_answer(schemas: &Schemas, status: &str, response: &mut Response) {
    add_to_problem(status, response);
    for (media_type, content) in &mut response.content {
        match (media_type.as_str(), content) {
            ("application/json", content) => schemas.add_to(content),
            ("text/event-stream", RefOr::T(content)) => content.example = Some(json!(STREAM)),
            ("text/x-diff", RefOr::T(content)) => {
                content.example = Some(json!("@@ -1 +1 @@\n-x = 1\n+x = 2\n"));
            }
            ("text/plain", RefOr::T(content)) => content.example = Some(json!("3 sentences\n")),
            _ => {}
        }
    }
}

/// An event as it is streamed.
const STREAM: &str = "id: 2\nevent: job.started\ndata: {\"seq\":2,\"type\":\"job.started\",\"at\":\"2026-01-31T09:30:00.000Z\",\"data\":{\"attempt\":1}}\n\n";

/// A problem of this status; of the first kind that the description names, if it names any.
fn problem(status: &str, description: &str) -> Value {
    let mut named = description.split('`').skip(1).step_by(2);
    let named = named.find_map(|name| Code::ALL.into_iter().find(|code| code.about().1 == name));
    let of_status =
        || status.parse().ok().and_then(|status: u16| status.try_into().ok()).map(Code::of_status);
    let (status, name, title) = named.or_else(of_status).unwrap_or(Code::Internal).about();
    json!({
        "type": format!("/errors/{name}"),
        "title": title,
        "status": status.as_u16(),
        "detail": format!("{title}."),
        "code": name,
        "request_id": "req_0192f0c1a5b87d10a3c4e5f60718293a",
    })
}

impl Schemas {
    fn add_to(&self, content: &mut RefOr<Content>) {
        let RefOr::T(content) = content else { return };
        let schema = content.schema.as_ref().and_then(|schema| serde_json::to_value(schema).ok());
        if content.example.is_none() {
            content.example = schema.map(|schema| self.example_of(&schema));
        }
    }

    fn example_of(&self, schema: &Value) -> Value {
        let own = [&schema["example"], &schema["examples"][0], &schema["default"], &schema["enum"][0]];
        if let Some(own) = own.into_iter().find(|own| !own.is_null()) {
            return own.clone();
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            return self.example_of(&self.0[name]);
        }
        let parts = |name: &str| schema[name].as_array().into_iter().flatten();
        let null = |part: &&Value| part["type"] == "null";
        if let Some(one) = parts("oneOf").chain(parts("anyOf")).find(|part| !null(part)) {
            return self.example_of(one);
        }
        if schema.get("allOf").is_some() {
            let wholes = parts("allOf").map(|part| self.example_of(part));
            let members = wholes.filter_map(|whole| whole.as_object().cloned()).flatten();
            return Value::Object(members.collect());
        }
        self.example_of_type(schema)
    }

    fn example_of_type(&self, schema: &Value) -> Value {
        let mut kinds =
            schema["type"].as_array().map_or(vec![&schema["type"]], |kinds| kinds.iter().collect());
        if schema["format"] == "date-time" {
            return json!("2026-01-31T09:30:00.000Z");
        }
        if kinds.iter().any(|kind| *kind == "null") {
            return Value::Null;
        }
        match kinds.pop().and_then(Value::as_str) {
            Some("object") => {
                let properties = schema["properties"].as_object().into_iter().flatten();
                let of = |(name, schema): (&String, &Value)| (name.clone(), self.example_of(schema));
                Value::Object(properties.map(of).collect::<Map<_, _>>())
            }
            Some("array") => Value::Array(vec![self.example_of(&schema["items"])]),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("boolean") => json!(false),
            Some("string") => json!("text"),
            _ => Value::Null,
        }
    }
}

fn add_to_parameters(path: &str, operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(Parameter { name, schema: Some(RefOr::T(Schema::Object(schema))), .. }) = parameter
        else {
            continue; // a named one has its values there
        };
        if schema.examples.is_empty() && schema.example.is_none() {
            schema.examples.extend(parameter_example(path, name));
        }
    }
}

/// What stands at this place of a request.
fn parameter_example(path: &str, name: &str) -> Option<Value> {
    let id = |kind: &str| format!("{kind}_0192f0c1a5b87d10a3c4e5f60718293a");
    let kind = path.split('/').nth(1).unwrap_or_default();
    Some(match (name, kind) {
        ("after", _) if path.ends_with("/events") => json!(17),
        ("after", _) if path.ends_with("/versions") => json!("2"),
        ("id" | "after", "jobs") => json!(id("job")),
        ("after", "audit") => json!("1764000000000-0"),
        ("id" | "after", "keys") => json!(id("key")),
        ("id", "files") => json!("4711"),
        ("id" | "after", "tenants") | ("tenant", _) => json!("acme"),
        ("id" | "after", "workflows") | ("workflow_id", _) => json!(id("wf")),
        ("msg", _) => json!(id("msg")),
        ("code", "errors") => json!("not_found"),
        ("n", _) => json!(2),
        ("against", _) => json!(1),
        ("limit", _) => json!(20),
        ("wait", _) => json!(30),
        ("Prefer", _) => json!("wait=30"),
        ("If-Match" | "If-None-Match", _) => json!("\"9f86d081884c7d659a2feaa0c55ad015\""),
        ("Idempotency-Key", _) => json!("order-1729"),
        ("Last-Event-ID", _) => json!("17"),
        _ => return None,
    })
}
