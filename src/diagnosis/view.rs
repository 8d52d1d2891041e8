//! What a rule gets to see.
//!
//! A view exists only when its stage was reached: no rule can claim TLS on a flow that never spoke TLS.
//! It is facts and arithmetic on facts; it decodes nothing again.

use std::net::SocketAddr;

use crate::base::{Few, MILLISECOND, Mark, Nanos, SECOND, Side, Timestamp, socket_text};
use crate::flow::{Endpoint, Extra, FlowKey, HopCount, IcmpError, Opening, TcpFacts, Vantage};
use crate::proto::mail::{Answer, Command, Dialogue, Exchange, Status, Verb};
use crate::proto::tls::{Inside, TlsFacts, TlsaRecord};
use crate::proto::{Service, TlsMode};

use super::ladder::{Ladder, Stage};

/// Who receives acknowledges within that time, and what comes out of order at once (RFC 5681 4.2).
const ACKNOWLEDGED: Nanos = 50 * MILLISECOND;

/// How a connection came to its end in this capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was still open when the capture ended, or when it is looked at live.
    Open,
    /// FIN or RST was seen: by whom first, and where.
    Closed {
        /// Who ended it.
        by: Side,
        /// The first FIN or RST.
        at: Mark,
        /// It was a RST.
        reset: bool,
    },
}

/// What the rest of the capture says about a connection.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Something came back to the same client from beyond the same next hop within ±60 s.
    pub answered_near: bool,
    /// All other flows of that client are one-directional as well.
    pub one_way: bool,
    /// The same port let others in within a minute, and none of its answers to them was captured.
    pub answers_unseen: bool,
    /// The capture lost frames (kernel drops, damaged source).
    pub capture_drops: bool,
    /// While its SYNs went unanswered, an ICMP error came to the client whose quote the capture cut so short that it may be about them.
    pub refused_cut: Option<Mark>,
    /// Another connection to the same server and port was answered by a SYN-ACK: where.
    pub port_served: Option<Mark>,
    /// At the server: between this connection's first and last SYN the same port let other clients in, and kept none of them out: how often,
    /// and where last.
    pub others_let_in: Option<(u32, Mark)>,
    /// The same host answers on another port: which, and where.
    pub host_answers: Option<(u16, Mark)>,
    /// Distance of the same server's ordinary segments on other connections.
    pub server_hops: Option<HopCount>,
    /// TTLs of what the server's address answers on other ports, and of what it refuses on any.
    pub server_ttls: Few<u8, 4>,
    /// Whether the capturing host itself sends what the same server says on other connections.
    pub server_is_here: Option<bool>,
    /// Lone SYNs of this client to the same address and port, this one included, none answered: how many, first and last.
    pub lone_syns: Option<(u32, Mark, Mark)>,
    /// Window scale, SACK or timestamps that the same server's SYN-ACK on another port carries: port and frame.
    pub options_elsewhere: Option<(u16, Mark)>,
    /// What SYNs of this client to the same server and port asked for beside the usual, and were answered.
    pub extras_answered: Few<Extra, 3>,
    /// The host name that the client had looked up for the server's address.
    pub server_name: Option<crate::base::Foreign>,
    /// The client opened another connection to the same server and port after this one, and it worked.
    pub retry_worked: Option<Mark>,
    /// Other connections to this server and port that died after the same silence (±10 %).
    pub same_idle: u32,
    /// STARTTLS was offered by the same server name or address on another connection of this capture: where.
    pub starttls_elsewhere: Option<Mark>,
    /// The same client did the same (handshake and nothing else) this many times to this server.
    pub bare_handshakes: u32,
    /// Trust anchors, DER, from `--roots`; empty without.
    pub roots: std::sync::Arc<Vec<Vec<u8>>>,
    /// TLSA records answered before for this server.
    pub tlsa: Option<Tlsa>,
}

impl Context {
    /// The server's address answers with that TTL, apart from the connection itself.
    pub fn answers_with(&self, ttl: u8) -> bool {
        self.server_ttls.contains(&ttl)
    }
}

