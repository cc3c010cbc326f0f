//! What tokens cost, for the report's last line.

/// US dollars for a million tokens read and written: the list prices of November 2026 at platform.claude.com. Cached
/// tokens cost less and are not told apart here, so that a sum is what is paid at most.
const PRICES: [(&str, f64, f64); 4] = [
    ("claude-opus-5-5", 4.0, 20.0),
    ("claude-fable-5-2", 8.0, 40.0),
    ("claude-sonnet-5-5", 2.0, 10.0),
    ("claude-haiku-5-5", 0.10, 0.50),
];

/// In US dollars; none for a model that is not in the list.
pub fn dollars(model: &str, (read, written): (u64, u64)) -> Option<f64> {
    let (_, per_read, per_written) = PRICES.into_iter().find(|(name, ..)| *name == model)?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 tokens")]
    let millions = |tokens: u64| tokens as f64 / 1e6;
    Some(millions(read) * per_read + millions(written) * per_written)
}
