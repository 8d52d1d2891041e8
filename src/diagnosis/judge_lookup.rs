//! One verdict for each DNS look-up, and which look-ups are about mail at all.
//!
//! The same arbiter as for connections decides. A look-up that was answered without a fault is `ok` by its
//! answer's frame; one whose answer the capture does not show, or cannot show, is `unknown`.

use super::Code;
use super::arbiter::{Decision, decide};
use super::judge::Judgement;
use super::ladder::Ladder;
use super::lookup_view::{Content, Lookup};
use super::principles::Absence;
use super::rules::dns;
use super::verdict::{Outcome, Verdict, Weight};
use crate::base::{MILLISECOND, ip_text};
use crate::flow::lookup::Reply;
use crate::proto::dns::{RecordType, type_name};

/// Judges a look-up.
pub fn judge_lookup(lookup: &Lookup<'_>) -> Judgement {
    let Decision {
        cause,
        findings,
        undeclared,
    } = decide(dns::hear_lookup(lookup));
    let findings: Vec<Verdict> = findings.into_iter().map(Verdict::from).collect();
    let (outcome, verdict) = match cause {
        Some(claim) if claim.weight == Weight::Fatal => (Outcome::Failed, Verdict::from(claim)),
        Some(claim) => (Outcome::Degraded, Verdict::from(claim)),
        None => without_cause(lookup),
    };
    Judgement {
        outcome,
        verdict,
        findings,
        ladder: Ladder::default(),
        is_check: false,
        undeclared,
    }
}

fn without_cause(l: &Lookup<'_>) -> (Outcome, Verdict) {
    let kind = type_name(l.facts.kind);
    let (reply, text) = match l.content() {
        Some(Content::Positive(reply)) => (reply, positive(l, reply)),
        Some(Content::NoName(_) | Content::NoData(_)) if dns::unheard(l).is_some() => {
            let text = "The client asked again for what was answered: the answer that is captured here did not reach it.";
            let verdict = Verdict::without_fault(Code::Unknown, text.to_owned(), l.asked_again());
            return (Outcome::Incomplete, verdict);
        }
        Some(Content::NoName(reply)) => (
            reply,
            format!(
                "There is no such name, and nothing needed it: {}.",
                l.facts.name
            ),
        ),
        Some(Content::NoData(reply)) => (
            reply,
            format!(
                "{} has no {kind} record; that alone is no fault.",
                l.facts.name
            ),
        ),
        Some(Content::Unreadable(reply)) => {
            let question = l.question();
            let text = if reply.message.incomplete {
                format!("The answer to {question} cannot be read from this capture.")
            } else if reply.message.answers.is_empty() {
                format!("The answer to {question} refers to other servers.")
            } else {
                format!("The answer to {question} ends at an alias, and refers to other servers.")
            };
            let verdict = Verdict::without_fault(Code::Unknown, text, Some(reply.at));
            return (Outcome::Incomplete, verdict);
        }
        Some(Content::Error(_)) | None => return (Outcome::Incomplete, unknown(l)),
    };
    (
        Outcome::Healthy,
        Verdict::without_fault(Code::Ok, text, Some(reply.at)),
    )
}

fn positive(l: &Lookup<'_>, reply: &Reply) -> String {
    let took = reply.at.time.since(l.facts.first.time) as f64 / MILLISECOND as f64;
    let addresses: Vec<String> = l.addresses().take(3).map(ip_text).collect();
    if addresses.is_empty() {
        format!("{} was answered in {took:.1} ms.", l.question())
    } else {
        format!(
            "{} is {}, in {took:.1} ms.",
            l.question(),
            addresses.join(", ")
        )
    }
}

