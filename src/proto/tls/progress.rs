//! What encrypted records are, by order and size: Finished, refusal, tickets, data, close_notify.
//!
//! Nothing is decrypted. Up to TLS 1.2 the outer type tells. In TLS 1.3 everything looks like
//! application data, so the order counts: first the server's flight, then the client's, which ends
//! with Finished (4 + hash + 1 + tag bytes: 53 or 69), or an alert (2 + 1 + tag: 19, or 11 with
//! CCM_8) instead of it. Behind Finished the server may send tickets that nobody asked for:
//! a record is taken for one while it is among the first two behind Finished (four in one frame),
//! at least 60 bytes long, of nearly the size of the one before, and prompt. What was taken for a
//! ticket becomes data when it stood between two sendings of the client. It refuses to name an
//! alert: a close_notify and a complaint have one size.

use crate::base::{Mark, Nanos, SECOND, Side};

use super::facts::{Refusal, TlsFacts};
use super::hello;

/// The smallest record with a NewSessionTicket that is known: a stateful ticket of OpenSSL is 74.
const TICKET: u16 = 60;

/// A Certificate message without a certificate (RFC 8446 4.4.2): header, empty context, empty list.
const EMPTY_CERTIFICATE: u16 = 4 + 1 + 3;

/// What the classification remembers between records.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// The client announced early data, which comes before its Finished.
    pub(super) early_data: bool,
    /// Records of the client's flight that did not look like Finished: count and latest.
    flight: Option<(u8, Mark)>,
    /// The first record of the server behind the client's Finished.
    first_after: Option<Mark>,
    /// Size of the server's previous record behind Finished.
    previous: u16,
    /// Records of the server taken for tickets after the client had already sent data.
    doubtful: Option<(Mark, Mark)>,
}

/// Sizes of TLS 1.3 records that are known from the cipher suite alone.
struct Sizes {
    alert: u16,
    finished: u16,
    /// An empty Certificate.
    nothing: u16,
    end_of_early_data: u16,
}

impl Sizes {
    fn of(cipher: u16) -> Sizes {
        let tag = if cipher == 0x1305 { 8 } else { 16 };
        let hash = if cipher == 0x1302 { 48 } else { 32 };
        Sizes {
            alert: 2 + 1 + tag,
            finished: 4 + hash + 1 + tag,
            nothing: EMPTY_CERTIFICATE + 1 + tag,
            end_of_early_data: 4 + 1 + tag,
        }
    }
}

impl Progress {
    /// An encrypted record of `side` has ended.
    pub(super) fn record(
        &mut self,
        facts: &mut TlsFacts,
        side: Side,
        kind: u8,
        length: u16,
        at: Mark,
    ) {
        match &facts.server_hello {
            Some(hello) if hello::is_tls13(hello.version) => {
                let sizes = Sizes::of(hello.cipher);
                match (kind, side) {
                    (23, Side::Client) => self.client(facts, &sizes, length, at),
                    (23, Side::Server) => self.server(facts, &sizes, length, at),
                    _ => {}
                }
            }
            // From the middle: no hello was seen of either side.
            None if facts.handshake.is_empty() && facts.client_hello.is_none() => match kind {
                23 if length == 19 => facts.close_notify[side] = Some(at),
                23 => data(facts, side, at),
                21 => facts.close_notify[side] = Some(at),
                _ => {}
            },
            _ => until_tls12(facts, side, kind, at),
        }
    }

    fn client(&mut self, facts: &mut TlsFacts, sizes: &Sizes, length: u16, at: Mark) {
        if facts.client_finished.is_some() {
            self.client_after(facts, sizes, length, at);
            return;
        }
        let server_spoke = facts.server_finished.is_some() || facts.gaps.server > 0;
        // rustls puts both messages into one record, OpenSSL each into its own.
        let none_shown = length == sizes.finished.saturating_add(EMPTY_CERTIFICATE);
        if (length == sizes.finished || none_shown) && server_spoke {
            if none_shown {
                facts.empty_client_certificate.get_or_insert(at);
            }
            // Certificate and CertificateVerify come before Finished, and nothing else does (RFC 8446 4.4).
            if let Some((_, last)) = self.flight
                && facts.empty_client_certificate.is_none()
            {
                facts.client_certificate.get_or_insert(last);
            }
            facts.client_finished = Some(at);
            facts.refusal = None;
            self.flight = None;
            return;
        }
        if self.early_data {
            // Early data has any size, until its end is announced (RFC 8446 4.5).
            if length == sizes.end_of_early_data && server_spoke {
                self.early_data = false;
            }
            return;
        }
        if !server_spoke {
            return;
        }
        match self.flight {
            // A Finished in one record with the messages before it, then the end.
            Some((_, last)) if length == sizes.alert => {
                facts.client_finished = Some(last);
                facts.close_notify.client = Some(at);
            }
            Some((n, _)) => self.flight = Some((n.saturating_add(1), at)),
            // Too small for a Finished, so nothing but an alert, perhaps padded.
            None if length < sizes.finished && length != sizes.nothing => {
                facts.refusal.get_or_insert(Refusal {
                    side: Side::Client,
                    at,
                });
            }
            None => {
                if length == sizes.nothing {
                    facts.empty_client_certificate.get_or_insert(at);
                }
                self.flight = Some((1, at));
            }
        }
    }

