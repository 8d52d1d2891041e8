//! TCP options that a device takes away or cannot bear.
//!
//! Taken away counts only where another port of the same host answers with them: a server that speaks none of them has a
//! right to. Not borne counts only where the same SYN without them is answered, again and again, and with them never.

use std::net::SocketAddr;

use super::reference;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::probe::plan::walk::Heard;
use crate::probe::stats::{CERTAIN, fisher};
use crate::probe::way::{Kind, Way, settle};
use crate::wire::TcpOptions;

/// SYNs to a control port before it is said what it answers.
const ASKED: u32 = 2;
/// SYNs of each kind where a port is silent.
const EACH: u32 = 6;

/// Which of the options that were offered are not in a SYN-ACK.
fn missing(options: &TcpOptions) -> Vec<&'static str> {
    let all = [
        (options.window_scale.is_none(), "window scale"),
        (!options.sack_permitted, "SACK"),
        (options.timestamps.is_none(), "timestamps"),
    ];
    all.into_iter()
        .filter(|(missing, _)| *missing)
        .map(|(_, name)| name)
        .collect()
}

/// A port's SYN-ACKs, all of which lack something that was offered: does another port's have it?
pub async fn compare(context: &Context, to: SocketAddr, answers: &[TcpOptions]) {
    let Some(first) = answers.first() else {
        return;
    };
    let lacks = missing(first);
    if lacks.is_empty() || answers.iter().any(|other| missing(other) != lacks) {
        return;
    }
    context.progress(
        StageName::Tcp,
        &format!("{to} offers less than was offered: does another port?"),
    );
    let Some(reference) = reference::find(context, to.ip(), to.port()).await else {
        return;
    };
    let Kind::OneFlow(other) = reference.kind else {
        return;
    };
    let mut way = Way::new(Kind::Flows(other), "the options of another port");
    let mut seen: Vec<TcpOptions> = Vec::new();
    for _ in 0..ASKED {
        way.last_options = None;
        way.send(context, 64).await;
        settle(&mut [&mut way]).await;
        seen.extend(way.last_options);
    }
    let gone: Vec<&str> = lacks
        .into_iter()
        .filter(|name| seen.iter().all(|options| !missing(options).contains(name)))
        .collect();
    if seen.len() < ASKED as usize || gone.is_empty() {
        return;
    }
    let list = gone.join(", ");
    let claim = Claim::new(
        Code::TcpOptionsStripped,
        At::of(Where::Network),
        Proof::Measured("SYN-ACKs of two ports", context.now()),
        0.85,
        format!("On port {} {list} are missing from what the server agrees to, on port {} of the same host they are not: a device takes them away, or another machine answers there.", to.port(), other.port()),
    )
    .weighing(Weight::Finding)
    .shown_by(format!(
        "{} SYN-ACKs from port {} without {list}, {} from port {} with them, for the same SYN",
        answers.len(),
        to.port(),
        seen.len(),
        other.port()
    ))
    .advise("Firewall's operator: let TCP options pass (Cisco: tcp-map, tcp-options window-scale allow; normalisation of mail ports)");
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Finding,
    });
}

/// A silent port: does it answer a SYN without options? True when it was said.
pub async fn borne(context: &Context, to: SocketAddr) -> bool {
    if context.raw().is_none() {
        return false;
    }
    context.progress(StageName::Tcp, &format!("{to}: SYNs without options"));
    let mut bare = Way::new(Kind::Flows(to), "SYNs without options").bare();
    let mut full = Way::new(Kind::Flows(to), "control of SYNs without options");
    for turn in 0..EACH {
        bare.send(context, 64).await;
        full.send(context, 64).await;
        settle(&mut [&mut bare, &mut full]).await;
        if turn >= 1 && bare.last_end.is_none() {
            return false;
        }
    }
    let count = |way: &Way| {
        way.walk
            .at(64)
            .map_or((0, 0), |rung| (rung.ends.min(rung.sent), rung.sent))
    };
    let ((open, of), (other, all)) = (count(&bare), count(&full));
    let opens = matches!(bare.last_end, Some(Heard::Open { .. }));
    if !opens || other > 0 || fisher(open, of - open, other, all - other) >= CERTAIN * 3.0 {
        return false;
    }
    let claim = Claim::new(
        Code::TcpOptionDropped,
        At::of(Where::Network),
        Proof::Measured("SYNs with and without options", context.now()),
        0.95,
        format!("SYNs with SACK, timestamps and window scale to port {} vanish; without them the port answers.", to.port()),
    )
    .shown_by(format!("of SYNs with the MSS alone {open}/{of} were answered, of a current system's, sent between them, {other}/{all}"))
    .advise("Firewall's operator: let TCP options pass; until then a client can leave them out (Linux: net.ipv4.tcp_timestamps=0, tcp_sack=0, tcp_window_scaling=0)");
    context.measured(Measured {
        about: About::Server(to),
        claim,
        settles: Settles::Verdict,
    });
    true
}
