//! The stages that measure below a session: ports, places, sizes.

mod branches;
pub mod interception;
pub mod local;
pub mod loss;
pub mod near;
pub mod options;
pub mod ports;
pub mod rates;
pub mod reference;
pub mod size;
pub mod split;
pub mod trace;
pub mod trigger;

use super::tls::ladder;

/// What `--intensive` sends more, in words: said before the first packet.
pub fn announced(rate: u32) -> String {
    let most = rates::COST + size::COST + loss::cost(rate);
    format!(
        "--intensive: up to {most} packets more to each service and server address (SYN-rate ladder {}, size search {}, loss {}), at most {rate} a second, on up to 3 connections more; then a TLS ladder of up to {} connections, a ClientHello on each",
        rates::COST,
        size::COST,
        loss::cost(rate),
        ladder::CONNECTIONS
    )
}
