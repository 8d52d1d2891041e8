//! Fatal alerts in clear that are not about the server's certificate: `tls.version`, `tls.cipher`, `tls.name-unrecognized`,
//! `tls.client-cert-required`, and `tls.alert` for every other.
//!
//! Numbers: IANA TLS Alerts; meaning: RFC 8446 6.2, RFC 5246 7.2.2, RFC 6066 3 (112).

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::tls::{Alert, ClientHello, Inside, TlsFacts, Version, alert_name};

use super::{DECODE_ERROR, certificate, fatal_alert, seen_whole};

/// Alerts to what is no record, or no hello (RFC 8446 6.2).
const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const PROTOCOL_VERSION: u8 = 70;

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some(alert) = fatal_alert(c, tls) else {
        return;
    };
    if certificate::is_about_server(alert, tls) {
        return;
    }
    if let Some(preface) = c.dialogue.proxy_preface {
        match header(c, tls, alert) {
            Header::Refused => {
                claims.push(proxy_header(c, tls, alert, preface));
                return;
            }
            Header::Unclear => return,
            Header::Passed => {}
        }
    }
    let before_hello = tls.server_hello.is_none();
    let no_certificate = tls.empty_client_certificate.is_some();
    // Who answers a hello that ends at SSL 2.0 with any alert has no version for it; many cannot even read it (50).
    let ancient = tls
        .client_hello
        .as_ref()
        .is_some_and(|hello| hello.max_version < Version(0x0300));
    let claim = match (alert.description, alert.side) {
        // Of an offer that was captured and is none, nobody can have disliked the versions; nor is a version refused that was chosen.
        (70, Side::Server)
            if !before_hello
                || tls.client_hello.is_none() && !c.began_late() && !c.partly_unseen() =>
        {
            other(c, alert)
        }
        (70, _) => version(c, tls, alert),
        (_, Side::Server) if ancient && before_hello => version(c, tls, alert),
        (116, Side::Server) => client_certificate(c, tls, alert, 0.97),
        (40..=42, Side::Server) if no_certificate => client_certificate(c, tls, alert, 0.92),
        // GnuTLS cannot read the empty list that it asked for.
        (DECODE_ERROR, Side::Server) if no_certificate => client_certificate(c, tls, alert, 0.85),
        (112, _) => name(c, tls, alert),
        (40 | 71, Side::Server) if before_hello => cipher_unseen(c, tls, alert),
        // OpenSSL has no word of its own for signatures of that age, which versions before 1.2 cannot do without (RFC 5246 1.2).
        (47 | 80, Side::Client) if chose_less_than_tls12(tls) => {
            let mut claim = version(c, tls, alert);
            claim.confidence = 0.8;
            claim.or(
                Code::TlsAlert,
                0.15,
                "the client's log: it names the reason",
            )
        }
        (40, Side::Client) if lacks_secure_renegotiation(tls) => insecure_renegotiation(c, alert),
        (40 | 71, Side::Client) if !before_hello => cipher_seen(c, tls, alert),
        _ => other(c, alert),
    };
    let named = format!(
        "{} alert: {} ({})",
        alert.side.name(),
        alert_name(alert.description),
        alert.description
    );
    let mut claim = claim.shown_by(named);
    if let Some(hello) = &tls.client_hello {
        claim = claim.because(hello.at, hello_text(hello));
    }
    if let Some(hello) = &tls.server_hello {
        claim = claim.because(hello.at, format!("ServerHello: {}", hello.version.name()));
    }
    claims.push(claim);
}

/// The server chose a version before 1.2 of an offer that goes on to 1.2 or 1.3, and the client did not finish its handshake.
fn chose_less_than_tls12(tls: &TlsFacts) -> bool {
    let tls12 = Version(0x0303);
    let offered = tls.client_hello.as_ref().map(|hello| hello.max_version);
    let chosen = tls.server_hello.as_ref().map(|hello| hello.version);
    offered.is_some_and(|offered| offered >= tls12)
        && chosen.is_some_and(|chosen| chosen < tls12)
        && tls.client_finished.is_none()
}

