//! `wf dev`: the stack in the foreground, until Ctrl-C.

use std::path::Path;

use crate::config::Environment;
use crate::console::Console;
use crate::exit::Exit;
use crate::http::Api;
use crate::stack::{self, Signals, Stack, StackError};

/// Where the data is unless told otherwise, in the current folder.
const DATA_DEFAULT: &str = ".wf";

/// Runs the stack and answers when it has ended, with nothing left of it but the data.
pub async fn run(data: Option<&Path>, mut environment: Environment, console: &Console) -> Exit {
    let directory = Path::new(".");
    environment.set_default("WEBHOOK_ALLOW_PRIVATE", "true");
    // Without keys everybody is one tenant, which has the machine for itself.
    environment.set_default("TENANT_RUNNING_MAX", "0");
    if let Some(documents) = stack::example_documents(directory) {
        environment.set_default("SEARCH_DOCUMENTS", documents);
    }
    let opened = Signals::new()
        .map_err(|source| StackError::Start { name: "the signal handler", source })
        .and_then(|signals| Ok((signals, Stack::open(data.unwrap_or(Path::new(DATA_DEFAULT)))?)));
    let (mut signals, mut stack) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            console.failure(&error.to_string());
            return Exit::Error;
        }
    };
    let ended = tokio::select! {
        error = serve(&mut stack, environment, directory, console) => Err(error),
        () = signals.next() => Ok(()),
    };
    // The reason first: stopping the rest may take its time and has things to say of its own.
    match &ended {
        Ok(()) => console.note("stopping; again to stop at once"),
        Err(error) => console.failure(&error.to_string()),
    }
    stack.stop(&mut signals).await;
    match ended {
        Ok(()) => Exit::Ok,
        Err(_) => Exit::Error,
    }
}

/// Serves until something fails.
async fn serve(
    stack: &mut Stack,
    environment: Environment,
    directory: &Path,
    console: &Console,
) -> StackError {
    match stack.start(environment.clone(), directory).await {
        Ok(api) => console.data(&banner(stack, &api, &environment)),
        Err(error) => return error,
    }
    stack.until_a_child_dies().await
}

fn banner(stack: &Stack, api: &Api, environment: &Environment) -> String {
    let base = api.base().as_str().trim_end_matches('/');
    let (generator, search) = providers(environment);
    let redis = if stack.has_own_redis() { "private Redis, append-only file" } else { "Redis of REDIS_URL" };
    format!(
        "\
API         {base}
Docs        {base}/docs
Programs    {generator}
Search      {search}
Data        {data} ({redis}; logs in logs/)
Try         {program} new \"For each line, search the documents.\" --wait
Stop        Ctrl-C",
        data = stack.data().display(),
        program = std::env::args().next().unwrap_or_else(|| "wf".to_owned()),
    )
}

/// Who writes programs, and who answers searches, as api and worker decide it from the same variables.
fn providers(environment: &Environment) -> (String, String) {
    let has = |name| environment.get(name).is_some();
    let generator = environment.text("GENERATOR_PROVIDER").unwrap_or(if has("ANTHROPIC_API_KEY") {
        "anthropic"
    } else {
        "offline"
    });
    let generator = match generator {
        "offline" => {
            "offline: a compiler for simple descriptions (for a model, set ANTHROPIC_API_KEY)".to_owned()
        }
        provider => format!("written by a model ({provider})"),
    };
    let search = if has("LIGHTON_API_KEY") {
        "Paradigm".to_owned()
    } else {
        let documents = environment.text("SEARCH_DOCUMENTS").unwrap_or("examples/documents");
        format!("offline: the documents in {documents} (for Paradigm, set LIGHTON_API_KEY)")
    };
    (generator, search)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_tells_offline_from_real() {
        let (generator, search) = providers(&Environment::default());
        assert!(generator.starts_with("offline") && search.starts_with("offline"));
        let keys: Environment = [("ANTHROPIC_API_KEY", "k"), ("LIGHTON_API_KEY", "k")].into_iter().collect();
        assert_eq!(providers(&keys), ("written by a model (anthropic)".to_owned(), "Paradigm".to_owned()));
        let forced: Environment =
            [("ANTHROPIC_API_KEY", "k"), ("GENERATOR_PROVIDER", "offline")].into_iter().collect();
        assert!(providers(&forced).0.starts_with("offline"));
    }
}
