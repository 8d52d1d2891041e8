//! Mail on a port that says nothing: recognised by the first line of each side.
//!
//! It exists because mail runs on any port, and it refuses to guess: a claim needs an unmistakable
//! greeting or both sides speaking the language. FTP also greets with 220, NNTP with 200, Redis
//! answers `+OK`; none of them may become mail. What it holds back is bounded.

use crate::base::{Mark, Side};
use crate::proto::mail::{Language, Oddity};

/// Bytes held back for both sides together.
const HELD: usize = 2_048;
/// Pieces held back.
const PIECES: usize = 2_048;
/// A first line longer than this is no mail dialogue.
const FIRST_LINE: usize = 600;

/// What was held back.
pub(super) enum Piece {
    /// Bytes of a side.
    Data(Side, Mark, Vec<u8>),
    /// Missing bytes.
    Gap(Side, Mark, u64),
}

/// What is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Not enough was said.
    More,
    /// Mail in this language.
    Mail(Language),
    /// Something else.
    Foreign(Oddity),
}

/// Listens to the beginning of a connection.
#[derive(Default)]
pub(super) struct Recogniser {
    pieces: Vec<Piece>,
    held: usize,
    first: Option<Side>,
    client: Vec<u8>,
    server: Vec<u8>,
    overflow: bool,
}

impl Recogniser {
    /// Bytes of a side.
    pub fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        self.first.get_or_insert(side);
        let head = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let room = FIRST_LINE.saturating_sub(head.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.held = self.held.saturating_add(bytes.len());
        if self.pieces.len() >= PIECES {
            self.overflow = true;
        } else {
            self.pieces.push(Piece::Data(side, mark, bytes.to_vec()));
        }
    }

    /// Missing bytes.
    pub fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        if self.pieces.len() < PIECES {
            self.pieces.push(Piece::Gap(side, mark, len));
        }
        match side {
            Side::Client => self.client.clear(),
            Side::Server => self.server.clear(),
        }
    }

    /// What was held back, in order.
    pub fn pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// What the first lines say.
    pub fn verdict(&self) -> Verdict {
        let client = match first_line(&self.client) {
            Ok(line) => line,
            Err(()) => return Verdict::Foreign(Oddity::NotMail),
        };
        let server = match first_line(&self.server) {
            Ok(line) => line,
            Err(()) => return Verdict::Foreign(Oddity::NotMail),
        };
        let asked = client.map(asks);
        let verdict = match (server, asked) {
            (Some(line), asked) => self.greeted(line, asked, client.unwrap_or_default()),
            (None, Some(Asked::Http)) => Verdict::Foreign(Oddity::Http),
            (None, Some(Asked::Ssh)) => Verdict::Foreign(Oddity::Ssh),
            (None, Some(Asked::Nothing)) => Verdict::Foreign(Oddity::NotMail),
            (None, _) => Verdict::More,
        };
        if verdict == Verdict::More && (self.overflow || self.held > HELD) {
            return Verdict::Foreign(Oddity::NotMail);
        }
        verdict
    }

    fn greeted(&self, line: &[u8], asked: Option<Asked>, client: &[u8]) -> Verdict {
        let not_mail = Verdict::Foreign(Oddity::NotMail);
        let upper = line.to_ascii_uppercase();
        let has = |word: &[u8]| upper.windows(word.len()).any(|window| window == word);
        let both = |wanted: Asked, language: Language| match asked {
            Some(asked) if asked == wanted => Verdict::Mail(language),
            Some(_) => not_mail,
            None => Verdict::More,
        };
        let digits = upper
            .get(..3)
            .is_some_and(|d| d.iter().all(u8::is_ascii_digit));
        if upper.starts_with(b"HTTP/") {
            Verdict::Foreign(Oddity::Http)
        } else if upper.starts_with(b"SSH-") {
            Verdict::Foreign(Oddity::Ssh)
        } else if digits && matches!(upper.get(3), Some(b' ' | b'-') | None) {
            let smtp = if has(b"LMTP") || starts(client, b"LHLO") {
                Language::Lmtp
            } else {
                Language::Smtp
            };
            let greeting =
                upper.starts_with(b"220") || upper.starts_with(b"4") || upper.starts_with(b"5");
            let named = has(b"SMTP") || has(b"LMTP");
            if greeting && named && !has(b"FTP SERVER") && self.first == Some(Side::Server) {
                Verdict::Mail(smtp)
            } else {
                both(Asked::Smtp, smtp)
            }
        } else if [&b"* OK"[..], b"* PREAUTH", b"* BYE"]
            .iter()
            .any(|w| upper.starts_with(w))
        {
            if has(b"IMAP") && self.first == Some(Side::Server) {
                Verdict::Mail(Language::Imap)
            } else {
                both(Asked::Imap, Language::Imap)
            }
        } else if asked == Some(Asked::Imap) && self.first == Some(Side::Client) {
            // A capture without the greeting: an untagged response, or the tag comes back.
            let tag = client.split(|b| *b == b' ').next().unwrap_or_default();
            let tagged = line
                .strip_prefix(tag)
                .is_some_and(|rest| rest.starts_with(b" "));
            if upper.starts_with(b"* ") || tagged {
                Verdict::Mail(Language::Imap)
            } else {
                not_mail
            }
        } else if starts(&upper, b"+OK") || starts(&upper, b"-ERR") {
            if self.first != Some(Side::Server) {
                not_mail // Redis and its kin answer so
            } else if has(b"POP") && upper.starts_with(b"+OK") {
                Verdict::Mail(Language::Pop3)
            } else {
                both(Asked::Pop3, Language::Pop3)
            }
        } else if SIEVE.iter().any(|word| upper.starts_with(word))
            && self.first == Some(Side::Server)
        {
            Verdict::Mail(Language::Sieve)
        } else {
            not_mail
        }
    }
}

