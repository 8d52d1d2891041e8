//! Which cause drops which symptom: declared once, here.
//!
//! A line says: when both are claimed for one connection, the first explains the second. A whole
//! stage may be named by its prefix. A test demands that any pair that meets in a capture stands here.

use super::Code;

/// (cause, symptom) – either may be a code or a prefix ending in a dot (a stage) or a dash.
const ORDER: &[(&str, &str)] = &[
    // A filter says why by name, whatever code it comes with; a forger's answer says nothing about the name.
    ("dns.filtered", "dns.servfail"),
    ("dns.filtered", "dns.bogus"),
    ("dns.filtered", "dns.refused"),
    ("dns.filtered", "dns.error"),
    ("dns.filtered", "dns.nxdomain"),
    ("dns.filtered", "dns.no-address"),
    ("dns.filtered", "dns.mx-unresolvable"),
    ("dns.forged", "dns."),
    // What vanishes for a reason is no plain silence.
    ("dns.type-dropped", "dns.timeout"),
    ("dns.type-dropped", "dns.large-dropped"),
    ("dns.large-dropped", "dns.timeout"),
    ("dns.large-dropped", "dns.slow"),
    // A header where the ClientHello belongs.
    ("mail.proxy-protocol", "tls.reset-on-hello"),
    ("mail.proxy-protocol", "tcp.reset-before-greeting"),
    ("mail.proxy-protocol", "tcp.closed-before-greeting"),
    // What happens before the handshake explains everything after it.
    ("tcp.prohibited", "tcp.dropped"),
    ("route.unreachable", "tcp.dropped"),
    ("route.loop", "tcp.dropped"),
    ("route.neighbor-unresolved", "tcp.dropped"),
    ("tcp.wrong-reply-address", "tcp.dropped"),
    ("tcp.wrong-reply-address", "tcp.refused"),
    ("tcp.listen-overflow", "tcp.dropped"),
    ("tcp.synack-lost", "tcp.dropped"),
    ("tcp.synack-lost", "tcp.listen-overflow"),
    ("tcp.reset-by-path", "tcp.refused"),
    // A path that eats big packets, or all packets, explains every silence above it.
    ("path.mtu-blackhole", "tcp.stalled"),
    ("path.mtu-blackhole", "path.loss"),
    ("path.mtu-blackhole", "tcp.client-reset"),
    ("path.mtu-blackhole", "tcp.client-vanished"),
    ("path.mtu-blackhole", "tcp.idle-dropped"),
    ("path.mtu-blackhole", "tcp.reset-midstream"),
    ("path.mtu-blackhole", "tcp.closed-midstream"),
    ("path.mtu-blackhole", "tls."),
    ("path.mtu-blackhole", "mail."),
    // So does a circle, of which a router tells.
    ("route.loop", "tcp.stalled"),
    ("route.loop", "path.mtu-blackhole"),
    ("route.loop", "path.loss"),
    ("route.loop", "tcp.client-reset"),
    ("route.loop", "tcp.client-vanished"),
    ("route.loop", "tcp.idle-dropped"),
    ("route.loop", "tcp.reset-midstream"),
    ("route.loop", "tcp.closed-midstream"),
    ("route.loop", "tls."),
    ("route.loop", "mail."),
    ("tcp.options-stripped", "tcp.stalled"),
    ("tcp.options-stripped", "mail."),
    ("tls.hello-dropped", "tcp.stalled"),
    ("tls.hello-dropped", "tls.no-reply"),
    ("tls.hello-dropped", "tcp.client-reset"),
    ("tls.hello-dropped", "path.loss"),
    ("tls.hello-dropped", "mail."),
    ("tcp.idle-dropped", "tcp.stalled"),
    ("tcp.idle-dropped", "tcp.reset-midstream"),
    ("tcp.idle-dropped", "tcp.reset-midstream-by-path"),
    ("tcp.idle-dropped", "tcp.client-vanished"),
    ("tcp.idle-dropped", "path.loss"),
    ("tcp.idle-dropped", "tcp.client-reset"),
    ("tcp.idle-dropped", "mail."),
    ("tcp.zero-window", "tcp.stalled"),
    ("tcp.zero-window", "tcp.client-reset"),
    ("tcp.zero-window", "tcp.reset-midstream"),
    ("tcp.zero-window", "tcp.closed-midstream"),
    ("tcp.zero-window", "mail."),
    ("tcp.stalled", "path.loss"),
    ("tcp.stalled", "tcp.client-reset"),
    ("tcp.stalled", "tcp.client-vanished"),
    ("tcp.stalled", "tcp.reset-midstream"),
    ("tcp.stalled", "tcp.closed-midstream"),
    ("tcp.stalled", "tls.no-reply"),
    ("tcp.stalled", "mail.command-timeout"),
    ("tcp.stalled", "mail.no-greeting"),
    ("tcp.client-vanished", "path.loss"),
    ("tcp.client-vanished", "mail.idle-timeout"),
    // Resets: who sent it decides what it is.
    ("tcp.reset-midstream-by-path", "tcp.reset-midstream"),
    ("tcp.reset-midstream-by-path", "tcp.reset-before-greeting"),
    ("tcp.reset-midstream-by-path", "tcp.client-reset"),
    // That it answers the ClientHello says more than who sent it, and the claim itself names a device.
    ("tls.reset-on-hello", "tcp.reset-midstream-by-path"),
    ("tcp.reset-midstream", "tcp.client-reset"),
    ("tls.reset-on-hello", "tcp.reset-before-greeting"),
    ("tls.reset-on-hello", "tcp.closed-before-greeting"),
    ("tls.reset-on-hello", "tcp.reset-midstream"),
    ("tls.reset-on-hello", "tcp.closed-midstream"),
    // What TLS says outranks how the connection then ends.
    ("tls.", "tcp.reset-midstream"),
    ("tls.", "tcp.closed-midstream"),
    ("tls.", "tcp.client-reset"),
    ("tls.", "tcp.reset-before-greeting"),
    ("tls.", "tcp.closed-before-greeting"),
    ("tls.", "mail.no-greeting"),
    ("tls.", "mail.command-timeout"),
    ("tls.", "mail.protocol-error"),
    ("tls.", "mail.not-mail"),
    ("tls.dane-mismatch", "tls.cert-"),
    ("tls.mutual-wait", "tls.plaintext-on-tls-port"),
    ("tls.version", "tls.alert"),
    ("tls.version", "tls.cert-"),
    ("tls.cert-expired", "tls.cert-rejected"),
    ("tls.cert-expired", "tls.alert"),
    ("tls.client-cert-required", "tls.cipher"),
    ("tls.client-cert-required", "tls.alert"),
    ("tls.client-cert-required", "tls.cert-rejected"),
    ("tls.version", "tls.cipher"),
    ("tls.on-plaintext-port", "tls.alert"),
    ("tls.on-plaintext-port", "tls.reset-on-hello"),
    ("tls.plaintext-on-tls-port", "tls.alert"),
    ("tls.plaintext-on-tls-port", "tls.version"),
    // What the server says outranks how the connection then ends.
    ("mail.", "tcp.reset-before-greeting"),
    ("mail.", "tcp.closed-before-greeting"),
    ("mail.", "tcp.reset-midstream"),
    ("mail.", "tcp.closed-midstream"),
    ("mail.", "tcp.client-reset"),
    ("mail.no-greeting", "mail.not-mail"),
    ("mail.not-mail", "mail.protocol-error"),
    ("mail.not-mail", "mail.greeting-rejected"),
    ("mail.starttls-stripped", "mail.starttls-missing"),
    ("mail.starttls-stripped", "mail.starttls-refused"),
    ("mail.starttls-stripped", "mail.starttls-required"),
    ("mail.starttls-stripped", "mail.protocol-error"),
    ("mail.starttls-stripped", "mail.banner-masked"),
    ("mail.banner-masked", "mail.protocol-error"),
    ("mail.starttls-missing", "mail.protocol-error"),
    ("mail.starttls-missing", "mail.starttls-refused"),
    ("mail.starttls-stripped", "auth.needs-tls"),
    ("mail.starttls-stripped", "auth.required"),
    ("mail.starttls-stripped", "auth.mechanism-unsupported"),
    ("mail.not-mail", "mail.helo-rejected"),
    ("mail.not-mail", "mail.rejected"),
    ("mail.not-mail", "mail.command-timeout"),
    ("mail.not-mail", "mail.starttls-missing"),
    ("mail.proxy-protocol", "mail.protocol-error"),
    ("mail.proxy-protocol", "mail.greeting-rejected"),
    ("mail.proxy-protocol", "mail.helo-rejected"),
    ("mail.proxy-protocol", "mail.rejected"),
    ("mail.proxy-protocol", "mail.service-unavailable"),
    ("mail.proxy-protocol", "mail.not-mail"),
    ("mail.proxy-protocol", "mail.sender-rejected"),
    ("mail.proxy-protocol", "mail.recipient-rejected"),
    ("mail.proxy-protocol", "mail.command-timeout"),
    ("mail.banner-masked", "mail.helo-rejected"),
    ("mail.banner-masked", "mail.rejected"),
    ("tcp.stalled", "mail.idle-timeout"),
    // A refused login explains that the client then left without one.
    ("auth.", "tcp.client-vanished"),
    ("auth.", "tcp.reset-midstream"),
    ("auth.", "tcp.closed-midstream"),
    ("auth.", "tcp.client-reset"),
    ("auth.", "mail.protocol-error"),
];

