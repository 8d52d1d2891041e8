//! A measurement beside what packets say, and its text form.

use super::{About, Measured, REFINES, Settles, weigh, weigh_answered};
use crate::base::Timestamp;
use crate::diagnosis::{
    At, Claim, Code, Judgement, Ladder, Outcome, Proof, Verdict, Weight, Where,
};

fn measured(code: Code) -> Measured {
    let at = At {
        place: Where::Network,
        address: None,
        hop: None,
        after_hop: Some(2),
    };
    let proof = Proof::Measured("SYN walk", Timestamp(5));
    Measured {
        about: About::Server("192.0.2.10:25".parse().unwrap()),
        claim: Claim::new(code, at, proof, 0.99, "SYNs vanish after hop 2.".to_owned())
            .shown_by("hop 2 forwarded 5/5")
            .because(
                Proof::Measured("reference", Timestamp(6)),
                "port 443 answers 9/9",
            )
            .advise("Ask whoever runs it")
            .or(Code::TcpListenOverflow, 0.01, "a capture at the server"),
        settles: Settles::Verdict,
    }
}

fn judged(outcome: Outcome, code: Code) -> Judgement {
    let mut verdict = Verdict::without_fault(code, "as the packets say".to_owned(), None);
    verdict.time = Some(Timestamp(1));
    Judgement {
        outcome,
        verdict,
        findings: Vec::new(),
        ladder: Ladder::default(),
        is_check: false,
        undeclared: Vec::new(),
    }
}

#[test]
fn what_did_not_come_again_is_no_fault() {
    let mut judgement = judged(Outcome::Degraded, Code::DnsSlow);
    let mut once = measured(Code::DnsSlow);
    once.claim = once.claim.weighing(Weight::Finding);
    weigh(&mut judgement, [once].iter());
    assert_eq!(judgement.outcome, Outcome::Healthy);
    assert_eq!(judgement.verdict.code, Code::Ok);
    assert_eq!(judgement.findings[0].code, Code::DnsSlow);

    let mut again = judged(Outcome::Degraded, Code::DnsSlow);
    weigh(&mut again, [measured(Code::DnsSlow)].iter());
    assert_eq!(again.outcome, Outcome::Degraded);
}

#[test]
fn what_is_written_is_read_back() {
    let one = measured(Code::TcpDropped);
    let back = Measured::from_text(one.to_text().unwrap().as_bytes()).unwrap();
    assert_eq!(back.about, one.about);
    assert_eq!(back.claim.at, one.claim.at);
    assert_eq!(back.claim.summary, one.claim.summary);
    let texts = |m: &Measured| -> Vec<String> {
        m.claim.evidence().iter().map(|e| e.text.clone()).collect()
    };
    assert_eq!(texts(&back), texts(&one));
    assert_eq!(back.to_text(), one.to_text());
}

#[test]
fn the_end_of_listening_is_read_back() {
    let text = super::until(Timestamp(77));
    assert_eq!(super::read_until(text.as_bytes()), Some(Timestamp(77)));
    assert!(Measured::from_text(text.as_bytes()).is_none());
}

#[test]
fn nonsense_is_no_measurement() {
    assert!(Measured::from_text(b"{}").is_none());
    assert!(Measured::from_text(b"\xff\x00").is_none());
}

#[test]
fn the_same_cause_is_placed_and_keeps_its_time() {
    let mut judgement = judged(Outcome::Failed, Code::TcpDropped);
    weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
    assert_eq!(judgement.verdict.at.after_hop, Some(2));
    assert_eq!(judgement.verdict.time, Some(Timestamp(1)));
}

#[test]
fn a_finer_cause_replaces_and_a_foreign_one_stands_beside() {
    let mut judgement = judged(Outcome::Failed, Code::TcpRefused);
    weigh(&mut judgement, [measured(Code::TcpResetByPath)].iter());
    assert_eq!(judgement.verdict.code, Code::TcpResetByPath);
    let mut judgement = judged(Outcome::Failed, Code::TcpRefused);
    weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
    assert_eq!(judgement.verdict.code, Code::TcpRefused);
    assert_eq!(judgement.findings.len(), 1);
}

