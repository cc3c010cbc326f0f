//! Who may do what to whose things: every operation of the description against a foreign tenant, no key, a key with
//! every scope but the needed one, and a malformed body. An operation that is missing in the table fails the test.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::job::Queue;

use crate::{
    client::{Answer, request},
    fixture::{Fixture, success},
};

/// One operation: its scope (none: for everybody), a body it takes, and what of it names a tenant's thing.
struct Row(&'static str, Option<&'static str>, Option<&'static str>, Names);

/// What a path names.
#[derive(Clone, Copy, PartialEq)]
enum Names {
    /// Things of a tenant: to others they do not exist.
    Things,
    /// Nothing of a tenant, or only the caller's own.
    Nothing,
    /// Whatever the operator names.
    Anything,
}

use Names::{Anything, Nothing, Things};

const READ: Option<&str> = Some("read");
const WRITE: Option<&str> = Some("write");
const MANAGE: Option<&str> = Some("manage");
const ADMIN: Option<&str> = Some("admin");

const TABLE: &[Row] = &[
    Row("listWorkflows", READ, None, Nothing),
    Row("createWorkflow", WRITE, Some(r#"{"description":"d"}"#), Nothing),
    Row("getWorkflow", READ, None, Things),
    Row("changeWorkflow", WRITE, Some(r#"{"name":"stolen"}"#), Things),
    Row("deleteWorkflow", WRITE, None, Things),
    Row("listVersions", READ, None, Things),
    Row("getVersion", READ, None, Things),
    Row("diffVersions", READ, None, Things),
    Row("replaceCode", WRITE, Some(r#"{"code":"x = 1"}"#), Things),
    Row("regenerateWorkflow", WRITE, Some("{}"), Things),
    Row("answerQuestions", WRITE, Some(r#"{"answers":{"q1":"yes"}}"#), Things),
    Row("executeWorkflow", WRITE, Some(r#"{"user_input":""}"#), Things),
    Row("uploadFile", WRITE, Some(r#"{"file":"x"}"#), Nothing),
    Row("getFile", READ, None, Things),
    Row("deleteFile", WRITE, None, Things),
    Row("listJobs", READ, None, Nothing),
    Row("getJob", READ, None, Things),
    Row("deleteJob", WRITE, None, Things),
    Row("cancelJob", WRITE, None, Things),
    Row("retryJob", WRITE, None, Things),
    Row("getJobLogs", READ, None, Things),
    Row("getJobSteps", READ, None, Things),
    Row("getJobEvents", READ, None, Things),
    Row("listDeliveries", READ, None, Things),
    Row("redeliver", WRITE, None, Things),
    Row("getUsage", READ, None, Nothing),
    Row("getWebhookSecret", MANAGE, None, Nothing),
    Row("rotateWebhookSecret", MANAGE, Some("{}"), Nothing),
    Row("listCredentials", MANAGE, None, Nothing),
    Row("putCredential", MANAGE, Some(r#"{"value":"sk-0123456789abcdef"}"#), Nothing),
    Row("deleteCredential", MANAGE, None, Nothing),
    Row("listKeys", ADMIN, None, Nothing),
    Row("createKey", ADMIN, Some("{}"), Nothing),
    Row("getKey", ADMIN, None, Anything),
    Row("revokeKey", ADMIN, None, Anything),
    Row("rotateKey", ADMIN, Some("{}"), Anything),
    Row("listTenants", ADMIN, None, Nothing),
    Row("getTenant", ADMIN, None, Anything),
    Row("putTenant", ADMIN, Some("{}"), Anything),
    Row("listAudit", ADMIN, None, Nothing),
    Row("getMetrics", ADMIN, None, Nothing),
    Row("getHealth", None, None, Nothing),
    Row("getReadiness", None, None, Nothing),
    Row("getOpenApi", None, None, Nothing),
    Row("getDocs", None, None, Nothing),
    Row("getErrorPage", None, None, Nothing),
];

/// A file's number at the provider.
const FILE: &str = "4001";

struct Operation {
    method: String,
    path: String,
    row: &'static Row,
}

impl Operation {
    /// Its path with these ids.
    fn path(&self, workflow: &str, job: &str) -> String {
        let (id, message) = match self.path.split('/').nth(1) {
            Some("jobs") => (format!("job_{job}"), format!("msg_{job}")),
            Some("files") => (FILE.to_owned(), String::new()),
            Some("keys") => (format!("key_{job}"), String::new()),
            _ => (format!("wf_{workflow}"), String::new()),
        };
        let path = self.path.replace("{id}", &id).replace("{msg}", &message).replace("{n}", "1");
        path.replace("{name}", "openai_api_key").replace("{code}", "internal")
    }

    fn body(&self) -> Option<Value> {
        self.row.2.map(|body| serde_json::from_str(body).unwrap())
    }
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(api::openapi::document()).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            let row = TABLE.iter().find(|row| row.0 == id);
            let row = row.unwrap_or_else(|| panic!("{id} ({method} {path}) is missing in the table"));
            assert_eq!(operation["x-scope"].as_str(), row.1, "{id}");
            assert_eq!(operation.get("requestBody").is_some(), row.2.is_some(), "{id}");
            operations.push(Operation { method: method.to_uppercase(), path: path.clone(), row });
        }
    }
    operations
}

#[test]
fn every_operation_is_in_the_table_and_every_row_is_an_operation() {
    let described: BTreeSet<&str> = operations().iter().map(|operation| operation.row.0).collect();
    let left: Vec<&str> = TABLE.iter().map(|row| row.0).filter(|id| !described.contains(id)).collect();
    assert!(left.is_empty(), "rows of operations that are not there: {left:?}");
}

/// A tenant with a workflow that is ready, a job that ended, and a webhook that waits.
struct Tenant {
    key: String,
    workflow: String,
    job: String,
}

fn digits(id: &Value) -> String {
    id.as_str().unwrap().split_once('_').unwrap().1.to_owned()
}

async fn tenant(api: &Fixture, name: &str) -> Tenant {
    let key = api.key_of(name).await;
    let described = json!({"description": "What acme does is a secret."});
    let created = api.client.with_key(&key, "POST", "/workflows", Some(&described)).await.expect(202);
    api.generate("ready").await;
    let workflow = digits(&created["id"]);
    let run = json!({"user_input": "in", "callback_url": "https://example.com/hook"});
    let path = format!("/workflows/wf_{workflow}/execute");
    let job = api.client.with_key(&key, "POST", &path, Some(&run)).await.expect(202);
    let claimed = api.claim(Queue::Execute).await;
    api.end(&claimed, success()).await;
    if name == "acme" {
        // The provider numbers files of all its customers: only one of them can have this one.
        let file = json!({"id": FILE, "object": "file", "name": "secret.pdf", "bytes": 1, "status": "ready",
                          "created_at": "2026-01-01T00:00:00Z"});
        let file = serde_json::from_value(file).unwrap();
        let home = api.home(name).await;
        home.store().keep_file(home.tenant(), &file).await.unwrap();
    }
    Tenant { key, workflow, job: digits(&job["id"]) }
}

/// An answer without what differs from one to the next.
fn comparable(answer: &Answer, ids: &[&str]) -> (u16, Option<String>, String) {
    let body = ids.iter().fold(answer.text(), |body, id| body.replace(id, "…"));
    (answer.status, answer.header("content-type").map(str::to_owned), body)
}

/// Everything the tenant sees of its own.
async fn everything(api: &Fixture, tenant: &Tenant) -> Vec<String> {
    let (workflow, job) = (format!("/workflows/wf_{}", tenant.workflow), format!("/jobs/job_{}", tenant.job));
    let mut seen = Vec::new();
    for path in [
        "/workflows",
        "/jobs",
        "/webhook-secret",
        "/credentials",
        &workflow,
        &format!("{workflow}/versions"),
        &job,
        &format!("{job}/logs"),
        &format!("{job}/steps"),
        &format!("{job}/deliveries"),
    ] {
        seen.push(api.client.with_key(&tenant.key, "GET", path, None).await.text());
    }
    seen
}

/// Both tenants on the one shard, and each on one of its own.
async fn on_one_shard_and_on_two() -> [Fixture; 2] {
    [Fixture::with_keys(&[]).await, Fixture::with_keys(&[("REDIS_SHARDS", "2")]).await]
}

/// The two tenants, once it is sure where they live.
async fn acme_and_other(api: &Fixture) -> (Tenant, Tenant) {
    let tenants = (tenant(api, "acme").await, tenant(api, "other").await);
    let (one, other) = (api.home("acme").await, api.home("other").await);
    assert_eq!(one.store().shard() == other.store().shard(), api.shards.all().len() == 1);
    tenants
}

#[tokio::test]
async fn to_a_foreign_tenant_a_thing_is_as_if_it_did_not_exist() {
    for api in on_one_shard_and_on_two().await {
        foreign_things_do_not_exist(&api).await;
        api.finish().await;
    }
}

async fn foreign_things_do_not_exist(api: &Fixture) {
    let (acme, other) = acme_and_other(api).await;
    let before = everything(api, &acme).await;
    let nothing = "0".repeat(32);
    for operation in operations().iter().filter(|operation| operation.row.3 == Things) {
        let (body, id) = (operation.body(), [("x-request-id", "same")]);
        let bearer = format!("Bearer {}", other.key);
        let headers = [&id[..], &[("authorization", bearer.as_str())]].concat();
        let ask = async |workflow: &str, job: &str| {
            api.client.send(&operation.method, &operation.path(workflow, job), &headers, body.as_ref()).await
        };
        let foreign = ask(&acme.workflow, &acme.job).await;
        foreign.problem(404, "not_found");
        let unknown = ask(&nothing, &nothing).await;
        let same = [acme.workflow.as_str(), acme.job.as_str(), nothing.as_str()];
        assert_eq!(comparable(&foreign, &same), comparable(&unknown, &same), "{}", operation.row.0);
        // The same request of its owner is about something.
        if operation.method == "GET" {
            let path = operation.path(&acme.workflow, &acme.job);
            let own = api.client.with_key(&acme.key, "GET", &path, None).await;
            assert_ne!(own.status, 404, "{}", operation.row.0);
        }
    }
    assert_eq!(everything(api, &acme).await, before, "nothing has changed");
}

#[tokio::test]
async fn what_is_named_in_queries_headers_and_cursors_is_not_found_either() {
    for api in on_one_shard_and_on_two().await {
        foreign_names_find_nothing(&api).await;
        api.finish().await;
    }
}

async fn foreign_names_find_nothing(api: &Fixture) {
    let (acme, other) = acme_and_other(api).await;
    let nothing = "0".repeat(32);
    let ask = async |path: &str| {
        let answer = api.client.with_key(&other.key, "GET", path, None).await;
        answer.expect(200)
    };
    let by_workflow = |id: &str| format!("/jobs?workflow_id=wf_{id}");
    assert_eq!(ask(&by_workflow(&acme.workflow)).await, ask(&by_workflow(&nothing)).await);
    for (list, cursor) in
        [("/jobs", format!("job_{}", acme.job)), ("/workflows", format!("wf_{}", acme.workflow))]
    {
        let page = ask(&format!("{list}?after={cursor}")).await.to_string();
        assert!(!page.contains(&acme.job) && !page.contains(&acme.workflow), "{page}");
    }
    // The same idempotency key and body: each tenant's own workflow.
    let make = async |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", "same")];
        let body = json!({"description": "The same in both."});
        api.client.send("POST", "/workflows", &headers, Some(&body)).await
    };
    let (first, second) = (make(&acme.key).await, make(&other.key).await);
    assert_ne!(first.expect(202)["id"], second.expect(202)["id"]);
    assert_eq!(second.header("idempotent-replayed"), None);
    assert_eq!(make(&acme.key).await.expect(202)["id"], first.json()["id"]);
    // A tenant's name in a body or a query of somebody else's key.
    let body = json!({"description": "d", "tenant": "acme"});
    let named = api.client.with_key(&other.key, "POST", "/workflows", Some(&body)).await;
    named.problem(422, "invalid_request");
    for path in ["/credentials?tenant=acme", "/credentials?tenant=nobody"] {
        api.client.with_key(&other.key, "GET", path, None).await.problem(403, "insufficient_scope");
    }
}

#[tokio::test]
async fn without_the_right_scope_nothing_is_done_and_without_a_key_nothing_is_said() {
    let api = Fixture::with_keys(&[]).await;
    let acme = tenant(&api, "acme").await;
    let before = everything(&api, &acme).await;
    let all = ["read", "write", "manage", "admin"];
    for operation in operations() {
        let Some(scope) = operation.row.1 else { continue };
        let (path, body) = (operation.path(&acme.workflow, &acme.job), operation.body());
        let without: Vec<&str> = all.into_iter().filter(|other| *other != scope).collect();
        let new = json!({"tenant": "acme", "scopes": without});
        let key = api.operator("POST", "/keys", Some(&new)).await.expect(201);
        let key = key["secret"].as_str().unwrap();
        let refused = api.client.with_key(key, &operation.method, &path, body.as_ref()).await;
        refused.problem(403, "insufficient_scope");
        let unknown = api.client.send(&operation.method, &path, &[], body.as_ref()).await;
        unknown.problem(401, "unauthorized");
        assert!(unknown.header("www-authenticate").is_some() && unknown.header("ratelimit").is_none());
    }
    assert_eq!(everything(&api, &acme).await, before, "nothing has changed");
    api.finish().await;
}

#[tokio::test]
async fn a_malformed_body_is_a_problem_of_its_own_whatever_the_operation() {
    let api = Fixture::with_keys(&[]).await;
    let acme = tenant(&api, "acme").await;
    let whole = json!({"tenant": "acme", "scopes": ["read", "write", "manage", "admin"]});
    let key = api.operator("POST", "/keys", Some(&whole)).await.expect(201);
    let bearer = format!("Bearer {}", key["secret"].as_str().unwrap());
    // A file comes as a form, with tests of its own.
    let takes_json = |operation: &&Operation| operation.row.2.is_some() && operation.row.0 != "uploadFile";
    for operation in operations().iter().filter(takes_json) {
        let path = operation.path(&acme.workflow, &acme.job).replace(&format!("wf_{}", acme.workflow), &{
            if operation.path.starts_with("/tenants") {
                "acme".to_owned()
            } else {
                format!("wf_{}", acme.workflow)
            }
        });
        let send = async |kind: &str, body: &[u8]| {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            api.client.exchange(&request(&operation.method, &path, &headers, body)).await
        };
        send("application/json", b"{").await.problem(400, "invalid_json");
        send("application/json", b"[]").await.problem(422, "invalid_request");
        send("text/plain", b"{}").await.problem(415, "unsupported_media_type");
        let unknown = send("application/json", br#"{"tenant_id":"other"}"#).await;
        let problem = unknown.problem(422, "invalid_request").to_string();
        assert!(problem.contains("/tenant_id"), "{}: {problem}", operation.row.0);
    }
    api.finish().await;
}