/// What an alert says of the PROXY header before the handshake.
enum Header {
    /// The server met no hello at all, or says that what it read is none: it reads TLS at once.
    Refused,
    /// The hello was not captured: of either.
    Unclear,
    /// It is about something else.
    Passed,
}

fn header(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert) -> Header {
    if alert.side == Side::Client || tls.server_hello.is_some() {
        return Header::Passed;
    }
    let number = alert.description;
    let unreadable = matches!(
        number,
        UNEXPECTED_MESSAGE | RECORD_OVERFLOW | DECODE_ERROR | PROTOCOL_VERSION
    );
    match &tls.client_hello {
        // A hello of today is refused for its version by nobody who can read it; an old one is.
        Some(hello) if number == PROTOCOL_VERSION && hello.max_version < Version(0x0303) => {
            Header::Passed
        }
        Some(_) if unreadable => Header::Refused,
        None if !c.partly_unseen() => Header::Refused,
        None if unreadable => Header::Unclear,
        _ => Header::Passed,
    }
}

/// The PROXY header (HAProxy, "The PROXY protocol", 2) stands where the server reads the hello.
fn proxy_header(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert, preface: Mark) -> Claim {
    let claim = Claim::new(
        Code::MailProxyProtocol,
        At::address(Where::Server, c.server().ip),
        alert.at,
        if tls.client_hello.is_none() { 0.9 } else { 0.7 },
        "The server takes the PROXY header for a ClientHello and refuses it.".to_owned(),
    )
    .shown_by(format!(
        "server alert: {} ({})",
        alert_name(alert.description),
        alert.description
    ))
    .because(preface, "PROXY header before the handshake")
    .advise("Switch the header off at the load balancer (HAProxy: no send-proxy), or on at the server: Dovecot haproxy = yes in the listener, Postfix smtpd_upstream_proxy_protocol = haproxy, Exim hosts_proxy");
    match (&tls.client_hello, alert.description) {
        (None, _) => claim,
        (Some(_), PROTOCOL_VERSION) => {
            claim.or(Code::TlsVersion, 0.25, "the same hello without the header")
        }
        (Some(_), _) => claim.or(Code::TlsAlert, 0.25, "the same hello without the header"),
    }
}

/// Hears a connection with TLS 1.3 of which only sizes are known: all that the server says behind the client's Finished is one
/// alert-sized record, then the end. With an empty certificate of the client (RFC 8446 4.4.2) before it the server wants one;
/// with another it dislikes that one. Servers that merely ask send tickets or a greeting there, or wait.
pub fn unseen_client_certificate(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some(alert) = last_word_of_server(c, tls) else {
        return;
    };
    let shown =
        "an alert-sized record of the server, and nothing else, behind the client's Finished";
    if let Some(empty) = tls.empty_client_certificate {
        claims.push(
            Claim::new(
                Code::TlsClientCertRequired,
                At::address(Where::Client, c.client().ip),
                alert,
                0.85,
                "The server asked for a certificate of the client, got none, and left.".to_owned(),
            )
            .shown_by(shown)
            .because(empty, "a record of the client of just the size of an empty Certificate message")
            .or(
                Code::TlsAlert,
                0.12,
                "the server's log: the alert's number is encrypted in TLS 1.3",
            )
            .advise("Give the client its certificate and key, or use a port of the server that does not ask for one"),
        );
    } else if let Some(certificate) = tls.client_certificate {
        claims.push(
            Claim::new(
                Code::TlsAlert,
                At::of(Where::Unknown),
                alert,
                0.75,
                "The client showed its certificate, and the server left right behind it: it seems to refuse it.".to_owned(),
            )
            .shown_by(shown)
            .because(certificate, "the client's certificate, by order and size")
            .or(
                Code::TcpClosedMidstream,
                0.2,
                "the server's log: the alert's number is encrypted in TLS 1.3",
            )
            .advise("Client: use a certificate that the server's authority issued, valid now; the server's log names the reason"),
        );
    }
}

