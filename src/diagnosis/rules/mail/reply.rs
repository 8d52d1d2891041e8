//! Every code that a negative reply proves: one rule, one table ([`super::refusals`]).
//!
//! A negative reply is a verdict only if the client got no further at that stage afterwards; else it is a finding, or
//! nothing (capability probes). The first one that made success impossible is the verdict, what follows from it is not
//! said: all recipients refused is a failure at RCPT, not at the 503 or 554 that DATA then gets (RFC 5321 4.2, 4.3.2; RFC
//! 4954 6; RFC 9051 7.1; RFC 1939 3). What a server says inside TLS is not readable, and nothing is claimed.

use crate::base::{SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::Opening;
use crate::proto::mail::{Answer, Exchange, Family, Language, Mechanism, Reply, Status, Verb};

use super::progress::{
    Progress, Step, cut, is_mailbox, masked_starttls, offers, readable, refuses, starttls_offered,
    step,
};
use super::refusals::refusal;
use super::starttls_stripped;

/// Findings told beside the verdict.
const FINDINGS: usize = 4;
/// A server that says goodbye after this silence without a reason meant the silence.
const QUIET: i64 = 60 * SECOND;
/// A client may still try something else until this long after a refusal at the end of the capture.
const UNDECIDED: i64 = 5 * SECOND;

/// Characters of a summary, about.
const SUMMARY: usize = 108;

/// A refusal, judged.
struct Judged<'a> {
    index: usize,
    exchange: &'a Exchange,
    reply: &'a Reply,
    step: Step,
    answer: Answer,
    /// `mail.starttls-missing`: not offered, asked for all the same.
    not_offered: bool,
    weight: Weight,
}

/// Hears a mail connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    if !readable(c) {
        return;
    }
    let progress = Progress::of(c);
    let mut fatal: Option<Judged<'_>> = None;
    let mut findings: Vec<Judged<'_>> = Vec::new();
    for (index, exchange) in c.dialogue.exchanges.iter().enumerate() {
        let Some(judged) = judge(c, &progress, index, exchange) else {
            continue;
        };
        if judged.weight == Weight::Fatal {
            let replaces = fatal.as_ref().is_none_or(|first| gives_way(first, &judged));
            if replaces {
                fatal = Some(judged);
            }
        } else if findings.len() < FINDINGS
            && findings
                .iter()
                .all(|other| code_of(other) != code_of(&judged))
        {
            findings.push(judged);
        }
    }
    if let Some(judged) = &fatal {
        claims.push(claim(c, judged));
    }
    let said = fatal.as_ref().map(code_of);
    for judged in findings.iter().filter(|f| Some(code_of(f)) != said) {
        claims.push(claim(c, judged));
    }
}

/// A method that the server does not know gives way to what it then says to another one at the same step.
fn gives_way(first: &Judged<'_>, later: &Judged<'_>) -> bool {
    let vague = matches!(
        first.answer.family,
        Family::MechanismUnsupported | Family::ProtocolError
    );
    vague
        && first.step == later.step
        && first.answer.family != later.answer.family
        && matches!(first.step, Step::Login | Step::Hello)
}

fn code_of(judged: &Judged<'_>) -> Code {
    if judged.not_offered {
        Code::MailStarttlsMissing
    } else {
        refusal(judged.answer.family).code
    }
}

