//! The index over the example documents: questions find the document that answers them, in both languages, and
//! questions that no document answers are told so.

use std::fs;
use std::path::Path;

use offline::{DocumentIndex, NOT_FOUND};

fn example_documents() -> DocumentIndex {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/documents");
    DocumentIndex::from_folder(&folder).expect("the example documents")
}

/// Question, document, and the fact the answer must quote.
const ANSWERED: [(&str, &str, &str); 41] = [
    ("How long do customers have to ask for a refund?", "refund-policy.md", "30 days"),
    ("Who must approve a trip abroad?", "travel-policy.md", "head of department"),
    ("When does the contract for the VPN end?", "vpn-contract.md", "30 September 2027"),
    ("How many days of annual leave do employees get?", "leave-policy.md", "25 days"),
    ("Until when must carried over days be taken?", "leave-policy.md", "31 March"),
    ("How many weeks of parental leave are there?", "parental-leave.md", "20 weeks"),
    ("What is the parental leave policy?", "parental-leave.md", "20 weeks"),
    ("When is a medical certificate needed?", "sick-leave.md", "third day"),
    ("Can gift cards be refunded?", "refund-policy.md", "Gift cards"),
    ("What is the limit for a hotel night?", "travel-policy.md", "130 euros"),
    ("What is the mileage allowance?", "expenses.md", "0.52 euros"),
    ("What is the price of the VPN per user?", "vpn-contract.md", "4.20 euros"),
    ("Who cleans the Antwerp office?", "cleaning-contract.md", "Antwerp"),
    ("When does the hosting contract end?", "hosting-contract.md", "14 February 2028"),
    ("Is there a dress code?", "dress-code.md", "no formal dress code"),
    ("How many days a week can I work from home?", "remote-work.md", "three days"),
    ("How is overtime paid?", "overtime.md", "30 %"),
    ("How long is the trial period?", "onboarding.md", "three months"),
    ("How long must passwords be?", "it-security.md", "14 characters"),
    ("Whom do I tell about a stolen laptop?", "it-security.md", "4400"),
    ("Where is the Leeds office?", "office-addresses.md", "Foundry Yard"),
    ("opening hours of the Lyon showroom", "opening-hours.md", "10:00 to 19:00"),
    ("price of Alto", "product-alto-desk.md", "689 euros"),
    ("What does the Mira chair cost?", "product-mira-chair.md", "419 euros"),
    ("price of the Brume acoustic panel", "product-brume-panel.md", "129 euros"),
    ("What does an hour of repair cost after the warranty?", "warranty-and-repairs.md", "68 euros"),
    ("When are the first aid courses?", "training-catalogue.txt", "March and September"),
    ("Quel est le délai de livraison en Belgique ?", "delais-de-livraison.md", "8 jours"),
    ("Combien coûte la livraison ?", "delais-de-livraison.md", "24 euros"),
    ("Quel est le taux de TVA des meubles ?", "tva-et-facturation.md", "20 %"),
    ("Numéro de TVA intracommunautaire", "tva-et-facturation.md", "FR61"),
    ("Quelle est l'indemnité de télétravail ?", "teletravail.md", "2,60 euros"),
    ("Combien de jours de congé pour un mariage ?", "conges-payes.md", "5 jours"),
    ("Où est le point de rassemblement en cas d'incendie ?", "securite-atelier.md", "parking nord"),
    ("Jusqu'à quel montant le dîner est-il remboursé ?", "note-de-frais.md", "30 euros"),
    ("Quel est le prix de l'électricité à Lyon ?", "contrat-energie.md", "0,142 euro"),
    ("Qui est le directeur général ?", "dirigeants.md", "Jonas Lindqvist"),
    ("chiffre d'affaires de Valmora", "dirigeants.md", "38,4 millions"),
    ("Quel est le prix d'un repas à la cantine ?", "cantine-et-acces.md", "4,80 euros"),
    ("Quand la cantine est-elle ouverte ?", "cantine-et-acces.md", "11 h 45"),
    ("Remboursement des lunettes par la mutuelle", "mutuelle-et-prevoyance.md", "420 euros"),
];

