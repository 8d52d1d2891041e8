//! `tcp.client-reset`: the client aborts while a request, a login or a mail transaction was open and all was well.

use crate::base::{SECOND, Side};
use crate::diagnosis::principles::{gave_up_on_peer, reset_origin};
use crate::diagnosis::{At, Claim, Code, Connection, Ending, Weight, Where};

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let Ending::Closed {
        by: Side::Client,
        at,
        reset: true,
    } = c.ending
    else {
        return;
    };
    // What was not captured may have been the last answer, or the QUIT.
    if c.done.is_some() || c.one_sided() || c.partly_unseen() {
        return;
    }
    let Some(reset) = c.tcp.resets.iter().find(|r| r.side == Side::Client) else {
        return;
    };
    let origin = reset_origin(c, reset);
    if reset.after_peer_close || reset.acks_unseen || c.end_unseen(Side::Client) || origin.by_path()
    {
        return;
    }
    // That it is the server which fell silent is no deed of the client.
    if gave_up_on_peer(c, Side::Client) {
        return;
    }
    let opaque = c.tls.filter(|_| !c.reads_inside()).is_some_and(|tls| {
        tls.application_data[Side::Client].is_some() && tls.application_data[Side::Server].is_some()
    });
    if opaque {
        let tls_last = c.tls.and_then(|tls| {
            tls.application_data[Side::Server].zip(tls.application_data[Side::Client])
        });
        let owed = c.tcp.sides[Side::Client].outstanding.is_some()
            || c.tcp.sides[Side::Server].outstanding.is_some() && !reset.acks_all;
        let server_last = tls_last.is_some_and(|(server, client)| server.1.time >= client.1.time);
        let weight = if server_last && !owed {
            Weight::Finding
        } else {
            Weight::Fatal
        };
        let confidence = if weight == Weight::Finding { 0.9 } else { 0.7 };
        claims.push(
            Claim::new(
                Code::TcpClientReset,
                At::address(Where::Client, c.client().ip),
                at,
                confidence,
                "The client cut the encrypted connection with a reset.".to_owned(),
            )
            .weighing(weight)
            .shown_by("RST of the client after encrypted data went both ways")
            .advise("Look into the client's log at this time"),
        );
        return;
    }
    if !c.work_open() {
        return;
    }
    // A client that had waited long has a reason of its own; another rule names it.
    if c.unanswered()
        .is_some_and(|command| at.time.since(command.done.time) >= 5 * SECOND)
    {
        return;
    }
    let forgotten = reset.of_unknown_connection() && !origin.aborted;
    let mut claim = Claim::new(
        Code::TcpClientReset,
        At::address(Where::Client, c.client().ip),
        at,
        if forgotten { 0.5 } else { 0.85 },
        "The client cut the connection in the middle of its own work.".to_owned(),
    )
    .shown_by(if forgotten {
        "RST without ACK: the client's host answers that it knows no such connection (any more)"
    } else {
        "RST of the client; the server had answered everything or was not given time to"
    })
    .advise("Look into the client's log: a crash, a kill, a security product on that machine");
    if forgotten {
        claim = claim.or(
            Code::TcpResetMidstreamByPath,
            0.4,
            "a capture at the client: a reset in the server's name that the server never sent",
        );
    }
    claims.push(claim);
}
