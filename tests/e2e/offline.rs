//! Without keys: a real compiler for simple descriptions, and a real index over real documents.

use serde_json::{Value, json};
use tests::stack::{self, Stack};

const ENGLISH: &str = "For each sentence in the user input, search the documents with paradigm_search, then format the result as \"Question: [sentence]\\nAnswer: [result]\". Return all pairs in order.";
const FRENCH: &str = "Pour chaque ligne du texte, cherche la réponse dans les documents et formate le résultat comme « Question : [ligne]\\nRéponse : [résultat] ». Renvoie toutes les paires dans l'ordre.";

async fn answers(stack: &Stack, description: &str, input: &str) -> String {
    let workflow = stack.create_workflow(&json!({"description": description})).await;
    assert_eq!(
        (workflow["status"].as_str(), workflow["provider"].as_str()),
        (Some("ready"), Some("offline")),
        "{workflow:#}"
    );
    let job: Value = stack.run(&stack::id(&workflow), input).await;
    assert_eq!(
        (job["status"].as_str(), job["provider"].as_str()),
        (Some("succeeded"), Some("offline")),
        "{job:#}"
    );
    job["result"].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn english_and_french_descriptions_become_programs_that_answer_from_the_documents() {
    let stack = Stack::builder().offline().start().await;
    let english = answers(&stack, ENGLISH, "What is our refund policy? Who approves travel?").await;
    assert_eq!(english.matches("Question: ").count(), 2, "{english}");
    assert_eq!(english.matches("Answer: ").count(), 2, "{english}");
    assert!(english.find("refund") < english.find("approves travel"), "{english}");
    let french =
        answers(&stack, FRENCH, "Quel est le délai de paiement ?\nQui valide les déplacements ?").await;
    assert_eq!(french.matches("Question : ").count(), 2, "{french}");
    assert_eq!(french.matches("Réponse : ").count(), 2, "{french}");
    assert!(stack.anthropic.calls().is_empty() && stack.paradigm.searches().is_empty());
    stack.finish().await;
}

#[tokio::test]
async fn a_description_beyond_the_offline_compiler_fails_saying_what_it_understands() {
    let stack = Stack::builder().offline().start().await;
    let description = "Negotiate a better price with the supplier and write a poem about it.";
    let workflow = stack.create_workflow(&json!({"description": description})).await;
    assert_eq!(workflow["status"], "failed", "{workflow:#}");
    assert_eq!(workflow["error"]["code"], "generation_failed", "{workflow:#}");
    let message = workflow["error"]["message"].as_str().unwrap();
    assert!(message.to_lowercase().contains("for each"), "{message}");
    stack.finish().await;
}
