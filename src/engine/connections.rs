//! From an ended connection to its record: the view, the judgement, the numbers.

use super::attempts::Again;
use super::record::{
    CertificateInfo, ConnectionRecord, EndpointInfo, Line, MailInfo, Moment, Pair, PerSideCount,
    PerSideMss, TcpInfo, TlsInfo, VerdictInfo, millis,
};
use crate::base::{Foreign, Mark, Nanos, SECOND, Side, Timestamp, ip_text};
use crate::diagnosis::{
    Code, Connection, Context, Ending, Judgement, Ladder, Stage, judge_connection,
};
use crate::flow::{FlowKey, Opening, TcpFacts};
use crate::proto::mail::replies::ReplyTable;
use crate::proto::mail::{Answer, Dialogue, Status, Verb};
use crate::proto::session::SessionFacts;
use crate::proto::tls::{Inside, TlsFacts, cipher_name};
use crate::proto::{Service, TlsMode};

/// Lines of a transcript in the report.
const TRANSCRIPT: usize = 200;

/// What a connection was judged from, and what came of it.
pub struct Judged {
    /// The judgement.
    pub judgement: Judgement,
    /// The service it turned out to be.
    pub service: Service,
    /// Its TLS mode.
    pub mode: TlsMode,
    /// When a next connection belongs to the same attempt.
    pub again: Again,
    /// Nobody ended it yet.
    pub open: bool,
    /// It is open, and neither side waits for the other.
    pub at_rest: bool,
}

/// How the connection ended: the first FIN or RST of either side.
pub fn ending(tcp: &TcpFacts) -> Ending {
    let mut first: Option<(Side, Mark, bool)> = None;
    let mut consider = |side: Side, at: Mark, reset: bool| {
        if first.is_none_or(|(_, earliest, _)| {
            (at.time, at.frame.number()) < (earliest.time, earliest.frame.number())
        }) {
            first = Some((side, at, reset));
        }
    };
    for side in [Side::Client, Side::Server] {
        if let Some(fin) = tcp.sides[side].fin {
            consider(side, fin, false);
        }
    }
    if let Some(reset) = tcp.resets.first() {
        consider(reset.side, reset.at, true);
    }
    first.map_or(Ending::Open, |(by, at, reset)| Ending::Closed {
        by,
        at,
        reset,
    })
}

/// Until when a connection in which the server had spoken got on: until the first bytes that nobody ever acknowledged, or the last of the client's that
/// nothing answered; else until a side closed it.
pub fn got_on(tcp: &TcpFacts) -> Option<Timestamp> {
    let [client, server] = [&tcp.sides[Side::Client], &tcp.sides[Side::Server]];
    let spoke = server.last_data?.time;
    let owed = client.last_data.map(|mark| mark.time);
    let left = match ending(tcp) {
        Ending::Closed { at, .. } => at.time,
        Ending::Open => tcp.last.time,
    };
    let stuck = [client, server].map(|side| side.outstanding.as_ref().map(|lost| lost.first.time));
    let stuck = stuck.into_iter().flatten().min();
    Some(
        stuck
            .or(owed.filter(|asked| *asked > spoke))
            .unwrap_or(left),
    )
}

/// Who leaves sooner after what he said last did not wait for an answer.
const WAITING: Nanos = 2 * SECOND;

/// Until when the client waited for the answer to what it had said last, or for what of it was never taken: until it left, or to the end of
/// what was captured. A goodbye that is not waited for is none of that (RFC 5321 4.1.1.10, TLS's close_notify).
pub fn waited(tcp: &TcpFacts, horizon: Timestamp) -> Option<Timestamp> {
    let [client, server] = [&tcp.sides[Side::Client], &tcp.sides[Side::Server]];
    let asked = client.last_data.filter(|_| tcp.established.is_some())?.time;
    let owed = server.last_data.is_none_or(|spoke| spoke.time < asked);
    match ending(tcp) {
        Ending::Closed { at, by, .. } => (owed && by == Side::Client).then_some(at.time),
        Ending::Open => owed.then_some(horizon),
    }
    .filter(|until| until.since(asked) >= WAITING)
}

