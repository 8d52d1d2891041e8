//! One DNS message, reduced to what a look-up's judgement needs.

use std::net::IpAddr;

use crate::base::Foreign;

/// Record type number (IANA); names come from `name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordType(pub u16);

impl RecordType {
    /// A.
    pub const A: RecordType = RecordType(1);
    /// CNAME.
    pub const CNAME: RecordType = RecordType(5);
    /// PTR.
    pub const PTR: RecordType = RecordType(12);
    /// MX.
    pub const MX: RecordType = RecordType(15);
    /// TXT.
    pub const TXT: RecordType = RecordType(16);
    /// AAAA.
    pub const AAAA: RecordType = RecordType(28);
    /// SRV.
    pub const SRV: RecordType = RecordType(33);
    /// TLSA.
    pub const TLSA: RecordType = RecordType(52);
    /// ANY.
    pub const ANY: RecordType = RecordType(255);
}

/// A query or a response.
#[derive(Clone, Debug)]
pub struct Message {
    /// Transaction id.
    pub id: u16,
    /// QR bit.
    pub response: bool,
    /// Operation code; 0 is a query.
    pub opcode: u8,
    /// The first question: name in lower case without the final dot, and type. `None` when there is none.
    pub question: Option<(Foreign, RecordType)>,
    /// How many questions there are.
    pub questions: u16,
    /// Extended RCODE: 4 bits of the header and 8 of OPT (RFC 6891 6.1.3).
    pub rcode: u16,
    /// TC: truncated.
    pub truncated: bool,
    /// AA.
    pub authoritative: bool,
    /// RD.
    pub recursion_desired: bool,
    /// RA.
    pub recursion_available: bool,
    /// AD: the resolver vouches for the answer (RFC 4035 3.2.3).
    pub authentic_data: bool,
    /// CD.
    pub checking_disabled: bool,
    /// UDP payload size of OPT, when there is an OPT.
    pub edns_size: Option<u16>,
    /// DO bit.
    pub dnssec_ok: bool,
    /// Extended DNS errors (RFC 8914): code and text.
    pub extended_errors: Vec<(u16, Foreign)>,
    /// Answer section, in order, bounded.
    pub answers: Vec<Record>,
    /// Records of the authority section (count) and whether a SOA is among them.
    pub authority: (u16, bool),
    /// Length of the message in bytes.
    pub length: u32,
    /// The message ended before its sections did (snap length, or malformed).
    pub incomplete: bool,
    /// The message could not be decoded at all past the header: why.
    pub malformed: Option<&'static str>,
}

impl Message {
    /// A resolver gave it and does not vouch for it (RFC 4035 3.2.3). Who did not ask for signatures may be told nothing of that.
    pub fn unvouched(&self) -> bool {
        self.recursion_available && !self.authoritative && !self.authentic_data
    }
}

/// One record of the answer section.
#[derive(Clone, Debug)]
pub struct Record {
    /// Owner, lower case, without the final dot.
    pub owner: Foreign,
    /// Type.
    pub kind: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// Data.
    pub answer: Answer,
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A or AAAA.
    Address(IpAddr),
    /// CNAME, NS or PTR target, lower case, without the final dot.
    Name(Foreign),
    /// MX: preference and target; the target of a null MX (RFC 7505) is empty.
    Mx(u16, Foreign),
    /// SRV: priority, weight, port, target.
    Srv(u16, u16, u16, Foreign),
    /// TLSA: the record's data as it came (RFC 6698 2.1).
    Tlsa(Box<[u8]>),
    /// Anything else, as text.
    Other(Foreign),
}

#[cfg(test)]
mod tests {
    use crate::proto::dns::decode;

    #[test]
    fn a_resolver_vouches_by_ad() {
        let unvouched = |flags: [u8; 2]| {
            let header = [0, 7, flags[0], flags[1], 0, 0, 0, 0, 0, 0, 0, 0];
            decode(&header, 12).expect("a header").unvouched()
        };
        // QR, RD; RA without AD.
        assert!(unvouched([0x81, 0x80]));
        // The near misses: AD; an authoritative server, which does not validate.
        assert!(!unvouched([0x81, 0xA0]));
        assert!(!unvouched([0x85, 0x80]));
        assert!(!unvouched([0x85, 0x00]));
    }
}
