//! Which software a greeting or an ID names.
//!
//! It exists so that a report can say "Postfix" and advice can be exact. It reads only what the server
//! says about itself and never guesses from behaviour.

use super::syntax::starts;

/// A word in a greeting, the name that it stands for, and its rank: of several the lowest counts, because it is the most exact.
type Word = (u8, &'static str, &'static str);

/// The words that begin with a small letter.
const fn words(letter: u8) -> &'static [Word] {
    match letter {
        b'a' => &[
            (18, "amazonses", "Amazon SES"),
            (19, "amazonaws", "Amazon SES"),
            (34, "axigen", "Axigen"),
        ],
        b'b' => &[(16, "barracuda", "Barracuda")],
        b'c' => &[
            (27, "cyrus", "Cyrus"),
            (28, "courier", "Courier"),
            (33, "communigate", "CommuniGate"),
        ],
        b'd' => &[(24, "dovecot", "Dovecot"), (45, "domino", "Domino")],
        b'e' => &[(25, "exim", "Exim")],
        b'g' => &[
            (0, "gimap", "Gmail"),
            (1, "gsmtp", "Gmail"),
            (2, "gcdp", "Gmail"),
            (3, "gpop", "Gmail"),
            (46, "groupwise", "GroupWise"),
        ],
        b'h' => &[
            (29, "hmailserver", "hMailServer"),
            (37, "haraka", "Haraka"),
            (40, "halon", "Halon"),
        ],
        b'i' => &[
            (9, "iscream", "iCloud"),
            (17, "ironport", "Cisco ESA"),
            (35, "icewarp", "IceWarp"),
        ],
        b'j' => &[(49, "james", "Apache James")],
        b'k' => &[(32, "kerio", "Kerio Connect"), (48, "kumomta", "KumoMTA")],
        b'l' => &[(44, "lotus domino", "Domino")],
        b'm' => &[
            (4, "mx.google.com", "Gmail"),
            (7, "microsoft exchange", "Exchange"),
            (8, "microsoft esmtp mail service", "Exchange"),
            (15, "mimecast", "Mimecast"),
            (20, "mailgun", "Mailgun"),
            (30, "mailenable", "MailEnable"),
            (31, "mdaemon", "MDaemon"),
            (39, "maddy", "Maddy"),
            (43, "mercury", "Mercury"),
        ],
        b'n' => &[(42, "netqmail", "qmail"), (52, "nginx", "nginx")],
        b'o' => &[
            (5, "outlook.com", "Exchange Online"),
            (6, "outlook.office", "Exchange Online"),
            (22, "opensmtpd", "OpenSMTPD"),
        ],
        b'p' => &[
            (13, "pphosted", "Proofpoint"),
            (14, "proofpoint", "Proofpoint"),
            (23, "postfix", "Postfix"),
            (47, "powermta", "PowerMTA"),
            (51, "perdition", "Perdition"),
        ],
        b'q' => &[(41, "qmail", "qmail")],
        b's' => &[
            (26, "sendmail", "Sendmail"),
            (36, "smartermail", "SmarterMail"),
            (38, "stalwart", "Stalwart"),
        ],
        b'u' => &[(50, "uw imap", "UW IMAP")],
        b'y' => &[(10, "yahoo", "Yahoo"), (12, "yandex", "Yandex")],
        b'z' => &[(11, "zoho", "Zoho"), (21, "zimbra", "Zimbra")],
        _ => &[],
    }
}

/// The lower five bits of a byte: of a letter, in either case, its place in the alphabet.
const fn place(byte: u8) -> u8 {
    byte & 31
}

/// Of each letter's place the places of the second letters of its words, one bit each: they settle nearly all of a text. What
/// else has the same lower bits is compared for nothing.
const SECOND: [u32; 32] = {
    let mut seconds = [0; 32];
    let mut letter = b'a';
    let [_, letters @ ..] = &mut seconds;
    let mut left: &mut [u32] = letters;
    while let [one, others @ ..] = left {
        let mut rest = words(letter);
        while let [(_, word, _), more @ ..] = rest {
            if let [_, second, ..] = word.as_bytes() {
                *one |= 1 << place(*second);
            }
            rest = more;
        }
        letter += 1;
        left = others;
    }
    seconds
};

/// Whether a word may begin with these two.
#[inline]
fn may_begin(first: u8, second: u8) -> bool {
    let seconds = SECOND.get(usize::from(place(first)));
    seconds.is_some_and(|seconds| seconds >> place(second) & 1 != 0)
}

/// The software that a text names, if any. Looks at each byte once.
pub(super) fn named_in(text: &str) -> Option<&'static str> {
    let text = text.as_bytes();
    let mut best: Option<(u8, &'static str)> = None;
    for (at, pair) in text.windows(2).enumerate() {
        let &[first, second] = pair else { continue };
        if !may_begin(first, second) {
            continue;
        }
        for (rank, word, name) in words(first.to_ascii_lowercase()) {
            if word.as_bytes().get(1) != Some(&second.to_ascii_lowercase()) {
                continue;
            }
            if best.is_none_or(|(known, _)| *rank < known)
                && text
                    .get(at..)
                    .is_some_and(|rest| starts(rest, word.as_bytes()))
            {
                best = Some((*rank, name));
            }
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::{named_in, words};

    #[test]
    fn each_word_stands_under_its_letter_and_has_a_rank_of_its_own() {
        let mut ranks = Vec::new();
        for letter in 0..=255_u8 {
            for (rank, word, _) in words(letter) {
                assert_eq!(word.as_bytes().first(), Some(&letter), "{word}");
                ranks.push(*rank);
            }
        }
        ranks.sort_unstable();
        assert!(ranks.iter().copied().eq(0..ranks.len() as u8));
    }

    #[test]
    fn every_word_is_found_in_any_case() {
        for letter in b'a'..=b'z' {
            for (_, word, name) in words(letter) {
                assert!(named_in(&format!("220 x {word}")).is_some(), "{word}");
                assert!(named_in(&word.to_uppercase()).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn greetings_name_their_software() {
        assert_eq!(
            named_in("mx.example.org ESMTP Postfix (Debian/GNU)"),
            Some("Postfix")
        );
        assert_eq!(
            named_in("EXCH1 Microsoft ESMTP MAIL Service ready at Mon, 23 Nov 2026"),
            Some("Exchange")
        );
        assert_eq!(named_in("mx.example.org ESMTP"), None);
        assert_eq!(named_in("Courier behind Postfix"), Some("Postfix"));
        assert_eq!(named_in("NetQmail 1.06"), Some("qmail"));
    }
}
