//! What only the session itself can know, said as claims: certificates, policies, and what was said within TLS.
//!
//! The packets of a session that let a bad certificate pass look healthy, and those of a login are readable by nobody; so the
//! session says what a client would have died of ([`Settles::Session`]). Pure: an ask and an outcome in, measurements out. What
//! the packets show by themselves is not said again.

use super::ask::{Ask, SessionEnd, SessionOutcome, TlsWanted};
use super::login_claims;
use crate::diagnosis::rules::tls::certificate_words as words;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::tls::chain::{Fault, Identity, Judged};
use crate::probe::tls::client::Failure;
use crate::probe::tls::dane::{self, Dane};
use crate::probe::tls::interception;
use crate::probe::tls::roots::Roots;
use crate::probe::tls::sts::Mode;
use crate::proto::tls::Certificate;

/// What the measurement is called where a certificate proves something.
const CERTIFICATE: &str = "certificate check";
/// What it is called where a policy does not fit.
const POLICY: &str = "MTA-STS policy";
/// What it is called where an offer is missing.
const OFFER: &str = "capabilities";

/// Everything that the session itself knows.
pub fn of(ask: &Ask, outcome: &SessionOutcome, roots: &Roots) -> Vec<Measured> {
    let mut claims = Vec::new();
    let refused = matches!(outcome.end, SessionEnd::TlsFailed(Failure::Refused(_)));
    if let Some(judged) = &outcome.judged
        && (outcome.tls.is_some() || refused)
    {
        let seen = outcome.tls.as_ref().map_or(outcome.ended, |tls| tls.at);
        let checked = Checked {
            ask,
            outcome,
            judged,
            proof: Proof::Measured(CERTIFICATE, seen),
            refused,
        };
        claims.extend(checked.certificate(roots));
        if let Some(tls) = &outcome.tls {
            claims.extend(checked.dane(&tls.sent));
        }
    }
    claims.extend(not_allowed(ask, outcome));
    claims.extend(not_offered(ask, outcome));
    claims.extend(login_claims::of(ask, outcome));
    claims
}

/// A claim about this session's server.
pub(super) fn about(outcome: &SessionOutcome, claim: Claim, settles: Settles) -> Measured {
    Measured {
        about: About::Server(outcome.to),
        claim,
        settles,
    }
}

struct Checked<'a> {
    ask: &'a Ask,
    outcome: &'a SessionOutcome,
    judged: &'a Judged,
    proof: Proof,
    /// Not even we could go on with it: no client of today can.
    refused: bool,
}

