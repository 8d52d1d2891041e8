//! From the words that a user quotes to the causes that produce them.
//!
//! "No route to host" is what a firewall's rejection and a dead host sound like; a bounce's `4.4.317`
//! stands for half a dozen faults. The table beside this file (`table.toml`) names for every such text the
//! codes it may mean, likeliest first, and the packet that proves each. It is data, so that it grows
//! without code.
//!
//! What this refuses to do: it judges nothing. A text is a hint from somebody's log, so it never becomes
//! a verdict; it only says which packets to look for. Codes are plain strings here: the table knows no
//! catalogue, tests hold the two together.

use serde::Deserialize;

/// The table as shipped.
const TABLE: &str = include_str!("table.toml");

/// How many bytes of a quoted text are looked at: a whole bounce fits, a whole log file does not.
pub const TEXT_MAX: usize = 16 * 1024;

/// The table could not be read: it is broken or has keys that nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("the table of quoted texts cannot be read: {0}")]
pub struct TableError(#[from] toml::de::Error);

/// Texts that mean the same, and their causes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// Lower-case substrings, any of which identifies the text; `a * b` is both, in this order.
    #[serde(rename = "match")]
    pub patterns: Vec<String>,
    /// What it may mean, likeliest first; never empty in the shipped table.
    pub causes: Vec<Cause>,
    /// One sentence more, where the words mislead.
    pub note: Option<String>,
    /// The public source that defines or documents the text: an RFC, a program and its file, a vendor's page.
    pub source: String,
}

/// One meaning of a quoted text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// A code of the catalogue, such as `tcp.prohibited`.
    pub code: String,
    /// The packet that proves this cause and tells it from the others.
    pub packet: String,
}

/// A quote that was found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The longest of the quote's patterns that the text contains.
    pub pattern: String,
    /// What it stands for.
    pub quote: Quote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    quote: Vec<Quote>,
}

/// The shipped table, in its own order; parsed on every call, since it is asked for once per run.
///
/// # Errors
/// When the table is not valid; a test rules that out for the shipped one.
pub fn table() -> Result<Vec<Quote>, TableError> {
    Ok(toml::from_str::<Table>(TABLE)?.quote)
}

/// The quotes that `text` contains, the most specific (longest pattern) first; among equals the table's
/// order. Case, line ends, runs of blanks and the dash of a continued reply (`535-5.7.8`) do not matter.
/// At most [`TEXT_MAX`] bytes are looked at. Empty when the text is not known.
pub fn causes_of(text: &str) -> Vec<Match> {
    // The shipped table is valid, a test says so; without one there is nothing to be found.
    find(table().unwrap_or_default(), text)
}

fn find(quotes: Vec<Quote>, text: &str) -> Vec<Match> {
    let text = normalise(text);
    let mut found: Vec<Match> = quotes
        .into_iter()
        .filter_map(|quote| longest(quote, &text))
        .collect();
    // Stable, so that the table's order decides among equals.
    found.sort_by_key(|hit| std::cmp::Reverse(hit.pattern.len()));
    found
}

/// The quote with the longest of its patterns that is in `text`, which is normalised.
fn longest(quote: Quote, text: &str) -> Option<Match> {
    let pattern = quote
        .patterns
        .iter()
        .filter(|pattern| contains(text, pattern))
        // The first of equals, as in the table.
        .rev()
        .max_by_key(|pattern| pattern.len())?
        .clone();
    Some(Match { pattern, quote })
}

/// Lower case, blanks run together, `535-` before another character of a reply written as `535 `.
fn normalise(text: &str) -> String {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let mut out = String::with_capacity(end);
    for word in text.get(..end).unwrap_or_default().split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let lower = word.to_ascii_lowercase();
        match reply_code(&lower) {
            Some((code, rest)) => {
                out.push_str(code);
                out.push(' ');
                out.push_str(rest);
            }
            None => out.push_str(&lower),
        }
    }
    out
}

/// `535-5.7.8` as (`535`, `5.7.8`): a continued reply (RFC 5321, 4.2.1).
fn reply_code(word: &str) -> Option<(&str, &str)> {
    let (code, rest) = word.split_once('-')?;
    let is_code = code.len() == 3
        && code.starts_with(['2', '3', '4', '5'])
        && code.bytes().all(|b| b.is_ascii_digit());
    (is_code && !rest.is_empty()).then_some((code, rest))
}

/// Whether `pattern` is in `text`, its parts (`a * b`) in their order.
fn contains(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split(" * ");
    let Some(first) = parts.next().filter(|first| !first.is_empty()) else {
        return false;
    };
    let mut rest = parts.peekable();
    if rest.peek().is_none() {
        return text
            .match_indices(first)
            .any(|(at, _)| stands(text, at, first));
    }
    let Some((at, _)) = text
        .match_indices(first)
        .find(|(at, _)| stands(text, *at, first))
    else {
        return false;
    };
    let mut from = at.saturating_add(first.len());
    rest.all(|part| {
        let behind = text.get(from..).unwrap_or_default();
        let Some(at) = behind.find(part) else {
            return false;
        };
        from = from.saturating_add(at).saturating_add(part.len());
        true
    })
}

