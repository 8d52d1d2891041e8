//! The one or two connections more that place a fault already seen: which hello passes, who rewrites a command, who waits for whom.
//!
//! Every experiment is a control: recorded, marked, never judged. They run one after the other, at least a second apart, and
//! at most two for a server unless `--intensive` was asked (manners of the contract: stock fail2ban counts). What they show is
//! a claim that names what it was measured against.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ask::{Ask, SessionEnd, SessionOutcome, Stage, TlsWanted, Until};
use super::claims::about;
use super::hold::{Handover, up_to};
use super::wire::is_acknowledged;
use crate::base::{FrameRef, Mark, Side, SourceId, Timestamp};
use crate::diagnosis::{At, Claim, Code, Proof, Settles, Where};
use crate::probe::options::StageName;
use crate::probe::stage::{size, trigger};
use crate::probe::tls::client::Failure;
use crate::probe::tls::hello::{Highest, Shape, craft};
use crate::probe::{Connect, Context, Role};
use crate::proto::Service;
use crate::proto::mail::{Language, Oddity};
use crate::proto::tls::{Decoder, alert_name, cipher_name};

/// Between two connections to one server.
const APART: Duration = Duration::from_millis(1_100);
/// An answer to a hello, or to a command, of a control.
const ANSWER: Duration = Duration::from_secs(6);
/// A greeting that does not come for so long may be a server that waits for TLS.
const NO_GREETING: Duration = Duration::from_secs(6);
/// Between the halves of a command, as a person types them (field C7).
const SPLIT: Duration = Duration::from_millis(200);
/// The size of the padded hello: that of a current client's with a post-quantum share.
const LARGE: usize = 1_560;

/// What a hello of our own got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A ServerHello (or a HelloRetryRequest, version 0): the server speaks TLS with us.
    Hello { version: u16, cipher: u16 },
    /// An alert.
    Alert(u8),
    /// FIN or RST.
    Ended,
    /// Nothing; and whether TCP had acknowledged the hello.
    Silent { acknowledged: bool },
    /// No TLS.
    Strange,
}

impl Answer {
    fn passes(self) -> bool {
        matches!(self, Answer::Hello { .. } | Answer::Alert(_))
    }

    fn says(self) -> String {
        match self {
            Answer::Hello { version: 0, .. } => "a HelloRetryRequest".to_owned(),
            Answer::Hello { .. } => "a ServerHello".to_owned(),
            Answer::Alert(number) => format!("alert {} ({number})", alert_name(number)),
            Answer::Ended => "the end of the connection".to_owned(),
            Answer::Silent { acknowledged: true } => {
                format!(
                    "an acknowledgement and nothing else in {} s",
                    ANSWER.as_secs()
                )
            }
            Answer::Silent {
                acknowledged: false,
            } => format!(
                "nothing in {} s, not even an acknowledgement",
                ANSWER.as_secs()
            ),
            Answer::Strange => "something that is no TLS".to_owned(),
        }
    }
}

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
        SessionEnd::Silent { after }
        | SessionEnd::Reset {
            after,
            by_fin: false,
        } => super::command::place(context, ask, outcome, *after).await,
        _ => {}
    }
}

/// What a control is to find out besides the answer to its hello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Also {
    /// What sizes pass.
    sizes: bool,
    /// The MSS that is announced.
    mss: Option<u16>,
}

/// What a control showed.
struct Control {
    answer: Answer,
    /// Where its hello dies.
    placed: Option<trigger::Placed>,
    sizes: Option<size::Sized>,
}

/// A hello on a control connection of its own, walked before it is sent.
async fn control(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    shape: &Shape,
    why: &'static str,
    also: Also,
) -> Control {
    tokio::time::sleep(APART).await;
    context.progress(StageName::Tls, &format!("{to}: {why}"));
    let quiet = Ask {
        until: Until::Tls,
        login: None,
        envelope: None,
        ..ask.clone()
    };
    let how = Connect {
        mss: also.mss,
        ..Connect::default()
    };
    let role = Role::Control(why);
    let Some(mut handed) = up_to(context, &quiet, to, role, how, Handover::Handshake).await else {
        // Not even STARTTLS was reached: no answer to the hello, in any case.
        return Control {
            answer: Answer::Strange,
            placed: None,
            sizes: None,
        };
    };
    let hello = hello(context, shape);
    let mut sizes = None;
    if also.sizes && context.raw().is_some() && context.options().wants(StageName::Mtu) {
        sizes = size::inside(context, &mut handed.inside).await;
    }
    let mut placed = None;
    if also.mss.is_none() && !sizes.as_ref().is_some_and(size::Sized::is_hole) {
        placed = trigger::walk(context, &mut handed.inside, &hello).await;
    }
    let answer = offer(context, handed.stream, &hello).await;
    // It counts only where it dies without our help as well; the last mile only where nobody acknowledged.
    let unheard = matches!(
        answer,
        Answer::Silent {
            acknowledged: false
        }
    );
    let placed = placed.filter(|one| match (one.by_reset, one.last) {
        (true, _) => answer == Answer::Ended,
        (false, _) => unheard,
    });
    Control {
        answer,
        placed,
        sizes,
    }
}