/// Weighs one reply; `None` when there is nothing to say of it.
fn judge<'a>(
    c: &Connection<'a>,
    progress: &Progress,
    index: usize,
    exchange: &'a Exchange,
) -> Option<Judged<'a>> {
    let reply = exchange.reply.as_ref().filter(|reply| refuses(reply))?;
    let answer = c.answers.get(index).copied().flatten()?;
    // What it answers is not known, and it does not say itself what it is about.
    if exchange.unsure && !answer.by_text {
        return None;
    }
    if !heard(c, index, exchange, reply, answer) {
        return None;
    }
    let step = step(c.dialogue, exchange);
    let mut judged = Judged {
        index,
        exchange,
        reply,
        step,
        answer: refine(c, index, exchange, reply, answer),
        not_offered: false,
        weight: Weight::Fatal,
    };
    let further = progress.further(index, step, reply.at.time);
    let family = judged.answer.family;
    judged.weight = match step {
        Step::Quit => return None,
        Step::Probe | Step::Stray => probe(c, progress, &judged, further)?,
        Step::Unasked => unasked(c, progress, &mut judged, further)?,
        Step::Hello if further => return None, // EHLO 502, then HELO
        Step::Starttls => {
            if starttls_stripped::sign(c).is_some() {
                return None; // said by the rule that knows what removed it
            }
            judged.not_offered = not_offered(c, reply);
            if further {
                Weight::Finding
            } else {
                Weight::Fatal
            }
        }
        Step::Message if consequence(c, index) => return None,
        Step::Message if granted_to_another(c, index, exchange) => Weight::Finding,
        Step::Work => work(c, progress, index, family, further)?,
        _ if further => Weight::Finding,
        _ => Weight::Fatal,
    };
    if judged.weight == Weight::Fatal && (still_open(c, reply) || unsure(c, &judged)) {
        judged.weight = Weight::Finding;
    }
    Some(judged)
}

/// A reply is judged together with the command that it answers: of a client that was not captured only the greeting
/// can be judged, and after a hole nothing is taken for a greeting that follows a command.
fn heard(
    c: &Connection<'_>,
    index: usize,
    exchange: &Exchange,
    reply: &Reply,
    answer: Answer,
) -> bool {
    if c.tcp.sides[Side::Client].segments == 0 {
        return index == 0 && !c.partly_unseen();
    }
    if index > 0 && exchange.command.is_none() && c.partly_unseen() {
        return false;
    }
    // The first words of a capture that begins in the middle answer something that nobody saw: only words that name
    // a cause of their own tell what.
    if index == 0 && exchange.command.is_none() && c.tcp.opening == Opening::Midstream {
        return answer.by_text && answer.family != Family::ProtocolError;
    }
    let greeting = answer.family == Family::GreetingRejected;
    let asked_before = || {
        c.tcp.sides[Side::Client]
            .first_data
            .is_some_and(|asked| asked.time < reply.at.time)
    };
    !(greeting && c.partly_unseen() && asked_before())
}

/// Something was not captured, and the server ends the session, which may be after all the work; or it said more
/// after the refusal: the client may have got further; or what was lost makes it uncertain what the reply answers.
fn unsure(c: &Connection<'_>, judged: &Judged<'_>) -> bool {
    let done = judged.reply.done;
    let ends = judged.answer.family == Family::IdleTimeout
        || c.dialogue
            .goodbye
            .is_some_and(|bye| bye.frame == done.frame);
    let said_more = || {
        c.tcp.sides[Side::Server]
            .last_data
            .is_some_and(|last| (last.time, last.frame.number) > (done.time, done.frame.number))
    };
    judged.index > 0 && c.partly_unseen() && (ends || said_more()) || judged.exchange.unsure
}

/// The capture ends so soon after the refusal that the client may have gone on.
fn still_open(c: &Connection<'_>, reply: &Reply) -> bool {
    !c.ended()
        && c.dialogue.quit.is_none()
        && reply.status != Status::Bye
        && c.horizon.since(reply.at.time) < UNDECIDED
}

