//! Without any key: the same traits, and marked as what it is.

use std::time::Duration;

use ::offline::DocumentIndex;
use providers::offline::MARK;
use providers::{
    CallContext, ChatModel, ChatRequest, DocumentSearch, GenerationOutcome, GenerationRequest, Generator,
    OfflineChat, OfflineGenerator, OfflineSearch, ProviderError, ReplyFormat, SearchRequest,
};

fn cx() -> CallContext {
    CallContext::within(Duration::from_secs(20))
}

async fn outcome(request: GenerationRequest) -> GenerationOutcome {
    let generation = OfflineGenerator.generate(&request, &cx()).await.unwrap();
    assert_eq!((generation.requests, generation.prompt_version), (0, None));
    generation.outcome
}

#[tokio::test]
async fn a_simple_description_becomes_a_program_in_either_language() {
    for (description, language) in [
        ("For each line of the input, search the documents, and format as \"[line]: [result]\".", "en"),
        (
            "Pour chaque ligne du texte, cherche dans les documents, puis affiche « [ligne] : [résultat] ».",
            "fr",
        ),
    ] {
        let outcome = outcome(GenerationRequest::new(description)).await;
        let GenerationOutcome::Program(program) = outcome else { panic!("{outcome:?}") };
        assert_eq!(program.language, language);
        assert!(program.code.contains("async def execute_workflow") && !program.steps.is_empty());
    }
    assert_eq!((OfflineGenerator.provider(), OfflineGenerator.model()), ("offline", None));
}

#[tokio::test]
async fn what_is_not_understood_says_so_and_added_wishes_are_not_ignored() {
    let not_understood = outcome(GenerationRequest::new("Knit me a jumper.")).await;
    assert!(matches!(&not_understood, GenerationOutcome::NotUnderstood { reason } if !reason.is_empty()));
    let wish = GenerationRequest {
        feedback: Some("And knit me a jumper.".into()),
        ..GenerationRequest::new("For each line of the input, search the documents.")
    };
    assert!(matches!(outcome(wish).await, GenerationOutcome::NotUnderstood { .. }));
}

#[tokio::test]
async fn a_local_index_answers_with_its_documents_and_no_wider_than_allowed() {
    let folder = std::env::temp_dir().join(format!("providers-offline-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("travel.md"),
        "# Travel\n\nTravel requests are approved by the head of finance.\n",
    )
    .unwrap();
    let search = OfflineSearch::new(DocumentIndex::from_folder(&folder).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let request = SearchRequest::new("Who approves travel requests?");
    let answer = search.search(&request, &cx()).await.unwrap();
    assert!(answer.answer.contains("head of finance"), "{answer:?}");
    assert!(answer.sources[0].name.contains("travel"), "{answer:?}");
    assert_eq!(search.provider(), "offline");
    let scoped = SearchRequest { workspace_ids: Some(vec![1]), ..request };
    assert!(matches!(search.search(&scoped, &cx()).await, Err(ProviderError::Rejected { .. })));
}

#[tokio::test]
async fn replies_are_quotations_and_marked() {
    let reply =
        OfflineChat.complete(&ChatRequest::text("Summarise: The sea is calm. It is blue.", 10), &cx()).await;
    let reply = reply.unwrap();
    assert!(reply.text.starts_with(MARK) && reply.text.contains("sea"), "{reply:?}");
    assert_eq!((OfflineChat.provider(), reply.requests), ("offline", 0));
    let formed =
        ChatRequest { format: ReplyFormat::Choice(vec!["A".into()]), ..ChatRequest::text("A or B?", 10) };
    assert!(matches!(OfflineChat.complete(&formed, &cx()).await, Err(ProviderError::Rejected { .. })));
}