/// The bytes of a hello.
fn hello(context: &Context, shape: &Shape) -> Vec<u8> {
    let mut random = [0u8; 32];
    for chunk in random.chunks_mut(4) {
        let bytes = context.random().to_be_bytes();
        chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
    }
    craft(shape, &random)
}

/// Sends a hello and reads what it gets. The connection ends with it.
async fn offer(context: &Context, mut stream: TcpStream, hello: &[u8]) -> Answer {
    if let Ok(peer) = stream.peer_addr() {
        context.spend(peer.ip(), 4).await;
    }
    if stream.write_all(hello).await.is_err() {
        return Answer::Ended;
    }
    let mut decoder = Decoder::new();
    decoder.data(Side::Client, mark(context), hello);
    let mut buffer = [0u8; 4_096];
    let end = tokio::time::Instant::now() + ANSWER;
    loop {
        let read = tokio::time::timeout_at(end, stream.read(&mut buffer)).await;
        let count = match read {
            Err(_) => {
                return Answer::Silent {
                    acknowledged: is_acknowledged(&stream),
                };
            }
            Ok(Ok(0) | Err(_)) => return Answer::Ended,
            Ok(Ok(count)) => count,
        };
        decoder.data(
            Side::Server,
            mark(context),
            buffer.get(..count).unwrap_or_default(),
        );
        let facts = decoder.facts();
        if let Some(hello) = &facts.server_hello {
            return Answer::Hello {
                version: hello.version.0,
                cipher: hello.cipher,
            };
        }
        if facts.hello_retry.is_some() {
            return Answer::Hello {
                version: 0,
                cipher: 0,
            };
        }
        if let Some(alert) = facts.alerts.first() {
            return Answer::Alert(alert.description);
        }
        if facts.clear_text.server.is_some() {
            return Answer::Strange;
        }
    }
}

fn mark(context: &Context) -> Mark {
    Mark {
        frame: FrameRef {
            source: SourceId(0),
            number: 0,
        },
        time: context.now(),
    }
}

/// What the measurements of this file about hellos are called.
const LADDER: &str = "ClientHello ladder";

/// The hello got silence or an end: does it depend on its size, or on the name in it (field B7, C8)?
async fn which_hello(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let (died, code) = match outcome.end {
        SessionEnd::Silent { .. } => ("nothing at all", Code::TlsHelloDropped),
        _ => ("the end of the connection", Code::TlsResetOnHello),
    };
    let tried = Tried {
        context,
        ask,
        outcome,
        died,
        code,
    };
    let small = Shape::small(Highest::Tls13, ask.sni.as_deref());
    let to = outcome.to;
    // It arrived: is the server silent, or its answer too large for the way back?
    if outcome.acknowledged == Some(true)
        && code == Code::TlsHelloDropped
        && tried.backward(&small).await
    {
        return;
    }
    let also = Also {
        sizes: code == Code::TlsHelloDropped,
        mss: None,
    };
    let first = control(context, ask, to, &small, "a small ClientHello", also).await;
    if let Some(sizes) = &first.sizes {
        size::report(context, to, sizes);
        // Nothing as large as the hello gets there, whatever it says.
        if sizes.is_hole() {
            return;
        }
    }
    match first.answer {
        Answer::Hello { .. } | Answer::Alert(_) => tried.size(&small, first).await,
        Answer::Strange => {}
        Answer::Ended | Answer::Silent { .. } => tried.name(first).await,
    }
}

struct Tried<'a> {
    context: &'a Context,
    ask: &'a Ask,
    outcome: &'a SessionOutcome,
    died: &'static str,
    code: Code,
}