/// What the rest of the dialogue adds to the reading of one reply.
fn refine(
    c: &Connection<'_>,
    index: usize,
    exchange: &Exchange,
    reply: &Reply,
    mut answer: Answer,
) -> Answer {
    let dialogue = c.dialogue;
    let login = step(dialogue, exchange) == Step::Login;
    let verb = exchange.command.as_ref().map(|command| command.verb);
    answer.family = match answer.family {
        Family::CredentialsRejected
            if login
                && matches!(
                    mechanism(c, index),
                    Some(Mechanism::Xoauth2 | Mechanism::OauthBearer)
                ) =>
        {
            Family::TokenRejected
        }
        // RFC 9051 6.2.3: with LOGINDISABLED the server must refuse LOGIN, whatever the password.
        Family::CredentialsRejected | Family::Rejected | Family::ProtocolError
            if verb == Some(Verb::Login)
                && c.tls.is_none()
                && offers(dialogue, "LOGINDISABLED") =>
        {
            Family::NeedsTls
        }
        // No TLS to be had either: logins are not served on this port, or not in this way.
        Family::NeedsTls
            if login
                && matches!(reply.code, Some(500 | 502..=504))
                && unknown_way(c, index, answer.by_text)
                && starttls_offered(dialogue) == Some(false)
                && !masked_starttls(dialogue)
                && c.context.starttls_elsewhere.is_none() =>
        {
            Family::MechanismUnsupported
        }
        family => family,
    };
    answer
}

/// No login is on offer at all (and the words do not say that TLS is the reason), or others than the one tried.
fn unknown_way(c: &Connection<'_>, index: usize, by_text: bool) -> bool {
    let offered = &c.dialogue.mechanisms;
    if offered.is_empty() {
        return !by_text;
    }
    mechanism(c, index).is_some_and(|tried| !offered.contains(&tried))
}

/// The mechanism of the login that this exchange belongs to.
fn mechanism(c: &Connection<'_>, index: usize) -> Option<Mechanism> {
    c.dialogue
        .exchanges
        .get(..=index)?
        .iter()
        .rev()
        .take(8)
        .find_map(|exchange| match exchange.command.as_ref()?.verb {
            Verb::Auth(mechanism) => Some(mechanism),
            _ => None,
        })
}

/// Probes and strays matter only when they were the whole of the client's work, or the server named a cause of its own.
fn probe(
    c: &Connection<'_>,
    progress: &Progress,
    judged: &Judged<'_>,
    further: bool,
) -> Option<Weight> {
    // What was not captured may have been the work.
    let worked = worked_before(c, progress, judged.index) || c.partly_unseen();
    let verb = judged.exchange.command.as_ref().map(|command| command.verb);
    let cause = judged.reply.status == Status::Bye
        || judged.answer.by_text
            && matches!(
                judged.answer.family,
                Family::Blocklisted
                    | Family::RdnsRequired
                    | Family::TooManyConnections
                    | Family::RateLimited
                    | Family::ServiceUnavailable
                    | Family::StarttlsRequired
                    | Family::ClientCertificateRequired
                    | Family::AuthRequired
            );
    match (judged.step, verb) {
        (_, Some(Verb::Masked)) => None, // banner-masked says it
        _ if further => None,
        _ if cause => Some(if worked {
            Weight::Finding
        } else {
            Weight::Fatal
        }),
        (Step::Stray, _) if !worked => Some(Weight::Fatal),
        _ => None,
    }
}

/// Words that nothing asked for: a goodbye before, in, or after the work.
fn unasked(
    c: &Connection<'_>,
    progress: &Progress,
    judged: &mut Judged<'_>,
    further: bool,
) -> Option<Weight> {
    let ends = judged.reply.status == Status::Bye
        || c.dialogue
            .goodbye
            .is_some_and(|bye| bye.frame == judged.reply.done.frame);
    if !ends && (further || c.dialogue.quit.is_some()) {
        return None;
    }
    // Said after QUIT or LOGOUT it is a farewell.
    if c.dialogue
        .quit
        .is_some_and(|quit| quit.time <= judged.reply.at.time)
    {
        return None;
    }
    let spoken_before = c
        .dialogue
        .exchanges
        .get(..judged.index)
        .unwrap_or_default()
        .iter()
        .rev()
        .find_map(|exchange| {
            let reply = exchange.reply.as_ref().map(|reply| reply.done.time);
            let command = exchange.command.as_ref().map(|command| command.done.time);
            reply.max(command)
        });
    let quiet = spoken_before.is_some_and(|time| judged.reply.at.time.since(time) >= QUIET);
    if !judged.answer.by_text && quiet && judged.answer.family == Family::ServiceUnavailable {
        judged.answer.family = Family::IdleTimeout;
    }
    let worked = worked_before(c, progress, judged.index);
    if c.work_open() {
        return Some(Weight::Fatal);
    }
    if judged.answer.family == Family::IdleTimeout {
        return Some(Weight::Finding);
    }
    if worked {
        if !judged.answer.by_text {
            judged.answer.family = Family::IdleTimeout;
        }
        return Some(Weight::Finding);
    }
    Some(Weight::Fatal)
}

