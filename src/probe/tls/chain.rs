//! What is wrong with a chain as it was sent: everything, the gravest first.
//!
//! Pure computation over facts of [`crate::proto::tls`], the trusted roots, the name that the user typed and a point in time. A
//! replay sees a client's refusal and asks for its reason; here there is no client, so every fault counts that a careful
//! client would refuse for. It fetches no missing certificate, asks nobody about revocation (what the server staples about it
//! is read by [`super::revocation`]), and says nothing where the
//! verifier knows no answer ([`Judged::unsure`]).

use std::net::IpAddr;

use crate::base::Timestamp;
use crate::diagnosis::Code;
use crate::diagnosis::rules::tls::certificate_words as words;
use crate::proto::tls::{
    Certificate, ChainFault, NameMatch, certificate, chain_verifies, name_match,
};

/// A fault of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Its code, `tls.cert-*`.
    pub code: Code,
    /// How sure that it is this one, 0–1.
    pub sure: f32,
    /// One sentence.
    pub text: String,
    /// What else fits, how likely, and what tells them apart.
    pub otherwise: Option<(Code, f32, &'static str)>,
}

/// A chain, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The certificates that can be read, leaf first.
    pub chain: Vec<Certificate>,
    /// All faults, the gravest first: dates, trust, name, strength.
    pub faults: Vec<Fault>,
    /// Why the verifier could say neither yes nor no, if so.
    pub unsure: Option<String>,
    /// Why what the server stapled about revocation says nothing, if it stapled something.
    pub staple: Option<String>,
}

impl Judged {
    /// It validates: for the roots, the time and the name that were given.
    pub fn validates(&self) -> bool {
        self.faults.is_empty() && self.unsure.is_none() && !self.chain.is_empty()
    }
}

/// What a certificate has to be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A DNS name.
    Name(String),
    /// An address, typed as such: an iPAddress of the alternative names must be it (RFC 9525 6.2 leaves it to the application; RFC 5280 4.2.1.6).
    Address(IpAddr),
    /// Nobody said: the name is not checked (an MX found by DNS without DNSSEC proves nothing by its name, RFC 7435).
    Unknown,
}

/// Judges `sent` (DER, leaf first) against `roots` (DER) at the time `at`.
pub fn judge(sent: &[Vec<u8>], roots: &[Vec<u8>], who: &Identity, at: Timestamp) -> Judged {
    let chain = read(sent);
    let mut judged = Judged {
        chain: Vec::new(),
        faults: Vec::new(),
        unsure: None,
        staple: None,
    };
    let Some(leaf) = chain.first() else {
        judged.unsure = Some("the certificate cannot be read".to_owned());
        return judged;
    };
    let verified = chain_verifies(&chain, roots, at);
    judged.faults.extend(dates(&chain, at, &verified));
    let (trust, unsure) = trust(&chain, roots, at, &verified);
    judged.faults.extend(trust);
    judged.faults.extend(name(leaf, sent, who));
    judged.faults.extend(strength(&chain));
    // A weak signature is what the verifier cannot check; then that is the fault, not a doubt.
    let weak = judged
        .faults
        .iter()
        .any(|fault| fault.code == Code::TlsCertWeak);
    judged.unsure = unsure.filter(|_| !weak && judged.faults.is_empty());
    judged.chain = chain;
    judged
}

/// The facts, with each link to its issuer; ends at what cannot be read.
fn read(sent: &[Vec<u8>]) -> Vec<Certificate> {
    sent.iter()
        .take(crate::base::limits::CERTIFICATES)
        .map_while(|der| certificate(der))
        .collect()
}

/// The last moments, or the first ones, of what leads to a root.
fn dates(chain: &[Certificate], at: Timestamp, verified: &Result<(), ChainFault>) -> Option<Fault> {
    let leaf = chain.first()?;
    let fault = |code, sure, text| Fault {
        code,
        sure,
        text,
        otherwise: None,
    };
    if leaf.not_after < at {
        let text = format!("{}.", words::expired(leaf));
        return Some(fault(Code::TlsCertExpired, 0.98, text));
    }
    if leaf.not_before > at {
        let text = words::early(leaf);
        let otherwise = Some((
            Code::TlsClientClock,
            0.05,
            "the clock of this machine against a time server",
        ));
        return Some(Fault {
            otherwise,
            ..fault(Code::TlsCertNotYetValid, 0.93, text)
        });
    }
    // An expired spare in the chain is harmless where another path validates.
    let (code, over) = match verified {
        Err(ChainFault::Expired) => (Code::TlsCertExpired, true),
        Err(ChainFault::NotYetValid) => (Code::TlsCertNotYetValid, false),
        _ => return None,
    };
    let link = chain.iter().skip(1).find(|link| match over {
        true => link.not_after < at,
        false => link.not_before > at,
    });
    let text = match (link, over) {
        (Some(link), true) => words::link_expired(link),
        (Some(link), false) => format!(
            "The intermediate certificate {} is valid only from {} on.",
            link.subject,
            words::date(link.not_before)
        ),
        (None, true) => "The root of the server's chain has expired.".to_owned(),
        (None, false) => "The root of the server's chain is not valid yet.".to_owned(),
    };
    Some(fault(code, 0.93, text))
}