    fn client_after(&mut self, facts: &mut TlsFacts, sizes: &Sizes, length: u16, at: Mark) {
        facts.after_finished.client = facts.after_finished.client.saturating_add(1);
        if length == sizes.alert {
            facts.close_notify.client = Some(at);
            return;
        }
        data(facts, Side::Client, at);
        if let Some((first, last)) = self.doubtful.take() {
            data(facts, Side::Server, first);
            data(facts, Side::Server, last);
        }
    }

    fn server(&mut self, facts: &mut TlsFacts, sizes: &Sizes, length: u16, at: Mark) {
        if facts.client_finished.is_none() {
            match self.flight {
                // The server goes on, so the client's Finished was in what looked different.
                Some((_, last)) if length != sizes.alert => facts.client_finished = Some(last),
                None if length != sizes.alert && facts.refusal.is_none() => {
                    facts.server_finished = Some(at);
                    return;
                }
                _ => {
                    facts.close_notify.server = Some(at);
                    return;
                }
            }
        }
        let count = facts.after_finished.server;
        facts.after_finished.server = count.saturating_add(1);
        if length == sizes.alert {
            facts.close_notify.server = Some(at);
            return;
        }
        if self.is_ticket(facts, count, length, at) {
            if facts.application_data.client.is_some() {
                let first = self.doubtful.map_or(at, |(first, _)| first);
                self.doubtful = Some((first, at));
            }
        } else {
            data(facts, Side::Server, at);
        }
        self.previous = length;
    }

    fn is_ticket(&mut self, facts: &TlsFacts, count: u64, length: u16, at: Mark) -> bool {
        let first = *self.first_after.get_or_insert(at);
        let among_first = count < 2 || (count < 4 && first.frame == at.frame);
        // OpenSSL's tickets are padded to a cipher block, so two of them differ by one at most.
        let alike = count == 0 || length.abs_diff(self.previous) <= 16;
        let prompt = match (facts.client_finished, &facts.client_hello) {
            (Some(finished), Some(hello)) => {
                let handshake: Nanos = finished.time.since(hello.at.time).max(0);
                at.time.since(finished.time) <= handshake.saturating_add(SECOND)
            }
            _ => true,
        };
        among_first
            && alike
            && prompt
            && length >= TICKET
            && facts.application_data.server.is_none()
    }
}

/// SSLv3 to TLS 1.2: the outer type tells (RFC 5246 6.2.1).
fn until_tls12(facts: &mut TlsFacts, side: Side, kind: u8, at: Mark) {
    let finished = match side {
        Side::Client => &mut facts.client_finished,
        Side::Server => &mut facts.server_finished,
    };
    match kind {
        22 => {
            finished.get_or_insert(at);
        }
        21 if finished.is_none() => {
            facts.refusal.get_or_insert(Refusal { side, at });
        }
        21 => facts.close_notify[side] = Some(at),
        23 if finished.is_some() => {
            facts.after_finished[side] = facts.after_finished[side].saturating_add(1);
            // Nothing follows a close_notify, so an alert before this was none.
            facts.close_notify[side] = None;
            extend(facts, side, at);
        }
        _ => {}
    }
}

/// Application data; what looked like a close_notify before it was data, too.
fn data(facts: &mut TlsFacts, side: Side, at: Mark) {
    if let Some(earlier) = facts.close_notify[side].take() {
        extend(facts, side, earlier);
    }
    extend(facts, side, at);
}

/// Application data was seen there.
pub(super) fn extend(facts: &mut TlsFacts, side: Side, at: Mark) {
    let seen = &mut facts.application_data[side];
    *seen = Some(match *seen {
        None => (at, at),
        Some((first, last)) => {
            if at.is_before(first) {
                (at, last)
            } else if at.is_before(last) {
                (first, last)
            } else {
                (first, at)
            }
        }
    });
}