/// The alert-sized record that is all that the server says behind the client's Finished, if the server's end follows it.
fn last_word_of_server(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let encrypted = tls.inside == Inside::Opaque
        && tls
            .version()
            .is_some_and(|version| version >= Version(0x0304));
    let (finished, alert) = (tls.client_finished?, tls.close_notify[Side::Server]?);
    let prompt = alert.time.since(finished.time) < 5 * SECOND;
    // Whoever closes first: it is the server's record that ended it, not the echo of a close of the client's.
    let ended_by_it = match c.ending {
        Ending::Closed { at, .. } => {
            (alert.time, alert.frame.number()) <= (at.time, at.frame.number())
                && tls.close_notify[Side::Client].is_none_or(|own| {
                    (alert.time, alert.frame.number()) < (own.time, own.frame.number())
                })
        }
        Ending::Open => false,
    };
    let alone = tls.after_finished[Side::Server] == 1;
    (encrypted && seen_whole(c, tls) && alone && prompt && ended_by_it).then_some(alert)
}

/// What a ClientHello offers, in short.
pub fn hello_text(hello: &ClientHello) -> String {
    let from = hello
        .min_version
        .filter(|version| *version != hello.max_version)
        .map_or(String::new(), |version| format!("{} to ", version.name()));
    let sni = hello
        .sni
        .as_ref()
        .map_or(String::new(), |sni| format!(" for {sni}"));
    format!(
        "ClientHello{sni}: {from}{}, {} suites",
        hello.max_version.name(),
        hello.ciphers.len()
    )
}

fn version(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert) -> Claim {
    let highest = tls.client_hello.as_ref().map(|hello| hello.max_version);
    let chosen = tls.version();
    let (place, address, summary) = match (alert.side, highest, chosen) {
        (Side::Client, _, Some(version)) if version >= Version(0x0303) => (
            Where::Client,
            c.client().ip,
            format!(
                "The client refuses {}, which the server chose.",
                version.name()
            ),
        ),
        (Side::Client, _, version) => (
            Where::Server,
            c.server().ip,
            format!(
                "The client refuses the server's {}: too old.",
                version.map_or("version", Version::name)
            ),
        ),
        (Side::Server, Some(version), _) if version < Version(0x0303) => (
            Where::Client,
            c.client().ip,
            format!(
                "The client offers {} at the most, and the server refuses that.",
                version.name()
            ),
        ),
        (Side::Server, version, _) => (
            Where::Server,
            c.server().ip,
            format!(
                "The server speaks none of the versions offered, up to {}.",
                version.map_or("unknown", Version::name)
            ),
        ),
    };
    Claim::new(
        Code::TlsVersion,
        At::address(place, address),
        alert.at,
        0.95,
        summary,
    )
    .advise("Enable TLS 1.2 and 1.3 on both sides; update the older one")
    .advise(format!(
        "Which versions the server speaks: mxray probe {}",
        c.server_text()
    ))
}

fn cipher_unseen(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert) -> Claim {
    let old = tls
        .client_hello
        .as_ref()
        .is_some_and(|hello| hello.max_version < Version(0x0303));
    let mut claim = Claim::new(
        Code::TlsCipher,
        At::of(Where::Unknown),
        alert.at,
        if old { 0.5 } else { 0.7 },
        "The server finds nothing in the client's offer that it could use: suites, groups or signatures.".to_owned(),
    )
    .or(
        Code::TlsVersion,
        if old { 0.4 } else { 0.12 },
        "hellos of one version each: mxray probe",
    );
    if tls
        .client_hello
        .as_ref()
        .is_some_and(|hello| hello.sni.is_some())
    {
        claim = claim.or(
            Code::TlsNameUnrecognized,
            0.1,
            "the same hello with another server name, or without",
        );
    }
    claim
        .advise(format!("Compare the client's list with the server's: mxray probe {}", c.server_text()))
        .advise("Server: enable ECDHE with AES-GCM and a certificate of a kind (RSA, ECDSA) that the client knows")
}