#[test]
fn what_works_goes_on_working() {
    let mut judgement = judged(Outcome::Healthy, Code::Ok);
    weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
    assert_eq!(judgement.outcome, Outcome::Healthy);
    assert_eq!(judgement.verdict.code, Code::Ok);
}

#[test]
fn a_session_that_only_we_went_through_with_has_failed() {
    let mut one = measured(Code::TlsCertExpired);
    one.settles = Settles::Session;
    let mut judgement = judged(Outcome::Healthy, Code::Ok);
    weigh(&mut judgement, [one.clone()].iter());
    assert_eq!(judgement.verdict.code, Code::TlsCertExpired);
    assert_eq!(judgement.outcome, Outcome::Failed);
    // What killed it before stays.
    let mut judgement = judged(Outcome::Failed, Code::MailStarttlsRefused);
    weigh(&mut judgement, [one.clone()].iter());
    assert_eq!(judgement.verdict.code, Code::MailStarttlsRefused);
    let back = Measured::from_text(one.to_text().unwrap().as_bytes()).unwrap();
    assert_eq!(back.settles, Settles::Session);
}

#[test]
fn what_every_connection_pays_for_degrades_what_worked_and_nothing_else() {
    let mut one = measured(Code::PathLoss);
    one.settles = Settles::Session;
    one.claim = one.claim.weighing(Weight::Costly);
    let mut judgement = judged(Outcome::Healthy, Code::Ok);
    weigh(&mut judgement, [one.clone()].iter());
    assert_eq!(judgement.verdict.code, Code::PathLoss);
    assert_eq!(judgement.outcome, Outcome::Degraded);
    let mut judgement = judged(Outcome::Failed, Code::TlsCertExpired);
    weigh(&mut judgement, [one].iter());
    assert_eq!(judgement.verdict.code, Code::TlsCertExpired);
    assert_eq!(judgement.findings[0].code, Code::PathLoss);
}

#[test]
fn a_vanished_hello_and_a_narrow_link_cast_doubt_on_each_other_alone() {
    let mut one = measured(Code::TlsHelloDropped);
    one.settles = Settles::Doubt;
    for (code, doubted) in [
        (Code::PathMtuBlackhole, true),
        (Code::TlsHelloDropped, false),
        (Code::TcpRefused, false),
    ] {
        let mut judgement = judged(Outcome::Failed, code);
        judgement.verdict.confidence = 0.9;
        weigh(&mut judgement, [one.clone()].iter());
        let verdict = &judgement.verdict;
        assert_eq!(verdict.code, code);
        assert_eq!(verdict.confidence < 0.9, doubted, "{code}");
        let named = |other: &super::Alternative| other.code == Code::TlsHelloDropped;
        assert_eq!(verdict.alternatives.iter().any(named), doubted, "{code}");
    }
}

#[test]
fn what_only_this_client_lacks_blames_nobody() {
    let mut one = measured(Code::TlsCipher);
    one.settles = Settles::Limit;
    for code in [Code::TlsCipher, Code::TlsAlert] {
        let mut judgement = judged(Outcome::Failed, code);
        weigh(&mut judgement, [one.clone()].iter());
        assert_eq!(judgement.outcome, Outcome::Incomplete);
        assert_eq!(judgement.verdict.code, Code::Unknown);
        assert_eq!(judgement.verdict.time, Some(Timestamp(1)));
        assert!(!judgement.verdict.evidence.is_empty());
    }
    // Another death is no matter of what was offered.
    for (outcome, code) in [
        (Outcome::Failed, Code::TlsCertExpired),
        (Outcome::Healthy, Code::Ok),
    ] {
        let mut judgement = judged(outcome, code);
        weigh(&mut judgement, [one.clone()].iter());
        assert_eq!(judgement.outcome, outcome);
        assert_eq!(judgement.verdict.code, code);
    }
    let back = Measured::from_text(one.to_text().unwrap().as_bytes()).unwrap();
    assert_eq!(back.settles, Settles::Limit);
}

