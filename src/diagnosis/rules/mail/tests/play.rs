//! Plays a small dialogue and has it judged by every rule.

use std::net::{IpAddr, Ipv4Addr};

use crate::base::{FrameRef, MILLISECOND, Mark, SECOND, Side, SourceId, Timestamp};
use crate::diagnosis::{
    Code, Connection, Context, Ending, Judgement, Ladder, Outcome, judge_connection,
};
use crate::flow::{Endpoint, FlowKey, IdleGap, Opening, TcpFacts};
use crate::proto::Service;
use crate::proto::mail::replies::ReplyTable;
use crate::proto::mail::{Answer, Dialogue, Language, Verb};
use crate::proto::session::Session;

/// The client.
pub const C: Side = Side::Client;
/// The server.
pub const S: Side = Side::Server;

/// A frame and its time.
pub fn mark(number: u64, time: i64) -> Mark {
    Mark {
        frame: FrameRef::new(SourceId(0), number),
        time: Timestamp(time),
    }
}

/// A connection to play: who says what, each 10 ms after the last, or after a pause.
pub(in crate::diagnosis::rules) struct Play {
    service: Service,
    session: Session,
    pub tcp: TcpFacts,
    pub context: Context,
    now: i64,
    frame: u64,
    ending: Ending,
    after: i64,
}

impl Play {
    pub fn new(service: Service) -> Play {
        let mut tcp = TcpFacts::new(mark(1, 0));
        tcp.opening = Opening::Syn;
        tcp.syn_acks.count = 1;
        tcp.established = Some(mark(3, 20 * MILLISECOND));
        for side in [C, S] {
            tcp.sides[side].segments = 2;
            tcp.sides[side].first = Some(mark(1, 0));
        }
        Play {
            service,
            session: Session::new(Some(service)),
            tcp,
            context: Context::default(),
            now: 20 * MILLISECOND,
            frame: 3,
            ending: Ending::Open,
            after: 0,
        }
    }

    /// The capture begins in the middle of it.
    pub fn late(service: Service) -> Play {
        let mut play = Play::new(service);
        play.tcp.opening = Opening::Midstream;
        play.tcp.syn_acks.count = 0;
        play.tcp.established = None;
        for side in [C, S] {
            play.session.gap(side, mark(1, 0), 0);
        }
        play
    }

    fn step(&mut self) -> Mark {
        self.now += 10 * MILLISECOND;
        self.frame += 1;
        mark(self.frame, self.now)
    }

    fn say(mut self, side: Side, text: &str) -> Play {
        let at = self.step();
        let direction = &mut self.tcp.sides[side];
        direction.segments += 1;
        direction.data_segments += 1;
        direction.bytes += text.len() as u64;
        direction.first_data.get_or_insert(at);
        direction.last_data = Some(at);
        direction.last = Some(at);
        self.tcp.last = at;
        self.session
            .data(side, at, format!("{text}\r\n").as_bytes());
        self
    }

    /// The server says.
    pub fn s(self, text: &str) -> Play {
        self.say(S, text)
    }

    /// The client says.
    pub fn c(self, text: &str) -> Play {
        self.say(C, text)
    }

    /// The server says something of which the recorder kept that much.
    pub fn cut(mut self, kept: &str) -> Play {
        let at = self.step();
        let direction = &mut self.tcp.sides[S];
        direction.segments += 1;
        direction.data_segments += 1;
        direction.bytes += kept.len() as u64 + 40;
        direction.first_data.get_or_insert(at);
        direction.last_data = Some(at);
        direction.last = Some(at);
        self.tcp.cut_frames += 1;
        self.tcp.last = at;
        self.session.data(S, at, kept.as_bytes());
        self.session.gap(S, at, 40);
        self
    }

    /// Bytes of a side that were acknowledged and are not in the capture.
    pub fn lost(mut self, side: Side, bytes: u64) -> Play {
        let at = self.step();
        self.tcp.acked_unseen += 1;
        self.session.gap(side, at, bytes);
        self
    }

    /// Nothing happens for so many seconds.
    pub fn pause(mut self, seconds: i64) -> Play {
        let from = mark(self.frame, self.now);
        self.now += seconds * SECOND;
        let _ = self.tcp.idle.try_push(IdleGap {
            from,
            to: mark(self.frame + 1, self.now + 10 * MILLISECOND),
            length: seconds * SECOND,
            unseen: false,
            number: 0,
        });
        self
    }

    /// A side closes with FIN.
    pub fn fin(mut self, by: Side) -> Play {
        let at = self.step();
        self.tcp.sides[by].fin = Some(at);
        self.tcp.sides[by].fin_acked = true;
        self.tcp.last = at;
        self.ending = Ending::Closed {
            by,
            at,
            reset: false,
        };
        self
    }

    /// The capture runs on for so many seconds.
    pub fn watched(mut self, seconds: i64) -> Play {
        self.after = seconds * SECOND;
        self
    }

    fn answers(&self, dialogue: &Dialogue, table: &ReplyTable) -> Vec<Option<Answer>> {
        let mut login = None;
        dialogue
            .exchanges
            .iter()
            .map(|exchange| {
                let mut verb = exchange.command.as_ref().map(|command| command.verb);
                match verb {
                    Some(Verb::Auth(_)) => login = verb,
                    Some(Verb::AuthStep) => verb = login.or(verb),
                    _ => {}
                }
                let reply = exchange.reply.as_ref()?;
                let language = dialogue.language.unwrap_or(Language::Smtp);
                table.read(language, exchange.phase, verb, reply, false)
            })
            .collect()
    }

    /// Judged as a whole.
    pub fn judge(self) -> Judgement {
        let facts = self.session.facts();
        let answers = self.answers(facts.dialogue, &ReplyTable::new());
        let endpoint = |last, port| Endpoint {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            port,
        };
        let service = facts.service.unwrap_or(self.service);
        let mut connection = Connection {
            key: FlowKey {
                client: endpoint(5, 50_000),
                server: endpoint(10, 25),
                source: SourceId(0),
            },
            service,
            tls_mode: facts.tls_mode,
            tcp: &self.tcp,
            dialogue: facts.dialogue,
            answers: &answers,
            tls: facts.tls,
            ending: self.ending,
            horizon: Timestamp(self.now + self.after),
            context: &self.context,
            ladder: Ladder::climb(
                service,
                facts.tls_mode,
                &self.tcp,
                facts.dialogue,
                facts.tls,
            ),
            done: None,
        };
        let judgement = judge_connection(&mut connection);
        assert_eq!(judgement.undeclared, [], "pairs of fatal claims");
        judgement
    }

    /// Judged as failed of that.
    pub fn fails(self, code: Code) -> Judgement {
        let judgement = self.judge();
        assert_eq!(
            (judgement.outcome, judgement.verdict.code),
            (Outcome::Failed, code),
            "{:?}",
            judgement.verdict
        );
        let length = judgement.verdict.summary.chars().count();
        assert!(length <= 115, "{length}: {}", judgement.verdict.summary);
        judgement
    }

    /// Judged so, with these findings.
    pub fn is(self, outcome: Outcome, findings: &[Code]) -> Judgement {
        let judgement = self.judge();
        let found: Vec<Code> = judgement.findings.iter().map(|f| f.code).collect();
        assert_eq!(
            (judgement.outcome, found.as_slice()),
            (outcome, findings),
            "{:?}",
            judgement.verdict
        );
        judgement
    }
}
