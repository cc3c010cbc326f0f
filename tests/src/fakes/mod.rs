//! The outside world: providers and receivers of webhooks, as HTTP servers which check what they are sent.

pub mod answers;
pub mod anthropic;
pub mod collector;
pub mod paradigm;
pub mod receiver;
mod server;

pub use answers::CaseAnswers;
pub use anthropic::AnthropicFake;
pub use collector::Collector;
pub use paradigm::ParadigmFake;
pub use receiver::Receiver;
