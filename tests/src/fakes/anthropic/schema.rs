//! Structured output: which schemas the original accepts, and an answer that conforms to one.

use serde_json::{Map, Value, json};

/// Keywords the grammar compiler does not take.
const UNSUPPORTED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "oneOf",
    "not",
    "if",
];
/// 32 levels: deeper than any flat schema, shallower than recursion.
const DEPTH_MAX: usize = 32;
/// 100 kB: beyond it the original says that the compiled grammar is too large.
const SCHEMA_BYTES_MAX: usize = 100_000;

/// Whether the original would compile it; `Err` says what it would complain about.
pub(super) fn accepted(schema: &Value) -> Result<(), String> {
    if schema["type"] != "object" {
        return Err("the top level must be an object".to_owned());
    }
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return Err("compiled grammar is too large".to_owned());
    }
    accepted_at(schema, schema, DEPTH_MAX)
}

fn accepted_at(root: &Value, schema: &Value, depth_left: usize) -> Result<(), String> {
    if depth_left == 0 {
        return Err("recursive schemas are not supported".to_owned());
    }
    let object = schema.as_object().ok_or("every schema must be an object")?;
    if let Some(name) = UNSUPPORTED.iter().find(|name| object.contains_key(**name)) {
        return Err(format!("'{name}' is not supported"));
    }
    if object.contains_key("$ref") {
        return accepted_at(root, resolved(root, schema)?, depth_left - 1);
    }
    if object.get("type") == Some(&json!("object")) {
        if object.get("additionalProperties") != Some(&json!(false)) {
            return Err(
                "For 'object' type, 'additionalProperties' must be explicitly set to false".to_owned()
            );
        }
        let properties = object.get("properties").and_then(Value::as_object);
        let known = |name: &Value| {
            name.as_str().is_some_and(|name| properties.is_some_and(|all| all.contains_key(name)))
        };
        let required = object.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if !required.iter().all(known) {
            return Err("'required' names a property that does not exist".to_owned());
        }
    }
    let properties = object.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let alternatives =
        ["anyOf", "allOf"].into_iter().filter_map(|name| object.get(name)?.as_array()).flatten();
    let items = object.get("items");
    properties.chain(alternatives).chain(items).try_for_each(|part| accepted_at(root, part, depth_left - 1))
}

fn resolved<'a>(root: &'a Value, schema: &Value) -> Result<&'a Value, String> {
    let reference = schema["$ref"].as_str().unwrap_or_default();
    let pointer = reference.strip_prefix('#').ok_or("external $ref is not supported")?;
    root.pointer(pointer).ok_or_else(|| format!("{reference} does not exist"))
}

/// An answer with these fields, and every other property of the schema at its emptiest.
pub fn conforming(schema: &Value, fields: &Map<String, Value>) -> Value {
    filled(schema, schema, Some(&Value::Object(fields.clone())))
}

fn filled(root: &Value, schema: &Value, given: Option<&Value>) -> Value {
    let schema =
        if schema["$ref"].is_string() { resolved(root, schema).expect("checked on arrival") } else { schema };
    if let Some(properties) = schema["properties"].as_object() {
        let wants_null = given.is_none_or(Value::is_null) && allows_null(schema);
        if wants_null {
            return Value::Null;
        }
        let part = |name: &str| given.and_then(|given| given.get(name));
        return properties
            .iter()
            .map(|(name, property)| (name.clone(), filled(root, property, part(name))))
            .collect();
    }
    match given {
        Some(Value::Array(items)) if schema["items"].is_object() => {
            items.iter().map(|item| filled(root, &schema["items"], Some(item))).collect()
        }
        Some(given) => given.clone(),
        None => emptiest(root, schema),
    }
}

fn emptiest(root: &Value, schema: &Value) -> Value {
    if allows_null(schema) {
        return Value::Null;
    }
    if let Some(first) = schema["enum"].get(0).or_else(|| schema.get("const")) {
        return first.clone();
    }
    if let Some(first) = schema["anyOf"].get(0) {
        return filled(root, first, None);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("string") => json!(""),
        Some("array") => json!([]),
        Some("object") => json!({}),
        Some("boolean") => json!(false),
        Some("integer" | "number") => json!(0),
        _ => Value::Null,
    }
}

fn allows_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    let listed = schema["type"].as_array().is_some_and(|kinds| kinds.iter().any(is_null));
    let alternative =
        schema["anyOf"].as_array().is_some_and(|parts| parts.iter().any(|part| is_null(&part["type"])));
    is_null(&schema["type"]) || listed || alternative
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["outcome", "code", "steps"],
            "properties": {
                "outcome": {"type": "string", "enum": ["workflow", "cannot"]},
                "code": {"type": ["string", "null"]},
                "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
            },
            "$defs": {"step": {
                "type": "object",
                "additionalProperties": false,
                "required": ["title"],
                "properties": {"title": {"type": "string"}, "tools": {"type": "array", "items": {"type": "string"}}},
            }},
        })
    }

    #[test]
    fn a_flat_schema_is_accepted_and_filled() {
        accepted(&flat()).unwrap();
        let fields = json!({"code": "x", "steps": [{"title": "Search"}]});
        let answer = conforming(&flat(), fields.as_object().unwrap());
        assert_eq!(
            answer,
            json!({"outcome": "workflow", "code": "x", "steps": [{"title": "Search", "tools": []}]})
        );
    }

    #[test]
    fn what_the_compiler_does_not_take_is_refused() {
        let mut open = flat();
        open["additionalProperties"] = json!(true);
        assert!(accepted(&open).unwrap_err().contains("additionalProperties"));
        let mut long = flat();
        long["properties"]["code"]["maxLength"] = json!(3);
        assert!(accepted(&long).unwrap_err().contains("maxLength"));
        let mut endless = flat();
        endless["$defs"]["step"]["properties"]["title"] = json!({"$ref": "#/$defs/step"});
        assert!(accepted(&endless).unwrap_err().contains("recursive"));
    }
}