fn unknown(l: &Lookup<'_>) -> Verdict {
    if let Some(answer) = dns::serves(&l.facts.icmp) {
        let text = "Its resolver says that nothing serves DNS there, and answers other queries in the same moment: several machines with one address, or a rule that rejects some queries.";
        return Verdict::without_fault(Code::Unknown, text.to_owned(), Some(answer));
    }
    let text = if l.facts.last_query.is_none() {
        "Only the answer was captured: what was asked cannot be known."
    } else if l.absence() == Absence::Blind {
        "Only one direction was captured: whether an answer came cannot be known."
    } else if l.facts.truncated().is_some() {
        "The answer was cut off, and the capture does not show the client asking over TCP."
    } else if l.facts.mismatched_count > 0 {
        "What answered this question went to a port and with an id of which the capture shows no question."
    } else if l
        .facts
        .astray
        .as_ref()
        .is_some_and(|astray| astray.elsewhere.is_some())
    {
        "No answer came from the address that was asked, but one from another: whether the client took it does not show."
    } else if l.context.refused_cut.is_some() {
        "No answer in this capture, but an ICMP error that it cuts before it tells which query did not arrive."
    } else if l.context.went_on_untold.is_some() || l.context.moved_on.is_some() {
        "No answer in this capture, but the client went on at once as if it had one."
    } else {
        "No answer in this capture, and the silence is too short to count."
    };
    let shown = l.facts.last_query.unwrap_or(l.facts.last);
    Verdict::without_fault(Code::Unknown, text.to_owned(), Some(shown))
}

/// What hosts that do mail are called.
const WORDS: [&str; 16] = [
    "mail",
    "smtp",
    "smtps",
    "imap",
    "imaps",
    "pop",
    "pop3",
    "pop3s",
    "mx",
    "mta",
    "relay",
    "exchange",
    "outlook",
    "mailhost",
    "submission",
    "mailrelay",
];
/// Characters of the longest of them.
const LONGEST: usize = 10;
/// The letters of each.
const LETTERS: [u32; WORDS.len()] = {
    let mut all = [0; WORDS.len()];
    let mut at = 0;
    while at < WORDS.len() {
        all[at] = letters(WORDS[at].as_bytes());
        at += 1;
    }
    all
};

/// Which letters and digits a text in lower case has; digits and whatever else it has share the bits above the letters'.
const fn letters(text: &[u8]) -> u32 {
    let mut all = 0;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let place = byte.wrapping_sub(b'a');
        all |= 1 << if place < 26 { place } else { 26 + *byte % 6 };
        rest = after;
    }
    all
}

/// Whether at most one of these is set.
const fn at_most_one(bits: u32) -> bool {
    bits & bits.wrapping_sub(1) == 0
}

/// Services whose SRV records mail programs ask for (RFC 6186, RFC 8314 5.1, RFC 5804 1.8).
const SERVICES: [&str; 9] = [
    "_submission",
    "_submissions",
    "_imap",
    "_imaps",
    "_pop3",
    "_pop3s",
    "_sieve",
    "_smtp",
    "_autodiscover",
];

/// Whether the first label of a host name is within one edit of what mail hosts are called: a letter too many, too
/// few, wrong, or two exchanged. Trailing digits are passed over (`mx01`).
///
/// Of `mx` itself only insertions and exchanges count: every other two-letter label would be one edit away.
pub fn is_mail_name(name: &str) -> bool {
    let end = memchr::memchr(b'.', name.as_bytes());
    let label = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
    if !label.is_ascii() || label.is_empty() || asks_a_list(name) {
        return false;
    }
    let label = label.as_bytes();
    let unnumbered = |text: &'_ [u8]| {
        let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit());
        text.len().saturating_sub(digits.count())
    };
    let bare = label.get(..unnumbered(label)).unwrap_or_default();
    near_mail(label) || bare.len() < label.len() && near_mail(bare) || {
        // `mail-out`: the first part is a word; without other parts it would be near one above.
        let end = memchr::memchr2(b'-', b'_', label);
        let first = end.and_then(|end| label.get(..end)).unwrap_or_default();
        let first = first.get(..unnumbered(first)).unwrap_or_default();
        let same = |word: &&str| first.eq_ignore_ascii_case(word.as_bytes());
        !first.is_empty() && WORDS.iter().any(same)
    }
}

/// Whether a label is within one edit of a word.
fn near_mail(label: &[u8]) -> bool {
    let mut room = [0; LONGEST + 1];
    let Some(small) = room.get_mut(..label.len()) else {
        return false;
    };
    for (small, byte) in small.iter_mut().zip(label) {
        *small = byte.to_ascii_lowercase();
    }
    let here = letters(small);
    WORDS.iter().zip(LETTERS).any(|(word, there)| {
        // An edit takes one letter away at the most, and brings one at the most.
        at_most_one(here & !there)
            && at_most_one(there & !here)
            && word.len().abs_diff(small.len()) <= 1
            && one_edit(small, word.as_bytes())
            && (word.len() > 2 || small.len() > 2 || small.contains(&b'm') && small.contains(&b'x'))
    })
}

