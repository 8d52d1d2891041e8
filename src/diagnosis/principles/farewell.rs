//! A farewell within TLS that nobody can read, by its size, its place and its answer.
//!
//! `QUIT` and CRLF are six bytes; so are DATA, NOOP, RSET, STAT and LIST, and many a short command of IMAP is as long as a
//! LOGOUT. Behind a message, which ends in a dot of its own or fills a record longer than any command (RFC 5321 4.5.3.1.4: 512
//! bytes), DATA cannot come, so that it was QUIT. Elsewhere it may have been: then an end that follows is nobody's proven fault.

use super::done::without_holes;
use crate::base::{MILLISECOND, Mark, Nanos, SECOND, Side};
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
/// What a record with it seems to carry at the most where blocks are filled up (RFC 5246 6.2.3.2, SHA-384).
const QUIT_AT_MOST: u16 = 64;
/// Nobody waits so long for the answer to a goodbye, unless mail was sent before it.
const PATIENT: Nanos = 5 * SECOND;
/// A server that ends upon QUIT without a word does so at once.
const AT_ONCE: Nanos = 500 * MILLISECOND;
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

/// Whether the farewell of that service has one size: IMAP's has a tag of any length before it, ManageSieve's is another word.
fn has_one_size(service: Service) -> bool {
    !matches!(service, Service::Imap | Service::Imaps | Service::Sieve)
}

/// What that record carries beside what the suite adds.
fn carried(hello: &ServerHello, record: &OpaqueRecord) -> u16 {
    record.length.saturating_sub(overhead(hello))
}

/// The records that carry more than an alert, in their order.
fn lines<'t>(
    tls: &'t TlsFacts,
    hello: &'t ServerHello,
) -> impl DoubleEndedIterator<Item = &'t OpaqueRecord> + Clone {
    let says = |one: &&OpaqueRecord| one.content_type == 23 && carried(hello, one) > ALERT;
    tls.opaque.iter().filter(says)
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
    let carried = |one: &OpaqueRecord| carried(hello, one);
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
    let behind_message = said
        .next()
        .is_some_and(|before| ends_message(carried(before)));
    Some(match smtp && behind_message {
        true => Farewell::Sure(last.at),
        false => Farewell::Likely(answered.at),
    })
}

/// By that end the client was owed an answer: what it had said since the server's last word is longer than any line, or it had waited
/// for 30 s. Asked of a stream that is there as a whole.
fn owes_answer(c: &Connection<'_>, tls: &TlsFacts, end: Mark) -> bool {
    let (Some(hello), Some(finished)) = (tls.server_hello.as_ref(), tls.client_finished) else {
        return false;
    };
    let carried = |one: &OpaqueRecord| carried(hello, one);
    let said = lines(tls, hello)
        .rev()
        .take_while(|one| one.side == Side::Client && finished.is_before(one.at))
        .filter(|one| one.at.is_before(end));
    let Some(last) = said.clone().next() else {
        return false;
    };
    let length: u32 = said.map(|one| u32::from(carried(one))).sum();
    length > u32::from(LONGEST_LINE)
        || end.time.since(last.at.time) >= WAITED && quit_unanswered(c, tls).is_none()
}

