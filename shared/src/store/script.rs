//! The scripts: Lua files, each one state change, sent once and then named by their hash.

use std::sync::LazyLock;

use redis::Script;

const PRELUDE: &str = include_str!("lua/prelude.lua");

fn assemble(body: &str) -> Script {
    Script::new(&body.replace("--@prelude", PRELUDE))
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
    TOUCH_KEY = "touch_key",
    ROTATE_WEBHOOK_SECRET = "rotate_webhook_secret",
    DELETE_WORKFLOW = "delete_workflow",
    CANCEL_DELETED = "cancel_deleted",
    CHANGE_WORKFLOW = "change_workflow",
    ERASE_JOB = "erase_job",
    REDELIVER = "redeliver",
    EVENTS_AFTER = "events_after",
}