/// Whether the `part` at that place is not the middle of a number: `4.4.2` is neither in `4.4.21` nor in `192.4.4.2`. A bare
/// number has to stand where a code does.
fn stands(text: &str, at: usize, part: &str) -> bool {
    let before = text.get(..at).unwrap_or_default();
    let after = text
        .get(at.saturating_add(part.len())..)
        .unwrap_or_default();
    let digit = |c: char| c.is_ascii_digit();
    let number_before =
        before.ends_with(digit) || before.strip_suffix('.').is_some_and(|b| b.ends_with(digit));
    let number_after = after.starts_with(digit)
        || after
            .strip_prefix('.')
            .is_some_and(|a| a.starts_with(digit));
    if part.starts_with(digit) && number_before || part.ends_with(digit) && number_after {
        return false;
    }
    let letter = |c: char| c.is_ascii_alphabetic();
    let short = part.len() <= SHORT && part.chars().all(letter);
    if short && (before.ends_with(letter) || after.starts_with(letter)) {
        return false;
    }
    !part.bytes().all(|byte| byte.is_ascii_digit()) || is_code(before, after)
}

/// So short a pattern has to be a word by itself.
const SHORT: usize = 3;

/// Words that stand before a code.
const BEFORE_A_CODE: [&str; 21] = [
    "answer",
    "answered",
    "code",
    "errno",
    "error",
    "failed",
    "got",
    "reply",
    "replied",
    "response",
    "responded",
    "result",
    "returned",
    "returns",
    "said",
    "says",
    "server",
    "smtp",
    "status",
    "winerror",
    "with",
];