#[test]
fn what_a_limit_may_have_swallowed_is_no_fault() {
    let own_doing = |settles| Measured {
        settles,
        ..measured(Code::TcpRateLimited)
    };
    let mut dropped = judged(Outcome::Failed, Code::TcpDropped);
    let said = [measured(Code::TcpDropped), own_doing(Settles::Limit)];
    weigh(&mut dropped, said.iter());
    assert_eq!(dropped.outcome, Outcome::Incomplete);
    assert_eq!(dropped.verdict.code, Code::Unknown);
    assert!(dropped.findings.is_empty());
    let mut doubted = judged(Outcome::Failed, Code::TcpDropped);
    let said = [measured(Code::TcpDropped), own_doing(Settles::Doubt)];
    weigh(&mut doubted, said.iter());
    assert_eq!(doubted.verdict.code, Code::TcpDropped);
    assert!(doubted.verdict.confidence <= 0.55);
    let others = &doubted.verdict.alternatives;
    assert!(others.iter().any(|one| one.code == Code::TcpRateLimited));
    // What a limit may say as well is in doubt, and its slowness is its own.
    let mut refused = judged(Outcome::Failed, Code::TcpRefused);
    weigh(&mut refused, [own_doing(Settles::Doubt)].iter());
    assert!(refused.verdict.confidence <= 0.55);
    let mut late = judged(Outcome::Degraded, Code::PathSlow);
    weigh(&mut late, [own_doing(Settles::Limit)].iter());
    assert_eq!(late.outcome, Outcome::Healthy);
    assert_eq!(late.findings[0].code, Code::PathSlow);
    // What was answered was not swallowed, and what worked goes on working.
    for (outcome, code) in [
        (Outcome::Failed, Code::TlsAlert),
        (Outcome::Failed, Code::MailNoGreeting),
        (Outcome::Healthy, Code::Ok),
    ] {
        for settles in [Settles::Limit, Settles::Doubt] {
            let mut judgement = judged(outcome, code);
            weigh(&mut judgement, [own_doing(settles)].iter());
            assert_eq!(judgement.outcome, outcome);
            assert_eq!(judgement.verdict, judged(outcome, code).verdict);
            assert!(judgement.findings.is_empty());
        }
    }
}

#[test]
fn where_packets_say_nothing_the_measurement_does() {
    let mut judgement = judged(Outcome::Incomplete, Code::Unknown);
    weigh(&mut judgement, [measured(Code::TcpDropped)].iter());
    assert_eq!(judgement.outcome, Outcome::Failed);
    assert_eq!(judgement.verdict.code, Code::TcpDropped);
}

#[test]
fn a_syn_that_was_answered_late_was_not_dropped() {
    let dropped = [measured(Code::TcpDropped)];
    let mut late = judged(Outcome::Incomplete, Code::Unknown);
    weigh_answered(&mut late, dropped.iter());
    assert_eq!(late.verdict.code, Code::Unknown);
    assert!(late.verdict.summary.contains("answered after all"));
    assert!(late.findings.is_empty());
    // Near misses: a SYN without an answer, and another measurement of the same server.
    let mut silent = judged(Outcome::Incomplete, Code::Unknown);
    weigh(&mut silent, dropped.iter());
    assert_eq!(silent.verdict.code, Code::TcpDropped);
    let mut refused = judged(Outcome::Incomplete, Code::Unknown);
    weigh_answered(&mut refused, [measured(Code::TcpRefused)].iter());
    assert_eq!(refused.verdict.code, Code::TcpRefused);
    assert!(!refused.verdict.summary.contains("answered after all"));
}