/// First lines of a ManageSieve greeting (RFC 5804 1.7), in the order in which servers send them.
const SIEVE: &[&[u8]] = &[
    b"\"IMPLEMENTATION\" \"",
    b"\"SIEVE\" \"",
    b"\"SASL\" \"",
    b"\"VERSION\" \"1",
];

/// What a first line of a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Smtp,
    Imap,
    Pop3,
    Http,
    Ssh,
    Nothing,
}

fn asks(line: &[u8]) -> Asked {
    let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    let second = words.next().unwrap_or_default().to_ascii_uppercase();
    match (first.as_slice(), second.as_slice()) {
        (b"EHLO" | b"HELO" | b"LHLO", _) => Asked::Smtp,
        (b"MAIL", s) if s.starts_with(b"FROM:") => Asked::Smtp,
        (b"RCPT", s) if s.starts_with(b"TO:") => Asked::Smtp,
        (b"USER" | b"CAPA" | b"APOP" | b"STLS" | b"UIDL" | b"STAT", _) => Asked::Pop3,
        (b"QUIT", b"") => Asked::Pop3,
        (b"AUTH", s) if !s.is_empty() && s != b"TLS" && s != b"SSL" => Asked::Pop3,
        (
            _,
            b"CAPABILITY" | b"LOGIN" | b"AUTHENTICATE" | b"STARTTLS" | b"LOGOUT" | b"ID"
            | b"SELECT",
        ) => Asked::Imap,
        (b"GET" | b"POST" | b"HEAD" | b"PUT" | b"OPTIONS" | b"CONNECT" | b"DELETE" | b"PRI", _) => {
            Asked::Http
        }
        (first, _) if first.starts_with(b"SSH-") => Asked::Ssh,
        _ => Asked::Nothing,
    }
}

fn starts(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
}

/// The first line once it is complete; an error when it can be no line of a mail dialogue.
fn first_line(head: &[u8]) -> Result<Option<&[u8]>, ()> {
    let end = head.iter().position(|b| *b == b'\n');
    let line = head.get(..end.unwrap_or(head.len())).unwrap_or(head);
    if line
        .iter()
        .any(|b| (*b < 0x20 && !matches!(b, b'\r' | b'\t')) || *b == 0x7f)
    {
        return Err(());
    }
    match end {
        Some(_) => Ok(Some(line.trim_ascii_end())),
        None if head.len() >= FIRST_LINE => Err(()),
        None => Ok(None),
    }
}
