//! What a SYN may ask for beyond what every stack asks for: extensions that devices on the way are known to choke on.
//!
//! A host that gets no answer sends its SYN again without them (RFC 3168 6.1.1.1, RFC 7413 4.1.3, RFC 8684 3.7), so whether one was
//! answered shows in the handshake. It tells which, and judges nothing.

use super::facts::TcpFacts;
use super::transmissions::SynOptions;

/// One such extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Multipath TCP.
    Multipath,
    /// TCP Fast Open.
    FastOpen,
    /// Explicit congestion notification.
    Ecn,
}

impl Extra {
    /// That of a SYN; of several the one that is likeliest dropped.
    pub fn of(options: &SynOptions) -> Option<Extra> {
        if options.multipath {
            Some(Extra::Multipath)
        } else if options.fast_open {
            Some(Extra::FastOpen)
        } else if options.ecn {
            Some(Extra::Ecn)
        } else {
            None
        }
    }

    /// That of the SYN of a connection which was answered.
    pub fn answered(tcp: &TcpFacts) -> Option<Extra> {
        let answer = tcp.syn_acks.seen.first()?.at;
        let mut before = tcp.syns.seen.iter().rev();
        let syn = before.find(|syn| syn.at.time <= answer.time)?;
        Extra::of(&syn.options)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Extra::Multipath => "Multipath TCP",
            Extra::FastOpen => "TCP Fast Open",
            Extra::Ecn => "ECN",
        }
    }
}
