//! Where less evidence makes another verdict all the same, with the packets that justify it.

use crate::losses::Loss;

/// What was done where more than one frame in the middle is left out.
const SEVERAL: &str = "several left out";

/// What may happen all the same: `(capture, what was done, from, to, the packets that justify it)`.
/// A capture that ends in `/` means the folder's, `*` those of somebody else's, nothing at all any. What may happen without one frame,
/// or without the first or last ones, may without several.
pub const EXCEPTIONS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "dns.nxdomain/near-search-list",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 4 is NXDOMAIN, and no name was asked for after it yet",
    ),
    (
        "dns.nxdomain/near-search-list",
        "frame left out",
        "ok",
        "dns.nxdomain",
        "frame 4 is NXDOMAIN; frames 5 and 6, the next name and its answer, are what redeems it",
    ),
    (
        "dns.truncated-no-tcp/near-tcp-works",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the truncated answer; without it the query of frame 3 is answered over TCP only, in frame 9",
    ),
    (
        "dns.truncated-no-tcp/reset",
        "begun late",
        "dns.truncated-no-tcp",
        "dns.port-closed",
        "frame 19 is the resolver's RST on TCP/53; the truncated answers over UDP came before",
    ),
    (
        "tcp.reset-by-path/",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the answer; without it the same question, asked again for the next connection, answers frame 3 late",
    ),
    (
        "tcp.options-stripped/",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 4 is the answer; without it the same question, asked again for the next connection, answers frame 3 late",
    ),
    (
        "dns.type-dropped/",
        "frame left out",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer to a question for A that was asked more than once",
    ),
    (
        "dns.type-dropped/",
        "server unheard",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer to a question for A that was asked more than once",
    ),
    (
        "dns.large-dropped/",
        "frame left out",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "dns.large-dropped/",
        "server unheard",
        "ok",
        "dns.timeout",
        "frame 5 is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "tcp.option-dropped/near-first-syn-lost",
        "frame left out",
        "ok",
        "path.slow",
        "frame 6 is the SYN sent again; without it the SYN-ACK of frame 7 answers a SYN of a second before",
    ),
    (
        "tcp.idle-dropped/reset",
        "client unheard",
        "tcp.idle-dropped",
        "tcp.reset-midstream-by-path",
        "frame 21 is a device's RST; that the client's segment after a pause drew it is not to be seen",
    ),
    (
        "tcp.idle-dropped/reset",
        "frame left out",
        "tcp.idle-dropped",
        "tcp.reset-midstream-by-path",
        "frame 21 is a device's RST; that the client's segment after a pause drew it is not to be seen",
    ),
    (
        "tcp.reset-midstream-by-path/",
        "frame left out",
        "tcp.reset-midstream-by-path",
        "tcp.client-reset",
        "the frame left out is the RST in the server's name; what is left is the RST of the client's side",
    ),
    (
        "arkime_synthetic.pcap",
        "68 bytes",
        "unknown",
        "path.slow",
        "frames 378 and 379 are a SYN and a SYN-ACK 1 s apart; what is cut is the dialogue that made it no verdict",
    ),
    (
        "Teredo.pcap",
        "begun late",
        "ok",
        "dns.no-address",
        "frame 21 is the question for AAAA; without it nobody asked for more than the A that frame 24 says is not there",
    ),
    (
        "arkime_synthetic.pcap",
        "frame left out",
        "unknown",
        "path.slow",
        "frames 378 and 379 are a SYN and a SYN-ACK 1 s apart; the frame left out is of the dialogue that made it no verdict",
    ),
    (
        "v6.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 15 is the answer; without it the same question, asked again in frame 80, is answered 11 s after frame 14",
    ),
    (
        "Teredo.pcap",
        "frame left out",
        "ok",
        "dns.no-address",
        "frame 21 is the question for AAAA; without it nobody asked for more than the A that frame 24 says is not there",
    ),
    (
        "wikipedia-filtered-plus-udp.pcap",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 9 is NXDOMAIN for a name of the search list, and no name was asked for after it yet",
    ),
    (
        "wikipedia-filtered-plus-udp.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 7 is the answer; without it the same question, asked again, is what is answered",
    ),
    (
        "wikipedia.pcap",
        "cut",
        "ok",
        "dns.nxdomain",
        "frame 19 is NXDOMAIN for a name of the search list, and no name was asked for after it yet",
    ),
    (
        "wikipedia.pcap",
        "frame left out",
        "ok",
        "dns.slow",
        "frame 17 is the answer; without it the same question, asked again, is what is answered",
    ),
    (
        "*",
        "frame left out",
        "ok",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "frame left out",
        "unknown",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "server unheard",
        "ok",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "*",
        "server unheard",
        "unknown",
        "dns.timeout",
        "what is left out is the only answer; silence has a clock, and 5 s of it count for a query asked once",
    ),
    (
        "dns.truncated-no-tcp/closed",
        SEVERAL,
        "dns.truncated-no-tcp",
        "dns.port-closed",
        "frames 5 and 9 are the truncated answers over UDP; what is left is the RST of TCP/53 in frame 11",
    ),
    (
        "",
        SEVERAL,
        "ok",
        "dns.timeout",
        "the only answer is among what is left out, and the beginning of the connection to its address; silence has a clock",
    ),
    (
        "tcp.rate-limited/bursts",
        SEVERAL,
        "ok",
        "mail.command-timeout",
        "the reply to the EHLO of frame 23 and everything behind it is left out, but no end: 113 s of silence are left",
    ),
    (
        "almost-resp.pcap",
        "moved",
        "unknown",
        "tcp.reset-midstream",
        "frame 11 is a RST; what it answers is read from the order",
    ),
    (
        "almost-resp.pcap",
        "moved with their times",
        "unknown",
        "tcp.reset-midstream",
        "frame 11 is a RST; what it answers is read from the order",
    ),
];

/// Whether that change is one of these.
pub fn excepted(name: &str, loss: Loss, from: &str, to: &str) -> bool {
    EXCEPTIONS.iter().any(|(capture, done, was, is, _)| {
        let named = *capture == name
            || capture.is_empty()
            || capture.ends_with('/') && name.starts_with(capture)
            || *capture == "*" && !name.contains('/');
        let several = matches!(loss, Loss::Holes(..))
            && matches!(*done, SEVERAL | "frame left out" | "cut" | "begun late");
        named && (*done == loss.kind() || several) && *was == from && *is == to
    })
}
