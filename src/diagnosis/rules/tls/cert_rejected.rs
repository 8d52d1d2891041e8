//! `tls.cert-rejected`: the client leaves where a certificate is judged, and the reason is not visible.
//!
//! TLS 1.3 (RFC 8446 5.2): an alert-sized record instead of Finished. STARTTLS SMTP: Finished, one record that holds just QUIT, close – an
//! MTA's policy, at most 0.6. The near misses: a close_notify after Finished, and a client that goes on with EHLO.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::principles::has_size_of_quit;
use crate::diagnosis::{At, Claim, Code, Connection, Where};
use crate::proto::TlsMode;
use crate::proto::mail::Language;
use crate::proto::tls::{TlsFacts, Version};

use super::{carried_data, certificate, dane_mismatch, fatal_alert, seen_whole};

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    // A sender that knows TLSA records, meets none of them and leaves has its own rule.
    if fatal_alert(c, tls).is_some() || dane_mismatch::unmet(c, tls).is_some() {
        return;
    }
    // Records known and the chain not seen (TLS 1.3): DANE may be the reason.
    let dane = c.context.tlsa.is_some() && tls.certificates.is_empty();
    if let Some(at) = refused(c, tls) {
        let claim = claim(
            at,
            0.85,
            "The client broke off at the server's certificate; the reason is encrypted.".to_owned(),
        );
        let claim = if dane {
            claim.or(
                Code::TlsDaneMismatch,
                0.3,
                "the server's chain, held against the TLSA records that the client had asked for",
            )
        } else {
            claim
        };
        claims.push(
            claim
                .shown_by("an alert-sized record of the client in the place of its Finished")
                .provisional_if(!c.ended())
                .advise(format!(
                    "See the certificate as the client does: mxray probe {}",
                    c.server_text()
                ))
                .advise("The client's own log names the reason"),
        );
    } else if let Some(at) = quit(c, tls) {
        // With the certificate visible (TLS 1.2) its fault is the likelier reason.
        let seen = certificate::by_sight(tls, at.time);
        let told = "the sending server's log: its policy for this domain (DANE, MTA-STS, verify)";
        let claim = match seen {
            Some((code, _, why)) => Claim::new(
                code,
                At::address(Where::Server, c.server().ip),
                at,
                0.55,
                why,
            )
            .or(Code::TlsCertRejected, 0.3, told),
            None => claim(
                at,
                0.55,
                "The sender finished TLS and said QUIT at once: its policy dislikes the certificate.".to_owned(),
            )
            .or(Code::TlsDaneMismatch, if dane { 0.3 } else { 0.15 }, told)
            .or(Code::Ok, 0.2, "the same client doing it again and again: a monitor"),
        };
        claims.push(
            claim
                .shown_by("a record that just holds QUIT, the client's only one after Finished")
                .advise(format!(
                    "See the certificate as the client does: mxray probe {}",
                    c.server_text()
                ))
                .advise("Sender: its log names the policy"),
        );
    }
}

fn claim(at: Mark, confidence: f32, summary: String) -> Claim {
    Claim::new(
        Code::TlsCertRejected,
        At::of(Where::Unknown),
        at,
        confidence,
        summary,
    )
}

/// An alert-sized record of the client instead of its Finished, with no certificate visible.
fn refused(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let refusal = tls.refusal.filter(|refusal| refusal.side == Side::Client)?;
    let goes_on = carried_data(tls)
        || tls.client_finished.is_some()
        || tls.application_data[Side::Client].is_some();
    let visible = !tls.certificates.is_empty();
    let resumed = tls.server_hello.as_ref().is_none_or(|hello| hello.resumed);
    // It was not refused before it was there, and who refuses does so at once: later it is a wait that ended.
    let flight = tls.server_finished?;
    let prompt =
        refusal.at.time.since(flight.time) < 5 * SECOND && !tls.inside_record[Side::Server];
    (seen_whole(c, tls) && !goes_on && !visible && !resumed && prompt).then_some(refusal.at)
}

/// The record with QUIT, if it is all that the client said inside TLS.
pub fn quit(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let hello = tls.server_hello.as_ref()?;
    let finished = tls.client_finished?;
    let smtp = matches!(c.dialogue.language, Some(Language::Smtp | Language::Lmtp));
    if c.tls_mode != TlsMode::Starttls || !smtp || !seen_whole(c, tls) || !c.ended() {
        return None;
    }
    // Exactly one record of data: first and latest are the same, and nothing but a close_notify beside it.
    let (first, last) = tls.application_data[Side::Client]?;
    let closed =
        u64::from(tls.close_notify[Side::Client].is_some() && hello.version >= Version(0x0304));
    if first != last || tls.after_finished[Side::Client] != 1 + closed {
        return None;
    }
    tls.opaque
        .iter()
        .filter(|record| record.side == Side::Client && has_size_of_quit(hello, record))
        .any(|record| record.at == first && record.at.time >= finished.time)
        .then_some(first)
}
