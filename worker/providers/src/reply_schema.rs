//! A program's own schema for a reply: made into what grammar compilers take, and the reply checked against it, because
//! not every server enforces it.
//!
//! What compilers refuse (bounds of numbers and lengths) is left out of what is sent and still checked afterwards as
//! far as it is about types, required properties and enumerations; the rest is the program's to check.

use serde_json::{Map, Value};

use crate::format::OutputSchema;
use crate::limits::{SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX};

/// Keywords that grammar compilers take; others are left out.
const SENT: [&str; 13] = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "description",
    "title",
    "format",
    "pattern",
    "minItems",
];

/// A schema as a program gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplySchema(Value);

impl ReplySchema {
    /// Reads a schema; `Err` says what is wrong with it.
    pub fn new(schema: &Map<String, Value>) -> Result<Self, String> {
        let schema = Value::Object(schema.clone());
        if schema.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(format!("it is larger than {} KiB", SCHEMA_BYTES_MAX >> 10));
        }
        if schema["type"] != "object" || !schema["properties"].is_object() {
            return Err("its top level has to be an object with properties".to_owned());
        }
        closed(&schema, SCHEMA_DEPTH_MAX).map(Self)
    }

    /// As it is sent: every object closed, nothing in it that compilers refuse.
    pub fn to_output(&self) -> Result<OutputSchema, serde_json::Error> {
        OutputSchema::try_from(&self.0)
    }

    /// Whether a reply is JSON that follows it.
    pub fn admits(&self, reply: &str) -> bool {
        serde_json::from_str::<Value>(reply).is_ok_and(|value| follows(&self.0, &value))
    }

    /// The smallest value that follows it, for a stand-in.
    pub fn smallest(&self) -> Value {
        smallest(&self.0)
    }
}

fn closed(schema: &Value, depth_left: usize) -> Result<Value, String> {
    let Value::Object(schema) = schema else {
        return Err("every schema in it has to be an object".to_owned());
    };
    if depth_left == 0 {
        return Err(format!("it is nested more than {SCHEMA_DEPTH_MAX} levels deep"));
    }
    if schema.contains_key("$ref") || schema.contains_key("oneOf") {
        return Err("$ref and oneOf are not supported: write the parts out, or use anyOf".to_owned());
    }
    let mut sent = Map::new();
    for (keyword, value) in schema.iter().filter(|(keyword, _)| SENT.contains(&keyword.as_str())) {
        let inner = |value: &Value| closed(value, depth_left - 1);
        let value = match (keyword.as_str(), value) {
            ("properties", Value::Object(parts)) => {
                let parts = parts.iter().map(|(name, part)| Ok((name.clone(), inner(part)?)));
                Value::Object(parts.collect::<Result<_, String>>()?)
            }
            ("items", part) => inner(part)?,
            ("anyOf" | "allOf", Value::Array(parts)) => {
                Value::Array(parts.iter().map(inner).collect::<Result<_, String>>()?)
            }
            ("properties" | "anyOf" | "allOf", _) => return Err(format!("its {keyword} has the wrong type")),
            // Compilers know no lists that have to be longer than one.
            ("minItems", count) if count.as_u64().is_none_or(|count| count > 1) => continue,
            _ => value.clone(),
        };
        sent.insert(keyword.clone(), value);
    }
    if sent.get("type").is_some_and(|kind| kind == "object") {
        sent.entry("properties").or_insert_with(|| Value::Object(Map::new()));
        sent.insert("additionalProperties".to_owned(), Value::Bool(false));
        let known = |name: &Value| name.as_str().is_some_and(|name| sent["properties"].get(name).is_some());
        if sent.get("required").and_then(Value::as_array).is_some_and(|names| !names.iter().all(known)) {
            return Err("its required names a property that is not there".to_owned());
        }
    }
    Ok(Value::Object(sent))
}

