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

/// A submission server in clear, with what its EHLO lists.
fn submission(listed: &str) -> Play {
    Play::new(Service::Submission)
        .s("220 mail ESMTP")
        .c("EHLO c")
        .s(&format!("250-mail\r\n{listed}\r\n250 SIZE"))
}

const PLAIN: &str = "AUTH PLAIN AGpvZQBwdw==";
const UNADVERTISED: &str = "503 AUTH command used when not advertised";

#[test]
fn auth_not_on_offer_before_tls_needs_tls() {
    let tls = || submission("250-STARTTLS");
    bye(tls().c(PLAIN).s(UNADVERTISED)).fails(Code::AuthNeedsTls);
    bye(tls().c(PLAIN).s("503 5.5.1 bad sequence")).fails(Code::AuthNeedsTls);
    bye(tls()
        .c(PLAIN)
        .s("503 5.5.1 Invalid command: Command not supported"))
    .fails(Code::AuthNeedsTls);
    let plain = submission("250-DSN");
    bye(plain
        .c(PLAIN)
        .s("503 5.5.1 Invalid command: Command not supported"))
    .fails(Code::MailProtocolError);
}

#[test]
fn where_a_login_in_clear_is_served_its_refusal_is_not_about_tls() {
    let both = || submission("250-STARTTLS\r\n250-AUTH PLAIN LOGIN");
    bye(both().c("AUTH LOGIN").s("503 no LOGIN here")).fails(Code::MailRejected);
    bye(both().c(PLAIN).s("502 no")).fails(Code::AuthMechanismUnsupported);
    bye(both()
        .c(PLAIN)
        .s("503 5.5.1 Error: authentication not enabled"))
    .fails(Code::AuthMechanismUnsupported);
    let twice = both().c(PLAIN).s("235 ok").c(PLAIN);
    bye(twice.s("503 already authenticated")).fails(Code::MailProtocolError);
    let within = mail(both()).c(PLAIN);
    bye(within.s("503 not permitted in mail transaction")).fails(Code::MailProtocolError);
    // The server's own word for it stands, whatever is on offer.
    bye(both().c(PLAIN).s("503 5.5.1 not in clear text")).fails(Code::AuthNeedsTls);
    bye(both()
        .c(PLAIN)
        .s("538 5.7.11 Encryption required for requested authentication mechanism"))
    .fails(Code::AuthNeedsTls);
}

#[test]
fn auth_before_ehlo_is_out_of_order() {
    let greeted = || Play::new(Service::Submission).s("220 mail ESMTP");
    bye(greeted().c(PLAIN).s("503 no")).fails(Code::MailProtocolError);
    let helo = || greeted().c("HELO c").s("250 mail");
    bye(helo().c(PLAIN).s(UNADVERTISED)).fails(Code::MailProtocolError);
    bye(helo()
        .c(PLAIN)
        .s("500 Error: command 'AUTH' not recognized"))
    .fails(Code::MailProtocolError);
}

fn logout(play: Play) -> Play {
    play.c("z LOGOUT").s("* BYE bye\r\nz OK").fin(C)
}

#[test]
fn bad_to_a_login_is_about_tls_only_where_logins_may_be_disabled() {
    let bad = "a BAD no";
    logout(imap().c("a LOGIN joe pw").s(bad)).fails(Code::MailProtocolError);
    logout(imap().c("a AUTHENTICATE CRAM-MD5").s(bad)).fails(Code::AuthMechanismUnsupported);
    let list = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready";
    let disabled = || Play::new(Service::Imap).s(list);
    logout(disabled().c("a LOGIN joe pw").s(bad)).fails(Code::AuthNeedsTls);
    logout(disabled().c("a AUTHENTICATE PLAIN").s(bad)).fails(Code::AuthNeedsTls);
    let unlisted = Play::new(Service::Imap).s("* OK ready");
    logout(unlisted.c("a LOGIN joe pw").s(bad)).fails(Code::AuthNeedsTls);
}

#[test]
fn invalid_state_is_about_tls_only_where_logins_may_be_disabled() {
    let early = "a BAD Command received in Invalid state.";
    let list = "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready";
    logout(
        Play::new(Service::Imap)
            .s(list)
            .c("a LOGIN joe pw")
            .s(early),
    )
    .fails(Code::AuthNeedsTls);
    let unlisted = || Play::new(Service::Imap).s("* OK ready");
    let verdict = logout(unlisted().c("a LOGIN joe pw").s(early)).fails(Code::AuthNeedsTls);
    assert!(verdict.verdict.confidence <= 0.7);
    // The near misses: logins in clear are allowed, and somebody is logged in already.
    logout(imap().c("a LOGIN joe pw").s(early)).fails(Code::MailProtocolError);
    let twice = unlisted().c("b LOGIN joe pw").s("b OK in");
    let judgement = logout(twice.c("a LOGIN joe pw").s(early)).judge();
    assert_ne!(judgement.verdict.code, Code::AuthNeedsTls);
}

