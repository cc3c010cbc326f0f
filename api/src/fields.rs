//! Reading a request's members, from a JSON body or a query, one by one.
//!
//! Every fault is noted with a pointer to where it is, and all are told at once; what nobody has taken at the end
//! is an unknown field. A request type is made of what was taken, so an unchecked one cannot come into being.

mod json;

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::problem::{Code, FieldError, Problem};

/// The members of a request that have not been taken yet, and what was wrong with those that have.
#[derive(Debug)]
pub struct Fields {
    members: Map<String, Value>,
    errors: Vec<FieldError>,
    too_large: bool,
    unknown: &'static str,
}

impl Fields {
    /// Of a JSON object.
    pub fn of_json(body: &[u8]) -> Result<Self, Problem> {
        match json::read(body) {
            Ok((Value::Object(members), twice)) => {
                let mut fields = Self::new(members, "is not a field of this request");
                let errors = twice.into_iter().map(|pointer| FieldError {
                    pointer: clipped(pointer),
                    detail: "is given twice".to_owned(),
                });
                fields.errors.extend(errors);
                Ok(fields)
            }
            Ok(_) => {
                let error = FieldError { pointer: String::new(), detail: "must be an object".to_owned() };
                Err(Problem::of_fields(Code::InvalidRequest, vec![error]))
            }
            Err(_) if body.is_empty() => {
                Err(Problem::new(Code::InvalidJson, "There is no body; a JSON object is expected."))
            }
            Err(error) => Err(Problem::new(Code::InvalidJson, format!("The body is not JSON: {error}."))),
        }
    }

    /// Of a query string; all values are text.
    pub fn of_query(query: Option<&str>) -> Self {
        let mut fields = Self::new(Map::new(), "is not a query parameter of this request");
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if fields.members.insert(name.clone().into_owned(), Value::String(value.into_owned())).is_some() {
                fields.fault(&name, "is given twice");
            }
        }
        fields
    }

    fn new(members: Map<String, Value>, unknown: &'static str) -> Self {
        Self { members, errors: Vec::new(), too_large: false, unknown }
    }

    /// How many faults were noted so far.
    pub fn fault_count(&self) -> usize {
        self.errors.len()
    }

    /// Notes that a field is wrong.
    pub fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer: format!("/{}", escaped(name)), detail: detail.into() });
    }

    /// Notes that an item of a list is wrong.
    pub fn fault_at(&mut self, name: &str, at: usize, detail: impl Into<String>) {
        self.errors.push(FieldError { pointer: format!("/{name}/{at}"), detail: detail.into() });
    }

    /// The members of an object in a field, to be read like these; see [`Fields::take_faults`].
    pub fn inner(&mut self, name: &str) -> Self {
        Self::new(self.object(name).unwrap_or_default(), self.unknown)
    }

    /// Takes over what was wrong, or is left, in an object read with [`Fields::inner`].
    pub fn take_faults(&mut self, name: &str, mut inner: Self) {
        let left: Vec<String> =
            std::mem::take(&mut inner.members).into_iter().map(|(name, _)| name).collect();
        for name in left.into_iter().take(10) {
            inner.fault(&clipped(name), inner.unknown);
        }
        let within = |error: FieldError| FieldError { pointer: format!("/{name}{}", error.pointer), ..error };
        self.errors.extend(inner.errors.into_iter().map(within));
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => return Some(flag),
            _ => self.fault(name, "must be true or false"),
        }
        None
    }

    /// A list of at most `most` different whole numbers.
    pub fn integers(&mut self, name: &str, most: usize) -> Option<Vec<i64>> {
        let Value::Array(items) = self.take(name)? else {
            self.fault(name, "must be a list of whole numbers");
            return None;
        };
        if items.len() > most {
            self.fault(name, format!("has {} items; at most {most} are allowed", items.len()));
        }
        let mut numbers = Vec::new();
        for (at, item) in items.iter().enumerate().take(most) {
            match item.as_i64().or_else(|| whole_either_sign(item.as_f64()?)) {
                Some(number) if !numbers.contains(&number) => numbers.push(number),
                Some(_) => self.fault_at(name, at, "is given twice"),
                None => self.fault_at(name, at, "must be a whole number"),
            }
        }
        Some(numbers)
    }

    /// Notes that a member of an object in a field is wrong.
    pub fn fault_within(&mut self, name: &str, member: &str, detail: impl Into<String>) {
        let pointer = format!("/{name}/{}", escaped(member));
        self.errors.push(FieldError { pointer, detail: detail.into() });
    }

    /// Notes that a field is too large.
    pub fn oversize(&mut self, name: &str, bytes: usize, bytes_max: usize) {
        self.too_large = true;
        self.fault(name, format!("is {bytes} bytes long; at most {bytes_max} are allowed"));
    }

    /// A member; `null` is the same as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Whether a member is there and `null`, where that means something else than its absence.
    pub fn is_null(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(Value::is_null)
    }

    /// A text of at most `bytes_max` bytes.
    pub fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.len() <= bytes_max => return Some(text),
            Value::String(text) => self.oversize(name, text.len(), bytes_max),
            _ => self.fault(name, "must be a string"),
        }
        None
    }

    /// A text that has to be there.
    pub fn required_text(&mut self, name: &str, bytes_max: usize) -> String {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.fault(name, "is required");
        }
        self.text(name, bytes_max).unwrap_or_default()
    }

    /// A whole number in a range; in a query it is written as text.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let number = match self.take(name)? {
            Value::String(text) if self.unknown.contains("query") => text.parse().ok(),
            Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
            _ => None,
        };
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.fault(name, format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(object) => return Some(object),
            _ => self.fault(name, "must be an object"),
        }
        None
    }

    /// A list of at most `most` texts of 1 to `chars_max` characters.
    pub fn texts(&mut self, name: &str, most: usize, chars_max: usize) -> Vec<String> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let Value::Array(items) = value else {
            self.fault(name, "must be a list of strings");
            return Vec::new();
        };
        if items.len() > most {
            self.fault(name, format!("has {} items; at most {most} are allowed", items.len()));
        }
        let mut texts = Vec::new();
        for (at, item) in items.into_iter().enumerate().take(most) {
            match item {
                Value::String(text) if (1..=chars_max).contains(&text.chars().count()) => texts.push(text),
                _ => {
                    let detail = format!("must be a string of 1 to {chars_max} characters");
                    self.errors.push(FieldError { pointer: format!("/{name}/{at}"), detail });
                }
            }
        }
        texts
    }

    /// A text that parses; in other words than its parser's.
    pub fn parsed<T: std::str::FromStr>(&mut self, name: &str, expected: &str) -> Option<T> {
        match self.take(name)? {
            Value::String(text) => match text.parse() {
                Ok(value) => return Some(value),
                Err(_) => self.fault(name, format!("must be {expected}")),
            },
            _ => self.fault(name, "must be a string"),
        }
        None
    }

    /// What was made of the fields, unless something was wrong.
    pub fn finish<T>(mut self, made: T) -> Result<T, Problem> {
        let unknown = self.unknown;
        for name in std::mem::take(&mut self.members).into_iter().map(|(name, _)| name).take(10) {
            self.fault(&clipped(name), unknown);
        }
        if self.errors.is_empty() {
            return Ok(made);
        }
        let code = if self.too_large { Code::TooLarge } else { Code::InvalidRequest };
        Err(Problem::of_fields(code, self.errors))
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// JSON knows one kind of number: `1e3` and `1000.0` are whole.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range and without fraction")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

/// The same below zero too, as far as the numbers reach.
#[expect(clippy::cast_possible_truncation, reason = "in range and without fraction")]
fn whole_either_sign(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.2e18).then_some(number as i64)
}

