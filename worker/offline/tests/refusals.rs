//! What the grammar does not read is refused by name, never skipped: each of these asks for something no program here
//! does, most of them beside something it could do.

use offline::{Language, compile};

const REFUSED: [(&str, &str); 80] = [
    ("For each line, translate it into French, then format as \"[line]: [summary]\".", "summary"),
    (
        "For each line, search the documents; format as \"[line]: [result]\"; finally, add a line \"END\".",
        "add a line",
    ),
    ("For each line, search and then format as \"[line]: [result]\" in upper case.", "in upper case"),
    ("For each sentence, search twice and format as \"[sentence]: [result]\".", "twice"),
    (
        "For each line, search the documents for it and keep the three best, then format as \"[line]: [result]\".",
        "keep the three best",
    ),
    ("For each line, search the documents and format as \"[line]: [result] (source: [source])\".", "source"),
    ("For each line, ask the model to write \"[line] is great\" and return it.", "[line] is great"),
    ("For every line, write the line, then the search result.", "result"),
    ("Pour chaque ligne, afficher la ligne puis le résultat de la recherche.", "resultat"),
    (
        "Pour chaque ligne, cherche dans les documents puis formate « [ligne] : [résultat] » et envoie le tout par e-mail.",
        "envoie",
    ),
    ("For each sentence, search the documents and e-mail the result to my boss.", "e-mail"),
    ("Search the web for each line and return the results.", "the web"),
    ("Sort the lines alphabetically.", "Sort"),
    ("For each line, search and sort the results by date.", "sort the results by date"),
    ("Open a reverse shell to 10.0.0.1.", "reverse shell"),
    ("Read the file /etc/shadow and return it.", "/etc/shadow"),
    ("asdf qwer zxcv", "asdf"),
    ("Translate the input and post it on Slack.", "Slack"),
    ("For each line, fetch the page at that address and return its title.", "fetch"),
    ("Make me rich.", "Make me rich"),
    ("Do what is needed.", "needed"),
    ("Search the documents for the best option and buy it.", "best option"),
    ("For each line, search the documents and save the results to a file named out.csv.", "save"),
    ("For each line, search the documents, and keep only the answers from this year.", "this year"),
    ("For each line, search the documents and return '[line] published on [date]'.", "date"),
    ("Summarise the input every Monday at 9.", "Monday"),
    ("Ask the model to summarise the text and send it to bob@example.com.", "send"),
    ("Ask the model to search the web for the text.", "web"),
    ("Ask the model to explain the text and to email the explanation to Ann.", "email"),
    ("Ask the model to explain the text, then call me.", "call me"),
    ("Ask the model to explain the text and frobnicate it.", "frobnicate"),
    ("For each line, search the documents unless it is a weekend.", "unless"),
    ("For each line, call the API at https://example.com and return the answer.", "API"),
    ("For each line search the documents, but only if it contains a number.", "only if"),
    ("For each line, search the documents and return the first three results.", "first three"),
    ("For each line, search the documents and return the distinct results.", "distinct"),
    ("For each line, search the documents and return the last line.", "last line"),
    ("For each sentence, search the documents using the Berlin index.", "Berlin"),
    ("For each line, wait five seconds and then search.", "wait"),
    ("Import os and run rm -rf /.", "Import os"),
    ("For each line, search and return '[line]: [price]' and '[colour]'.", "colour"),
    ("Search the documents and return the answer with a confidence score.", "confidence"),
    ("For each line, search the documents and highlight the matching words in bold.", "highlight"),
    ("Summarise the input in the style of a pirate.", "pirate"),
    ("For each line, look it up and return the result in reverse order.", "reverse order"),
    ("For each line, search. Return the results and the time it took.", "time"),
    ("Repeat until the answer is good: ask the model for a poem.", "Repeat"),
    ("Search the question again and again for ever.", "again"),
    ("Return 42.", "42"),
    (
        "For each line, search the documents; if the line is longer than 20 characters, skip it.",
        "longer than",
    ),
    ("Classify each line with the model and send the urgent ones to the support team.", "send"),
    ("For every second line, search the documents.", "second line"),
    ("For the first three lines, search the documents.", "first three"),
    ("For each line except the last, search the documents.", "except"),
    ("For each line, search the documents in French and English.", "French"),
    ("For each line, search the documents and never mention prices.", "never"),
    ("Search each line, max 5 results, and output '[line]: [result]'.", "max 5"),
    ("Summarise the input in 3 sentences and add the current date.", "current date"),
    ("For each customer in our CRM, search the documents.", "CRM"),
    ("Generate an image of the input.", "image"),
    ("Ask the model twice and return both answers.", "twice"),
    ("Translate the input into French and into German, and return both translations.", "both translations"),
    ("Ask the model to answer the question using only the search result.", "search result"),
    ("Classify each line as A or B unless it is short, and output '[line] [label]'.", "unless it is short"),
    ("Translate each line into French with the model and sort them by length.", "sort them by length"),
    ("Write a title for each paragraph with the model every Monday.", "Monday"),
    ("Summarise the result in one sentence.", "result"),
    ("Search for the input and return '[sentence]: [result]'.", "sentence"),
    ("Pour chaque ligne, cherche sur Internet et affiche « [ligne] : [résultat] ».", "Internet"),
    ("Pour chaque ligne, cherche puis trie les résultats par date.", "trie"),
    ("Pour chaque ligne, cherche puis envoie le résultat par courriel à Paul.", "envoie"),
    ("Envoie le résumé du texte par courriel.", "courriel"),
    ("Supprime tous les fichiers.", "Supprime"),
    ("Pour chaque fichier du dossier, résume-le.", "fichier"),
    ("Résume le texte et enregistre-le dans une base de données.", "enregistre"),
    (
        "Pour chaque ligne, cherche dans les documents, et si la réponse est ancienne, préviens-moi.",
        "ancienne",
    ),
    ("Cherche la météo de demain à Paris.", "météo"),
    ("Traduis le texte en anglais puis appelle le client.", "appelle"),
    ("Pour chaque ligne sauf la dernière, cherche dans les documents.", "sauf"),
    ("Demande au modèle de résumer le texte et préviens le client.", "préviens"),
];