/// Words of 64 codes each.
const WORDS: usize = Code::ALL.len().div_ceil(64);

/// Some codes of the catalogue, a bit each.
type Codes = [u64; WORDS];

/// Of each code, those that it explains: what `ORDER` says, spelled out when this is compiled.
const EXPLAINS: &[Codes; Code::ALL.len()] = &{
    let mut explains = [[0; WORDS]; Code::ALL.len()];
    let mut line = 0;
    while line < ORDER.len() {
        let losers = named(ORDER[line].1);
        let mut code = 0;
        while code < Code::ALL.len() {
            if matches_name(ORDER[line].0, Code::ALL[code].name()) {
                let mut word = 0;
                while word < WORDS {
                    explains[code][word] |= losers[word];
                    word += 1;
                }
            }
            code += 1;
        }
        line += 1;
    }
    explains
};

/// The codes that a pattern names.
const fn named(pattern: &str) -> Codes {
    let mut codes = [0; WORDS];
    let mut code = 0;
    while code < Code::ALL.len() {
        if matches_name(pattern, Code::ALL[code].name()) {
            codes[code / 64] |= 1 << (code % 64);
        }
        code += 1;
    }
    codes
}

/// Whether a pattern names a code: itself, or by a prefix ending in a dot or dash.
const fn matches_name(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    if pattern.len() > name.len() {
        return false;
    }
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] != name[at] {
            return false;
        }
        at += 1;
    }
    pattern.len() == name.len() || matches!(pattern.last(), Some(b'.' | b'-'))
}

