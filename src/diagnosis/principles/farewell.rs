//! A farewell within TLS that nobody can read, by its size, its place and its answer.
//!
//! `QUIT` and CRLF are six bytes; so are DATA, NOOP, RSET, STAT and LIST, and many a short command of IMAP is as long as a
//! LOGOUT. Behind a message, which ends in a dot of its own or fills a record longer than any command (RFC 5321 4.5.3.1.4: 512
//! bytes), DATA cannot come, so that it was QUIT. Elsewhere it may have been: then an end that follows is nobody's proven fault.

use crate::base::{Mark, Nanos, SECOND, Side};
use crate::diagnosis::view::Connection;
use crate::proto::Service;
use crate::proto::tls::{OpaqueRecord, ServerHello, TlsFacts, Version};

/// The longest command line of SMTP in bytes; no server says goodbye at greater length.
const LONGEST_LINE: u16 = 512;
/// Who closes after so long a silence had waited for an answer (verdicts.md, the clock of silence).
const WAITED: Nanos = 30 * SECOND;
/// What an alert carries (RFC 8446 6): within TLS 1.3 it looks like data.
const ALERT: u16 = 2;
/// `QUIT` and CRLF.
const QUIT: u16 = 6;
/// `LOGOUT` and CRLF behind a tag of up to fifteen characters (RFC 9051 6.1.3), and without one (RFC 5804 2.3).
const LOGOUT: std::ops::RangeInclusive<u16> = 10..=24;
const LOGOUT_WITHOUT_TAG: u16 = 8;
/// A dot and CRLF alone, or with the CRLF before it.
const DOTS: [u16; 2] = [3, 5];

/// What a line that looks like a farewell was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// It was QUIT.
    Sure(Mark),
    /// It has a farewell's size, and was answered then.
    Likely(Mark),
}

/// Bytes that the suite adds to what a record carries (RFC 8446 5.2, RFC 5288 3, RFC 6655 3, RFC 7905 2).
fn overhead(hello: &ServerHello) -> u16 {
    match (hello.version >= Version(0x0304), hello.cipher) {
        (true, 0x1305) => 9,
        (true, _) => 17,
        (false, 0xCCA8..=0xCCAE) => 16,
        (false, _) => 24,
    }
}

/// Whether a record of application data carries QUIT, or another line of its size.
pub fn has_size_of_quit(hello: &ServerHello, record: &OpaqueRecord) -> bool {
    record.content_type == 23 && record.length == overhead(hello).saturating_add(QUIT)
}

/// Whether a line of that many bytes can be the farewell of that service.
fn has_size_of_farewell(service: Service, carried: u16) -> bool {
    match service {
        Service::Imap | Service::Imaps => LOGOUT.contains(&carried),
        Service::Sieve => carried == LOGOUT_WITHOUT_TAG,
        _ => carried == QUIT,
    }
}

/// The client's last record was, or may have been, its farewell, and the server answered it.
pub fn farewell(c: &Connection<'_>, tls: &TlsFacts) -> Option<Farewell> {
    let hello = tls.server_hello.as_ref()?;
    let finished = tls.client_finished?;
    let carried = |one: &OpaqueRecord| one.length.saturating_sub(overhead(hello));
    let of = |side: Side| {
        let data = move |one: &&OpaqueRecord| one.side == side && one.content_type == 23;
        tls.opaque.iter().filter(data).rev()
    };
    let mut said = of(Side::Client);
    let last = said.next()?;
    if last.at.time < finished.time || last.at == finished {
        return None;
    }
    let answers = of(Side::Server).take_while(|answer| answer.at.time >= last.at.time);
    let answered = answers.clone().next()?;
    let short = || {
        let words = answers.map(|answer| u32::from(carried(answer)));
        words.sum::<u32>() <= u32::from(LONGEST_LINE)
    };
    let tagged = matches!(c.service, Service::Imap | Service::Imaps);
    if !has_size_of_farewell(c.service, carried(last)) || tagged && !short() {
        return None;
    }
    let smtp = matches!(
        c.service,
        Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp
    );
    let ends_message = said
        .next()
        .is_some_and(|before| carried(before) > LONGEST_LINE || DOTS.contains(&carried(before)));
    Some(match smtp && ends_message {
        true => Farewell::Sure(last.at),
        false => Farewell::Likely(answered.at),
    })
}

/// By that end the client was owed an answer: what it had said since the server's last word is longer than any line, or it had waited
/// for 30 s. Asked of a stream that is there as a whole.
pub fn owes_answer(c: &Connection<'_>, tls: &TlsFacts, end: Mark) -> bool {
    let (Some(hello), Some(finished)) = (tls.server_hello.as_ref(), tls.client_finished) else {
        return false;
    };
    let carried = |one: &OpaqueRecord| one.length.saturating_sub(overhead(hello));
    let data = |one: &&OpaqueRecord| one.content_type == 23 && carried(one) > ALERT;
    let spoken = tls.opaque.iter().filter(data).rev();
    let said = spoken
        .take_while(|one| one.side == Side::Client && finished.is_before(one.at))
        .filter(|one| one.at.is_before(end));
    let Some(last) = said.clone().next() else {
        return false;
    };
    let length: u32 = said.map(|one| u32::from(carried(one))).sum();
    length > u32::from(LONGEST_LINE)
        || end.time.since(last.at.time) >= WAITED && quit_unanswered(c, tls).is_none()
}

/// The client's last record has the size of QUIT or RSET, and the server said nothing after it: where. A line of IMAP's can have any
/// tag, so that its size tells nothing without an answer.
pub fn quit_unanswered(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let hello = tls.server_hello.as_ref()?;
    let finished = tls.client_finished?;
    let mut data = tls.opaque.iter().filter(|one| one.content_type == 23).rev();
    let last = data.next()?;
    let behind = last.at.time >= finished.time && last.at != finished;
    let named = !matches!(c.service, Service::Imap | Service::Imaps | Service::Sieve);
    (named && behind && last.side == Side::Client && has_size_of_quit(hello, last))
        .then_some(last.at)
}
