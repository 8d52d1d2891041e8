//! A refusal for the time being that names what was looked at, and says that the looking failed.
//!
//! "Virus scanner unavailable" holds the word for what was not found, and "Recipient address rejected: temporary failure" the one for
//! what was not judged. With a 4xx (RFC 5321 4.2.1: the error is temporary) such a text is about the server itself.

use super::place::{denied, starts_word};

/// What looks into messages.
const SCANNERS: &[&str] = &[
    "scanner",
    "virus scan",
    "virus_scan",
    "antivirus",
    "anti-virus",
    "clamav",
    "clamd",
    "milter",
    "spam filter",
    "spamfilter",
    "content filter",
    "spam check",
    "spamassassin",
    "spamd",
    "rspamd",
    "amavis",
];

/// What is said of it when it does not work.
const FAILS: &[&str] = &[
    "failed",
    "failure",
    "unavailable",
    "not available",
    "unreachable",
    "not reachable",
    "not responding",
    "not running",
    "no response",
    "busy",
    "timeout",
    "timed out",
    "overload",
    "connection refused",
    "is down",
];

/// What is said when it could not begin.
const CANNOT: &[&str] = &[
    "unable to scan",
    "cannot scan",
    "can't scan",
    "could not scan",
    "cannot connect to",
    "could not connect to",
    "unable to connect to",
    "error in processing",
];

/// What is said when it worked and found something.
const FINDS: &[&str] = &[
    "found", "detected", "infected", "contains", "eicar", "score",
];

/// What a scanner looks at, and what it looks for: what is said behind these is said of them.
const LOOKED_AT: &[&str] = &[
    "message",
    "mail",
    "email",
    "e-mail",
    "delivery",
    "attachment",
    "suspicious",
    "signature",
    "spf",
    "dkim",
    "dmarc",
    "arc",
    "sender",
    "recipient",
    "domain",
];

/// As many bytes behind its name as what is said of a scanner begins.
const NEAR: usize = 40;

/// Whether what is to look into the message is itself broken (amavisd, ClamAV and SpamAssassin milters, Exim's malware condition).
pub(super) fn scanner_is_broken(lower: &str) -> bool {
    if FINDS.iter().any(|word| says(lower, word)) {
        return false;
    }
    let named = SCANNERS.iter().filter_map(|name| {
        let at = lower.find(name)?;
        lower.get(at.saturating_add(name.len())..)
    });
    let fails = |rest: &str| {
        let said = FAILS.iter().filter_map(|word| rest.find(word)).min();
        let between = said.filter(|at| *at <= NEAR).and_then(|at| rest.get(..at));
        between.is_some_and(|between| {
            let mut words = between.split(|ch: char| !ch.is_alphanumeric() && ch != '-');
            !words.any(|word| LOOKED_AT.contains(&word))
        })
    };
    let mut named = named.peekable();
    let cannot = || CANNOT.iter().any(|word| lower.contains(word));
    named.peek().is_some() && cannot() || named.any(fails)
}

/// The words stand in the text as words, and are not denied: "clamd socket not found" is no find.
fn says(lower: &str, words: &str) -> bool {
    let mut places = lower.match_indices(words);
    places.any(|(at, _)| starts_word(lower, at) && !denied(lower, at))
}

/// Whether an address was not judged because of some trouble of the server's own.
pub(super) fn judging_failed(lower: &str) -> bool {
    const WORDS: &[&str] = &["temporary failure", "temporary error", "lookup failure"];
    WORDS.iter().any(|word| lower.contains(word))
}

/// Postfix has not come to an end with asking the next host for the recipient (src/smtpd/smtpd_check.c, reject_unverified_recipient: what is
/// known to be refused there is "undeliverable").
pub(super) fn recipient_not_verified(lower: &str) -> bool {
    lower.contains("recipient address rejected: unverified address")
}
