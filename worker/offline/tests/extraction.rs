//! Answers without a model quote the prompt or say why they cannot.

use offline::extract;

#[test]
fn a_summary_is_the_first_informative_sentences() {
    let prompt = "Summarise the search result in one sentence.\n\nSearch result:\nHello. The lamp costs 3.5 euros at Dr. \
                  Lane's shop. It is blue and it is heavy. [lamp.md]";
    assert_eq!(extract(prompt), "The lamp costs 3.5 euros at Dr. Lane's shop.");
    let two = "Résume le texte en deux phrases.\n\nTexte :\nLe mur est vert et haut. Le toit est rouge et plat. La porte est bleue.";
    assert_eq!(extract(two), "Le mur est vert et haut. Le toit est rouge et plat.");
}

#[test]
fn a_label_is_picked_by_the_words_of_the_text() {
    let prompt = |text: &str| {
        format!(
            "Classify this line as INVOICE, DELIVERY or OTHER.\nAnswer with exactly one of: INVOICE, DELIVERY, OTHER\n\nLine:\n{text}"
        )
    };
    assert_eq!(extract(&prompt("where are my two invoices")), "INVOICE");
    assert_eq!(extract(&prompt("The delivery is late")), "DELIVERY");
    assert_eq!(extract(&prompt("thank you")), "OTHER");
    let question =
        "Classify as QUESTION or REMARK.\nAnswer with exactly one of: QUESTION, REMARK\n\nLine:\nIs it open?";
    assert_eq!(extract(question), "QUESTION");
}

#[test]
fn yes_or_no_follows_whether_the_text_speaks_of_it() {
    let ask = |clause: &str| {
        format!(
            "Does the contract contain a clause about {clause}? Answer YES or NO.\n\nText:\nThe parties keep all information confidential. Termination needs two months' notice."
        )
    };
    assert_eq!(extract(&ask("termination")), "YES");
    assert_eq!(extract(&ask("jurisdiction")), "NO");
    let french =
        "Le texte parle-t-il de livraison ? Réponds OUI ou NON.\n\nTexte :\nLa livraison est gratuite.";
    assert_eq!(extract(french), "OUI");
}

#[test]
fn a_question_is_answered_by_the_sentences_nearest_to_it() {
    let prompt = "What does the kettle weigh?\n\nText:\nThe lamp is blue. The kettle weighs two kilos. The cup is small.";
    assert_eq!(extract(prompt), "The kettle weighs two kilos.");
}

#[test]
fn what_needs_a_model_is_said_and_not_pretended() {
    assert_eq!(
        extract("Translate the text into French.\n\nText:\nGood morning"),
        "(no translation without a model) Good morning"
    );
    assert!(extract("Invent a slogan").starts_with("No model is configured"));
    assert!(extract("Raconte une histoire dans le style de la mer").starts_with("Aucun modèle"));
    assert!(extract("").starts_with("No model is configured"));
}

#[test]
fn nothing_found_stays_nothing_found() {
    let prompt = "Summarise the result.\n\nSearch result:\nNOT_FOUND: no document answers this question.";
    assert!(extract(prompt).contains("NOT_FOUND"));
}

#[test]
fn any_prompt_is_answered_without_panic_and_quickly() {
    for prompt in [
        "\n\n\n",
        ":",
        "a:\nb",
        "« »",
        "classify as ",
        "exactly one of: ",
        "yes or no",
        &"x. ".repeat(200_000),
    ] {
        let _ = extract(prompt);
    }
}