/// The client's own text is repeated, but not at any length.
fn clipped(name: String) -> String {
    if name.chars().count() <= 64 { name } else { name.chars().take(64).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn all_faults_are_told_at_once_with_pointers() {
        let mut fields = Fields::of_json(br#"{"a":1,"b":"long","n":2.5,"x/y":0,"l":["ok",3]}"#).unwrap();
        fields.text("a", 9);
        fields.required_text("missing", 9);
        fields.integer("n", 1..=9);
        fields.texts("l", 5, 9);
        fields.text("b", 9);
        let told = format!("{:?}", fields.finish(()).unwrap_err());
        for pointer in ["/a", "/missing", "/n", "/x~1y", "/l/1"] {
            assert!(told.contains(&format!("\"{pointer}\"")), "{pointer} in {told}");
        }
        assert!(!told.contains("\"/b\""));
    }

    #[test]
    fn a_field_that_is_too_large_makes_the_request_too_large() {
        let mut fields = Fields::of_json(br#"{"a":"12345","b":1}"#).unwrap();
        fields.text("a", 4);
        assert_eq!(fields.finish(()).unwrap_err().into_response().status(), 413);
    }

    #[test]
    fn whole_numbers_may_be_written_in_any_way_json_allows() {
        let mut fields = Fields::of_json(br#"{"a":1000.0,"b":1e3,"c":"7","d":-1}"#).unwrap();
        assert_eq!(fields.integer("a", 0..=5000), Some(1000));
        assert_eq!(fields.integer("b", 0..=5000), Some(1000));
        assert_eq!(fields.integer("c", 0..=5000), None);
        assert_eq!(fields.integer("d", 0..=5000), None);
        assert_eq!(Fields::of_query(Some("n=7")).integer("n", 0..=9), Some(7));
        let mut fields = Fields::of_json(br#"{"l":[-1.0,2e3,-3],"m":[0.5]}"#).unwrap();
        assert_eq!(fields.integers("l", 9), Some(vec![-1, 2000, -3]));
        assert!(fields.integers("m", 9).is_some() && fields.finish(()).is_err());
    }

    #[test]
    fn a_query_parameter_given_twice_or_unknown_is_a_fault() {
        let mut fields = Fields::of_query(Some("n=7&n=8"));
        fields.integer("n", 0..=9);
        assert!(fields.finish(()).is_err());
        assert!(Fields::of_query(Some("colour=red")).finish(()).is_err());
        assert!(Fields::of_query(None).finish(()).is_ok());
    }

    #[test]
    fn a_field_given_twice_is_a_fault_wherever_it_is() {
        let mut fields = Fields::of_json(br#"{"a":"x","a":"y","o":{"b":1,"b":2}}"#).unwrap();
        fields.text("a", 9);
        fields.object("o");
        let told = format!("{:?}", fields.finish(()).unwrap_err());
        assert!(told.contains("\"/a\"") && told.contains("\"/o/b\"") && told.contains("twice"), "{told}");
    }

    #[test]
    fn nonsense_is_not_json() {
        for body in [&b""[..], b"{", b"\xff", b"{\"a\":\"\\ud800\"}", b"{}{}", &[b'['; 1000]] {
            assert_eq!(Fields::of_json(body).unwrap_err().into_response().status(), 400);
        }
        assert_eq!(Fields::of_json(b"[]").unwrap_err().into_response().status(), 422);
    }
}