impl Checked<'_> {
    /// A fault of the certificate is fatal where a client would refuse, and a finding where mail servers do not care.
    fn certificate(&self, roots: &Roots) -> Vec<Measured> {
        let trusts = |fault: &&Fault| roots.can_judge() || !unvouched(fault.code);
        let faults: Vec<&Fault> = self.judged.faults.iter().filter(trusts).collect();
        let mut measured = Vec::new();
        // DANE-EE and DANE-TA take the place of the authorities (RFC 7672 3.1).
        if self.dane_matches() {
            return measured;
        }
        // Who names a server by its address looks at the server: a client set up so is another question, and a finding.
        let by_address = matches!(self.ask.identity, Identity::Address(_));
        let kills = |fault: &&&Fault| !(by_address && fault.code == Code::TlsCertWrongName);
        let first = faults.iter().find(kills).map(|fault| fault.code);
        for fault in &faults {
            let mut claim = self.claim(fault);
            let is_first = first == Some(fault.code);
            if is_first {
                for other in faults.iter().filter(|other| other.code != fault.code) {
                    claim = claim.because(self.proof, format!("also: {}", other.text));
                }
            }
            let fatal = is_first && (self.ask.strict || self.refused);
            claim = claim.weighing(match fatal {
                true => Weight::Fatal,
                false => Weight::Finding,
            });
            let settles = match fatal {
                true => Settles::Session,
                false => Settles::Finding,
            };
            measured.push(about(self.outcome, claim, settles));
        }
        measured
    }

    fn claim(&self, fault: &Fault) -> Claim {
        let at = At::address(Where::Server, self.outcome.to.ip());
        let product = interception::product(&self.judged.chain).filter(|_| unvouched(fault.code));
        let mut claim = match &product {
            Some((product, issuer)) => Claim::new(
                Code::TlsIntercepted,
                At::of(Where::Network),
                self.proof,
                0.8,
                format!(
                    "A device on the way answers for the server: {issuer} issued the certificate, as {product} does, and nobody that is trusted here vouches for it."
                ),
            )
            .or(
                fault.code,
                0.18,
                "the certificate as seen from another network",
            )
            .advise("Exempt mail from TLS inspection on that device, or let this client trust its authority"),
            None => Claim::new(fault.code, at, self.proof, fault.sure, fault.text.clone())
                .advise(advice(fault.code, self.outcome, self.judged.chain.first())),
        };
        if let Some(leaf) = self.judged.chain.first() {
            claim = claim.shown_by(words::describe(leaf, self.judged.chain.len()));
        }
        if let (Some((code, sure, told)), None) = (fault.otherwise, &product) {
            claim = claim.or(code, sure, told);
        }
        claim
    }

    fn dane_matches(&self) -> bool {
        let sent = self.outcome.tls.as_ref().map(|tls| tls.sent.as_slice());
        matches!(self.dane_of(sent.unwrap_or_default()), Dane::Matches(_))
    }

    fn dane_of(&self, sent: &[Vec<u8>]) -> Dane {
        let binding = &self.ask.binding;
        let names = [binding.base.as_deref(), self.ask.sni.as_deref()];
        let mut found = Dane::None;
        for name in names.into_iter().flatten() {
            found = dane::check(&binding.tlsa, sent, name, self.proof.time());
            if matches!(found, Dane::Matches(_)) {
                break;
            }
        }
        found
    }

    fn dane(&self, sent: &[Vec<u8>]) -> Option<Measured> {
        if self.dane_of(sent) != Dane::Mismatch {
            return None;
        }
        let usable = self.ask.binding.tlsa.len();
        let mut claim = Claim::new(
            Code::TlsDaneMismatch,
            At::address(Where::Server, self.outcome.to.ip()),
            self.proof,
            0.97,
            "The server's certificate matches none of the TLSA records that its domain publishes: senders that check DANE deliver nothing.".to_owned(),
        )
        .advise("Publish TLSA records for the new key before it is used (3 1 1), and keep the old ones until caches are empty");
        if let Some(leaf) = self.judged.chain.first() {
            claim = claim.shown_by(words::describe(leaf, self.judged.chain.len()));
        }
        claim = claim.because(
            self.proof,
            format!("{usable} TLSA records, none of which matches"),
        );
        Some(about(self.outcome, claim, Settles::Session))
    }
}

/// The domain's MTA-STS policy does not allow this exchanger (RFC 8461 4.1, 5): found out without any handshake.
fn not_allowed(ask: &Ask, outcome: &SessionOutcome) -> Option<Measured> {
    let (policy, name) = (ask.binding.sts.as_ref()?, ask.sni.as_deref()?);
    if policy.mode == Mode::None || policy.allows(name) || outcome.local.is_none() {
        return None;
    }
    let proof = Proof::Measured(POLICY, outcome.ended);
    let domain = &policy.domain;
    let kills = policy.enforces();
    let claim = Claim::new(
        Code::TlsStsMismatch,
        At::address(Where::Server, outcome.to.ip()),
        proof,
        0.97,
        match kills {
            true => format!(
                "The MTA-STS policy of {domain} does not allow {name}, which its MX records name: senders that check it deliver nothing there."
            ),
            false => format!(
                "The MTA-STS policy of {domain} does not allow {name}, which its MX records name; it is in testing mode, so mail goes through."
            ),
        },
    )
    .shown_by(format!(
        "https://mta-sts.{domain}/.well-known/mta-sts.txt allows {}",
        some_of(&policy.mx)
    ))
    .advise(format!(
        "Put {name} into the policy of {domain} and change the id of _mta-sts.{domain}, or correct the MX records"
    ));
    Some(match kills {
        true => about(outcome, claim, Settles::Session),
        false => about(outcome, claim.weighing(Weight::Finding), Settles::Finding),
    })
}