#[test]
fn a_login_that_the_client_took_back_judged_nobody() {
    let begun = || imap().c("a AUTHENTICATE PLAIN").s("+ ");
    for reply in ["a BAD Client canceled it", "a NO Login failed."] {
        let judgement = logout(begun().c("*").s(reply)).is(Outcome::Incomplete, &[]);
        assert_eq!(judgement.verdict.code, Code::Unknown);
    }
    logout(begun().c("AGpvZQBwdw==").s("a NO Login failed.")).fails(Code::AuthCredentialsRejected);
    let pop = Play::new(Service::Pop3).s("+OK ready");
    let pop = pop.c("AUTH PLAIN").s("+ ").c("*");
    let pop = pop.s("-ERR [AUTH] Client canceled authentication");
    pop.c("QUIT").s("+OK").fin(C).is(Outcome::Incomplete, &[]);
    let smtp = || {
        let play = Play::new(Service::Submission)
            .s("220 mail ESMTP")
            .c("EHLO c");
        let play = play
            .s("250-mail\r\n250 AUTH PLAIN")
            .c("AUTH PLAIN")
            .s("334 ");
        play.c("*")
    };
    for reply in [
        "501 5.7.0 Authentication aborted",
        "501 Authentication cancelled",
        "535 no",
    ] {
        bye(smtp().s(reply)).is(Outcome::Incomplete, &[]);
    }
    // A cause of its own is one, and so is what came before.
    bye(smtp().s("454 4.7.0 Temporary authentication failure")).fails(Code::AuthServerFailure);
    let refused = Play::new(Service::Submission)
        .s("220 mail ESMTP")
        .c("EHLO c");
    let refused = refused
        .s("250-mail\r\n250 AUTH PLAIN")
        .c("AUTH PLAIN AGpvZQB3cm9uZw==");
    let refused = refused
        .s("535 5.7.8 Error: authentication failed:")
        .c("AUTH PLAIN");
    bye(refused.s("334 ").c("*").s("501 cancelled")).fails(Code::AuthCredentialsRejected);
    // What another method then got is the verdict.
    let again = begun().c("*").s("a BAD Client canceled it");
    logout(again.c("b LOGIN joe pw").s("b NO Login failed.")).fails(Code::AuthCredentialsRejected);
}

#[test]
fn a_method_that_nobody_offered_judged_nobody() {
    let no = "a NO Login failed.";
    logout(imap().c("a AUTHENTICATE FOO").s(no)).fails(Code::AuthMechanismUnsupported);
    logout(imap().c("a AUTHENTICATE PLAIN").s(no)).fails(Code::AuthCredentialsRejected);
    logout(
        imap()
            .c("a AUTHENTICATE CRAM-MD5")
            .s("+ PDE+")
            .c("am9l")
            .s(no),
    )
    .fails(Code::AuthCredentialsRejected);
}

#[test]
fn another_server_for_the_user_is_no_wrong_password() {
    let no = "a NO [REFERRAL imap://refer;AUTH=PLAIN@imap2.example.net/] Try this server instead.";
    let judgement = logout(imap().c("a LOGIN refer pw").s(no)).fails(Code::MailRejected);
    assert!(judgement.verdict.summary.contains("another server"));
}

#[test]
fn thrown_out_right_behind_the_login_is_no_work_done() {
    let let_in = || imap().c("a LOGIN joe pw").s("a OK LOGIN Ok.");
    let out = |words| let_in().s(words).fin(S);
    out("* BYE IMAP access disabled for this account.").fails(Code::AuthProtocolDisabled);
    out("* BYE [UNAVAILABLE] Backend down").fails(Code::MailServiceUnavailable);
    // Work was granted: the end costs nothing, and without a silence it was not for one.
    let worked = || let_in().c("b SELECT INBOX").s("b OK");
    worked()
        .s("* BYE [UNAVAILABLE] Backend down")
        .fin(S)
        .is(Outcome::Healthy, &[Code::MailServiceUnavailable]);
    worked().s("* BYE").fin(S).is(Outcome::Healthy, &[]);
    // After a silence it is for the silence.
    for idle in [let_in(), worked()] {
        idle.pause(600)
            .s("* BYE")
            .fin(S)
            .is(Outcome::Healthy, &[Code::MailIdleTimeout]);
    }
}