/// Whether a question is about mail by its type and name: MX, SRV of a mail service, or an address of a mail name.
pub fn is_mail_question(name: &str, kind: RecordType) -> bool {
    match kind {
        RecordType::MX => true,
        RecordType::SRV => {
            let mut labels = name.split('.');
            let service = labels.next().unwrap_or_default();
            labels.next() == Some("_tcp") && SERVICES.contains(&service)
        }
        RecordType::A | RecordType::AAAA => is_mail_name(name) && !is_underscored(name),
        _ => false,
    }
}

/// Whether a label begins with an underscore: the name of records of other types, and of no host (RFC 8552 1.2).
pub fn is_underscored(name: &str) -> bool {
    name.split('.').any(|label| label.starts_with('_'))
}

/// Whether a name is a reversed address under a zone, as blocklists are asked (RFC 5782 2.1, 2.4).
pub fn is_reversed(name: &str) -> bool {
    // Settles nearly all names: their first label is no number, in either base.
    let digits = name.bytes().take_while(u8::is_ascii_hexdigit).count();
    if !matches!(name.as_bytes().get(digits), None | Some(b'.')) {
        return false;
    }
    let octets = name.split('.').take(4);
    let v4 = octets.clone().count() == 4
        && octets
            .clone()
            .all(|label| label.parse::<u8>().is_ok() && !label.starts_with('+'));
    let nibbles = name.split('.').take(32);
    let v6 = nibbles.clone().count() == 32
        && nibbles
            .clone()
            .all(|label| label.len() == 1 && label.bytes().all(|b| b.is_ascii_hexdigit()));
    v4 && name.split('.').count() > 5 || v6
}

/// Who keeps lists of domains or of hashes (RFC 5782 4): with one of these labels behind it a name is a question to a list.
const KEEPERS: [&str; 10] = [
    "spamhaus",
    "surbl",
    "uribl",
    "dnswl",
    "abusix",
    "spameatingmonkey",
    "msbl",
    "sorbs",
    "barracudacentral",
    "invaluement",
];

/// What such zones are called themselves; too short to be nobody else's name.
const ZONES: [&str; 6] = ["dbl", "rhsbl", "dnsbl", "rbl", "dwl", "ebl"];

/// Tops of nearly all names; those of countries have two letters.
const TOPS: [&str; 25] = [
    "com", "net", "org", "info", "biz", "edu", "gov", "mil", "int", "name", "pro", "mobi", "xyz",
    "online", "top", "shop", "site", "store", "club", "app", "dev", "cloud", "email", "example",
    "test",
];

/// Whether a name is a question to a list: of addresses, or of domains. NXDOMAIN there says *not listed*, and nobody needs an address.
pub fn asks_a_list(name: &str) -> bool {
    // A domain of two labels or more, the list's, and what is above it.
    let far = || name.bytes().filter(|byte| *byte == b'.').count() >= 4;
    is_reversed(name) || far() && within_list(name)
}

/// Whether a whole domain, or the hash of something, stands before what a list is called: a name that only has such a label has the names
/// of hosts and offices before it.
fn within_list(name: &str) -> bool {
    let host = || {
        name.split('.')
            .next()
            .is_some_and(|first| near_mail(first.as_bytes()))
    };
    let above = |place: usize, label: &str| {
        // `mx1.us` is a host of an office more often than a domain.
        let country = label.len() == 2 && label.bytes().all(|byte| byte.is_ascii_alphabetic());
        let hash = label.len() >= 32 && label.bytes().all(|byte| byte.is_ascii_alphanumeric());
        country && (place > 1 || !host()) || hash || TOPS.contains(&label)
    };
    let labels = name.split('.').zip(name.split('.').skip(1)).enumerate();
    labels.skip(1).any(|(place, (before, label))| {
        KEEPERS.contains(&label) || ZONES.contains(&label) && above(place, before)
    })
}

