//! A regular expression that a reply has to match, as a program gives it.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_SAMPLE_CHARS_MAX};

/// A regular expression a reply has to match as a whole: without look-around and back-references, so that matching
/// takes linear time.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    whole: Regex,
}

impl Pattern {
    /// Reads an expression; `Err` says what is wrong with it.
    pub fn new(source: &str) -> Result<Self, String> {
        let whole = RegexBuilder::new(&format!("^(?:{source})$")).size_limit(PATTERN_BYTES_MAX).build();
        let whole = whole.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
            _ => "it is not a regular expression without look-around and back-references".to_owned(),
        })?;
        Ok(Self { source: source.to_owned(), whole })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether a text matches as a whole.
    pub fn admits(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    /// A text that matches, for a stand-in: the shortest way through, each repetition at least once where it may be.
    pub fn sample(&self) -> Option<String> {
        let parsed = regex_syntax::parse(&self.source).ok()?;
        let mut text = String::new();
        write_sample(&parsed, &mut text)?;
        self.admits(&text).then_some(text)
    }
}

/// `None`: there is no such text, or it is too long.
fn write_sample(hir: &Hir, text: &mut String) -> Option<()> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(Class::Unicode(class)) => {
            let ranges = || class.iter().flat_map(|range| [range.start(), range.end()]);
            // A class such as `.` or `\S` begins with control characters: a letter says more.
            let plain = class.iter().any(|range| range.start() <= 'a' && 'a' <= range.end()).then_some('a');
            text.push(plain.or_else(|| ranges().find(|c| !c.is_control())).or_else(|| ranges().next())?);
        }
        HirKind::Class(Class::Bytes(_)) => return None,
        HirKind::Repetition(repetition) => {
            let times = repetition.min.max(u32::from(repetition.max != Some(0)));
            for _ in 0..times {
                write_sample(&repetition.sub, text)?;
            }
        }
        HirKind::Capture(capture) => write_sample(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write_sample(part, text))?,
        HirKind::Alternation(parts) => write_sample(parts.first()?, text)?,
    }
    (text.len() <= PATTERN_SAMPLE_CHARS_MAX).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_linear_time_or_is_not_taken_at_all() {
        for wrong in [r"(a)\1", "(?=a)", "(", &format!("({}){{1000}}", "a{1000}")] {
            assert!(Pattern::new(wrong).is_err(), "{wrong}");
        }
        assert!(Pattern::new(r"\d+").unwrap().admits("12"));
        assert!(!Pattern::new("a|b").unwrap().admits("ab"));
    }

    #[test]
    fn a_sample_matches() {
        let sample = |pattern: &str| Pattern::new(pattern).unwrap().sample().unwrap();
        assert_eq!(sample(r"\d{9}"), "000000000");
        assert_eq!(sample(r"(OUI|NON) : .+"), "OUI : a");
        assert_eq!(sample(r"^[A-Z]{2}-\d+(,\d{1,2})?$"), "AA-0,0");
        assert_eq!(Pattern::new("a{5000}").unwrap().sample(), None, "too long for a sample");
    }
}