/// Judges one connection.
pub fn judge(
    key: FlowKey,
    tcp: &TcpFacts,
    session: &SessionFacts<'_>,
    replies: &ReplyTable,
    horizon: Timestamp,
    context: &Context,
) -> Judged {
    let service = session.service.unwrap_or(Service::Other);
    let mode = session.tls_mode;
    let answers = read_answers(session, replies);
    let mut ladder = Ladder::climb(service, mode, tcp, session.dialogue, session.tls);
    if context.server_name.is_some() {
        ladder.reach(Stage::Dns);
    }
    let mut connection = Connection {
        key,
        service,
        tls_mode: mode,
        tcp,
        dialogue: session.dialogue,
        answers: &answers,
        tls: session.tls,
        ending: ending(tcp),
        horizon,
        context,
        ladder,
        done: None,
    };
    let judgement = judge_connection(&mut connection);
    let again = again(session.dialogue, judgement.verdict.code);
    Judged {
        open: matches!(connection.ending, Ending::Open),
        at_rest: at_rest(&connection),
        judgement,
        service,
        mode,
        again,
    }
}

/// Whether a client tries again what ended so.
fn again(dialogue: &Dialogue, code: Code) -> Again {
    let transient = dialogue.exchanges.iter().any(|exchange| {
        exchange
            .reply
            .as_ref()
            .is_some_and(|reply| reply.status == Status::Transient)
    });
    // A permanent reply to this mail is the last word on it (RFC 5321 4.2.1, 4.5.4.1): what comes next is another mail.
    let of_this_mail = matches!(
        code,
        Code::MailSenderRejected
            | Code::MailRecipientRejected
            | Code::MailRelayDenied
            | Code::MailDomainUnauthenticated
            | Code::MailMessageTooLarge
            | Code::MailMailboxFull
            | Code::MailContentRejected
    );
    match (transient, of_this_mail) {
        (true, _) => Again::Later,
        (false, true) => Again::Never,
        (false, false) => Again::Soon,
    }
}

/// Open, the server has spoken, and nobody waits: no command without a reply, nothing unacknowledged, no handshake half
/// done. That is how an IDLE of half an hour looks (RFC 2177 3).
fn at_rest(c: &Connection<'_>) -> bool {
    let sides = &c.tcp.sides;
    matches!(c.ending, Ending::Open)
        && c.tcp.opening == Opening::Syn
        && sides[Side::Server].data_segments > 0
        && sides[Side::Client].outstanding.is_none()
        && sides[Side::Server].outstanding.is_none()
        && c.tls
            .is_none_or(|tls| tls.client_hello.is_none() || tls.client_finished.is_some())
        && c.unanswered().is_none()
        && !c.half_said()
}

/// What each negative reply means, up to the last that means anything: nothing at all for most dialogues. The last reply of a login is read
/// with the command that began it.
fn read_answers(session: &SessionFacts<'_>, replies: &ReplyTable) -> Vec<Option<Answer>> {
    let dialogue = session.dialogue;
    let tls = session
        .tls
        .filter(|tls| tls.inside != Inside::Opaque)
        .and_then(|tls| tls.client_finished);
    let mut login = None;
    let mut answers = Vec::new();
    let exchanges = dialogue.exchanges.iter().enumerate();
    for (index, exchange) in exchanges {
        let mut verb = exchange.command.as_ref().map(|command| command.verb);
        match verb {
            Some(Verb::Auth(_)) => login = verb,
            Some(Verb::AuthStep) => verb = login.or(verb),
            _ => {}
        }
        let Some(reply) = &exchange.reply else {
            continue;
        };
        if matches!(reply.status, Status::Positive | Status::Garbage) {
            continue;
        }
        // Without keys all that is visible was said in clear.
        let asked = exchange.command.as_ref().map(|command| command.at);
        let said = asked.unwrap_or(reply.at);
        let inside = tls.is_some_and(|finished| {
            (finished.time, finished.frame.number()) <= (said.time, said.frame.number())
        });
        let answer = dialogue
            .language
            .and_then(|language| replies.read(language, exchange.phase, verb, reply, inside));
        if answer.is_some() {
            answers.resize(index, None);
            answers.push(answer);
        }
    }
    answers
}