/// By that end the client may have been owed an answer, so that nobody can say that all went well: besides what is surely owed, it had waited
/// for longer than anybody waits for the answer to a goodbye, or what it said last is no goodbye by its size, or the server took its time
/// to end without a word. Who had just sent a message said QUIT.
pub fn may_owe_answer(c: &Connection<'_>, tls: &TlsFacts, end: Mark) -> bool {
    if owes_answer(c, tls, end) {
        return true;
    }
    let (Some(hello), Some(finished)) = (tls.server_hello.as_ref(), tls.client_finished) else {
        return false;
    };
    let carried = |one: &OpaqueRecord| carried(hello, one);
    let before = |one: &&OpaqueRecord| finished.is_before(one.at) && one.at.is_before(end);
    let mut spoken = lines(tls, hello).filter(before).rev();
    let Some(last) = spoken.next().filter(|one| one.side == Side::Client) else {
        return false;
    };
    let message = spoken.find(|one| one.side == Side::Client);
    if message.is_some_and(|one| ends_message(carried(one))) && carried(last) <= QUIT_AT_MOST {
        return false;
    }
    let waited = end.time.since(last.at.time);
    let named = has_one_size(c.service);
    let by_server = c.closed_by(Side::Server).is_some();
    // What is answered by the server's end alone was a farewell, or was not answered.
    let said_more = carried(last) > *LOGOUT.end();
    waited >= PATIENT
        || named && carried(last) > QUIT_AT_MOST
        || named && by_server && waited >= AT_ONCE
        || !named && by_server && said_more
}

/// What a message ends with: more than a line holds, or its dot.
fn ends_message(carried: u16) -> bool {
    carried > LONGEST_LINE || DOTS.contains(&carried)
}

/// Where the client said that it closes (close_notify, RFC 8446 6.1). Within TLS 1.3 that has the size of a line that is empty, as an answer to
/// a challenge or the end of a literal is: where nothing else shows it, who said it ended soon behind it, or the other side answered it,
/// or nothing was owed before it but a farewell.
pub fn closing_alert(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let at = tls.close_notify[Side::Client]?;
    let hello = tls.server_hello.as_ref();
    if hello.is_some_and(|hello| hello.version < Version(0x0304)) {
        return Some(at);
    }
    let soon = |mark: Mark| (0..SECOND).contains(&mark.time.since(at.time));
    // Who ends only because the server did, did not say so before.
    let first = |fin: &Mark| {
        let server = c.tcp.sides[Side::Server].fin;
        server.is_none_or(|server| fin.is_before(server))
    };
    let left = c.tcp.sides[Side::Client]
        .fin
        .filter(first)
        .is_some_and(soon)
        || c.first_reset()
            .is_some_and(|reset| reset.side == Side::Client && soon(reset.at));
    let echoed = tls.close_notify[Side::Server].is_some_and(|answer| !answer.is_before(at));
    let spoke = |side: Side| tls.application_data[side].map(|(_, last)| last);
    // What was not captured may have been the line before it.
    let answered = without_holes(c, tls)
        && match (spoke(Side::Client), spoke(Side::Server)) {
            (Some(said), Some(answer)) => said.is_before(answer),
            (said, _) => said.is_none(),
        };
    (left || echoed || answered || said_quit(c, tls, at)).then_some(at)
}

/// The client's last line before that has the size of QUIT, in a protocol whose farewell has one.
fn said_quit(c: &Connection<'_>, tls: &TlsFacts, before: Mark) -> bool {
    let named = has_one_size(c.service);
    let of_client = |one: &&OpaqueRecord| one.side == Side::Client && one.at.is_before(before);
    let last = tls.opaque.iter().rfind(of_client);
    let hello = tls.server_hello.as_ref();
    named
        && hello
            .zip(last)
            .is_some_and(|(hello, last)| has_size_of_quit(hello, last))
}

/// The client's last record has the size of QUIT or RSET, and the server said nothing after it: where. A line of IMAP's can have any
/// tag, so that its size tells nothing without an answer.
pub fn quit_unanswered(c: &Connection<'_>, tls: &TlsFacts) -> Option<Mark> {
    let hello = tls.server_hello.as_ref()?;
    let finished = tls.client_finished?;
    let mut data = tls.opaque.iter().filter(|one| one.content_type == 23).rev();
    let last = data.next()?;
    let behind = last.at.time >= finished.time && last.at != finished;
    let named = has_one_size(c.service);
    (named && behind && last.side == Side::Client && has_size_of_quit(hello, last))
        .then_some(last.at)
}