impl Tried<'_> {
    fn claim(&self, sure: f32, summary: String) -> Claim {
        let proof = Proof::Measured(LADDER, self.context.now());
        Claim::new(self.code, At::of(Where::Network), proof, sure, summary).shown_by(format!(
            "the hello of a current client (about 1,500 bytes) got {}",
            self.died
        ))
    }

    fn shown(&self, claim: Claim, text: String) -> Claim {
        claim.because(Proof::Measured(LADDER, self.context.now()), text)
    }

    /// The claim at the place that a control found.
    fn placed(&self, mut claim: Claim, placed: Option<&trigger::Placed>) -> Claim {
        let Some(placed) = placed else {
            return claim;
        };
        claim.at = placed.at;
        claim.summary = format!("{} It dies {}.", claim.summary, placed.says());
        let proof = Proof::Measured("TTL walk inside a connection", self.context.now());
        claim.because(
            proof,
            format!("the hello with growing TTL: {}", placed.shown),
        )
    }

    /// The hello is acknowledged and nothing comes: the server, or its large packets that vanish on the way back? True when it
    /// was said.
    async fn backward(&self, small: &Shape) -> bool {
        let to = self.outcome.to;
        let mss = if to.is_ipv4() { 536 } else { 1_220 };
        let why = "the same ClientHello where the server may send small segments only";
        let also = Also {
            sizes: false,
            mss: Some(mss),
        };
        let same = Shape {
            post_quantum: true,
            ..small.clone()
        };
        let second = control(self.context, self.ask, to, &same, why, also).await;
        let Answer::Hello { .. } = second.answer else {
            return false;
        };
        let headers = if to.is_ipv4() { 40 } else { 60 };
        let proof = Proof::Measured("handshake with a small MSS", self.context.now());
        let mut claim = Claim::new(
            Code::PathMtuBlackhole,
            At::of(Where::Network),
            proof,
            0.93,
            format!("The server's large packets vanish on the way back; with packets of {} bytes at the most the handshake goes on.", mss + headers),
        )
        .shown_by(format!("a ClientHello on a connection with MSS {mss} got {}", second.answer.says()));
        claim = self.shown(
            claim,
            "the same with the usual MSS was acknowledged and never answered".to_owned(),
        );
        let claim = claim
            .advise("Ask whoever runs the narrow link to let ICMP fragmentation-needed (IPv6: packet-too-big) out to the server")
            .advise("Until then: clamp the MSS of SYN-ACKs there (nft: tcp flags syn tcp option maxseg size set rt mtu)");
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
        size::backward(self.context, to).await;
        true
    }

    /// A small one passes: is it the size, or what makes it large?
    async fn size(&self, small: &Shape, first: Control) {
        let padded = Shape {
            padded_to: Some(LARGE),
            ..small.clone()
        };
        let why = "a large ClientHello without a post-quantum share";
        let also = Also::default();
        let control = control(self.context, self.ask, self.outcome.to, &padded, why, also).await;
        let second = control.answer;
        if second == Answer::Strange {
            return;
        }
        // Where the path's sizes were measured, large packets as such do pass.
        let sized = first.sizes.is_some();
        let first = first.answer;
        let (summary, settles) = match second.passes() {
            true => (
                "A ClientHello with a post-quantum key share is not let through; without it one of the same size is.",
                Settles::Verdict,
            ),
            // Large packets that vanish altogether look the same: the path's MTU is measured elsewhere and decides.
            false => (
                "A ClientHello that does not fit into one segment is not let through; a small one is.",
                match first {
                    _ if self.code == Code::TlsResetOnHello || sized => Settles::Verdict,
                    _ => Settles::Finding,
                },
            ),
        };
        let mut claim = self.claim(0.85, summary.to_owned());
        claim = self.shown(
            claim,
            format!("a small one on a second connection got {}", first.says()),
        );
        claim = self.shown(
            claim,
            format!(
                "a padded one of {LARGE} bytes without that share got {}",
                second.says()
            ),
        );
        claim = claim
            .advise("Whoever runs the firewall or load balancer before the server: let it read a ClientHello that spans segments (tldr.fail)")
            .advise("Until then clients can leave post-quantum groups out (OpenSSL: Groups = X25519:P-256)");
        claim = self.placed(claim, control.placed.as_ref());
        if !second.passes() && !sized {
            claim = claim.or(
                Code::PathMtuBlackhole,
                0.12,
                "the path's MTU: do other large packets pass?",
            );
        }
        if settles == Settles::Finding {
            claim = claim.weighing(crate::diagnosis::Weight::Finding);
        }
        self.context.measured(about(self.outcome, claim, settles));
    }

    /// A small one does not pass either, so it is not the size: is it the name in it?
    async fn name(&self, first: Control) {
        let place = first.placed;
        let first = first.answer;
        let vanished = matches!(
            first,
            Answer::Silent {
                acknowledged: false
            }
        );
        let small = format!("a small one on another connection got {}", first.says());
        let Some(name) = self.ask.sni.as_deref() else {
            if vanished {
                self.whatever(small, None, place.as_ref());
            }
            return;
        };
        // As large as the one that died, so that only the name differs.
        let nameless = Shape {
            post_quantum: true,
            ..Shape::small(Highest::Tls13, None)
        };
        let why = "a ClientHello without a name";
        let also = Also::default();
        let second = control(
            self.context,
            self.ask,
            self.outcome.to,
            &nameless,
            why,
            also,
        )
        .await;
        let second = second.answer;
        if second.passes() {
            let mut claim = self.claim(
                0.93,
                format!("A ClientHello that names {name} is not let through; one without a name is: something filters by the name."),
            );
            claim = self.shown(claim, small);
            claim = self.shown(
                claim,
                format!("a large one without a name got {}", second.says()),
            );
            claim = self.placed(claim, place.as_ref());
            claim = claim.advise("Whoever runs the firewall between: look for a rule on this name (SNI, web filter, TLS policy)");
            self.context
                .measured(about(self.outcome, claim, Settles::Verdict));
        } else if vanished {
            self.whatever(small, Some(second), place.as_ref());
        } else if let Some(place) = place.filter(|place| place.by_reset && !vanished) {
            // Named or not, large or small: it draws a reset before it can have reached the server.
            let mut claim = self.claim(
                0.93,
                "A device on the way resets every ClientHello before the server sees it."
                    .to_owned(),
            );
            claim = self.shown(claim, small);
            claim = self.placed(claim, Some(&place));
            claim = claim.advise("Whoever runs the device there: allow TLS on this port (application filter, TLS inspection)");
            self.context
                .measured(about(self.outcome, claim, Settles::Verdict));
        }
    }

    /// Every hello vanishes, also those that fit into any packet, while the dialogue before it passed.
    fn whatever(&self, small: String, nameless: Option<Answer>, place: Option<&trigger::Placed>) {
        if self.code != Code::TlsHelloDropped {
            return;
        }
        let mut claim = self.claim(
            0.9,
            "Every ClientHello vanishes on the way, large or small; other packets of the same connection arrive.".to_owned(),
        );
        claim = self.shown(claim, small);
        if let Some(answer) = nameless {
            claim = self.shown(claim, format!("one without a name got {}", answer.says()));
        }
        claim = self.placed(claim, place);
        claim = claim.advise("Whoever runs the firewall between: allow TLS on this port (application filter, TLS inspection)");
        self.context
            .measured(about(self.outcome, claim, Settles::Verdict));
    }
}

