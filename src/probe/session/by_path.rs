//! One server's certificate seen over every way to it: where one way alone shows a stranger's, who answers there?
//!
//! Two addresses of one name may well be two machines, one of them forgotten, so certificates that differ prove nobody's
//! interference. With a second sign they do: on the way that shows what nobody vouches for, or what is somebody else's, SYNs were
//! answered before they could have reached the host of that address (`tcp.intercepted`, by TTL), and another address of the same
//! name shows a chain that validates. Pure: sessions and what was measured in, measurements out.

use std::net::SocketAddr;

use super::claims::unvouched;
use crate::diagnosis::rules::tls::certificate_words::describe;
use crate::diagnosis::{Claim, Code, Measured};
use crate::probe::tls::chain::Judged;

/// What a session was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name that it asked for.
    pub name: Option<String>,
    /// Where.
    pub to: SocketAddr,
    /// What was shown there.
    pub judged: Judged,
}

/// Whether it is what a device shows that has no certificate for the name: its own, or one that it makes up. An old one of the right name is
/// the server's.
fn is_strange(code: Code) -> bool {
    unvouched(code) || matches!(code, Code::TlsCertSelfSigned | Code::TlsCertWrongName)
}

/// Who shows a certificate in the server's stead; `known` is what was measured of a server by a code.
pub fn interceptions(
    shown: &[Shown],
    known: impl Fn(SocketAddr, Code) -> Option<Measured>,
) -> Vec<Measured> {
    let intercepted = |one: &Shown| {
        let fault = one
            .judged
            .faults
            .iter()
            .find(|fault| is_strange(fault.code))?;
        let (said, nearer) = (
            known(one.to, fault.code)?,
            known(one.to, Code::TcpIntercepted)?,
        );
        let own = shown.iter().find(|other| {
            other.name.is_some()
                && other.name == one.name
                && other.to.port() == one.to.port()
                && other.judged.validates()
        })?;
        let (theirs, ours) = (one.judged.chain.first()?, own.judged.chain.first()?);
        let proof = said.claim.death;
        // A machine of the same name that was forgotten shows just these, and what answers SYNs in the server's stead may pass TLS on.
        let (sure, otherwise) = match unvouched(fault.code) {
            true => (0.9, 0.08),
            false => (0.65, 0.3),
        };
        let claim = Claim::new(
            Code::TlsIntercepted,
            nearer.claim.at,
            proof,
            sure,
            format!(
                "A device on the way to {} ends TLS with a certificate of its own: it answers before the server could, and {} shows the server's.",
                one.to, own.to
            ),
        )
        .weighing(said.claim.weight)
        .shown_by(format!("at {}: {}", one.to, describe(theirs, one.judged.chain.len())))
        .because(proof, format!("at {}: {}", own.to, describe(ours, own.judged.chain.len())))
        .or(fault.code, otherwise, "the certificate as seen from another network")
        .advise("Exempt mail from TLS inspection on that device, or let this client trust its authority");
        let seen = nearer.claim.evidence();
        let claim = seen.iter().fold(claim, |claim, seen| {
            claim.because(seen.proof, seen.text.clone())
        });
        Some(Measured { claim, ..said })
    };
    shown.iter().filter_map(intercepted).collect()
}

#[cfg(test)]
mod tests {
    use super::{Shown, interceptions};
    use crate::base::Timestamp;
    use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Where};
    use crate::probe::tls::chain::{Fault, Judged};

    fn shown(to: &str, fault: Option<Code>) -> Shown {
        // The weak pair of the lab: what is in it does not matter here, only that it can be read.
        let leaf = include_bytes!("../../lab/server/weak/leaf.der").to_vec();
        let text = "the chain leads nowhere".to_owned();
        let faults = fault.map(|code| Fault {
            code,
            sure: 0.9,
            text,
            otherwise: None,
        });
        let judged = Judged {
            faults: faults.into_iter().collect(),
            ..crate::probe::tls::chain::judge(
                &[leaf],
                &[],
                &crate::probe::tls::chain::Identity::Unknown,
                Timestamp(0),
            )
        };
        Shown {
            name: Some("mail.example.net".to_owned()),
            to: to.parse().expect("an address"),
            judged: Judged {
                unsure: None,
                ..judged
            },
        }
    }

    fn codes(shown: &[Shown], measured: &[Code]) -> Vec<Code> {
        let known = |to, code: Code| {
            let claim = || {
                let proof = Proof::Measured("a test", Timestamp(0));
                Claim::new(code, At::of(Where::Network), proof, 0.9, "x".to_owned())
            };
            measured.contains(&code).then(|| Measured {
                about: About::Server(to),
                claim: claim(),
                settles: Settles::Session,
            })
        };
        let found = interceptions(shown, known);
        found.iter().map(|one| one.claim.code).collect()
    }

    #[test]
    fn a_stranger_on_one_way_who_answers_too_near_is_a_device() {
        const BOTH: &[Code] = &[Code::TlsCertUntrusted, Code::TcpIntercepted];
        let strange = || shown("192.0.2.10:993", Some(Code::TlsCertUntrusted));
        let own = || shown("[2001:db8:5::10]:993", None);
        assert_eq!(codes(&[strange(), own()], BOTH), [Code::TlsIntercepted]);
        // So is one that vouches for itself, or that is another host's.
        for fault in [Code::TlsCertSelfSigned, Code::TlsCertWrongName] {
            let one = shown("192.0.2.10:993", Some(fault));
            let measured = [fault, Code::TcpIntercepted];
            assert_eq!(
                codes(&[one.clone(), own()], &measured),
                [Code::TlsIntercepted]
            );
            assert!(codes(&[one, own()], &[fault]).is_empty());
        }
        // Two machines under one name: nothing answers too near.
        assert!(codes(&[strange(), own()], &[Code::TlsCertUntrusted]).is_empty());
        // The same strange certificate everywhere is the server's, whoever answers for it.
        let other = shown("[2001:db8:5::10]:993", Some(Code::TlsCertUntrusted));
        assert!(codes(&[strange(), other], BOTH).is_empty());
        // An expired one is the server's own.
        let expired = shown("192.0.2.10:993", Some(Code::TlsCertExpired));
        assert!(
            codes(
                &[expired, own()],
                &[Code::TlsCertExpired, Code::TcpIntercepted]
            )
            .is_empty()
        );
    }
}
