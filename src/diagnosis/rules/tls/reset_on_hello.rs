//! `tls.reset-on-hello`: RST or FIN straight after the ClientHello, without an alert.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::reset_origin;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::tls::{TlsFacts, Version};

use super::{hello_end, on_clear_port, server_answered};

/// Hears a connection with a ClientHello.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some((at, reset)) = c.closed_by(Side::Server) else {
        return;
    };
    let (Some(hello), Some(end)) = (&tls.client_hello, hello_end(tls)) else {
        return;
    };
    let waited = at.time.since(end.time);
    // A balancer's header before the hello is what the server met first.
    if c.dialogue.proxy_preface.is_some()
        || server_answered(tls)
        || on_clear_port(c, tls)
        || tls.gaps.server > 0
        || c.tcp.capture_gaps[Side::Server] > 0
        || c.end_unseen(Side::Server)
        || !(0..5 * SECOND).contains(&waited)
    {
        return;
    }
    let origin = c
        .first_reset()
        .filter(|first| reset && first.side == Side::Server)
        .map(|first| reset_origin(c, first));
    let by_path = origin.as_ref().is_some_and(|origin| origin.by_path());
    let (verb, what) = if reset {
        ("resets", "RST")
    } else {
        ("closes", "FIN")
    };
    let server = c.server_text();
    let (who, place) = if by_path {
        ("Something before ", At::of(Where::Network))
    } else {
        ("", At::address(Where::Server, c.server().ip))
    };
    let mut shown = format!(
        "{what} {:.3} s after the ClientHello, no alert",
        waited as f64 / 1e9
    );
    if let Some(origin) = origin.filter(|_| by_path) {
        shown.push_str(&format!("; {}", origin.signals.join("; ")));
    }
    let mut claim = Claim::new(
        Code::TlsResetOnHello,
        place,
        at,
        0.9,
        format!("{who}{server} {verb} the connection as soon as it sees the ClientHello."),
    )
    .shown_by(shown)
    .because(
        end,
        match &hello.sni {
            Some(sni) => format!("ClientHello for {sni}, up to {}", hello.max_version.name()),
            None => format!("ClientHello without a server name, up to {}", hello.max_version.name()),
        },
    )
    .advise("Compare hellos: other server name, none, TLS 1.2 only, small (openssl s_client -groups X25519): what varies is what is filtered")
    .advise(format!("Look into the log of {server} at this time: TLS may lack its key, or its library crashed"));
    if hello.max_version < Version(0x0303) {
        claim = claim.or(
            Code::TlsVersion,
            0.4,
            "a ClientHello that offers TLS 1.2 or 1.3",
        );
        claim.confidence = 0.55;
    } else if !by_path {
        claim = claim.or(
            Code::TcpResetMidstreamByPath,
            0.08,
            "a capture at the server: does it end the connection itself?",
        );
    }
    claims.push(claim);
}
