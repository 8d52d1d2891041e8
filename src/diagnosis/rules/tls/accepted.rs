//! A certificate with a visible fault that the client accepted all the same: a finding, never a verdict.

use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::proto::Service;
use crate::proto::tls::TlsFacts;

use super::{carried_data, cert_rejected, certificate, certificate_words};

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let (Some(leaf), Some(seen)) = (tls.certificates.first(), tls.certificate_seen) else {
        return;
    };
    let accepted = tls.client_finished.is_some() && tls.refusal.is_none() && carried_data(tls);
    if !accepted || cert_rejected::quit(c, tls).is_some() {
        return;
    }
    let (code, why) = match certificate::by_sight(tls, seen.time) {
        // An expired certificate beside the path that clients take is everyday.
        Some((code, sure, why)) if sure >= 0.9 => {
            (code, why.replace("; the client refused it", ""))
        }
        Some(_) => return,
        None if leaf.self_signed => (
            Code::TlsCertSelfSigned,
            format!("{}.", certificate_words::self_signed(leaf)),
        ),
        None => return,
    };
    // Between mail servers TLS is mostly opportunistic: nobody looks at the name (RFC 7435).
    let relay = c.service == Service::Smtp && code != Code::TlsCertExpired;
    claims.push(
        Claim::new(
            code,
            At::address(Where::Server, c.server().ip),
            seen,
            if relay { 0.6 } else { 0.9 },
            why,
        )
        .shown_by(certificate_words::describe(leaf, tls.certificates.len()))
        .weighing(Weight::Finding)
        .advise(format!(
            "This client went on all the same, others will not: correct the certificate of {}",
            c.server_text()
        )),
    );
}
