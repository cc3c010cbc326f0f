//! The proof: what becomes ready, what is repaired, and what never is.

use std::time::{Duration, Instant};

use providers::{GenerationOutcome, ProviderError, Question, SelfTest, ToolReply};
use worker::generate::proof::{Lost, Made, Proof};

use crate::checks::reference_programs;
use crate::support::{Room, Scripted, body, program, tested};

fn given(codes: &[&str]) -> Scripted {
    Scripted::programs(codes.iter().copied())
}

fn code_of(proof: &Proof) -> &str {
    match &proof.made {
        Made::Program(program) => &program.code,
        other => panic!("no program but {other:?}"),
    }
}

fn finding_codes(proof: &Proof) -> Vec<&str> {
    proof.provenance.findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_code_then_good_is_ready_after_one_repair_and_both_attempts_are_kept() {
    let room = Room::start().await;
    let (bad, good) = (body("return resutl"), body("return user_input"));
    let generator = given(&[&bad, &good]);
    let proof = room.prove(&generator).await;
    assert_eq!(code_of(&proof), good);
    let attempts = &proof.provenance.attempts;
    assert_eq!((proof.provenance.rounds, attempts.len()), (1, 2));
    assert_eq!((attempts[0].code.as_deref(), attempts[1].code.as_deref()), (Some(&*bad), Some(&*good)));
    assert_eq!(attempts[0].findings[0].code, "E_UNDEFINED_NAME");
    assert!(attempts[1].findings.is_empty() && attempts[1].dry_runs.len() == 2, "{attempts:?}");
    assert_eq!((attempts[1].input_tokens, proof.provenance.input_tokens), (100, 200));
    assert_eq!(proof.provenance.prompt_version, Some(7));
    let asked = generator.asked();
    let previous = asked[1].previous.as_ref().expect("the repair knows what to mend");
    assert_eq!(previous.code, bad);
    assert_eq!(previous.findings, ["E_UNDEFINED_NAME line 5 col 12: the name resutl is not defined"]);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_bad_programs_are_the_end_and_their_findings_are_told() {
    let room = Room::start().await;
    let bad = ["return a", "return 1 +", "raise ValueError(user_input)"].map(body);
    let generator = given(&[&bad[0], &bad[1], &bad[2]]);
    let proof = room.prove(&generator).await;
    let Made::Unusable(findings) = &proof.made else { panic!("{:?}", proof.made) };
    assert_eq!(findings[0].code, "E_RAISED");
    let all: Vec<&str> =
        proof.provenance.attempts.iter().map(|attempt| attempt.findings[0].code.as_str()).collect();
    assert_eq!(all, ["E_UNDEFINED_NAME", "E_SYNTAX", "E_RAISED"]);
    assert_eq!((proof.provenance.rounds, generator.asked().len()), (2, 3));
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_run_to_a_result_never_becomes_ready() {
    let room = Room::start().await;
    let cases = [
        ("E_RAISED", body("raise RuntimeError('always')")),
        ("E_RAISED", body("return str(1 / 0)")),
        ("E_RAISED", body("answer = await chat_completion('x')\nraise ValueError(answer)")),
        ("E_RAISED", body("return user_input.uppercase()")),
        ("E_BUDGET", body("while True:\n    pass")),
        ("E_BUDGET", body("await asyncio.sleep(3600)")),
        ("E_RESULT_NOT_JSON", body("return {1, 2}")),
        ("E_RESULT_NOT_JSON", body("return float('nan')")),
        ("E_BUDGET", body("for n in range(10000):\n    await paradigm_search(f'q{n}')\nreturn ''")),
        (
            "E_BUDGET",
            body("await asyncio.gather(*[chat_completion(str(n)) for n in range(10000)])\nreturn ''"),
        ),
        ("E_NO_RESULT", body("import sys\nsys.exit(0)")),
        ("E_RESULT_TOO_LARGE", body("return 'x' * 2_000_000")),
        (
            "E_RAISED",
            "import asyncio\nasync def execute_workflow(user_input):\n    return ''\n1 / 0\n".to_owned(),
        ),
    ];
    for (code, program) in cases {
        let proof = room.prove(&given(&[&program]).without_model()).await;
        let Made::Unusable(findings) = &proof.made else { panic!("{program}\n{:?}", proof.made) };
        assert!(findings.iter().any(|finding| finding.code == code), "{code}: {findings:?} of\n{program}");
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_program_is_stopped_within_its_dry_run() {
    let room = Room::start().await;
    let began = Instant::now();
    let proof = room.prove(&given(&[&body("while True:\n    pass")]).without_model()).await;
    assert!(matches!(proof.made, Made::Unusable(_)));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmet_expectation_costs_one_repair_and_then_stays_a_warning() {
    let room = Room::start().await;
    let wrong = || Ok(GenerationOutcome::Program(tested(&body("return 'Nothing'"), "x", &["Something"])));
    let generator = Scripted::new([wrong(), wrong()]);
    let proof = room.prove(&generator).await;
    assert_eq!(code_of(&proof), body("return 'Nothing'"));
    assert_eq!((proof.provenance.rounds, generator.asked().len()), (1, 2));
    assert_eq!(finding_codes(&proof), ["E_EXPECTATION"]);
    assert_eq!(proof.provenance.self_tests[0].unmet, ["Something"]);
    assert_eq!(proof.provenance.assumptions, ["It is wanted."]);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_nobody_promised_costs_one_repair_and_a_self_test_that_raises_blocks() {
    let room = Room::start().await;
    let first_word = body("return user_input.split()[0]");
    let proof = room.prove(&given(&[&first_word, &first_word])).await;
    assert_eq!((code_of(&proof), proof.provenance.rounds), (&*first_word, 1));
    assert_eq!(finding_codes(&proof), ["E_RAISED"]);
    let own_test_raises = || Ok(GenerationOutcome::Program(tested(&first_word, " ", &[])));
    let proof = room.prove(&Scripted::new([own_test_raises(), own_test_raises(), own_test_raises()])).await;
    assert!(matches!(proof.made, Made::Unusable(_)), "{proof:?}");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_fails_or_makes_it_worse_does_not_take_a_program_away() {
    let room = Room::start().await;
    let doubtful = || Ok(GenerationOutcome::Program(tested(&body("return 'Nothing'"), "x", &["Something"])));
    let away = || Err(ProviderError::Unavailable { provider: "p", reason: "away".into(), retry_after: None });
    let worse = || Ok(GenerationOutcome::Program(program(&body("return nothing"))));
    let unreadable = || Err(ProviderError::Malformed { provider: "p", reason: "not JSON".into() });
    let cannot = || Ok(GenerationOutcome::Cannot { reason: "no".into(), missing_capability: None });
    for second in [away(), worse(), unreadable(), cannot()] {
        let proof = room.prove(&Scripted::new([doubtful(), second])).await;
        assert_eq!(code_of(&proof), body("return 'Nothing'"));
        assert_eq!(finding_codes(&proof), ["E_EXPECTATION"]);
    }
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn self_tests_run_with_the_replies_they_bring() {
    let room = Room::start().await;
    let code =
        body("found = await paradigm_search(user_input)\nreturn await chat_completion('Shorten: ' + found)");
    let reply = |tool: &str, contains: &str, reply: &str| ToolReply {
        tool: tool.to_owned(),
        contains: contains.to_owned(),
        reply: reply.to_owned(),
    };
    let mut with_replies = program(&code);
    with_replies.self_tests = vec![SelfTest {
        input: "Où est l'été ?".to_owned(),
        tool_replies: vec![
            reply("paradigm_search", "hiver", "wrong"),
            reply("paradigm_search", "été", "À Nice, en août."),
            reply("chat_completion", "À Nice", "Nice"),
        ],
        must_contain: vec!["Nice".to_owned()],
    }];
    // An empty query is refused by the tool as in a real run, so the program has to look before it asks.
    let careful = code.replace("    found", "    if not user_input:\n        return ''\n    found");
    with_replies.code.clone_from(&careful);
    let proof = room.prove(&Scripted::new([Ok(GenerationOutcome::Program(with_replies))])).await;
    assert_eq!(code_of(&proof), careful);
    assert!(proof.provenance.findings.is_empty(), "{:?}", proof.provenance.findings);
    let kinds: Vec<&str> = proof.provenance.self_tests.iter().map(|run| run.kind.as_str()).collect();
    assert_eq!(kinds, ["self_test", "empty_input", "odd_input"]);
    assert_eq!(proof.provenance.self_tests[0].tool_calls, 2);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_refusals_and_failures_end_a_proof_at_once() {
    let room = Room::start().await;
    let question = Question { id: "q1".into(), text: "Quels fichiers ?".into() };
    let proof = room.prove(&Scripted::new([Ok(GenerationOutcome::Questions(vec![question]))])).await;
    assert!(matches!(&proof.made, Made::Questions(asked) if asked[0].text == "Quels fichiers ?"));
    let cannot = GenerationOutcome::Cannot {
        reason: "Aucun outil n'envoie de courriel.".into(),
        missing_capability: Some("courriel".into()),
    };
    let proof = room.prove(&Scripted::new([Ok(cannot)])).await;
    assert!(matches!(&proof.made, Made::Cannot { missing_capability: Some(what), .. } if what == "courriel"));
    let proof = room.prove(&Scripted::new([Err(ProviderError::Timeout { provider: "p" })])).await;
    assert!(matches!(proof.made, Made::Provider(ProviderError::Timeout { .. })));
    assert!(proof.provenance.attempts.is_empty());
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_does_not_read_is_asked_again_and_counts_as_a_round() {
    let room = Room::start().await;
    let malformed = || Err(ProviderError::Malformed { provider: "p", reason: "it holds no program".into() });
    let good = || Ok(GenerationOutcome::Program(program(&body("return user_input"))));
    let proof = room.prove(&Scripted::new([malformed(), good()])).await;
    assert_eq!((code_of(&proof), proof.provenance.rounds), (&*body("return user_input"), 1));
    assert_eq!(proof.provenance.attempts[0].code, None);
    let proof = room.prove(&Scripted::new([malformed(), malformed(), malformed()])).await;
    let Made::Unusable(findings) = &proof.made else { panic!("{:?}", proof.made) };
    assert_eq!(findings[0].code, "E_REPLY");
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_is_not_asked_to_mend_its_program() {
    let room = Room::start().await;
    let generator = given(&[&body("return resutl")]).without_model();
    let proof = room.prove(&generator).await;
    assert!(matches!(proof.made, Made::Unusable(_)));
    assert_eq!(generator.asked().len(), 1);
    room.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_room_says_nothing_about_the_program() {
    let room = Room::start().await;
    room.bench().cells.close().await;
    let lost = room.try_to_prove(&given(&[&body("return user_input")])).await;
    assert!(matches!(lost, Err(Lost::Cell(_) | Lost::Stopped)), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_programs_and_what_the_compiler_writes_pass() {
    let room = Room::start().await;
    let mut failed = Vec::new();
    for (file, code) in reference_programs() {
        let proof = room.prove(&given(&[&code]).without_model()).await;
        if let Made::Unusable(findings) = &proof.made {
            failed.push(format!("{}: {findings:?}", file.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    room.end().await;
}