/// The record of a judged connection; `id` and `attempt` are the caller's. Takes the words out of the judgement.
pub fn record(
    key: &FlowKey,
    tcp: &TcpFacts,
    session: &SessionFacts<'_>,
    judged: &mut Judged,
    server_name: Option<Foreign>,
    show_secrets: bool,
) -> ConnectionRecord {
    let judgement = &mut judged.judgement;
    let mut findings = Vec::with_capacity(judgement.findings.len());
    findings.extend(judgement.findings.drain(..).map(VerdictInfo::from));
    let name = server_name.or_else(|| {
        session
            .tls
            .and_then(|tls| tls.client_hello.as_ref())
            .and_then(|hello| hello.sni.clone())
    });
    ConnectionRecord {
        id: 0,
        attempt: None,
        source: tcp.first.frame.source().0,
        role: "target",
        client: EndpointInfo {
            ip: ip_text(key.client.ip),
            port: key.client.port,
            name: Pair::Absent,
        },
        server: EndpointInfo {
            ip: ip_text(key.server.ip),
            port: key.server.port,
            name: Pair::Name(name),
        },
        service: judged.service.name(),
        tls_mode: judged.mode.name(),
        intent: judgement.is_check.then_some("check"),
        started: Moment(tcp.first.time),
        ended: Moment(tcp.last.time),
        stage: judgement.ladder.stage().name(),
        reached: reached(&judgement.ladder),
        outcome: judgement.outcome.name(),
        verdict: VerdictInfo::taking(&mut judgement.verdict),
        findings,
        tcp: tcp_info(tcp),
        tls: session
            .tls
            .filter(|tls| tls.client_hello.is_some() || tls.server_hello.is_some())
            .map(tls_info),
        mail: mail_info(session.dialogue, show_secrets),
        compare: None,
        stream: 0,
    }
}

fn reached(ladder: &Ladder) -> Vec<&'static str> {
    let mut names = Vec::with_capacity(Stage::ALL.len());
    names.extend(ladder.reached().map(Stage::name));
    names
}

fn tcp_info(tcp: &TcpFacts) -> TcpInfo {
    let count = |f: fn(&crate::flow::Direction) -> u64| PerSideCount {
        client: f(&tcp.sides.client),
        server: f(&tcp.sides.server),
    };
    TcpInfo {
        rtt_ms: tcp
            .rtt_server
            .map(|server| millis(server.saturating_add(tcp.rtt_client.unwrap_or(0)))),
        segments: count(|direction| direction.segments),
        retransmitted: count(|direction| u64::from(direction.retransmitted)),
        mss: PerSideMss {
            client: tcp.syns.seen.first().and_then(|syn| syn.options.mss),
            server: tcp
                .syn_acks
                .seen
                .first()
                .and_then(|syn_ack| syn_ack.options.mss),
        },
    }
}

fn tls_info(tls: &TlsFacts) -> TlsInfo {
    let hello = tls.client_hello.as_ref();
    TlsInfo {
        version: tls
            .server_hello
            .as_ref()
            .map(|hello| hello.version.name().to_string()),
        cipher: tls.server_hello.as_ref().map(|hello| {
            cipher_name(hello.cipher).map_or_else(
                || format!("0x{:04x}", hello.cipher),
                |name| name.to_string(),
            )
        }),
        sni: hello.and_then(|hello| hello.sni.clone()),
        alpn: tls
            .server_hello
            .as_ref()
            .and_then(|hello| hello.alpn.clone()),
        ja4: hello.map(|hello| hello.ja4.clone()),
        certificates: tls
            .certificates
            .iter()
            .map(|certificate| CertificateInfo {
                subject: certificate.subject.clone(),
                issuer: certificate.issuer.clone(),
                not_before: Moment(certificate.not_before),
                not_after: Moment(certificate.not_after),
            })
            .collect(),
    }
}

fn mail_info(dialogue: &Dialogue, show_secrets: bool) -> Option<MailInfo> {
    if dialogue.exchanges.is_empty() && dialogue.capabilities.is_empty() {
        return None;
    }
    let lines = dialogue.exchanges.len().saturating_mul(2);
    let mut transcript = Vec::with_capacity(lines.min(TRANSCRIPT + 1));
    for exchange in &dialogue.exchanges {
        if let Some(command) = &exchange.command {
            let text = match &command.secret {
                Some(secret) if show_secrets => Foreign::bounded(
                    format!("{} [{}]", command.text, secret.reveal()).as_bytes(),
                    2 * Foreign::MAX,
                ),
                _ => command.text.clone(),
            };
            transcript.push(Line {
                frame: command.at.frame.number(),
                from: Side::Client.name(),
                text,
                time: command.at.time,
            });
        }
        if let Some(reply) = &exchange.reply {
            transcript.push(Line {
                frame: reply.at.frame.number(),
                from: Side::Server.name(),
                text: reply.line.clone(),
                time: reply.at.time,
            });
        }
        if transcript.len() >= TRANSCRIPT {
            break;
        }
    }
    // Only what was sent before its answer was asked for stands in another order.
    let place = |line: &Line| (line.time, line.frame);
    if !transcript.is_sorted_by_key(place) {
        transcript.sort_by_key(place);
    }
    Some(MailInfo {
        software: dialogue.software.clone(),
        capabilities: dialogue.capabilities.clone(),
        user: dialogue.user.clone(),
        transcript,
    })
}