#[test]
fn leaving_while_a_login_waits_is_no_step_of_it() {
    let pop3 = || {
        Play::new(Service::Pop3)
            .s("+OK ready")
            .c("AUTH PLAIN AGpvZQB3cm9uZw==")
            .c("QUIT")
    };
    pop3()
        .s("-ERR [AUTH] Authentication failed.")
        .s("+OK Logging out")
        .fin(S)
        .fails(Code::AuthCredentialsRejected);
    pop3()
        .s("+OK Logged in.")
        .s("+OK Logging out")
        .fin(S)
        .is(Outcome::Healthy, &[]);
    let sieve = |then: &str| {
        Play::new(Service::Sieve)
            .s("\"SASL\" \"PLAIN\"\r\nOK \"ready.\"")
            .c("AUTHENTICATE \"PLAIN\" \"AGpvZQB3cm9uZw==\"")
            .c(then)
    };
    sieve("LOGOUT")
        .s("NO \"Authentication failed.\"")
        .s("OK \"Logout completed.\"")
        .fin(S)
        .fails(Code::AuthCredentialsRejected);
    sieve("PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nLOGOUT")
        .s("OK \"Logged in.\"\r\nOK \"Putscript completed.\"\r\nOK \"Logout completed.\"")
        .fin(S)
        .is(Outcome::Healthy, &[]);
    imap()
        .c("a AUTHENTICATE PLAIN AGpvZQB3cm9uZw==")
        .c("z LOGOUT")
        .s("a NO [AUTHENTICATIONFAILED] Authentication failed.")
        .s("* BYE out\r\nz OK")
        .fin(S)
        .fails(Code::AuthCredentialsRejected);
}

#[test]
fn a_lost_frame_elsewhere_leaves_a_refusal_what_it_is() {
    let refused = |play: Play| {
        play.c("EHLO c")
            .s("250-mail\r\n250 AUTH PLAIN")
            .c("AUTH PLAIN AGpvZQB3cm9uZw==")
            .s("535 5.7.8 Error: authentication failed:")
    };
    let greeted = || Play::new(Service::Submission).s("220 mail ESMTP");
    let mut fin = refused(greeted()).c("QUIT").s("221 2.0.0 Bye").fin(C);
    fin.tcp.acked_unseen = 1;
    let judgement = fin.fails(Code::AuthCredentialsRejected);
    assert!(judgement.verdict.confidence <= 0.75);
    bye(refused(Play::new(Service::Submission).lost(S, 20))).fails(Code::AuthCredentialsRejected);
    // What is missing behind it may be the login that worked.
    let hole = refused(greeted()).lost(C, 40).lost(S, 30);
    let judgement = bye(hole).judge();
    assert_eq!(judgement.outcome, Outcome::Incomplete);
    let mut refusals = judgement.findings.iter();
    let told = refusals.find(|found| found.code == Code::AuthCredentialsRejected);
    let told = &told.expect("the refusal is told").summary;
    assert!(!told.contains("another one"), "{told}");
}

#[test]
fn a_goodbye_whose_logout_was_lost_is_no_trouble() {
    let lost = || Play::new(Service::Imap).lost(C, 105);
    let judgement = lost()
        .s("* BYE Logging out\r\na5 OK Logout completed.")
        .fin(S)
        .judge();
    assert_ne!(
        judgement.outcome,
        Outcome::Failed,
        "{:?}",
        judgement.verdict
    );
    // A server that turns clients away, and the last acknowledged frame is missing.
    let mut full = Play::new(Service::Imap)
        .s("* BYE Too many connections from your IP address")
        .fin(S);
    full.tcp.acked_unseen = 1;
    full.fails(Code::MailTooManyConnections);
}

#[test]
fn the_answer_to_a_login_is_no_greeting() {
    let mut play = Play::new(Service::Sieve)
        .c("AUTHENTICATE \"PLAIN\" \"AGpvZQB3cm9uZw==\"")
        .s("NO \"Authentication failed.\"")
        .c("LOGOUT")
        .s("OK \"Logout completed.\"")
        .fin(S);
    play.tcp.syn_acks.count = 0;
    play.fails(Code::AuthCredentialsRejected);
    Play::new(Service::Sieve)
        .s("NO \"Go away.\"")
        .fin(S)
        .fails(Code::MailGreetingRejected);
}

#[test]
fn of_frames_cut_short_no_check_is_made() {
    let looked = || Play::new(Service::Submission).s("220 mail ESMTP");
    let mut cut = bye(looked());
    cut.tcp.cut_frames = 4;
    assert_eq!(cut.judge().outcome, Outcome::Incomplete);
    let judgement = bye(looked()).judge();
    assert!(judgement.is_check && judgement.outcome == Outcome::Healthy);
}

#[test]
fn a_password_refused_where_no_login_is_offered_in_clear_may_need_tls() {
    let refused = |list: &str| {
        let play = Play::new(Service::Submission)
            .s("220 mail ESMTP")
            .c("EHLO c")
            .s(list);
        let play = play.c("AUTH PLAIN AGEAYg==");
        bye(play.s("535 5.7.8 Error: authentication failed")).fails(Code::AuthCredentialsRejected)
    };
    let verdict = refused("250-mail\r\n250 STARTTLS").verdict;
    assert!(verdict.confidence <= 0.6);
    assert_eq!(verdict.alternatives[0].code, Code::AuthNeedsTls);
    // The near misses: the method is offered; no TLS is.
    for list in [
        "250-mail\r\n250-AUTH PLAIN\r\n250 STARTTLS",
        "250-mail\r\n250 SIZE",
    ] {
        assert!(refused(list).verdict.confidence > 0.6, "{list}");
    }
}
