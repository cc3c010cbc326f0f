//! One file under one idempotency key: the key is held while the upload lasts, and let go when nothing was made.
//!
//! Whoever sends the same key meanwhile is told to come again (409). The hold of an api that died ends by itself.

use std::convert::Infallible;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use shared::{
    limits,
    store::{Hold, Holding, Home, MadeBefore, Store},
};

use super::{content::Content, location};
use crate::problem::{Code, Problem};

/// A key that is held; let go when this is dropped before [`Held::kept`], also by a client that hangs up.
pub(super) struct Held {
    store: Store,
    hold: Hold,
    kept: bool,
}

/// What an idempotency key says about an upload.
pub(super) enum Before {
    Nothing(Option<Held>),
    Made(MadeBefore),
}

impl Held {
    /// Holds the key, or tells what was made under it.
    pub(super) async fn take(home: &Home, key: Option<&str>) -> Result<Before, Problem> {
        let Some(key) = key else { return Ok(Before::Nothing(None)) };
        match home.store().hold_for_file(home.tenant(), key).await? {
            Holding::Held(hold) => {
                Ok(Before::Nothing(Some(Self { store: home.store().clone(), hold, kept: false })))
            }
            Holding::Made(made) => Ok(Before::Made(made)),
            Holding::Busy => {
                let detail =
                    "Another upload under this Idempotency-Key is under way; ask again when it has ended.";
                Err(Problem::new(Code::IdempotencyKeyInUse, detail))
            }
        }
    }

    /// The hold itself.
    pub(super) fn hold(&self) -> &Hold {
        &self.hold
    }

    /// Something was made under the key.
    pub(super) fn kept(mut self) {
        self.kept = true;
    }

    async fn hold_on(&self) -> Infallible {
        let mut again = tokio::time::interval(limits::IDEMPOTENCY_HOLD / 3);
        loop {
            again.tick().await;
            if let Err(error) = self.store.hold_on(&self.hold).await {
                tracing::debug!(%error, "An idempotency key could not be held on to."); // the next time, perhaps
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (store, hold) = (self.store.clone(), self.hold.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { store.let_go(&hold).await });
        }
    }
}

/// Carries it out while the key is held on to.
pub(super) async fn while_held<T>(held: Option<&Held>, making: impl Future<Output = T>) -> T {
    let Some(held) = held else { return making.await };
    tokio::select! {
        made = making => made,
        never = held.hold_on() => match never {},
    }
}

/// The file that was made before, when this is the same one.
pub(super) async fn replayed(
    home: &Home,
    before: MadeBefore,
    fingerprint: &str,
) -> Result<Response, Problem> {
    if fingerprint != before.fingerprint {
        let detail = "This Idempotency-Key came with another file before.";
        return Err(Problem::new(Code::IdempotencyKeyReused, detail));
    }
    let file = home.store().file(home.tenant(), &before.id).await?.ok_or_else(|| Problem::no_such("file"))?;
    let replayed = (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
    Ok((StatusCode::CREATED, [replayed, location(&file.id)], Json(file)).into_response())
}

/// The fingerprint of a file that is not passed on; an upload is not read for longer than one that is.
pub(super) async fn fingerprint(content: Content) -> Result<String, Problem> {
    let reading = tokio::time::timeout(limits::UPLOAD_TIMEOUT, content.fingerprint());
    reading
        .await
        .unwrap_or_else(|_| Err(Problem::new(Code::RequestTimeout, "The file did not arrive in time.")))
}