#[test]
fn what_no_program_can_do_is_refused_and_the_unread_part_is_named() {
    for (description, part) in REFUSED {
        let refused = match compile(description) {
            Err(refused) => refused,
            Ok(program) => panic!("{description:?} was read as {:?}", program.steps),
        };
        assert!(refused.unread.contains(part), "{description:?}: named {:?}", refused.unread);
        assert!(refused.message.contains(&refused.unread));
        assert_eq!(refused.to_string(), refused.message);
    }
}

#[test]
fn an_empty_description_is_refused() {
    for description in ["", "  \n ", ".", "Please.", "—"] {
        let refused = compile(description).expect_err("nothing to do");
        assert!(refused.unread.is_empty() || !description.trim().is_empty());
    }
}

#[test]
fn a_refusal_gives_an_example_in_the_language_of_the_description_that_compiles() {
    let english = compile("Search the moon and report to me by fax.").expect_err("no moon");
    assert_eq!(english.language, Language::En);
    let french = compile("Cherche sur la lune et préviens-moi par télécopie.").expect_err("no moon");
    assert_eq!(french.language, Language::Fr);
    let example = |message: &str, marker: &str| {
        message.split_once(marker).map(|(_, example)| example.to_owned()).expect("an example")
    };
    assert!(compile(&example(&english.message, "Example: ")).is_ok());
    assert!(compile(&example(&french.message, "Exemple : ")).is_ok());
}

#[test]
fn a_missing_tool_is_named() {
    for (description, tool) in [
        ("Email the summary to Ann.", "e-mail"),
        ("Download the page and summarise it.", "web access"),
        ("Read every file in the folder.", "file access"),
        ("Envoie le texte par courriel.", "courrier électronique"),
    ] {
        let refused = compile(description).expect_err("no such tool");
        assert!(refused.message.contains(tool), "{}", refused.message);
    }
}

#[test]
fn a_value_that_goes_nowhere_is_refused() {
    let refused = compile("For each line, search the documents. Output '- [line]'.")
        .expect_err("the search is for nothing");
    assert!(refused.message.contains("the search result"), "{}", refused.message);
}

#[test]
fn a_description_without_end_is_refused_quickly() {
    let long = "For each line, search the documents. ".repeat(2_000);
    assert!(compile(&long).is_err());
    let nested = "if nothing is found ask the model to ".repeat(100);
    assert!(compile(&nested).is_err());
}
