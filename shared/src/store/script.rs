//! The scripts: Lua files, each one state change, sent once and then named by their hash.

use std::{collections::HashSet, sync::LazyLock};

use redis::Script;

const PRELUDE: &str = concat!(include_str!("lua/prelude.lua"), include_str!("lua/jobs.lua"));

fn assemble(body: &str) -> Script {
    Script::new(&body.replace("--@prelude", &used_by(body)))
}

/// Those definitions of the prelude that a script uses, itself or through others. Redis makes all that a script
/// defines anew at each call: all of the prelude would be ten microseconds, as much as a dozen commands.
fn used_by(body: &str) -> String {
    let mut definitions: Vec<String> = Vec::new();
    for line in PRELUDE.lines().filter(|line| !line.trim_start().starts_with("--") && !line.is_empty()) {
        match definitions.last_mut() {
            Some(definition) if !line.starts_with("local ") => {
                definition.push('\n');
                definition.push_str(line);
            }
            _ => definitions.push(line.to_owned()),
        }
    }
    let mut words: HashSet<String> = words(body).map(str::to_owned).collect();
    let mut used = Vec::new();
    // What a definition uses stands before it.
    for definition in definitions.iter().rev() {
        let head = definition.lines().next().unwrap_or_default();
        let head = head.strip_prefix("local function ").map_or_else(
            || head.split('=').next().unwrap_or_default(),
            |rest| rest.split('(').next().unwrap_or_default(),
        );
        if self::words(head).any(|name| name != "local" && words.contains(name)) {
            words.extend(self::words(definition).map(str::to_owned));
            used.push(definition.as_str());
        }
    }
    used.reverse();
    used.join("\n")
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    let code = code.lines().filter(|line| !line.trim_start().starts_with("--"));
    code.flat_map(|line| line.split(|character: char| !character.is_ascii_alphanumeric() && character != '_'))
}

macro_rules! scripts {
    ($($name:ident = $file:literal),+ $(,)?) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| assemble(include_str!(concat!("lua/", $file, ".lua"))));)+
    };
}

scripts! {
    SUBMIT = "submit",
    CLAIM = "claim",
    RENEW = "renew",
    PROGRESS = "progress",
    FINISH = "finish",
    RETRY_LATER = "retry_later",
    CANCEL = "cancel",
    TICK = "tick",
    SWAP = "swap",
    RATE = "rate",
    SPEND = "spend",
    CREATE_KEY = "create_key",
    HOLD = "hold",
    KEEP_FILE = "keep_file",
    TOUCH_KEY = "touch_key",
    ROTATE_WEBHOOK_SECRET = "rotate_webhook_secret",
    DELETE_WORKFLOW = "delete_workflow",
    CANCEL_DELETED = "cancel_deleted",
    CHANGE_WORKFLOW = "change_workflow",
    ERASE_JOB = "erase_job",
    REDELIVER = "redeliver",
    EVENTS_AFTER = "events_after",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gets_what_it_uses_and_what_that_uses() {
        let used = used_by("local x = clock()\nend_waiting('execute', 't', 'job')");
        for name in
            ["local P ", "function clock", "function count", "function queue_key", "function end_waiting"]
        {
            assert!(used.contains(name), "{name} in\n{used}");
        }
        assert!(!used.contains("function finalize") && !used.contains("function event"), "{used}");
        assert!(used_by("return 1").is_empty());
    }
}
