//! Logins: rejected, superseded, needing TLS.

use super::*;

#[test]
fn a_rejected_login_fails_unless_another_works() {
    let no = "a NO [AUTHENTICATIONFAILED] Authentication failed.";
    let play = imap().c("a LOGIN joe wrong").s(no);
    let judgement = play.c("b LOGOUT").s("* BYE bye\r\nb OK").fin(C);
    let judgement = judgement.fails(Code::AuthCredentialsRejected);
    assert_eq!(judgement.verdict.at.place, Where::Client);
    imap()
        .c("a LOGIN joe wrong")
        .s(no)
        .c("b LOGIN joe right")
        .s("b OK done")
        .c("c SELECT INBOX")
        .s("c OK done")
        .c("d LOGOUT")
        .s("* BYE bye\r\nd OK done")
        .fin(C)
        .is(Outcome::Healthy, &[Code::AuthCredentialsRejected]);
}

#[test]
fn a_failed_login_explains_the_relay_that_is_denied() {
    let play = smtp()
        .c("EHLO client.example.org")
        .s("250-mx.example.net\r\n250 AUTH PLAIN")
        .c("AUTH PLAIN AGpvZQB3cm9uZw==")
        .s("535 5.7.8 Error: authentication failed:");
    let play = mail(play)
        .c("RCPT TO:<b@elsewhere.example>")
        .s("554 5.7.1 <b@elsewhere.example>: Relay access denied");
    bye(play).fails(Code::AuthCredentialsRejected);
}

#[test]
fn relaying_without_the_login_that_was_offered_says_so() {
    let play = smtp()
        .c("EHLO client.example.org")
        .s("250-mx.example.net\r\n250 AUTH PLAIN");
    let play = mail(play)
        .c("RCPT TO:<b@elsewhere.example>")
        .s("554 5.7.1 <b@elsewhere.example>: Relay access denied");
    let judgement = bye(play).fails(Code::MailRelayDenied);
    assert!(judgement.verdict.advice[0].contains("AUTH was offered and not tried"));
}

#[test]
fn gssapi_refused_gives_way_to_what_the_password_got() {
    let play = Play::new(Service::Submission)
        .s("220 mail ESMTP")
        .c("EHLO c")
        .s("250-mail\r\n250 AUTH GSSAPI PLAIN")
        .c("AUTH GSSAPI")
        .s("504 5.5.4 Unrecognized authentication type")
        .c("AUTH PLAIN AGpvZQB3cm9uZw==")
        .s("535 5.7.8 Error: authentication failed:");
    bye(play).fails(Code::AuthCredentialsRejected);
}

#[test]
fn login_where_it_is_disabled_needs_tls() {
    Play::new(Service::Imap)
        .s("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready")
        .c("a LOGIN joe pw")
        .s("a NO Login failed.")
        .c("b LOGOUT")
        .s("* BYE\r\nb OK")
        .fin(C)
        .fails(Code::AuthNeedsTls);
}

#[test]
fn a_token_is_rejected_with_the_reason_decoded() {
    let judgement = imap()
        .c("a AUTHENTICATE XOAUTH2 dXNlcj1qb2UBYXV0aD1CZWFyZXIgeAEB")
        .s("+ eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=")
        .c("")
        .s("a NO AUTHENTICATE failed.")
        .c("b LOGOUT")
        .s("* BYE\r\nb OK")
        .fin(C)
        .fails(Code::AuthTokenRejected);
    let evidence = judgement.verdict.evidence.iter();
    assert!(evidence.clone().any(|e| e.text.contains("Bearer")));
}

#[test]
fn only_tokens_offered_to_a_client_that_left_is_a_guess_at_most() {
    let play = Play::new(Service::Submission)
        .s("220 mail ESMTP")
        .c("EHLO c")
        .s("250-mail\r\n250 AUTH XOAUTH2");
    let judgement = play.pause(4).fin(C).fails(Code::AuthOauthRequired);
    assert!(judgement.verdict.confidence <= 0.6);
    let quick = Play::new(Service::Submission)
        .s("220 mail ESMTP")
        .c("EHLO c")
        .s("250-mail\r\n250-STARTTLS\r\n250 AUTH XOAUTH2");
    bye(quick).is(Outcome::Healthy, &[Code::AuthOauthRequired]);
}

#[test]
fn must_issue_starttls_is_about_mail_or_about_a_login() {
    let must = "530 5.7.0 Must issue a STARTTLS command first";
    bye(ehlo().c("MAIL FROM:<a@example.org>").s(must)).fails(Code::MailStarttlsRequired);
    bye(ehlo().c("AUTH PLAIN AGpvZQBwdw==").s(must)).fails(Code::AuthNeedsTls);
}
