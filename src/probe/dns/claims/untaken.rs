//! Answers that come as far as this host, and to no program on it: whose doing that is.

use super::{Subject, words};
use crate::base::Nanos;
use crate::diagnosis::{At, Claim, Code, Where};

/// The resolver's answers were captured here, `came` of them, and the socket that asked got none.
pub fn untaken(of: &Subject<'_>, came: u32, tries: u32, lasted: Nanos) -> Claim {
    let resolver = of.resolver;
    Claim::new(
        Code::DnsTimeout,
        At::of(Where::Client),
        of.proof("answers captured and not received"),
        0.85,
        format!(
            "Resolver {resolver} answers {}, and this host does not take the answers: no program here gets one.",
            of.question
        ),
    )
    .shown_by(format!(
        "{came} answers were captured on this host in {}, and the sockets that had asked {tries} times got none",
        words(lasted)
    ))
    .or(
        Code::DnsBadResponse,
        0.1,
        "the answers' checksums (tshark -o udp.check_checksum:TRUE): the kernel takes no datagram whose checksum is wrong",
    )
    .advise(format!(
        "Look at this host itself: rules of its own firewall for what comes in from {resolver} (nft list ruleset, iptables-save), rp_filter"
    ))
}