/// Something that the client came for was granted before.
fn worked_before(c: &Connection<'_>, progress: &Progress, index: usize) -> bool {
    progress.before(index, Step::Message)
        || progress.before(index, Step::Work)
        || is_mailbox(c.dialogue) && progress.before(index, Step::Login)
}

/// A refused mailbox command ends the work only when nothing worked before and after, or for a cause of its own.
fn work(
    c: &Connection<'_>,
    progress: &Progress,
    index: usize,
    family: Family,
    further: bool,
) -> Option<Weight> {
    let cause = !matches!(
        family,
        Family::Rejected | Family::ProtocolError | Family::Temporary
    );
    // What was not captured may have been work that was granted.
    let worked = progress.before(index, Step::Work) || c.partly_unseen();
    match (further, cause, worked) {
        (true, true, _) => Some(Weight::Finding),
        (true, false, _) => None,
        (false, true, _) | (false, false, false) => Some(Weight::Fatal),
        (false, false, true) => Some(Weight::Finding),
    }
}

/// DATA or BDAT refused because every recipient was: a consequence.
fn consequence(c: &Connection<'_>, index: usize) -> bool {
    let earlier = c.dialogue.exchanges.get(..index).unwrap_or_default();
    let mut refused = false;
    for exchange in earlier.iter().rev() {
        match step(c.dialogue, exchange) {
            Step::Recipient | Step::Sender => {
                let Some(reply) = &exchange.reply else {
                    return false;
                };
                if step(c.dialogue, exchange) == Step::Recipient && !refuses(reply) {
                    return false;
                }
                refused |= refuses(reply);
                if step(c.dialogue, exchange) == Step::Sender {
                    return refused;
                }
            }
            Step::Hello | Step::Greeting => return refused,
            _ => {}
        }
    }
    false
}

/// LMTP answers once per recipient (RFC 2033 4.2): another recipient of the same message got it.
fn granted_to_another(c: &Connection<'_>, index: usize, exchange: &Exchange) -> bool {
    let Some(command) = &exchange.command else {
        return false;
    };
    if c.dialogue.language != Some(Language::Lmtp) {
        return false;
    }
    let start = index.saturating_sub(64);
    c.dialogue
        .exchanges
        .iter()
        .skip(start)
        .take(128)
        .any(|other| {
            other
                .command
                .as_ref()
                .is_some_and(|c| c.at == command.at && c.verb == command.verb)
                && other
                    .reply
                    .as_ref()
                    .is_some_and(|reply| reply.status == Status::Positive)
        })
}

/// STARTTLS was asked for although it was not on offer: not in the list, or unknown to a server that gave no list.
fn not_offered(c: &Connection<'_>, reply: &Reply) -> bool {
    match starttls_offered(c.dialogue) {
        Some(offered) => !offered,
        None => {
            let text = reply.text.as_str().to_ascii_lowercase();
            reply.status == Status::Bad
                || matches!(reply.code, Some(500 | 502))
                || text.contains("unknown command")
                || text.contains("invalid command")
                || text.contains("not supported")
        }
    }
}

