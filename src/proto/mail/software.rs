//! Which software a greeting or an ID names.
//!
//! It exists so that a report can say "Postfix" and advice can be exact. It reads only what the server
//! says about itself and never guesses from behaviour.

use super::syntax::contains;

/// Words in a greeting, and the name that they stand for; the more exact ones first.
const WORDS: &[(&str, &str)] = &[
    ("gimap", "Gmail"),
    ("gsmtp", "Gmail"),
    ("gcdp", "Gmail"),
    ("gpop", "Gmail"),
    ("mx.google.com", "Gmail"),
    ("outlook.com", "Exchange Online"),
    ("outlook.office", "Exchange Online"),
    ("microsoft exchange", "Exchange"),
    ("microsoft esmtp mail service", "Exchange"),
    ("iscream", "iCloud"),
    ("yahoo", "Yahoo"),
    ("zoho", "Zoho"),
    ("yandex", "Yandex"),
    ("pphosted", "Proofpoint"),
    ("proofpoint", "Proofpoint"),
    ("mimecast", "Mimecast"),
    ("barracuda", "Barracuda"),
    ("ironport", "Cisco ESA"),
    ("amazonses", "Amazon SES"),
    ("amazonaws", "Amazon SES"),
    ("mailgun", "Mailgun"),
    ("zimbra", "Zimbra"),
    ("opensmtpd", "OpenSMTPD"),
    ("postfix", "Postfix"),
    ("dovecot", "Dovecot"),
    ("exim", "Exim"),
    ("sendmail", "Sendmail"),
    ("cyrus", "Cyrus"),
    ("courier", "Courier"),
    ("hmailserver", "hMailServer"),
    ("mailenable", "MailEnable"),
    ("mdaemon", "MDaemon"),
    ("kerio", "Kerio Connect"),
    ("communigate", "CommuniGate"),
    ("axigen", "Axigen"),
    ("icewarp", "IceWarp"),
    ("smartermail", "SmarterMail"),
    ("haraka", "Haraka"),
    ("stalwart", "Stalwart"),
    ("maddy", "Maddy"),
    ("halon", "Halon"),
    ("qmail", "qmail"),
    ("netqmail", "qmail"),
    ("mercury", "Mercury"),
    ("lotus domino", "Domino"),
    ("domino", "Domino"),
    ("groupwise", "GroupWise"),
    ("powermta", "PowerMTA"),
    ("kumomta", "KumoMTA"),
    ("james", "Apache James"),
    ("uw imap", "UW IMAP"),
    ("perdition", "Perdition"),
    ("nginx", "nginx"),
];

/// The software that a text names, if any.
pub(super) fn named_in(text: &str) -> Option<&'static str> {
    let text = text.as_bytes();
    WORDS
        .iter()
        .find(|(word, _)| contains(text, word.as_bytes()))
        .map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::named_in;

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
    }
}