/// A hello on a connection of its own that the server itself answers: nothing to be placed.
async fn control_alone(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    shape: &Shape,
    why: &'static str,
) -> Answer {
    tokio::time::sleep(APART).await;
    context.progress(StageName::Tls, &format!("{to}: {why}"));
    let quiet = Ask {
        until: Until::Tls,
        login: None,
        envelope: None,
        ..ask.clone()
    };
    let (role, how) = (Role::Control(why), Connect::default());
    match up_to(context, &quiet, to, role, how, Handover::Handshake).await {
        Some(handed) => offer(context, handed.stream, &hello(context, shape)).await,
        None => Answer::Strange,
    }
}

/// The hello got an alert: what does the server speak?
async fn which_version(context: &Context, ask: &Ask, outcome: &SessionOutcome) {
    let wide = Shape::small(Highest::Tls12, ask.sni.as_deref());
    let why = "a ClientHello of TLS 1.2 and older with the suites of twenty years";
    let mut answer = control_alone(context, ask, outcome.to, &wide, why).await;
    let mut offered = Highest::Tls12;
    if matches!(answer, Answer::Alert(_) | Answer::Ended) {
        // Servers that cannot even be offered more than they speak (version intolerance).
        offered = Highest::Tls10;
        let old = Shape::small(offered, ask.sni.as_deref());
        answer = control_alone(context, ask, outcome.to, &old, "a ClientHello of TLS 1.0").await;
    }
    let Answer::Hello { version, cipher } = answer else {
        return;
    };
    let suite = cipher_name(cipher).unwrap_or("a suite without a name");
    let spoken = match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2",
        _ => return,
    };
    let at = At::address(Where::Server, outcome.to.ip());
    let proof = Proof::Measured(LADDER, context.now());
    let claim = match version < 0x0303 {
        true => Claim::new(
            Code::TlsVersion,
            at,
            proof,
            0.95,
            format!("The server speaks {spoken} at the most, which current clients refuse (RFC 8996)."),
        )
        .advise("Server's operator: switch TLS 1.2 and 1.3 on (a newer TLS library, if there are none)"),
        false => Claim::new(
            Code::TlsCipher,
            at,
            proof,
            0.93,
            format!("The server takes none of the suites that current clients offer; of older ones it chose {suite}."),
        )
        .advise("Server's operator: allow ECDHE with AES-GCM or ChaCha20"),
    };
    let claim = claim.shown_by(format!(
        "offered {} and older, the server chose {spoken} with {suite}",
        offered.name()
    ));
    context.measured(about(outcome, claim, Settles::Verdict));
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