/// Whether `cause` explains `symptom`, so that the symptom is not said.
pub fn outranks(cause: Code, symptom: Code) -> bool {
    let codes = EXPLAINS.get(cause as usize).copied().unwrap_or_default();
    let symptom = symptom as usize;
    codes
        .get(symptom / 64)
        .is_some_and(|word| word >> (symptom % 64) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::{ORDER, outranks};
    use crate::diagnosis::Code;

    #[test]
    fn every_line_names_something_that_exists() {
        for (winner, loser) in ORDER {
            for name in [winner, loser] {
                let known = Code::ALL.iter().any(|code| {
                    if name.ends_with(['.', '-']) {
                        code.name().starts_with(name)
                    } else {
                        code.name() == *name
                    }
                });
                assert!(known, "{name} is in no catalogue");
            }
        }
    }

    #[test]
    fn what_is_spelled_out_is_what_the_lines_say() {
        let names = |pattern: &str, code: Code| {
            if pattern.ends_with(['.', '-']) {
                code.name().starts_with(pattern)
            } else {
                code.name() == pattern
            }
        };
        for (place, cause) in Code::ALL.iter().enumerate() {
            assert_eq!(place, *cause as usize);
            for symptom in Code::ALL {
                let mut lines = ORDER.iter();
                let said =
                    lines.any(|(winner, loser)| names(winner, *cause) && names(loser, *symptom));
                assert_eq!(outranks(*cause, *symptom), said, "{cause} {symptom}");
            }
        }
    }

    #[test]
    fn no_two_codes_explain_each_other() {
        for a in Code::ALL {
            for b in Code::ALL {
                assert!(
                    a == b || !(outranks(*a, *b) && outranks(*b, *a)),
                    "{a} and {b} outrank each other"
                );
            }
        }
    }
}