/// Whether two words differ by at most one insertion, deletion, substitution or exchange of neighbours.
fn one_edit(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (
        a.get(same..).unwrap_or_default(),
        b.get(same..).unwrap_or_default(),
    );
    match (a, b) {
        ([], []) => true,
        ([_, rest @ ..], other) if rest == other => true,
        (other, [_, rest @ ..]) if rest == other => true,
        ([_, x @ ..], [_, y @ ..]) if x == y => true,
        ([p, q, x @ ..], [r, s, y @ ..]) => p == s && q == r && x == y,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        LONGEST, WORDS, asks_a_list, at_most_one, is_mail_name, is_mail_question, is_reversed,
        letters, one_edit,
    };
    use crate::proto::dns::RecordType;

    #[test]
    fn one_slip_of_the_finger_is_still_mail() {
        for name in [
            "mail.example.org",
            "mial.example.org",
            "smpt.example.org",
            "imap4.example.org",
            "mx01.example.org",
            "maill.example.org",
            "outlok.example.org",
            "smtp-relay.example.org",
            "mxx.example.org",
            "MX1-Inbound.example.org",
            "submissions.example.org",
            "Submissio12.example.org",
            "xm",
        ] {
            assert!(is_mail_name(name), "{name}");
        }
        assert_eq!(WORDS.iter().map(|word| word.len()).max(), Some(LONGEST));
        for name in [
            "www.example.org",
            "my.example.org",
            "m.example.org",
            "ns1.example.org",
            "2.0.0.127.pop.example",
        ] {
            assert!(!is_mail_name(name), "{name}");
        }
    }

    #[test]
    fn no_edit_is_missed_for_its_letters() {
        for word in WORDS.map(str::as_bytes) {
            for at in 0..word.len() {
                let (before, after) = word.split_at(at);
                let mut swapped = word.to_vec();
                swapped.swap(at, (at + 1) % word.len());
                let others = [&b"q"[..], b"7", b"-", b"m", b""];
                let edits = others.iter().flat_map(|other| {
                    [
                        [before, other, after].concat(),
                        [before, other, &after[1..]].concat(),
                    ]
                });
                for edit in edits.chain([swapped]).filter(|edit| one_edit(edit, word)) {
                    let (here, there) = (letters(&edit), letters(word));
                    assert!(at_most_one(here & !there) && at_most_one(there & !here));
                }
            }
        }
    }

    #[test]
    fn questions_about_mail() {
        assert!(is_mail_question("example.org", RecordType::MX));
        assert!(is_mail_question(
            "_submissions._tcp.example.org",
            RecordType::SRV
        ));
        assert!(!is_mail_question("_ldap._tcp.example.org", RecordType::SRV));
        assert!(!is_mail_question("mail.example.org", RecordType::TXT));
        assert!(is_mail_question("mail.example.org", RecordType::A));
        // A resolver's question on its way to a key (RFC 6376 3.6.2.1, RFC 9156 2.3).
        assert!(!is_mail_question(
            "mail._domainkey.example.org",
            RecordType::A
        ));
        assert!(is_reversed("2.0.0.127.zen.spamhaus.org"));
        assert!(!is_reversed("192.0.2.10"));
        for name in [
            "2.0.0.127.zen.spamhaus.org",
            "mail.example.org.multi.surbl.org",
            "example.org.dbl.spamhaus.org",
            "mail.example.org.dwl.dnswl.org",
            "mail.example.org.0a1b2c.dbl.dq.spamhaus.net",
            "mail.example.org.rhsbl.example.net",
            "mail.example.de.dbl.example.net",
            "mail.0123456789abcdef0123456789abcdef.ebl.example.net",
        ] {
            assert!(asks_a_list(name), "{name}");
            assert!(!is_mail_name(name), "{name}");
        }
        for name in [
            "mail.surbl.org",
            "mx1.rbl.example.org",
            "mail.example.org",
            // Names of offices, and a domain that is called like a list.
            "smtp.mail.ebl.com.bd",
            "mx1.out.dbl.corp.example.com",
            "mx.us.dbl.corp.example.com",
        ] {
            assert!(!asks_a_list(name), "{name}");
            assert!(is_mail_name(name), "{name}");
        }
    }
}
