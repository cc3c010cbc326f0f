//! How settings are read: once, at the start, from a map of variables, with every mistake reported at once.
//!
//! Each binary has a `config.rs` that names its variables as [`Setting`]s; the same table is its `--help` and
//! the generated page in `docs/`. Nothing else reads the environment, so tests pass a map.

use std::{collections::HashMap, fmt::Write as _, str::FromStr, time::Duration};

use secrecy::SecretString;

/// One environment variable: the single source of its name, default and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// The default as shown to people.
    pub default: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// The variables of a process, and the mistakes found so far.
#[derive(Debug)]
pub struct Vars {
    values: HashMap<String, String>,
    mistakes: Vec<String>,
}

impl Vars {
    /// Of a map. Empty values count as absent: compose files write them for unset variables.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = values.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        Self { values, mistakes: Vec::new() }
    }

    /// The value of a variable, if it is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.trim())
    }

    /// A secret value, if it is set.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(|value| SecretString::from(value.to_owned()))
    }

    /// A value of any type that parses, or the default.
    pub fn parsed<T: FromStr>(&mut self, name: &str, default: T, expected: &str) -> T {
        match self.text(name).map(str::parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                self.mistake(name, expected);
                default
            }
        }
    }

    /// A whole number between `min` and `max`, or the default.
    pub fn number(&mut self, name: &str, default: u64, min: u64, max: u64) -> u64 {
        let expected = format!("a whole number from {min} to {max}");
        match self.text(name).map(str::parse::<u64>) {
            None => default,
            Some(Ok(value)) if (min..=max).contains(&value) => value,
            Some(_) => {
                self.mistake(name, &expected);
                default
            }
        }
    }

    /// A number of milliseconds between `min` and `max`, or the default.
    pub fn millis(&mut self, name: &str, default: Duration, min: Duration, max: Duration) -> Duration {
        let whole = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.number(name, whole(default), whole(min), whole(max)))
    }

    /// `true` or `false`, or the default.
    pub fn flag(&mut self, name: &str, default: bool) -> bool {
        self.parsed(name, default, "`true` or `false`")
    }

    /// Notes that a variable holds something else than expected.
    pub fn mistake(&mut self, name: &str, expected: &str) {
        self.mistakes.push(format!("{name}: expected {expected}"));
    }

    /// The configuration, unless there were mistakes.
    pub fn finish<T>(self, config: T) -> Result<T, Mistakes> {
        if self.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(self.mistakes)) }
    }
}

/// All mistakes in the configuration. Values are not repeated: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has mistakes:\n  {}", .0.join("\n  "))]
pub struct Mistakes(pub Vec<String>);

/// The `--help` text of a binary that is configured by its environment.
pub fn help(binary: &str, purpose: &str, settings: &[Setting]) -> String {
    let mut text =
        format!("{purpose}\n\nUsage: {binary} [--help | --version | --build-id | --exit-with-parent]\n\n");
    text.push_str("Settings (environment variables; a file .env in the current folder is read too):\n");
    for Setting { name, default, help } in settings {
        let _ = write!(text, "\n  {name}  [default: {default}]\n      {help}\n");
    }
    text
}

/// The variables of this process, with those of `.env` in the current folder behind them.
pub fn process_vars() -> Vec<(String, String)> {
    let mut vars: HashMap<String, String> = read_env_file(".env").into_iter().collect();
    vars.extend(
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
    );
    vars.into_iter().collect()
}

/// Lines of the form NAME=value; quotes around the value and `export` before the name are dropped.
fn read_env_file(path: &str) -> Vec<(String, String)> {
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    parse_env_file(&text)
}

fn parse_env_file(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let unquoted = ['"', '\'']
            .into_iter()
            .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim());
        Some((name.trim().to_owned(), unquoted.to_owned()))
    };
    lines.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        Vars::new(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn all_mistakes_are_reported_at_once_and_values_are_not_repeated() {
        let mut vars = vars(&[("A", "many"), ("B", "7"), ("C", "secret-looking"), ("D", " ")]);
        assert_eq!(vars.number("A", 1, 1, 5), 1);
        assert_eq!(vars.number("B", 1, 1, 5), 1);
        assert!(!vars.flag("C", false));
        assert_eq!(vars.number("D", 3, 1, 5), 3);
        let told = vars.finish(()).unwrap_err().to_string();
        assert!(told.contains("A: expected a whole number from 1 to 5"), "{told}");
        assert!(told.contains("B:") && told.contains("C: expected `true` or `false`"), "{told}");
        assert!(!told.contains("secret-looking"), "{told}");
    }

    #[test]
    fn an_env_file_may_have_comments_quotes_and_exports() {
        let read = parse_env_file("# keys\nA=1\nexport B = \"two words\"\nC='x=y'\nD=v # note\n\nnonsense");
        let pairs: Vec<(&str, &str)> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "v")]);
    }
}
