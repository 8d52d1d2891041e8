//! `tls.dane-mismatch`: TLSA records were answered before, the chain was seen, no record matches, and the client leaves.
//!
//! RFC 7672 2.2. Records that are met, cannot be compared, or were not read whole make no claim: then the client left for
//! a reason of its own.

use crate::base::Side;
use crate::diagnosis::{At, Claim, Code, Connection, Tlsa, Where};
use crate::proto::tls::{Dane, TlsFacts, dane};

use super::{carried_data, cert_rejected, certificate, certificate_words, fatal_alert};

/// Hears a connection with TLS.
pub fn rule(c: &Connection<'_>, tls: &TlsFacts, claims: &mut Vec<Claim>) {
    let Some(records) = unmet(c, tls) else {
        return;
    };
    let (Some(leaf), Some(seen)) = (tls.certificates.first(), tls.certificate_seen) else {
        return;
    };
    let alert = fatal_alert(c, tls)
        .filter(|alert| certificate::is_about_server(alert, tls))
        .map(|alert| alert.at);
    let refusal = tls
        .refusal
        .filter(|refusal| refusal.side == Side::Client && !carried_data(tls))
        .map(|refusal| refusal.at);
    let Some(left) = alert.or(refusal).or_else(|| cert_rejected::quit(c, tls)) else {
        return;
    };
    claims.push(
        Claim::new(
            Code::TlsDaneMismatch,
            At::address(Where::Server, c.server().ip),
            left,
            0.85,
            "The server's certificate matches none of the TLSA records that its domain publishes.".to_owned(),
        )
        .shown_by("the sender leaves instead of delivering")
        .because(
            records.at,
            match records.records.len() {
                1 => "the TLSA record, which does not match".to_owned(),
                count => format!("{count} TLSA records, none of which matches"),
            },
        )
        .because(seen, certificate_words::describe(leaf, tls.certificates.len()))
        .or(
            Code::TlsCertRejected,
            0.12,
            "the sending server's log: which of its policies refused",
        )
        .advise("Publish TLSA records for the new key before it is used (3 1 1), and keep the old ones until caches are empty"),
    );
}

/// The TLSA records that this client knew, when the chain as sent meets none of them.
pub fn unmet<'a>(c: &Connection<'a>, tls: &TlsFacts) -> Option<&'a Tlsa> {
    let known = c.context.tlsa.as_ref()?;
    // What was not seen of the chain may be the trust anchor of such a record (RFC 7671 5.2).
    if tls.certificates_cut && known.records.iter().any(|record| record.usage == 2) {
        return None;
    }
    (known.whole && dane(&tls.certificates, &known.records) == Dane::Unmet).then_some(known)
}
