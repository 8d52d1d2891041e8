//! `tls.version` without an alert for it: the server chose a version below the lowest that the client offered, and the client left.
//!
//! RFC 8446 4.2.1: a client aborts then; some do it with illegal_parameter or without a word.

use crate::base::Side;
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Where};
use crate::proto::tls::TlsFacts;

use super::carried_data;

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let (Some(client), Some(server)) = (&tls.client_hello, &tls.server_hello) else {
        return;
    };
    let Some(lowest) = client.min_version else {
        return;
    };
    let left = match c.ending {
        Ending::Closed {
            by: Side::Client,
            at,
            ..
        } => at,
        _ => return,
    };
    if server.version >= lowest || tls.client_finished.is_some() || carried_data(tls) {
        return;
    }
    let said_so = tls.alerts.iter().any(|alert| alert.description == 70);
    if said_so {
        return;
    }
    claims.push(
        Claim::new(
            Code::TlsVersion,
            At::address(Where::Server, c.server().ip),
            server.at,
            0.85,
            format!(
                "The server chose {}, the client wants {} or later.",
                server.version.name(),
                lowest.name()
            ),
        )
        .shown_by(format!("ServerHello: {}", server.version.name()))
        .because(client.at, super::alerts::hello_text(client))
        .because(left, "the client leaves")
        .advise("Server: enable TLS 1.2 and 1.3"),
    );
}
