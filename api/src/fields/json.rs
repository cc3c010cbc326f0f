//! JSON as it was sent: what stands in an object twice is noticed, because a client may have meant either value, and another
//! reader of the same body would take the other.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// 10 names are told; more are of one kind.
const TOLD_MAX: usize = 10;

/// The value, and pointers to what is given twice.
pub(super) fn read(body: &[u8]) -> serde_json::Result<(Value, Vec<String>)> {
    let twice = RefCell::default();
    let mut reader = serde_json::Deserializer::from_slice(body); // it ends where values lie 128 deep in each other
    let value = Place { at: None, twice: &twice }.deserialize(&mut reader)?;
    reader.end()?;
    Ok((value, twice.into_inner()))
}

/// One value's place in the body.
#[derive(Clone, Copy)]
struct Place<'a> {
    at: Option<&'a At<'a>>,
    twice: &'a RefCell<Vec<String>>,
}

struct At<'a> {
    outer: Option<&'a Self>,
    step: Step<'a>,
}

enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

impl At<'_> {
    fn pointer(&self) -> String {
        let outer = self.outer.map(Self::pointer).unwrap_or_default();
        match self.step {
            Step::Name(name) => format!("{outer}/{}", super::escaped(name)),
            Step::Item(at) => format!("{outer}/{at}"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let at = At { outer: self.at, step: Step::Item(list.len()) };
            match items.next_element_seed(Place { at: Some(&at), twice: self.twice })? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let at = At { outer: self.at, step: Step::Name(&name) };
            let value = members.next_value_seed(Place { at: Some(&at), twice: self.twice })?;
            if object.contains_key(&name) && self.twice.borrow().len() < TOLD_MAX {
                self.twice.borrow_mut().push(at.pointer());
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reads_as_any_other_reader_has_it() {
        for text in [
            "null",
            "-3",
            "18446744073709551615",
            "2.5e3",
            r#""é\ud83e\udd80\u0000""#,
            r#"[1,[],{"a":{"b":[true,false,null]}}]"#,
        ] {
            let (value, twice) = read(text.as_bytes()).unwrap();
            assert_eq!((value, twice), (serde_json::from_str(text).unwrap(), Vec::new()), "{text}");
        }
        for text in ["", "{", "{}{}", "[1,]", "1e400", r#""\ud800""#, &"[".repeat(200), "\u{feff}{}"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_given_twice_is_told_with_pointers() {
        let (_, twice) = read(br#"{"a":1,"b":[{},{"x/y":1,"x/y":1}],"a":{"c":1,"\u0063":2}}"#).unwrap();
        assert_eq!(twice, ["/b/1/x~1y", "/a/c", "/a"]);
    }
}