/// TLSA records (RFC 6698) that a client was given for a name and port.
#[derive(Clone, Debug)]
pub struct Tlsa {
    /// The answer.
    pub at: Mark,
    /// All of the answer could be read.
    pub whole: bool,
    /// The records.
    pub records: std::sync::Arc<[TlsaRecord]>,
}

/// A connection, whole.
pub struct Connection<'a> {
    /// Five-tuple by role.
    pub key: FlowKey,
    /// Its service.
    pub service: Service,
    /// How it is meant to be encrypted.
    pub tls_mode: TlsMode,
    /// TCP facts.
    pub tcp: &'a TcpFacts,
    /// The dialogue in clear.
    pub dialogue: &'a Dialogue,
    /// What each exchange's negative reply means, by index of `dialogue.exchanges`; it may end before they do.
    pub answers: &'a [Option<Answer>],
    /// TLS facts, when TLS was spoken.
    pub tls: Option<&'a TlsFacts>,
    /// How it ended.
    pub ending: Ending,
    /// The latest moment up to which the capture shows what happened.
    pub horizon: Timestamp,
    /// The rest of the capture.
    pub context: &'a Context,
    /// How far it got.
    pub ladder: Ladder,
    /// It is done (verdicts.md, "Done"), since when.
    pub done: Option<Mark>,
}

impl<'a> Connection<'a> {
    /// Server address and port.
    pub fn server(&self) -> Endpoint {
        self.key.server
    }

    /// Client address and port.
    pub fn client(&self) -> Endpoint {
        self.key.client
    }

    /// `192.0.2.1:25`, or `[2001:db8::1]:25`.
    pub fn server_text(&self) -> String {
        socket_text(SocketAddr::new(self.key.server.ip, self.key.server.port))
    }

    /// Where that side ended the connection, and whether it was by a reset.
    pub fn closed_by(&self, side: Side) -> Option<(Mark, bool)> {
        match self.ending {
            Ending::Closed { by, at, reset } if by == side => Some((at, reset)),
            _ => None,
        }
    }

    /// Whether the flow has ended as far as it is seen.
    pub fn ended(&self) -> bool {
        matches!(self.ending, Ending::Closed { .. })
    }

    /// How long one could watch after that moment: to the end of the flow, or to the end of the capture.
    pub fn watched_after(&self, time: Timestamp) -> Nanos {
        match self.ending {
            Ending::Closed { at, .. } => at.time.since(time),
            Ending::Open => self.horizon.since(time),
        }
    }

    /// Whether silence since `time` counts: a side gave up after ≥ 5 s, or the capture ran on for `clock` seconds.
    pub fn silence_counts(&self, time: Timestamp, clock_seconds: i64) -> bool {
        let ended_after = match self.ending {
            Ending::Closed { at, .. } => at.time.since(time) >= 5 * SECOND,
            Ending::Open => false,
        };
        ended_after || self.watched_after(time) >= clock_seconds.saturating_mul(SECOND)
    }