fn cipher_seen(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert) -> Claim {
    let weak = tls.dh_bits.filter(|bits| *bits < 2048);
    let (place, summary, confidence) = match weak {
        Some(bits) => (
            At::address(Where::Server, c.server().ip),
            format!(
                "The client refuses the server's Diffie-Hellman key of {bits} bits as too weak."
            ),
            0.92,
        ),
        None => (
            At::of(Where::Unknown),
            "The client refuses what the server chose: suite, group or signature.".to_owned(),
            0.8,
        ),
    };
    Claim::new(Code::TlsCipher, place, alert.at, confidence, summary)
        .advise("Server: Diffie-Hellman parameters of 2048 bits or more, ECDHE first, no RC4, 3DES or SHA-1")
}

/// The client asked for secure renegotiation, and the server's hello of TLS 1.2 or older does not agree: a client may end it there with
/// handshake_failure (RFC 5746 3.4), and OpenSSL 3 does. Past its own key exchange it took that. A weak key beside it is the plainer reason.
fn lacks_secure_renegotiation(tls: &TlsFacts) -> bool {
    let asked = tls
        .client_hello
        .as_ref()
        .is_some_and(|hello| hello.secure_renegotiation);
    let lacks = tls.server_hello.as_ref().is_some_and(|hello| {
        hello.version <= Version(0x0303) && !hello.secure_renegotiation && !hello.resumed
    });
    let at_once = tls.change_cipher_spec[Side::Client].is_none();
    asked && lacks && at_once && tls.dh_bits.is_none_or(|bits| bits >= 2048)
}

fn insecure_renegotiation(c: &Connection<'_>, alert: &Alert) -> Claim {
    Claim::new(
        Code::TlsAlert,
        At::address(Where::Server, c.server().ip),
        alert.at,
        0.8,
        "The client broke off at a server that lacks secure renegotiation (RFC 5746).".to_owned(),
    )
    .or(
        Code::TlsCipher,
        0.15,
        "the client's log: it may as well dislike the suite or the group",
    )
    .advise(format!(
        "Update the TLS library of {}, or switch its secure renegotiation on",
        c.server_text()
    ))
}

fn name(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert) -> Claim {
    let sni = tls
        .client_hello
        .as_ref()
        .and_then(|hello| hello.sni.as_ref())
        .map_or_else(|| "no name at all".to_owned(), |sni| sni.to_string());
    Claim::new(
        Code::TlsNameUnrecognized,
        At::address(Where::Server, c.server().ip),
        alert.at,
        0.96,
        format!("The server does not know the name that the client asked for: {sni}."),
    )
    .advise(format!("Server: add {sni} to its certificates and names, or give the client the name that the server knows"))
}

fn client_certificate(c: &Connection<'_>, tls: &TlsFacts, alert: &Alert, confidence: f32) -> Claim {
    let mut claim = Claim::new(
        Code::TlsClientCertRequired,
        At::address(Where::Client, c.client().ip),
        alert.at,
        confidence,
        "The server insists on a certificate of the client, and the client has none.".to_owned(),
    )
    .advise("Give the client its certificate and key, or use a port of the server that does not ask for one");
    if let Some(request) = tls.certificate_request {
        claim = claim.because(request, "the server asks for a certificate");
    }
    if let Some(empty) = tls.empty_client_certificate {
        claim = claim.because(empty, "the client sends none");
    }
    claim
}

fn other(c: &Connection<'_>, alert: &Alert) -> Claim {
    let (place, address) = match alert.side {
        Side::Client => (Where::Client, c.client().ip),
        Side::Server => (Where::Server, c.server().ip),
    };
    let (side, number) = (alert.side.name(), alert.description);
    Claim::new(
        Code::TlsAlert,
        At::address(place, address),
        alert.at,
        0.93,
        format!(
            "The {side} ended the TLS handshake with alert {number}, {}.",
            alert_name(number)
        ),
    )
    .advise(format!(
        "The reason stands in the {side}'s log at this time"
    ))
}