fn claim(c: &Connection<'_>, judged: &Judged<'_>) -> Claim {
    let family = judged.answer.family;
    let row = refusal(family);
    let words = quoted(judged.reply);
    let (code, says) = if judged.not_offered {
        (
            Code::MailStarttlsMissing,
            "The server does not offer STARTTLS; the client asked for it all the same",
        )
    } else {
        (row.code, says(c, judged, row.says))
    };
    let place = match family {
        // A limit of the whole server, or of this client alone?
        Family::TooManyConnections if !names_client(judged.reply) => Where::Server,
        // Answers that RFC 5321 does not allow, to commands that it does.
        _ if judged.not_offered => Where::Server,
        _ => row.place,
    };
    let at = match place {
        Where::Client => At::address(place, c.client().ip),
        Where::Server => At::address(place, c.server().ip),
        _ => At::of(place),
    };
    let mut confidence = match (judged.answer.by_text, family) {
        (true, _) => 0.95,
        (false, Family::Rejected | Family::Temporary | Family::GreetingRejected) => 0.88,
        (false, Family::NeedsTls | Family::MechanismUnsupported) => 0.85,
        (false, _) => 0.9,
    };
    if judged.not_offered && starttls_offered(c.dialogue).is_none() {
        confidence = 0.8;
    }
    // What was not captured may have been the next, better try.
    if c.dialogue.gaps > 0 || c.partly_unseen() {
        confidence = f32::min(confidence, 0.75);
    }
    let room = SUMMARY.saturating_sub(says.chars().count()).max(24);
    let mut claim = Claim::new(
        code,
        at,
        judged.reply.at,
        confidence,
        format!("{says}: {}", cut(&words, room)),
    )
    .weighing(judged.weight)
    .shown_by(evidence(judged, &words));
    if let Some(command) = &judged.exchange.command {
        claim = claim.because(command.at, cut(command.text.as_str(), 80));
    }
    if let Some(error) = &judged.reply.sasl_error {
        claim = claim.because(
            judged.reply.at,
            format!("decoded: {}", cut(error.as_str(), 160)),
        );
    }
    if judged.weight == Weight::Fatal {
        claim = claim.provisional_if(!c.ended() && c.dialogue.quit.is_none());
    }
    advise(c, judged, claim, row.advice)
}