/// Whether a bare number between these is a code and no amount: it begins the text, or a mark or a word that announces
/// a code stands before it, or an enhanced code behind it (RFC 3463).
fn is_code(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    let word = before
        .rsplit(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let mut enhanced = after.trim_start().split('.');
    let number =
        |part: Option<&str>| part.is_some_and(|p| p.starts_with(|c: char| c.is_ascii_digit()));
    before.is_empty()
        || before.ends_with([':', ';', '"', '\'', '(', '[', '=', '#', '>', '<', '-'])
        || BEFORE_A_CODE.contains(&word)
        || word.starts_with("wsae")
        || after.starts_with(' ')
            && number(enhanced.next())
            && number(enhanced.next())
            && number(enhanced.next())
}

#[cfg(test)]
mod tests {
    use super::{Quote, causes_of, table};
    use std::collections::HashSet;
    use std::path::Path;

    fn first_code(text: &str) -> String {
        let hits = causes_of(text);
        let hit = hits
            .first()
            .unwrap_or_else(|| panic!("nothing known of {text:?}"));
        hit.quote.causes[0].code.clone()
    }

    fn shipped() -> Vec<Quote> {
        table().expect("the shipped table is valid")
    }

    #[test]
    fn every_code_has_its_page() {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis/rules");
        for cause in shipped().iter().flat_map(|quote| &quote.causes) {
            let page = match cause.code.split_once('.') {
                Some((stage, name)) => rules
                    .join(stage)
                    .join(format!("{}.md", name.replace('-', "_"))),
                None => rules.join(format!("{}.md", cause.code)),
            };
            assert!(
                page.is_file(),
                "{} has no page {}",
                cause.code,
                page.display()
            );
        }
    }

    #[test]
    fn the_table_is_large_and_complete() {
        let quotes = shipped();
        assert!(quotes.len() >= 90, "only {} entries", quotes.len());
        for quote in &quotes {
            assert!(
                !quote.patterns.is_empty() && !quote.causes.is_empty(),
                "{quote:?}"
            );
            assert!(!quote.source.trim().is_empty(), "{quote:?}");
            let codes: HashSet<&str> = quote
                .causes
                .iter()
                .map(|cause| cause.code.as_str())
                .collect();
            assert_eq!(codes.len(), quote.causes.len(), "a code twice: {quote:?}");
            assert!(
                quote
                    .causes
                    .iter()
                    .all(|cause| !cause.packet.trim().is_empty()),
                "{quote:?}"
            );
        }
    }

    #[test]
    fn patterns_are_as_a_text_is_after_normalising_and_stand_once() {
        let mut seen = HashSet::new();
        for pattern in shipped().into_iter().flat_map(|quote| quote.patterns) {
            assert_eq!(pattern, super::normalise(&pattern), "can never match");
            assert!(seen.insert(pattern.clone()), "{pattern:?} stands twice");
        }
    }

    #[test]
    fn every_pattern_finds_its_own_entry_first() {
        for quote in shipped() {
            for pattern in &quote.patterns {
                let hits = causes_of(&pattern.to_ascii_uppercase());
                let first = hits.first().expect("a pattern finds itself");
                assert_eq!(
                    first.quote, quote,
                    "{pattern:?} finds {:?} first",
                    first.pattern
                );
            }
        }
    }

    #[test]
    fn the_longest_pattern_wins() {
        assert_eq!(
            first_code(
                "535 5.7.139 Authentication unsuccessful, basic authentication is disabled."
            ),
            "auth.oauth-required"
        );
        assert_eq!(
            first_code(
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
            ),
            "auth.protocol-disabled"
        );
        assert_eq!(first_code("Host not found"), first_code("HOST NOT FOUND"));
        assert_eq!(
            first_code("450 4.3.2 Service currently unavailable"),
            "mail.greylisted"
        );
    }

    #[test]
    fn what_users_quote_is_known() {
        for (text, code) in [
            (
                "connect to mx.example.org[192.0.2.1]:25: No route to host",
                "tcp.prohibited",
            ),
            (
                "connect to mx.example.org[192.0.2.1]:25: Connection timed out",
                "tcp.dropped",
            ),
            (
                "ssl3_get_record:wrong version number",
                "tls.on-plaintext-port",
            ),
            (
                "550 5.4.317 Message expired, cannot connect to remote server",
                "mail.starttls-missing",
            ),
            (
                "535-5.7.8 Username and Password not accepted. For more\r\n535 5.7.8 information",
                "auth.credentials-rejected",
            ),
            ("getaddrinfo: Name or service not known", "dns.nxdomain"),
            ("Temporary failure in name resolution", "dns.timeout"),
            (
                "lost connection with mx[192.0.2.1] while receiving the initial server greeting",
                "tcp.closed-before-greeting",
            ),
            (
                "421 4.4.2 mx.example.org Error: timeout exceeded",
                "mail.idle-timeout",
            ),
            ("Outlook 0x800CCC0E", "tcp.dropped"),
            ("4.7.322 certificate-expired", "tls.cert-expired"),
            (
                "connect to 192.0.2.1:25: Permission denied",
                "tcp.prohibited",
            ),
            ("no peer certificate available", "tls.on-plaintext-port"),
            (
                "Login to server imap.example.org with username a@example.org failed.",
                "auth.credentials-rejected",
            ),
            (
                "com.sun.mail.util.MailConnectException: Couldn't connect to host, port: smtp.example.org, 465",
                "tcp.dropped",
            ),
            (
                "error:0A000126:SSL routines::unexpected eof while reading",
                "tls.reset-on-hello",
            ),
            (
                "dial tcp: lookup smtp.example.org on 127.0.0.53:53: server misbehaving",
                "dns.servfail",
            ),
            (
                "x509: certificate relies on legacy Common Name field, use SANs instead",
                "tls.cert-wrong-name",
            ),
            (
                "The remote certificate is invalid according to the validation procedure",
                "tls.cert-untrusted",
            ),
            (
                "450 4.7.320 Certificate validation failed",
                "tls.cert-wrong-name",
            ),
            (
                "421 4.7.66 TLS 1.0 and 1.1 are not supported",
                "tls.version",
            ),
            (
                "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP",
                "mail.blocklisted",
            ),
            (
                "msmtp: the server does not support TLS via the STARTTLS command",
                "mail.starttls-missing",
            ),
            (
                "*** Host did not advertise authentication",
                "auth.mechanism-unsupported",
            ),
            ("connect: Host is down", "route.neighbor-unresolved"),
            ("0x80040610", "mail.content-rejected"),
            ("smtp: EOF", "tcp.closed-midstream"),
            ("write:errno=104", "tls.reset-on-hello"),
            ("SMTP Error: data not accepted.", "mail.content-rejected"),
            (
                "javax.net.ssl.SSLException: Unrecognized SSL message, plaintext connection?",
                "tls.on-plaintext-port",
            ),
            (
                "CFNetwork SSLHandshake failed (-9806)",
                "tls.reset-on-hello",
            ),
            ("timeout after CONNECT from unknown", "mail.idle-timeout"),
        ] {
            assert_eq!(first_code(text), code, "{text}");
        }
    }

    #[test]
    fn a_code_is_not_found_inside_a_number() {
        for text in ["4.4.21", "192.4.4.2", "4.4.2.7", "14213 packets"] {
            assert_eq!(causes_of(text), Vec::new(), "{text}");
        }
        assert!(!causes_of("status 4.4.2.").is_empty());
    }

    #[test]
    fn unknown_text_finds_nothing() {
        for text in [
            "",
            "the quick brown fox",
            "I ate 421 cookies and 550 apples",
            "order 10060 of 11001",
            "listening on port 587",
            "version 2.0.0 of 12 May",
            "the server is fine",
            "message accepted for delivery",
            "videofile.mp4",
        ] {
            assert_eq!(causes_of(text), Vec::new(), "{text}");
        }
        let long = "ä".repeat(super::TEXT_MAX);
        assert!(causes_of(&long).is_empty());
    }
}
