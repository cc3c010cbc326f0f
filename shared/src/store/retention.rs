//! What the store does by itself once a second, driven by the api processes.

use super::{Store, StoreError, script, state::millis};

impl Store {
    /// Notes that Redis is here and erases at most `most` jobs that were kept long enough or have to make room.
    pub async fn tick(&self, most: usize) -> Result<usize, StoreError> {
        let erased = script::TICK
            .key(&self.prefix)
            .arg(millis(self.lease))
            .arg(millis(self.retention))
            .arg(most)
            .arg(self.bytes_max)
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(erased)
    }
}
