//! What was made under an idempotency key, where that is no job: files and API keys. Jobs have theirs in `submit`.
//!
//! An API key is made in one script with the record of its idempotency key (`create_key`). An upload takes a while: its key
//! is held meanwhile, so that a second request under it is turned away instead of carried out; the hold ends by itself when
//! its holder has died, and what was made and under which key is written in one step (`keep_file`).

use super::{Store, StoreError, files::File, keys, script, state::millis};
use crate::{id::TenantId, limits, seal::random_bytes};

/// An idempotency key of a tenant, with a fingerprint of what was asked under it.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// Whose key it is.
    pub tenant: &'a TenantId,
    /// The key.
    pub key: &'a str,
    /// The same for the same request.
    pub fingerprint: &'a str,
}

/// What was made under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeBefore {
    /// Of the request that made it.
    pub fingerprint: String,
    /// The thing's id.
    pub id: String,
}

/// An idempotency key that nobody else can make anything under.
#[derive(Debug, Clone)]
pub struct Hold {
    record: String,
    holder: String,
}

/// What became of the wish to hold a key.
#[derive(Debug)]
pub enum Holding {
    /// It is held, until [`limits::IDEMPOTENCY_HOLD`] after it was last held on to.
    Held(Hold),
    /// Somebody else holds it.
    Busy,
    /// Something was made under it.
    Made(MadeBefore),
}

impl Store {
    /// The API key that was made under an idempotency key.
    pub async fn key_made_under(
        &self,
        tenant: &TenantId,
        key: &str,
    ) -> Result<Option<MadeBefore>, StoreError> {
        let (fingerprint, id): (Option<String>, Option<String>) = redis::cmd("HMGET")
            .arg(format!("{}{}", keys::PREFIX, made_record(tenant, key)))
            .arg(&["fingerprint", "id"])
            .query_async(&mut self.keys.clone())
            .await?;
        Ok(fingerprint.zip(id).map(|(fingerprint, id)| MadeBefore { fingerprint, id }))
    }

    /// Holds an idempotency key for an upload.
    pub async fn hold_for_file(&self, tenant: &TenantId, key: &str) -> Result<Holding, StoreError> {
        let mut holder = [0; 16];
        random_bytes(&mut holder);
        let holder = format!("{:032x}", u128::from_le_bytes(holder));
        let hold = Hold { record: format!("made:{tenant}:file:{key}"), holder };
        let (answer, made) = self.hold(&hold, millis(limits::IDEMPOTENCY_HOLD)).await?;
        Ok(match made {
            Some(made) => Holding::Made(made),
            None if answer == "held" => Holding::Held(hold),
            None => Holding::Busy,
        })
    }

    /// Holds on to a key for as long again.
    pub async fn hold_on(&self, hold: &Hold) -> Result<(), StoreError> {
        self.hold(hold, millis(limits::IDEMPOTENCY_HOLD)).await.map(drop)
    }

    /// Lets a key go: nothing was made under it.
    pub async fn let_go(&self, hold: &Hold) -> Result<(), StoreError> {
        self.hold(hold, 0).await.map(drop)
    }

    async fn hold(&self, hold: &Hold, for_ms: u64) -> Result<Answer, StoreError> {
        let mut call = script::HOLD.key(&self.prefix);
        call.arg(&hold.record).arg(&hold.holder).arg(for_ms);
        answer(call.invoke_async(&mut self.connection.clone()).await?)
    }

    /// Keeps what is known of a file that was made under a held key. `Some`: the hold had ended, and another file was made
    /// under the key meanwhile; this one is not kept.
    pub async fn keep_file_once(
        &self,
        tenant: &TenantId,
        file: &File,
        (hold, fingerprint): (&Hold, &str),
    ) -> Result<Option<MadeBefore>, StoreError> {
        let json = serde_json::to_string(file).expect("plain data serialises");
        let mut call = script::KEEP_FILE.key(&self.prefix);
        call.arg(&hold.record).arg(fingerprint).arg(millis(limits::IDEMPOTENCY_TTL));
        call.arg(format!("t:{tenant}:files")).arg(&file.id).arg(json);
        answer(call.invoke_async(&mut self.connection.clone()).await?).map(|(_, made)| made)
    }
}

/// The record of an idempotency key under which API keys are made, after the keys' own tag.
pub(super) fn made_record(tenant: &TenantId, key: &str) -> String {
    format!("made:{tenant}:{key}")
}

/// The word a script answered, and what was made when the word is `made`.
type Answer = (String, Option<MadeBefore>);

fn answer(words: Vec<String>) -> Result<Answer, StoreError> {
    let mut words = words.into_iter();
    let unreadable = || StoreError::Unreadable("an idempotency key".to_owned());
    let word = words.next().ok_or_else(unreadable)?;
    let made = words.next().zip(words.next()).map(|(fingerprint, id)| MadeBefore { fingerprint, id });
    if made.is_none() && word == "made" {
        return Err(unreadable());
    }
    Ok((word, made))
}