/// Does it lead to a root that is trusted here; and if not, what is missing?
fn trust(
    chain: &[Certificate],
    roots: &[Vec<u8>],
    at: Timestamp,
    verified: &Result<(), ChainFault>,
) -> (Option<Fault>, Option<String>) {
    let Some((leaf, rest)) = chain.split_first() else {
        return (None, None);
    };
    let rooted = roots.iter().any(|root| root.as_slice() == &*leaf.der);
    let reason = match verified {
        Ok(()) => return (None, None),
        // A date is said already; whether the rest leads to a root is asked again at a time when all was valid.
        Err(ChainFault::Expired | ChainFault::NotYetValid) => match valid_once(chain) {
            Some(then) if then != at => match chain_verifies(chain, roots, then) {
                Err(reason) => reason,
                Ok(()) => return (None, None),
            },
            _ => return (None, None),
        },
        Err(reason) => *reason,
    };
    let fault = |code, sure, text, otherwise| Fault {
        code,
        sure,
        text,
        otherwise,
    };
    if leaf.self_signed && !rooted {
        let text = format!(
            "{}, and nobody that is trusted here does.",
            words::self_signed(leaf)
        );
        return (Some(fault(Code::TlsCertSelfSigned, 0.96, text, None)), None);
    }
    match reason {
        ChainFault::UnknownIssuer => {}
        // The library takes no signature of so small a key: whether it is right was not looked at, and its strength is the fault.
        ChainFault::BadSignature if issued_by_small(chain) => {
            return (None, Some(reason.to_string()));
        }
        ChainFault::BadSignature | ChainFault::Misused | ChainFault::Malformed => {
            let text = format!("The server's chain does not validate: {reason}.");
            return (Some(fault(Code::TlsCertUntrusted, 0.8, text, None)), None);
        }
        other => return (None, Some(other.to_string())),
    }
    let top = rest.iter().rev().find(|link| link.self_issued);
    if let Some(top) = top {
        let text = format!(
            "Nobody that is trusted here vouches for {}, the root of the server's chain.",
            top.subject
        );
        return (Some(fault(Code::TlsCertUntrusted, 0.95, text, None)), None);
    }
    let issued_inside = rest.iter().any(|link| link.subject == leaf.issuer);
    if issued_inside {
        let last = rest.last().unwrap_or(leaf);
        let text = format!(
            "Nobody that is trusted here vouches for {}, which issued the server's certificate.",
            last.issuer
        );
        let otherwise = Some((
            Code::TlsCertIncompleteChain,
            0.15,
            "the certificate of that issuer: is it a root?",
        ));
        return (
            Some(fault(Code::TlsCertUntrusted, 0.8, text, otherwise)),
            None,
        );
    }
    let text = words::incomplete(leaf);
    let otherwise = Some((
        Code::TlsCertUntrusted,
        0.15,
        "the issuer's certificate: is it a root, and should it be trusted here?",
    ));
    (
        Some(fault(Code::TlsCertIncompleteChain, 0.83, text, otherwise)),
        None,
    )
}

/// Whether the issuer of a certificate of the chain, itself no root, has an RSA key below 2,048 bits: the library refuses every
/// signature of such a key.
fn issued_by_small(chain: &[Certificate]) -> bool {
    chain.iter().skip(1).any(|link| {
        let small = link.weak && link.key == "RSA" && link.key_bits < 2048;
        small && !link.self_issued && chain.iter().any(|other| other.issuer == link.subject)
    })
}

/// A moment at which every certificate of the chain was valid, if there was one.
fn valid_once(chain: &[Certificate]) -> Option<Timestamp> {
    let from = chain
        .iter()
        .map(|certificate| certificate.not_before)
        .max()?;
    let to = chain
        .iter()
        .map(|certificate| certificate.not_after)
        .min()?;
    (from <= to).then_some(from)
}

/// The leaf against who was called.
fn name(leaf: &Certificate, sent: &[Vec<u8>], who: &Identity) -> Option<Fault> {
    let (wanted, fits, sure) = match who {
        Identity::Unknown => return None,
        Identity::Name(name) => match name_match(leaf, name) {
            NameMatch::Alternative => return None,
            // Old clients still take it (RFC 6125 6.4.4), current ones do not (RFC 9525 2).
            NameMatch::CommonName => (name.clone(), "only by its common name", 0.85),
            NameMatch::None => (name.clone(), "", 0.97),
        },
        Identity::Address(address) => {
            let found = sent.first().is_some_and(|der| names_address(der, *address));
            if found {
                return None;
            }
            (address.to_string(), "", 0.9)
        }
    };
    let text = match fits.is_empty() {
        true => words::wrong_name(leaf, &wanted),
        false => format!("The server's certificate fits {wanted} {fits}, which clients ignore."),
    };
    Some(Fault {
        code: Code::TlsCertWrongName,
        sure,
        text,
        otherwise: None,
    })
}

/// Whether an iPAddress of the alternative names is this one (RFC 5280 4.2.1.6: 4 or 16 octets).
fn names_address(der: &[u8], address: IpAddr) -> bool {
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
    let Ok((_, parsed)) = X509Certificate::from_der(der) else {
        return false;
    };
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return false;
    };
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    extension
        .value
        .general_names
        .iter()
        .any(|name| matches!(name, GeneralName::IPAddress(held) if *held == octets))
}

/// Keys and digests that careful clients refuse. A root's own digest is checked by nobody.
fn strength(chain: &[Certificate]) -> Option<Fault> {
    let weak = chain
        .iter()
        .enumerate()
        .find(|(index, link)| link.weak && (*index == 0 || !link.self_issued))
        .map(|(_, weak)| weak)?;
    Some(Fault {
        code: Code::TlsCertWeak,
        sure: 0.9,
        text: words::weak(weak),
        otherwise: None,
    })
}

#[cfg(test)]
mod tests;