#[test]
fn questions_find_the_document_that_answers_them() {
    let index = example_documents();
    let mut wrong = Vec::new();
    for (question, document, fact) in ANSWERED {
        let answer = index.answer(question);
        if answer.sources != [document] || !answer.text.contains(fact) {
            wrong.push(format!("{question}\n    {}", answer.text));
        } else {
            assert!(answer.text.ends_with(&format!("[{document}]")), "the answer names its document");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Question and the document that answers it: everyday wordings, whose nearest rival is a document that mentions the
/// same things in passing.
const FOUND: [(&str, &str); 42] = [
    ("How many days of annual leave do I get?", "leave-policy.md"),
    ("How many days of annual leave do I have?", "leave-policy.md"),
    ("How many annual leave days do I have per year?", "leave-policy.md"),
    ("How much annual leave am I entitled to?", "leave-policy.md"),
    ("What is the annual leave policy?", "leave-policy.md"),
    ("How many days of paid leave do employees have?", "leave-policy.md"),
    ("How do I request annual leave?", "leave-policy.md"),
    ("Can I carry over annual leave?", "leave-policy.md"),
    ("How many leave days can be carried over?", "leave-policy.md"),
    ("annual leave", "leave-policy.md"),
    ("What happens when I fall ill during annual leave?", "sick-leave.md"),
    ("How much is sick pay?", "sick-leave.md"),
    ("Combien de jours de congés payés par an ?", "conges-payes.md"),
    ("Combien de jours de congés annuels ai-je ?", "conges-payes.md"),
    ("Combien ai-je de jours de congés ?", "conges-payes.md"),
    ("À combien de jours de congés payés ai-je droit ?", "conges-payes.md"),
    ("Quel est le nombre de jours de congé annuel ?", "conges-payes.md"),
    ("Combien de jours pour la naissance d'un enfant ?", "conges-payes.md"),
    ("Combien de RTT par an ?", "conges-payes.md"),
    ("Quels sont les congés pour un décès ?", "conges-payes.md"),
    ("Quelle est la politique de congés payés ?", "conges-payes.md"),
    ("What is the refund period?", "refund-policy.md"),
    ("Who approves a trip outside Europe?", "travel-policy.md"),
    ("What is the notice period of the VPN contract?", "vpn-contract.md"),
    ("What is our refund policy?", "refund-policy.md"),
    ("Who approves travel?", "travel-policy.md"),
    ("How many days can I work from home?", "remote-work.md"),
    ("Where is the Lyon office?", "office-addresses.md"),
    ("What are the opening hours of the showroom?", "opening-hours.md"),
    ("What is the dress code?", "dress-code.md"),
    ("Quel est le prix de l'électricité ?", "contrat-energie.md"),
    ("Qui dirige l'entreprise ?", "dirigeants.md"),
    ("Quels sont les horaires de la cantine ?", "cantine-et-acces.md"),
    ("Combien de jours de télétravail par semaine ?", "teletravail.md"),
    ("Quelle mutuelle rembourse les lunettes ?", "mutuelle-et-prevoyance.md"),
    ("Comment se faire rembourser un repas ?", "note-de-frais.md"),
    ("Quelles sont les règles de sécurité de l'atelier ?", "securite-atelier.md"),
    ("How long is the warranty?", "warranty-and-repairs.md"),
    ("What does parental leave look like?", "parental-leave.md"),
    ("How is overtime compensated?", "overtime.md"),
    ("When does the cleaning contract end?", "cleaning-contract.md"),
    ("How do I report a lost laptop?", "it-security.md"),
];

#[test]
fn everyday_questions_find_their_document_rather_than_one_that_mentions_it() {
    let index = example_documents();
    let wrong: Vec<String> = FOUND
        .into_iter()
        .map(|(question, document)| (question, document, index.answer(question)))
        .filter(|(_, document, answer)| answer.sources != [*document])
        .map(|(question, _, answer)| format!("{question}\n    {}", answer.text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn questions_no_document_answers_are_told_so() {
    let index = example_documents();
    for question in [
        "What is the capital of France?",
        "Where is the Oslo office?",
        "What is the weather in Paris today?",
        "Who won the world cup in 1998?",
        "How old is the president of Brazil?",
        "What is the recipe for pancakes?",
        "quantum entanglement",
        "asdf qwer zxcv",
        "Comment faire une tarte aux pommes ?",
        "Quelle est la distance de la Terre à la Lune ?",
        "Quel est le prix du pain ?",
        "Qui a peint la Joconde ?",
        "a",
        "the of and",
        "le la les",
        "??!",
        "",
    ] {
        let answer = index.answer(question);
        assert_eq!(answer.text, NOT_FOUND, "{question}");
        assert!(answer.sources.is_empty());
    }
}

#[test]
fn the_questions_of_the_examples_are_answered() {
    let index = example_documents();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    for example in ["sentence-questions", "questions-par-phrase"] {
        let read = |name: &str| fs::read_to_string(examples.join(example).join(name)).expect("an example");
        assert!(offline::compile(&read("description.txt")).is_ok(), "{example}");
        let input = read("input.txt");
        let questions: Vec<&str> =
            input.split_inclusive('?').map(str::trim).filter(|q| !q.is_empty()).collect();
        assert_eq!(questions.len(), 3);
        for question in questions {
            assert_ne!(index.answer(question).text, NOT_FOUND, "{question}");
        }
    }
}

#[test]
fn a_word_at_the_end_of_a_line_is_a_word_beside_accents_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "# Éclairage\n\nLa lampe à pétrole éclaire le\nvestibule.\n\nElle est rangée au grenier.\n";
    fs::write(folder.path().join("lampe.md"), text).expect("written");
    let index = DocumentIndex::from_folder(folder.path()).expect("readable");
    for word in ["éclairage", "pétrole", "vestibule", "grenier"] {
        assert_eq!(index.answer(word).sources, ["lampe.md"], "{word}");
    }
}

#[test]
fn the_same_folder_gives_the_same_answers() {
    let (one, other) = (example_documents(), example_documents());
    for (question, ..) in ANSWERED {
        assert_eq!(one.answer(question), other.answer(question));
    }
}

#[test]
fn only_readable_documents_of_a_sensible_size_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("written");
    write("one.md", "\u{feff}# Lamps\r\n\r\nThe lamp costs nine pounds.\r\n".as_bytes());
    write("binary.txt", b"\xff\xfe\x00lamp");
    write("huge.md", "lamp ".repeat(60_000).as_bytes());
    write("picture.png", b"lamp");
    write("empty.md", b"");
    fs::create_dir(folder.path().join("more")).expect("a folder");
    write("more/two.TXT", b"The kettle costs ten pounds.");
    let index = DocumentIndex::from_folder(folder.path()).expect("readable");
    assert_eq!(index.len(), 3);
    assert!(!index.is_empty());
    assert_eq!(index.skipped(), ["binary.txt", "huge.md"]);
    assert_eq!(index.answer("What does the kettle cost?").sources, ["more/two.TXT"]);
    assert_eq!(index.answer("lamp").text, "The lamp costs nine pounds. [one.md]");
}

#[test]
fn a_folder_that_is_not_there_is_an_error_and_an_empty_one_finds_nothing() {
    assert!(DocumentIndex::from_folder(Path::new("/nowhere/at/all")).is_err());
    let folder = tempfile::tempdir().expect("a folder");
    let index = DocumentIndex::from_folder(folder.path()).expect("an empty folder is a folder");
    assert!(index.is_empty());
    assert_eq!(index.answer("anything").text, NOT_FOUND);
}

#[test]
fn a_very_long_query_is_answered_in_bounds() {
    let index = example_documents();
    let query = "annual leave days ".repeat(100_000);
    assert_eq!(index.answer(&query).sources.len(), 1);
}
