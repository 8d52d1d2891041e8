//! The one or two connections more that place a fault already seen: which hello passes, who rewrites a command, who waits for whom.
//!
//! Every experiment is a control: recorded, marked, never judged. They run one after the other, at least a second apart, and
//! at most two for a server unless `--intensive` was asked (manners of the contract: stock fail2ban counts), but for ClientHellos:
//! one that passed has to take turns with the one that died. What they show is a claim that names what it was measured against.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage, TlsWanted};
use super::claims::about;
use super::offer::{ANSWER, APART, hello, offer};
use super::which_hello::which_hello;
use super::which_version::which_version;
use crate::base::Timestamp;
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::options::StageName;
use crate::probe::tls::client::Failure;
use crate::probe::tls::hello::{Highest, Shape};
use crate::probe::{Connect, Context, Role};
use crate::proto::Service;
use crate::proto::mail::{Language, Oddity};
/// A greeting that does not come for so long may be a server that waits for TLS.
const NO_GREETING: Duration = Duration::from_secs(6);
/// Between the halves of a command, as a person types them (field C7).
const SPLIT: Duration = Duration::from_millis(200);

/// Beside a greeting that does not come: on a port that may want TLS from the first byte, a ClientHello on another connection.
/// Ready only when the server answered it: then it waits for the client, and the client for it.
pub async fn beside_silence(context: &Context, ask: &Ask, to: SocketAddr) {
    // On a port where the server speaks first by its registration nothing is ever sent before it did.
    let registered = Service::of_port(to.port());
    let may_want_tls = registered.is_none_or(Service::implicit_tls);
    if ask.tls == TlsWanted::Implicit || !may_want_tls {
        return std::future::pending().await;
    }
    tokio::time::sleep(NO_GREETING).await;
    let why = "ClientHello on a port that is silent";
    let how = Connect {
        patience: Duration::from_secs(3),
        ..Connect::default()
    };
    let Ok(opened) = context.connect(to, Role::Control(why), how).await else {
        return std::future::pending().await;
    };
    let shape = Shape::small(Highest::Tls13, ask.sni.as_deref());
    let answer = offer(context, opened.stream, &hello(context, &shape)).await;
    if !answer.passes() {
        return std::future::pending().await;
    }
    let claim = Claim::new(
        Code::TlsMutualWait,
        At::of(Where::Client),
        Proof::Measured("ClientHello on a second connection", context.now()),
        0.98,
        "The client waits for a greeting, and the server for a ClientHello: the port wants TLS from the first byte.".to_owned(),
    )
    .shown_by(format!("a ClientHello on a second connection got {} at once", answer.says()))
    .advise("Set the client to implicit TLS (SSL/TLS) on this port, or use the port for STARTTLS (587, 143, 110)");
    context.measured(crate::diagnosis::Measured {
        about: crate::diagnosis::About::Server(to),
        claim,
        settles: Settles::Verdict,
    });
}

/// After a session: what places its fault.
pub async fn place(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let smtp = outcome.dialogue.language == Some(Language::Smtp);
    let odd = |kind: Oddity| {
        outcome
            .dialogue
            .oddities
            .iter()
            .any(|(oddity, _)| *oddity == kind)
    };
    if smtp && (odd(Oddity::MaskedBanner) || odd(Oddity::MaskedKeyword)) {
        split_command(context, ask, outcome).await;
    }
    match &outcome.end {
        SessionEnd::Silent { after: Stage::Tls }
        | SessionEnd::Reset {
            after: Stage::Tls, ..
        } => {
            which_hello(context, ask, outcome).await;
        }
        SessionEnd::TlsFailed(Failure::Alert(40 | 47 | 70 | 71 | 80)) => {
            which_version(context, ask, outcome).await;
        }
        SessionEnd::Reset {
            after: Stage::Greeting,
            by_fin: false,
        } => super::opening::place(context, ask, outcome).await,
        SessionEnd::Silent { after }
        | SessionEnd::Reset {
            after,
            by_fin: false,
        } => super::command::place(context, ask, outcome, *after).await,
        _ => {}
    }
}

/// Banner or keywords look masked: a command in two halves shows who rewrites (field B5, C7). An inspecting firewall does not know
/// the halves and rewrites them; a mail server puts them together.
async fn split_command(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    tokio::time::sleep(APART).await;
    let why = "a command in two halves";
    context.progress(StageName::Mail, &format!("{}: {why}", outcome.to));
    let opened = context
        .connect(outcome.to, Role::Control(why), Connect::default())
        .await;
    let Ok(mut stream) = opened.map(|opened| opened.stream) else {
        return;
    };
    let _ = stream.set_nodelay(true);
    let Some(greeting) = reply(&mut stream).await else {
        return;
    };
    if !greeting.starts_with("220") {
        return;
    }
    context.spend(outcome.to.ip(), 3).await;
    if stream.write_all(b"EH").await.is_err() {
        return;
    }
    tokio::time::sleep(SPLIT).await;
    let rest = format!("LO {}\r\n", ask.helo);
    if stream.write_all(rest.as_bytes()).await.is_err() {
        return;
    }
    let answer = reply(&mut stream).await;
    let at: Timestamp = context.now();
    let _ = stream.write_all(b"QUIT\r\n").await;
    let _ = reply(&mut stream).await;
    let _ = stream.shutdown().await;
    let Some(answer) = answer else {
        return;
    };
    let text = crate::base::Foreign::bounded(answer.trim().as_bytes(), 120);
    if !(answer.starts_with("500") || answer.starts_with("502") || answer.starts_with("501")) {
        return;
    }
    let mut claim = Claim::new(
        Code::MailBannerMasked,
        At::of(Where::Network),
        Proof::Measured("split command", at),
        0.99,
        "A device on the way rewrites the SMTP dialogue (SMTP inspection, \"fixup\").".to_owned(),
    )
    .shown_by(format!(
        "EHLO in two halves on a second connection: {text}; in one piece it was understood"
    ))
    .advise("On the firewall: no inspect esmtp, or a policy with allow-tls and without mask-banner")
    .weighing(crate::diagnosis::Weight::Finding);
    if outcome
        .before_tls
        .as_ref()
        .is_some_and(|offer| offer.masked)
    {
        claim = claim.because(
            Proof::Measured("split command", at),
            "a keyword of the server's offer is overwritten with X",
        );
    }
    context.measured(about(outcome, claim, Settles::Finding));
}

/// A whole SMTP reply, all its lines.
async fn reply(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut buffer = [0u8; 1_024];
    let end = tokio::time::Instant::now() + 5 * ANSWER;
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        let last = whole.lines().last().unwrap_or_default();
        if whole.ends_with('\n') && last.as_bytes().get(3).is_none_or(|byte| *byte != b'-') {
            return Some(whole);
        }
        if text.len() > 16_384 {
            return None;
        }
        match tokio::time::timeout_at(end, stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => text.extend(buffer.get(..count).unwrap_or_default()),
            _ => return None,
        }
    }
}