fn follows(schema: &Value, value: &Value) -> bool {
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().collect(),
        Value::Null => Vec::new(),
        kind => vec![kind],
    };
    let list = |keyword: &str| schema[keyword].as_array().map_or(&[][..], Vec::as_slice);
    let properties = schema["properties"].as_object();
    let of_kind =
        kinds.is_empty() || kinds.iter().any(|kind| is_kind(kind.as_str().unwrap_or_default(), value));
    let enumerated = list("enum").is_empty() || list("enum").contains(value);
    let constant = schema.get("const").is_none_or(|constant| constant == value);
    let parts = match value {
        Value::Object(fields) => {
            let required =
                list("required").iter().filter_map(Value::as_str).all(|name| fields.contains_key(name));
            let known = |name: &String| properties.and_then(|all| all.get(name));
            required
                && fields.iter().all(|(name, field)| {
                    known(name).map_or(properties.is_none(), |part| follows(part, field))
                })
        }
        Value::Array(items) => {
            schema.get("items").is_none_or(|part| items.iter().all(|item| follows(part, item)))
        }
        _ => true,
    };
    let any = list("anyOf").is_empty() || list("anyOf").iter().any(|part| follows(part, value));
    of_kind && enumerated && constant && parts && any && list("allOf").iter().all(|part| follows(part, value))
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => true,
    }
}

fn smallest(schema: &Value) -> Value {
    if let Some(first) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return first.clone();
    }
    if let Some(first) = schema["anyOf"].get(0).or_else(|| schema["allOf"].get(0)) {
        return smallest(first);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or_default();
    match kind {
        "object" => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, part)| (name.clone(), smallest(part))).collect()
        }
        "array" if schema["minItems"] == 1 => Value::Array(vec![smallest(&schema["items"])]),
        "array" => Value::Array(Vec::new()),
        "boolean" => Value::Bool(false),
        "number" | "integer" => Value::from(0),
        "null" => Value::Null,
        _ => Value::String(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(schema: &Value) -> Result<ReplySchema, String> {
        ReplySchema::new(schema.as_object().unwrap())
    }

    #[test]
    fn a_schema_is_closed_and_rid_of_what_compilers_refuse() {
        let given = json!({"type": "object", "$schema": "x", "required": ["n"], "properties": {
            "n": {"type": "integer", "minimum": 3},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        }});
        let sent = schema(&given).unwrap().to_output().unwrap().to_value();
        assert_eq!(
            sent,
            json!({"type": "object", "required": ["n"], "additionalProperties": false, "properties": {
                "n": {"type": "integer"},
                "parts": {"type": "array", "items": {
                    "type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false,
                }},
            }})
        );
    }

    #[test]
    fn a_reply_is_checked_against_it() {
        let schema = schema(&json!({"type": "object", "required": ["verdict", "page"], "properties": {
            "verdict": {"type": "string", "enum": ["OUI", "NON"]},
            "page": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        }}));
        let schema = schema.unwrap();
        for fits in [r#"{"verdict":"OUI","page":3}"#, r#"{"verdict":"NON","page":null}"#] {
            assert!(schema.admits(fits), "{fits}");
        }
        let wrong =
            ["OUI", r#"{"verdict":"OUI"}"#, r#"{"verdict":"?","page":1}"#, r#"{"verdict":"OUI","page":"1"}"#];
        for wrong in wrong {
            assert!(!schema.admits(wrong), "{wrong}");
        }
        assert!(schema.admits(&schema.smallest().to_string()));
        assert!(!schema.admits(r#"{"verdict":"OUI","page":1,"more":1}"#));
    }

    #[test]
    fn what_cannot_be_a_grammar_is_refused_before_it_is_sent() {
        let mut deep = json!({"type": "string"});
        for _ in 0..20 {
            deep = json!({"type": "object", "properties": {"a": deep}});
        }
        let many: Map<String, Value> =
            (0..2_000).map(|n| (format!("property {n}"), json!({"type": "string"}))).collect();
        let wrong = [
            json!({"type": "array", "items": {"type": "string"}}),
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/x"}}}),
            json!({"type": "object", "properties": {}, "required": ["a"]}),
            json!({"type": "object", "properties": {"a": 5}}),
            json!({"type": "object", "properties": many}),
            deep,
        ];
        for wrong in wrong {
            assert!(schema(&wrong).is_err(), "{}", &wrong.to_string()[..40]);
        }
    }
}
