//! Verified programs of a tenant: the same request gets the same program again, without asking a model.
//!
//! Only what passed its proof is kept, and only what decides about it is in the key. A cache that is away or does not
//! read is a cache without the entry.

use providers::{
    GeneratedProgram, GenerationRequest, Generator,
    generation::{prompt::PROMPT_VERSION, tools::REGISTRY_VERSION},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::{
    id::TenantId,
    store::{Store, generation::Provenance},
};

/// Goes up when checks or dry runs change what they let pass.
const PROOF_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    program: GeneratedProgram,
    provenance: Provenance,
}

/// The name of a request's program. `None` where nothing is kept: a generator without a model costs nothing, and
/// feedback is about one program, so its answer is nobody else's.
pub(super) fn fingerprint(generator: &dyn Generator, request: &GenerationRequest) -> Option<String> {
    let model = generator.model()?;
    if request.feedback.is_some() || request.previous.is_some() {
        return None;
    }
    let same_lines = |text: &str| text.trim().replace("\r\n", "\n");
    let answers: Vec<(&str, String)> =
        request.answers.iter().map(|given| (given.question.as_str(), same_lines(&given.answer))).collect();
    let decisive = json!({
        "description": same_lines(&request.description),
        "answers": answers,
        "provider": generator.provider(),
        "model": model,
        "prompt": PROMPT_VERSION,
        "registry": REGISTRY_VERSION,
        "proof": PROOF_VERSION,
    });
    Some(format!("{:x}", Sha256::digest(decisive.to_string())))
}

/// The verified program under this name.
pub(super) async fn look_up(
    store: &Store,
    tenant: &TenantId,
    fingerprint: &str,
) -> Option<(GeneratedProgram, Provenance)> {
    let found = store.verified_program(tenant, fingerprint).await.ok().flatten()?;
    let Entry { program, provenance } = serde_json::from_str(&found).ok()?;
    let provenance =
        Provenance { cached: true, attempts: Vec::new(), input_tokens: 0, output_tokens: 0, ..provenance };
    Some((program, provenance))
}

/// Keeps a program that passed.
pub(super) async fn keep(
    store: &Store,
    tenant: &TenantId,
    fingerprint: &str,
    program: &GeneratedProgram,
    provenance: &Provenance,
) {
    let provenance = Provenance { attempts: Vec::new(), ..provenance.clone() };
    let entry = Entry { program: program.clone(), provenance };
    let Ok(entry) = serde_json::to_string(&entry) else { return };
    if let Err(error) = store.keep_verified_program(tenant, fingerprint, &entry).await {
        tracing::debug!(%error, "A verified program was not kept.");
    }
}

#[cfg(test)]
mod tests {
    use providers::{AnsweredQuestion, OfflineGenerator};

    use super::*;

    struct Named(&'static str);

    impl Generator for Named {
        fn generate<'a>(
            &'a self,
            request: &'a GenerationRequest,
            cx: &'a providers::CallContext,
        ) -> futures_util::future::BoxFuture<'a, Result<providers::Generation, providers::ProviderError>>
        {
            OfflineGenerator.generate(request, cx)
        }

        fn provider(&self) -> &'static str {
            "anthropic"
        }

        fn model(&self) -> Option<&str> {
            Some(self.0)
        }
    }

    #[test]
    fn what_decides_about_a_program_decides_about_its_name() {
        let request = GenerationRequest::new("Count the words.");
        let name = fingerprint(&Named("a"), &request);
        assert!(name.is_some());
        assert_eq!(fingerprint(&Named("a"), &GenerationRequest::new(" Count the words.\r\n")), name);
        assert_ne!(fingerprint(&Named("b"), &request), name);
        assert_ne!(fingerprint(&Named("a"), &GenerationRequest::new("Count the lines.")), name);
        let answered = GenerationRequest {
            answers: vec![AnsweredQuestion { question: "q1".to_owned(), answer: "yes".to_owned() }],
            ..request.clone()
        };
        assert_ne!(fingerprint(&Named("a"), &answered), name);
        let feedback = GenerationRequest { feedback: Some("shorter".to_owned()), ..request.clone() };
        assert_eq!(fingerprint(&Named("a"), &feedback), None);
        assert_eq!(fingerprint(&OfflineGenerator, &request), None);
    }
}