#[test]
fn what_died_at_a_device_is_not_laid_upon_the_server() {
    let mut device = measured(Code::TcpIntercepted);
    device.settles = Settles::Finding;
    device.claim = device.claim.weighing(Weight::Finding);
    let server = At::address(Where::Server, "192.0.2.10".parse().unwrap());
    let before = |code: Code| {
        let mut judgement = judged(Outcome::Failed, code);
        judgement.verdict.at = server;
        judgement.verdict.confidence = 0.85;
        judgement
    };
    for code in [Code::TcpResetBeforeGreeting, Code::MailNoGreeting] {
        let mut judgement = before(code);
        weigh(&mut judgement, [device.clone()].iter());
        let verdict = &judgement.verdict;
        assert_eq!(verdict.code, code);
        assert_eq!(verdict.at, device.claim.at);
        assert!(verdict.confidence <= 0.7);
        assert!(verdict.summary.contains("in the server's place"));
        assert_eq!(judgement.findings.len(), 1);
    }
    // A refusal in the first line may be the server's word, passed on.
    let mut refused = before(Code::MailGreetingRejected);
    weigh(&mut refused, [device.clone()].iter());
    assert_eq!(refused.verdict.code, Code::MailGreetingRejected);
    assert_eq!(refused.verdict.at, At::of(Where::Unknown));
    assert!(refused.verdict.confidence <= 0.7 && !refused.verdict.advice.is_empty());
    let mut direct = before(Code::MailGreetingRejected);
    weigh(&mut direct, [measured(Code::PathLoss)].iter());
    assert_eq!(direct.verdict.at, server);
    // A server that spoke is there; and without a device it is the server that opened.
    let mut later = before(Code::TlsCertExpired);
    weigh(&mut later, [device].iter());
    assert_eq!(later.verdict.at, server);
    let mut alone = before(Code::TcpResetBeforeGreeting);
    weigh(&mut alone, [measured(Code::PathLoss)].iter());
    assert_eq!(alone.verdict.at, server);
}

#[test]
fn every_line_names_something_that_exists() {
    for name in REFINES.iter().flat_map(|(a, b)| [a, b]) {
        assert!(
            Code::ALL.iter().any(|code| if name.ends_with(['.', '-']) {
                code.name().starts_with(name)
            } else {
                code.name() == *name
            }),
            "{name} is in no catalogue"
        );
    }
}

#[test]
fn what_a_device_may_have_shown_is_not_laid_upon_the_server() {
    let device = || {
        let mut one = measured(Code::TcpIntercepted);
        one.claim = one.claim.weighing(Weight::Finding);
        one.settles = Settles::Finding;
        one
    };
    for (seen, other) in [
        (Code::TlsCertSelfSigned, Code::TlsIntercepted),
        (Code::MailStarttlsMissing, Code::MailStarttlsStripped),
    ] {
        let mut one = measured(seen);
        one.settles = Settles::Session;
        one.claim.at = At::of(Where::Server);
        let mut judgement = judged(Outcome::Healthy, Code::Ok);
        weigh(&mut judgement, [one.clone(), device()].iter());
        let verdict = &judgement.verdict;
        assert_eq!((verdict.code, verdict.at.place), (seen, Where::Unknown));
        assert!(verdict.confidence < 0.6);
        assert!(verdict.alternatives.iter().any(|one| one.code == other));
        // Without the device it is the server's.
        let mut alone = judged(Outcome::Healthy, Code::Ok);
        weigh(&mut alone, [one].iter());
        assert_eq!(alone.verdict.at.place, Where::Server);
    }
    // An old certificate of the right name is the server's, whoever opens.
    let mut old = measured(Code::TlsCertExpired);
    old.settles = Settles::Session;
    old.claim.at = At::of(Where::Server);
    let mut judgement = judged(Outcome::Healthy, Code::Ok);
    weigh(&mut judgement, [old, device()].iter());
    assert_eq!(judgement.verdict.at.place, Where::Server);
}
