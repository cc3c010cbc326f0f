//! The schema of a generated reply. Flat, every object closed, every field required: that is what grammar-constrained
//! decoding supports, and a large or nested schema is refused by it. The order is the order of writing: the plan
//! comes before the code.

/// The schema, as sent.
pub(super) const REPLY_SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "outcome": {"type": "string", "enum": ["workflow", "needs_clarification", "cannot"]},
    "language": {"type": "string"},
    "name": {"type": "string"},
    "summary": {"type": "string"},
    "assumptions": {"type": "array", "items": {"type": "string"}},
    "questions": {"type": "array", "items": {
      "type": "object",
      "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
      "required": ["id", "text"],
      "additionalProperties": false
    }},
    "reason": {"type": ["string", "null"]},
    "missing_capability": {"type": ["string", "null"]},
    "steps": {"type": "array", "items": {
      "type": "object",
      "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "tools": {"type": "array", "items": {
          "type": "string",
          "enum": ["paradigm_search", "paradigm_analyze", "chat_completion"]
        }}
      },
      "required": ["id", "title", "tools"],
      "additionalProperties": false
    }},
    "code": {"type": ["string", "null"]},
    "self_tests": {"type": "array", "items": {
      "type": "object",
      "properties": {
        "input": {"type": "string"},
        "tool_replies": {"type": "array", "items": {
          "type": "object",
          "properties": {
            "tool": {"type": "string", "enum": ["paradigm_search", "paradigm_analyze", "chat_completion"]},
            "contains": {"type": "string"},
            "reply": {"type": "string"}
          },
          "required": ["tool", "contains", "reply"],
          "additionalProperties": false
        }},
        "must_contain": {"type": "array", "items": {"type": "string"}}
      },
      "required": ["input", "tool_replies", "must_contain"],
      "additionalProperties": false
    }}
  },
  "required": ["outcome", "language", "name", "summary", "assumptions", "questions", "reason", "missing_capability",
    "steps", "code", "self_tests"],
  "additionalProperties": false
}"#;