/// A list in words, cut where it grows long.
fn some_of(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(4).map(String::as_str).collect();
    match names.len().saturating_sub(shown.len()) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Who demands STARTTLS that is not on offer, in words: the settings, which then cannot work (verdicts.md, mail.starttls-missing, column
/// A), or a policy of the domain, and then no sender who heeds it delivers.
pub(super) fn demanded(ask: &Ask, outcome: &SessionOutcome) -> Option<String> {
    let by_settings = outcome.end == SessionEnd::NotOffered && ask.tls == TlsWanted::Required;
    let by_policy = ask.binding.demands_tls().filter(|_| {
        let offer = outcome.before_tls.as_ref();
        outcome.tls.is_none()
            && offer.is_some_and(|offer| !offer.starttls())
            && outcome.end == SessionEnd::Fine
    });
    match (by_settings, by_policy) {
        (true, _) => Some("The settings demand STARTTLS".to_owned()),
        (_, Some("MTA-STS policy")) => {
            Some("The domain's MTA-STS policy demands TLS of senders".to_owned())
        }
        (_, Some(records)) => Some(format!("The domain's {records} demand TLS of senders")),
        _ => None,
    }
}

/// STARTTLS is demanded and not on offer.
fn not_offered(ask: &Ask, outcome: &SessionOutcome) -> Option<Measured> {
    let demanded = demanded(ask, outcome)?;
    let masked = outcome
        .before_tls
        .as_ref()
        .is_some_and(|offer| offer.masked);
    let proof = Proof::Measured(OFFER, outcome.ended);
    let claim = match masked {
        true => Claim::new(
            Code::MailStarttlsStripped,
            At::of(Where::Network),
            proof,
            0.93,
            "STARTTLS is overwritten in the server's offer on the way: a device inspects SMTP.".to_owned(),
        )
        .shown_by("a keyword of the offer consists of X, as such devices write it")
        .advise("Switch SMTP inspection off on the firewall (Cisco: no inspect esmtp, or allow-tls), or use implicit TLS on port 465"),
        false => Claim::new(
            Code::MailStarttlsMissing,
            At::address(Where::Server, outcome.to.ip()),
            proof,
            0.9,
            format!("{demanded}, and the server does not offer it."),
        )
        .shown_by("the listing of capabilities is whole and has no STARTTLS")
        .or(
            Code::MailStarttlsStripped,
            0.08,
            "the same server asked from another network, or on another port",
        )
        .advise("Server's operator: switch TLS on; until then implicit TLS (465, 993, 995), if the server has it"),
    };
    Some(about(outcome, claim, Settles::Session))
}

/// Whether it says that nobody trusted vouches for the certificate.
pub(super) fn unvouched(code: Code) -> bool {
    matches!(code, Code::TlsCertUntrusted | Code::TlsCertIncompleteChain)
}

fn advice(code: Code, outcome: &SessionOutcome, leaf: Option<&Certificate>) -> String {
    let server = outcome.to.to_string();
    match code {
        // Both clocks are asked about: here it is this machine's that is held against it.
        Code::TlsCertNotYetValid => {
            "Compare this machine's clock with a time server; if it is right, the issuer's was wrong".to_owned()
        }
        _ => words::advice(code, &server, leaf)
            .unwrap_or_else(|| format!("Look at what {server} shows: openssl s_client -showcerts")),
    }
}