/// The sentence, made more exact where the dialogue allows.
fn says(c: &Connection<'_>, judged: &Judged<'_>, usual: &'static str) -> &'static str {
    let all_refused = judged.step == Step::Recipient
        && judged.weight == Weight::Fatal
        && c.dialogue
            .exchanges
            .iter()
            .filter(|exchange| step(c.dialogue, exchange) == Step::Recipient)
            .count()
            > 1;
    match judged.answer.family {
        Family::RecipientRejected if all_refused => "The server refused every recipient",
        Family::RecipientRejected if judged.weight == Weight::Finding => {
            "The server refused one of the recipients"
        }
        Family::CredentialsRejected if judged.weight == Weight::Finding => {
            "A login was rejected before another one worked"
        }
        _ => usual,
    }
}

fn advise(
    c: &Connection<'_>,
    judged: &Judged<'_>,
    mut claim: Claim,
    advice: &'static [&'static str],
) -> Claim {
    let dialogue = c.dialogue;
    let tried = dialogue
        .exchanges
        .iter()
        .any(|exchange| step(dialogue, exchange) == Step::Login);
    let untried = !tried && !dialogue.mechanisms.is_empty();
    let family = judged.answer.family;
    if judged.not_offered {
        claim = claim.advise("Server's operator: certificate and switch (Postfix smtpd_tls_security_level = may, Exim tls_advertise_hosts = *, Dovecot ssl = yes)")
            .advise("Client: implicit TLS (465, 993, 995)")
            .or(Code::MailStarttlsStripped, 0.08, "a capture at the server, or another path: whether its list has STARTTLS there");
        return claim;
    }
    match family {
        Family::RelayDenied | Family::AuthRequired if untried => {
            claim = claim.advise("AUTH was offered and not tried: set the client up to log in");
        }
        Family::AuthRequired
            if c.tls.is_none()
                && dialogue.mechanisms.is_empty()
                && starttls_offered(dialogue) == Some(true) =>
        {
            claim = claim.advise(
                "Client: start TLS first (STARTTLS is offered); logins are offered inside it",
            );
        }
        _ => {}
    }
    for text in advice {
        claim = claim.advise(*text);
    }
    match family {
        Family::RelayDenied | Family::SenderRejected if untried && judged.weight == Weight::Fatal => claim.or(
            Code::AuthRequired,
            0.05,
            "the same mail after a login",
        ),
        Family::CredentialsRejected if is_gmail(c) => claim.or(
            Code::AuthAppPasswordRequired,
            0.1,
            "whether the account uses two-step verification: then only an app password or OAuth works",
        ),
        Family::CredentialsRejected if !judged.answer.by_text && is_microsoft(c) => claim.or(
            Code::AuthOauthRequired,
            0.2,
            "the account's sign-in log: whether basic authentication is switched off",
        ),
        // RFC 9051 6.2.3: LOGINDISABLED would explain it, and the list was not (wholly) seen.
        Family::CredentialsRejected
            if c.tls.is_none()
                && is_mailbox(dialogue)
                && (c.partly_unseen() || c.tcp.opening == Opening::Midstream) =>
        {
            claim.or(
                Code::AuthNeedsTls,
                0.2,
                "the server's list of capabilities: LOGINDISABLED",
            )
        }
        Family::IdleTimeout if dialogue.in_data.is_some() => claim.or(
            Code::TcpStalled,
            0.2,
            "a capture at the server: whether the rest of the message arrives there",
        ),
        Family::MechanismUnsupported if c.tls.is_none() && !judged.answer.by_text => claim.or(
            Code::AuthNeedsTls,
            0.1,
            "the list that the server shows inside TLS",
        ),
        _ => claim,
    }
}

fn evidence(judged: &Judged<'_>, words: &str) -> String {
    match &judged.exchange.command {
        Some(command) => format!(
            "reply to {}: {}",
            cut(command.text.as_str(), 60),
            cut(words, 200)
        ),
        None => format!("the server says: {}", cut(words, 200)),
    }
}

/// The reply in one line, codes first.
fn quoted(reply: &Reply) -> String {
    let line = reply.line.as_str().trim_end();
    if reply.lines <= 1 {
        return line.to_owned();
    }
    match (reply.code, reply.enhanced) {
        (Some(code), Some(e)) => {
            let (class, subject, detail) = (e.class, e.subject, e.detail);
            format!("{code} {class}.{subject}.{detail} {}", reply.text)
        }
        (Some(code), None) => format!("{code} {}", reply.text),
        _ => line.to_owned(),
    }
}

/// The limit is one of this client, user or address.
fn names_client(reply: &Reply) -> bool {
    let text = reply.text.as_str().to_ascii_lowercase();
    let limit = reply
        .response_code
        .as_ref()
        .is_some_and(|code| code.as_str() == "LIMIT");
    limit
        || [
            "from",
            "your",
            "user",
            "per ip",
            "this ip",
            "simultaneous",
            "client",
            "account",
        ]
        .iter()
        .any(|word| text.contains(word))
}

fn software_is(c: &Connection<'_>, name: &str) -> bool {
    c.dialogue
        .software
        .as_ref()
        .is_some_and(|software| software.as_str().eq_ignore_ascii_case(name))
}

fn is_gmail(c: &Connection<'_>) -> bool {
    software_is(c, "Gmail")
}

fn is_microsoft(c: &Connection<'_>) -> bool {
    software_is(c, "Exchange") || software_is(c, "Exchange Online")
}
