//! STARTTLS that is missing, refused, masked or taken out of the list, and who needed it.

use super::*;

#[test]
fn starttls_asked_for_and_not_offered_is_missing() {
    let play = ehlo_bare()
        .c("STARTTLS")
        .s("502 5.5.1 Error: command not implemented");
    let judgement = bye(play).fails(Code::MailStarttlsMissing);
    assert_eq!(judgement.verdict.at.place, Where::Server);
    let play = Play::new(Service::Pop3)
        .s("+OK ready")
        .c("STLS")
        .s("-ERR Unknown command.");
    play.c("QUIT")
        .s("+OK")
        .fin(C)
        .fails(Code::MailStarttlsMissing);
}

#[test]
fn a_check_that_sees_no_starttls_is_healthy_with_half_a_finding() {
    let judgement = bye(ehlo_bare()).is(Outcome::Healthy, &[Code::MailStarttlsMissing]);
    assert!(judgement.is_check && judgement.findings[0].confidence <= 0.5);
    bye(ehlo()).is(Outcome::Healthy, &[]);
}

#[test]
fn starttls_offered_and_refused_fails_only_a_client_that_leaves() {
    let refused = "454 4.7.0 TLS not available due to local problem";
    bye(ehlo().c("STARTTLS").s(refused)).fails(Code::MailStarttlsRefused);
    let play = mail(ehlo().c("STARTTLS").s(refused))
        .c("RCPT TO:<b@example.net>")
        .s("250 2.1.5 Ok");
    bye(message(play).s("250 2.0.0 Ok")).is(Outcome::Healthy, &[Code::MailStarttlsRefused]);
}

#[test]
fn starttls_masked_on_the_way_is_stripped_when_it_was_needed() {
    let masked = |service| {
        Play::new(service)
            .s("220 mail ESMTP")
            .c("EHLO c")
            .s("250-mail\r\n250-SIZE 1000\r\n250 XXXXXXXA")
    };
    let judgement = bye(masked(Service::Submission)).fails(Code::MailStarttlsStripped);
    assert_eq!(judgement.verdict.at.place, Where::Network);
    let asked = masked(Service::Smtp)
        .c("STARTTLS")
        .s("500 #5.5.1 command not recognized");
    bye(asked).fails(Code::MailStarttlsStripped);
    let required = masked(Service::Smtp)
        .c("MAIL FROM:<a@example.org>")
        .s("530 5.7.0 Must issue a STARTTLS command first");
    bye(required).fails(Code::MailStarttlsStripped);
    let clear = mail(masked(Service::Smtp))
        .c("RCPT TO:<b@example.net>")
        .s("250 Ok");
    bye(message(clear).s("250 Ok")).is(Outcome::Healthy, &[Code::MailBannerMasked]);
}

#[test]
fn other_words_of_eight_letters_are_masked_too() {
    let masked = |list: &str| {
        Play::new(Service::Smtp)
            .s("220 mail ESMTP")
            .c("EHLO c")
            .s(list)
    };
    let refused = "500 #5.5.1 command not recognized";
    let asked = |list: &str, answer: &str| bye(masked(list).c("STARTTLS").s(answer));
    let one = "250-mail\r\n250-SIZE 1000\r\n250 XXXXXXXA";
    let judgement = asked(one, refused).fails(Code::MailStarttlsStripped);
    assert!(judgement.verdict.confidence <= 0.85);
    assert_eq!(
        judgement.verdict.alternatives[0].code,
        Code::MailStarttlsMissing
    );
    // Postfix knows the command and does not do it: so it arrived as it was sent.
    asked(one, "502 5.5.1 Error: command not implemented").fails(Code::MailStarttlsMissing);
    // The near misses: more of them than there are other words; the others can be read.
    let three = "250-mail\r\n250-XXXXXXXA\r\n250-XXXXXXXA\r\n250 XXXXXXXA";
    let visible = "250-mail\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250 XXXXXXXA";
    for list in [three, visible] {
        let judgement = asked(list, refused).fails(Code::MailStarttlsStripped);
        assert!(judgement.verdict.confidence >= 0.9, "{list}");
    }
}

#[test]
fn starttls_offered_elsewhere_makes_it_stripped_with_doubt() {
    let mut play = ehlo_bare()
        .c("STARTTLS")
        .s("502 5.5.1 Error: command not implemented");
    play.context.starttls_elsewhere = Some(mark(900, 0));
    let judgement = bye(play).fails(Code::MailStarttlsStripped);
    assert!(judgement.verdict.confidence <= 0.7);
    let first = &judgement.verdict.alternatives[0];
    assert_eq!(first.code, Code::MailStarttlsMissing);
}