    /// The first reset, if any.
    pub fn first_reset(&self) -> Option<&'a crate::flow::Reset> {
        self.tcp.resets.first()
    }

    /// The TCP handshake was completed, or the capture began later.
    pub fn open(&self) -> bool {
        self.ladder.has(Stage::Tcp)
    }

    /// TLS was spoken, and what was said inside is known.
    pub fn reads_inside(&self) -> bool {
        self.tls.is_some_and(|tls| tls.inside == Inside::Read)
    }

    /// What was said inside TLS is known, but not to the end.
    pub fn reads_inside_partly(&self) -> bool {
        self.tls
            .is_some_and(|tls| matches!(tls.inside, Inside::Until(_)))
    }

    /// Exchanges with both a command and a reply, and the greeting.
    pub fn exchanges(&self) -> impl Iterator<Item = (usize, &'a Exchange)> + '_ {
        self.dialogue.exchanges.iter().enumerate()
    }

    /// The latest command that has no reply, QUIT and LOGOUT not counted, IDLE neither.
    pub fn unanswered(&self) -> Option<&'a Command> {
        // With a hole in the dialogue nobody knows which reply was in it.
        if self.dialogue.idling || self.holes() || self.reads_inside_partly() {
            return None;
        }
        self.dialogue
            .exchanges
            .iter()
            .rev()
            .filter(|exchange| exchange.reply.is_none())
            .filter_map(|exchange| exchange.command.as_ref())
            // What is said after the server's goodbye can have no answer.
            .filter(|command| {
                self.dialogue
                    .goodbye
                    .is_none_or(|goodbye| command.at.time <= goodbye.time)
            })
            .find(|command| !matches!(command.verb, Verb::Quit | Verb::Idle))
    }

    /// The server ended the session with words: 221, 421, BYE, final -ERR.
    pub fn said_goodbye(&self) -> bool {
        self.goodbye().is_some()
    }

    /// The server's last words, unless they only remark that the client had left before.
    pub fn goodbye(&self) -> Option<Mark> {
        self.dialogue.goodbye.filter(|said| {
            let mut exchanges = self.dialogue.exchanges.iter().rev();
            let of = exchanges.find(|exchange| {
                let reply = exchange.reply.as_ref();
                reply.is_some_and(|reply| reply.done.frame == said.frame)
            });
            of.is_none_or(|exchange| !self.remarks_leaving(exchange))
        })
    }

    /// The client had closed its side before, and what the server says answers no command: it remarks just that (Exim: `421 lost input
    /// connection`), and the client's end stands for itself. A command that was whole is answered all the same (half-close).
    pub fn remarks_leaving(&self, exchange: &Exchange) -> bool {
        let Some((left, reply)) = self.tcp.sides[Side::Client]
            .fin
            .zip(exchange.reply.as_ref())
        else {
            return false;
        };
        // What was lost may have been the command.
        if self.partly_unseen() || exchange.unsure {
            return false;
        }
        // A message of which nothing was sent has no end either.
        let whole = exchange.command.as_ref().is_some_and(|command| {
            let cut_short = self.dialogue.in_data.is_some() || command.bytes == 0;
            !(command.verb == Verb::Data && cut_short)
        });
        !whole && (left.time, left.frame.number()) < (reply.at.time, reply.at.frame.number())
    }

    /// Bytes of a side could not be read although they were sent: gaps, snap length, one-way.
    pub fn partly_unseen(&self) -> bool {
        self.holes() || self.tcp.cut_frames > 0 || self.frames_missing()
    }

    /// Bytes of the dialogue are missing that the recorder may have missed.
    fn holes(&self) -> bool {
        self.dialogue.gaps > 0 && !self.left_without_rest()
    }

    /// The client left while it still lacked bytes of the server, as its own acknowledgements show (RFC 9293 3.4): later ones had come
    /// long enough before, and none that was captured or not was acknowledged unseen. What it never had was lost on the way to it.
    fn left_without_rest(&self) -> bool {
        let Ending::Closed {
            by: Side::Client,
            at,
            ..
        } = self.ending
        else {
            return false;
        };
        let server = &self.tcp.sides[Side::Server];
        let resent = || server.outstanding.and_then(|rest| rest.missed);
        // So long an acknowledgement may take to come, if the recorder missed what it is of.
        let way = self.tcp.rtt_client.unwrap_or(0).saturating_mul(2);
        let least = way.saturating_add(ACKNOWLEDGED);
        server
            .hole
            .or_else(resent)
            .is_some_and(|missed| at.time.since(missed.time) >= least)
            && self.tcp.sides[Side::Client].hole.is_none()
            && self.tcp.cut_frames == 0
            && self.tcp.opening == Opening::Syn
            && !self.one_sided()
            && !self.frames_missing()
    }

    /// Whole frames were not captured, as acknowledgements of unseen bytes show, or a connection without its SYN-ACK. Frames that were only cut short are no such.
    pub fn frames_missing(&self) -> bool {
        // Nobody goes on with a connection before it was answered.
        let no_answer = self.tcp.opening == Opening::Syn
            && self.tcp.syn_acks.count == 0
            && self.tcp.established.is_some()
            && self.tcp.sides[Side::Server].segments > 0;
        no_answer
            || self.tcp.acked_unseen > 0
            || self.tcp.capture_gaps[Side::Client] > 0
            || self.tcp.capture_gaps[Side::Server] > 0
            || self.aborted_behind_unseen()
    }

    /// A host's own reset acknowledges bytes of the other side that the capture does not show, and never shows. What a device made up
    /// may acknowledge anything: it has neither the clock of the connection nor the counter of the host.
    fn aborted_behind_unseen(&self) -> bool {
        let mut resets = self.tcp.resets.iter();
        resets.any(|reset| {
            let own = reset.timestamps && reset.window != Some(0) || reset.ip_id_continues;
            let later = self.tcp.sides[reset.side.other()].last_data;
            reset.acks_unseen
                && own
                && !reset.data_after
                && later.is_none_or(|said| said.is_before(reset.at))
        })
    }

    /// The capture began in its middle: greeting, lists, logins and agreements may have come before.
    pub fn began_late(&self) -> bool {
        self.tcp.opening == Opening::Midstream
    }

    /// A side said something that never came this far: its empty segments stand behind it. Where that shows, and how many bytes.
    /// What the capture missed is another matter: there the other side acknowledged it.
    pub fn unheard(&self, side: Side) -> Option<(Mark, u32)> {
        self.tcp.sides[side].ahead.filter(|_| !self.partly_unseen())
    }

    /// A side's FIN or first reset stands behind bytes that were not captured, or the other side acknowledged such: its last words are
    /// not known.
    pub fn end_unseen(&self, side: Side) -> bool {
        let reset = self.tcp.resets.iter().find(|reset| reset.side == side);
        let direction = &self.tcp.sides[side];
        direction.fin_ahead || direction.acked_ahead || reset.is_some_and(|reset| reset.ahead)
    }

    /// The first ICMP error since then that says of that side's segments that they were not delivered.
    pub fn undelivered(&self, side: Side, since: Timestamp) -> Option<&'a IcmpError> {
        self.tcp.icmp.iter().find(|error| {
            error.quoted == side
                && error.matches
                && error.at.time >= since
                && matches!((error.v6, error.kind, error.code), (false, 3, 0..=3 | 6..) | (true, 1, _))
        })
    }

    /// Captured beside that side: what is seen on its way there came all but the last link.
    pub fn captured_beside(&self, side: Side) -> bool {
        let beside = match side {
            Side::Client => Vantage::Client,
            Side::Server => Vantage::Server,
        };
        self.tcp.vantage == beside
    }

    /// The side said something before the connection's end: what comes to that end (an alert, a late greeting) broke no silence.
    pub fn spoke(&self, side: Side) -> bool {
        let first = self.tcp.sides[side].first_data;
        first.is_some_and(|said| match self.ending {
            Ending::Closed { at, .. } => said.is_before(at),
            Ending::Open => true,
        })
    }

    /// The client spoke where the server has to speak first (RFC 5321 3.1, RFC 9051 7.1, RFC 1939 4), after ≥ 5 s of silence of both: it had
    /// given up, and what it says is its goodbye.
    pub fn gave_up_waiting(&self) -> Option<Mark> {
        let (said, opened) = (
            self.tcp.sides[Side::Client].first_data?,
            self.tcp.established?,
        );
        // A greeting that comes after the client's QUIT comes too late; who said something else may have gone on with it.
        let mut commands = self.dialogue.exchanges.iter();
        let first = commands.find_map(|exchange| exchange.command.as_ref());
        let quits = first.is_some_and(|command| command.verb == Verb::Quit);
        let greeted = self.tcp.sides[Side::Server].first_data;
        let too_late = quits && greeted.is_some_and(|greeted| said.is_before(greeted));
        let silent = (!self.spoke(Side::Server) || too_late) && !self.service.implicit_tls();
        (silent && said.time.since(opened.time) >= 5 * SECOND).then_some(said)
    }

    /// The client's FIN was sent again and again (the clock of data that is not acknowledged) and nothing came back: not even the
    /// smallest packets pass, or nobody is there.
    pub fn closes_in_vain(&self) -> bool {
        self.tcp.sides[Side::Client].outstanding.is_some_and(|fin| {
            fin.fin_only
                && fin.transmissions >= 3
                && fin.last.time.since(fin.first.time) >= 3 * SECOND
        })
    }

    /// The server began to answer the command that waits for its reply, and the reply was never complete.
    pub fn answer_begun(&self) -> bool {
        let exchanges = &self.dialogue.exchanges;
        let asked = exchanges.iter().rev().find_map(|exchange| {
            let command = exchange.command.as_ref()?;
            exchange.reply.is_none().then_some(command.done)
        });
        let mut replies = exchanges.iter().rev();
        let answered = replies.find_map(|exchange| exchange.reply.as_ref());
        let said = self.tcp.sides[Side::Server].last_data;
        self.dialogue.opaque.is_none()
            && asked.zip(said).is_some_and(|(asked, said)| {
                asked.is_before(said) && answered.is_none_or(|reply| reply.done.is_before(said))
            })
    }

    /// Only one side's packets are in the capture.
    pub fn one_sided(&self) -> bool {
        let (client, server) = (
            self.tcp.sides[Side::Client].segments,
            self.tcp.sides[Side::Server].segments,
        );
        let acks_of_nothing = self.tcp.acked_unseen > 0;
        (server == 0
            && (client > 0)
            && (acks_of_nothing || self.tcp.sides[Side::Client].data_segments > 0))
            || (client == 0 && server > 0)
    }

    /// Bytes that the client itself said: a balancer's PROXY header before them is none of them.
    pub fn client_said(&self) -> u64 {
        let bytes = self.tcp.sides[Side::Client].bytes;
        bytes.saturating_sub(u64::from(self.dialogue.proxy_length))
    }

    /// The client had begun a line that never ended: bytes of its own after its last complete command.
    pub fn half_said(&self) -> bool {
        let Some(last) = self.tcp.sides[Side::Client].last_data else {
            return false;
        };
        let said = self
            .dialogue
            .exchanges
            .iter()
            .rev()
            .find_map(|exchange| exchange.command.as_ref());
        self.tls.is_none()
            && self.client_said() > 0
            && self.dialogue.opaque.is_none()
            && self.dialogue.quit.is_none()
            && self.dialogue.in_data.is_none()
            && !self.dialogue.gapped.client
            && self.dialogue.language.is_some()
            // What is said after the server's goodbye is not heard.
            && self
                .dialogue
                .goodbye
                .is_none_or(|goodbye| last.time <= goodbye.time)
            && said.is_none_or(|command| {
                (last.time, last.frame.number()) > (command.done.time, command.done.frame.number())
            })
    }

    /// Login or a mail transaction was begun and is not finished, or a request is open.
    pub fn work_open(&self) -> bool {
        if self.dialogue.in_data.is_some() || self.unanswered().is_some() || self.half_said() {
            return true;
        }
        let mut transaction = false;
        for exchange in &self.dialogue.exchanges {
            let (Some(command), Some(reply)) = (&exchange.command, &exchange.reply) else {
                // The reply to the message may be what is missing.
                let ends = exchange
                    .command
                    .as_ref()
                    .is_some_and(|command| matches!(command.verb, Verb::Data | Verb::DataLast));
                transaction &= !(ends && self.holes());
                continue;
            };
            if self.remarks_leaving(exchange) {
                continue;
            }
            match command.verb {
                Verb::Mail | Verb::Rcpt | Verb::DataStart => {
                    transaction = matches!(reply.status, Status::Positive | Status::Intermediate)
                }
                Verb::Auth(_) | Verb::AuthStep => {
                    transaction = reply.status == Status::Intermediate
                }
                // RFC 1939 7: USER alone is half a login.
                Verb::User => transaction = reply.status == Status::Positive,
                Verb::Pass | Verb::Apop => transaction = false,
                // More of the message is to come (RFC 3030 2).
                Verb::Data if command.is_chunk() => transaction = reply.status == Status::Positive,
                Verb::Data | Verb::DataLast | Verb::Noop | Verb::Quit => transaction = false,
                _ => {}
            }
        }
        transaction
    }
}
