//! The form a reply has to have: how a provider is told, and how its reply is checked. A choice or a pattern becomes
//! a schema with one field where a provider knows only schemas, and is taken out of it again.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::pattern::Pattern;

/// A JSON schema a reply has to follow. Kept as text: the order of its properties is the order in which the model
/// writes them, and a plan written before the code is a better plan.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct OutputSchema(Box<RawValue>);

impl OutputSchema {
    /// A schema from its JSON text.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }

    /// The schema as a value (properties in no particular order).
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.0.get()).unwrap_or(Value::Null)
    }
}

impl TryFrom<&Value> for OutputSchema {
    type Error = serde_json::Error;

    fn try_from(value: &Value) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }
}

/// The form a reply has to have. The provider enforces it where it can, and the client checks it where it can.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ReplyFormat {
    /// Any text.
    #[default]
    Text,
    /// JSON that follows a schema.
    Json(OutputSchema),
    /// One of these texts, exactly.
    Choice(Vec<String>),
    /// A text that matches this regular expression as a whole.
    Pattern(Pattern),
}

#[derive(Deserialize)]
struct Wrapped {
    answer: String,
}

impl ReplyFormat {
    /// The schema that stands for this form, for providers that know only schemas.
    pub(crate) fn schema(&self) -> Option<OutputSchema> {
        let field = match self {
            Self::Text => return None,
            Self::Json(schema) => return Some(schema.clone()),
            Self::Choice(choices) => json!({"type": "string", "enum": choices}),
            Self::Pattern(pattern) => json!({"type": "string", "pattern": anchored(pattern.as_str())}),
        };
        let schema = json!({
            "type": "object", "properties": {"answer": field}, "required": ["answer"], "additionalProperties": false,
        });
        OutputSchema::try_from(&schema).ok()
    }

    /// Takes the answer out of a reply that followed [`Self::schema`].
    pub(crate) fn unwrap_schema(&self, text: String) -> Result<String, &'static str> {
        match self {
            Self::Text | Self::Json(_) => self.check(text),
            Self::Choice(_) | Self::Pattern(_) => {
                let wrapped: Wrapped =
                    serde_json::from_str(&text).map_err(|_| "it does not follow the schema it was given")?;
                self.check(wrapped.answer)
            }
        }
    }

    /// Checks a reply that was to have this form as it stands.
    pub(crate) fn check(&self, text: String) -> Result<String, &'static str> {
        let fits = match self {
            Self::Text => true,
            Self::Pattern(pattern) => {
                let trimmed = text.trim();
                let fits = [text.as_str(), trimmed].into_iter().find(|text| pattern.admits(text));
                return fits.map(str::to_owned).ok_or("it does not match the expression it was given");
            }
            Self::Json(_) => serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(),
            Self::Choice(choices) => {
                let trimmed = text.trim();
                return choices
                    .iter()
                    .find(|choice| choice.as_str() == trimmed)
                    .cloned()
                    .ok_or("it is none of the choices it was given");
            }
        };
        if fits { Ok(text) } else { Err("it is not JSON") }
    }
}

fn anchored(pattern: &str) -> String {
    if pattern.starts_with('^') && pattern.ends_with('$') {
        pattern.to_owned()
    } else {
        format!("^(?:{pattern})$")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_goes_through_a_schema_and_comes_back_plain() {
        let format = ReplyFormat::Choice(vec!["OUI".into(), "NON".into()]);
        let schema = format.schema().unwrap().to_value();
        assert_eq!(schema["properties"]["answer"]["enum"], json!(["OUI", "NON"]));
        assert_eq!(format.unwrap_schema(r#"{"answer":"NON"}"#.into()), Ok("NON".to_owned()));
        assert!(format.unwrap_schema(r#"{"answer":"PEUT-ÊTRE"}"#.into()).is_err());
        assert!(format.unwrap_schema("NON".into()).is_err());
        assert_eq!(format.check(" OUI\n".into()), Ok("OUI".to_owned()));
    }

    #[test]
    fn a_pattern_is_anchored_once() {
        assert_eq!(anchored(r"\d{9}"), r"^(?:\d{9})$");
        assert_eq!(anchored(r"^\d{9}$"), r"^\d{9}$");
    }

    #[test]
    fn a_pattern_is_checked_and_outer_blanks_do_not_matter() {
        let format = ReplyFormat::Pattern(Pattern::new(r"\d{3}|none").unwrap());
        assert_eq!(format.check(" 123\n".into()), Ok("123".to_owned()));
        assert!(format.check("123 or so".into()).is_err());
        assert_eq!(format.unwrap_schema(r#"{"answer":"none"}"#.into()), Ok("none".to_owned()));
    }

    #[test]
    fn json_is_checked_to_be_json_and_text_is_not() {
        let format = ReplyFormat::Json(OutputSchema::from_text("{}").unwrap());
        assert!(format.check("{".into()).is_err());
        assert!(format.check("{}".into()).is_ok());
        assert!(ReplyFormat::Text.check("{".into()).is_ok());
        assert!(ReplyFormat::Text.schema().is_none());
    }

    #[test]
    fn the_order_of_a_schema_is_kept() {
        let schema = OutputSchema::from_text(r#"{"z":1,"a":2}"#).unwrap();
        assert_eq!(serde_json::to_string(&schema).unwrap(), r#"{"z":1,"a":2}"#);
    }
}
