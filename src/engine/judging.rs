//! The judging half of the engine: what is ripe becomes records.
//!
//! It hears sightings in order, keeps what they say about each other, and judges connections and look-ups with what is known of
//! their world by then.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::Config;
use super::answers::Answers;
use super::attempts::{Again, Attempts, Member, Told, Wanted};
use super::blame::Blame;
use super::causes::Who;
use super::closing::{Source, finding};
use super::connections::{self, Judged, judge, record};
use super::experiments::Experiments;
use super::forks::Forks;
use super::inside::Inside;
use super::knowledge::Knowledge;
use super::names::Names;
use super::provisional::Shown;
use super::record::{ConnectionRecord, Record, VerdictInfo};
use super::searches::Searches;
use super::sighting::{Carried, Sighting};
use crate::base::{Foreign, Mark, Side, SourceId, Timestamp};
use crate::diagnosis::{self, principles::clock_holds};
use crate::diagnosis::{Class, Code, Handshake, Judgement, Outcome};
use crate::flow::lookup::{LookupFacts, Lookups};
use crate::flow::{Dialogue, Ending, FlowKey, MailFlow, Neighbors, Ripe, TcpFacts};
use crate::proto::Service;
use crate::proto::session::SessionFacts;
use crate::proto::tls::Shared;

/// The judging half.
pub struct Judging {
    pub(super) config: Config,
    pub(super) sources: Vec<Source>,
    pub(super) lookups: Lookups,
    pub(super) neighbors: Neighbors,
    pub(super) knowledge: Knowledge,
    pub(super) names: Names,
    pub(super) searches: Searches,
    pub(super) attempts: Attempts,
    pub(super) experiments: Experiments,
    pub(super) answers: Answers,
    forks: Forks,
    /// Connections that were open when everything ended.
    left: Vec<Ripe<Inside>>,
    /// Connections that left early.
    pub(super) evicted: u64,
    pub(super) horizon: Timestamp,
    pub(super) next_connection: u64,
    pub(super) next_lookup: u64,
    /// What was said of what is still open.
    pub(super) shown: Shown,
    /// What connections that ended without a byte are opened with: they need no keys.
    silent: Shared,
    /// Pairs of fatal claims that met without a line in the claim order. Bounded by the catalogue.
    pub(super) undeclared: BTreeSet<(Code, Code)>,
}

impl Judging {
    /// Knows nothing yet.
    pub fn new(config: Config) -> Judging {
        Judging {
            config,
            sources: Vec::new(),
            lookups: Lookups::default(),
            neighbors: Neighbors::default(),
            knowledge: Knowledge::default(),
            names: Names::default(),
            searches: Searches::default(),
            attempts: Attempts::default(),
            experiments: Experiments::default(),
            answers: Answers::default(),
            forks: Forks::default(),
            left: Vec::new(),
            evicted: 0,
            horizon: Timestamp(i64::MIN),
            next_connection: 0,
            next_lookup: 0,
            shown: Shown::default(),
            silent: Shared::default(),
            undeclared: BTreeSet::new(),
        }
    }

    /// Hears of something that was seen; hands out what has become ripe by it.
    pub fn hear(&mut self, sighting: Sighting, out: &mut dyn FnMut(Record)) {
        match sighting {
            Sighting::Opened {
                id,
                world,
                kind,
                name,
                format,
            } => self.opened(id, world, kind, name, format),
            Sighting::Horizon(world, clock) => {
                if let Some(root) = self.sources.get_mut(world.0 as usize) {
                    root.clock = clock;
                }
            }
            Sighting::Tick(now) => {
                self.horizon = now;
                while let Some(facts) = self.lookups.due(now) {
                    self.search_closed(facts);
                }
            }
            Sighting::Ended(ripe) => {
                let ending = ripe.ending();
                let flow = ripe.into_flow(|service| Inside::open(&self.silent, service));
                self.settle(&flow);
                self.judge_flow(flow, ending, out);
            }
            Sighting::Other(count) => self.attempts.summary.other += count,
            Sighting::Ripened => {
                while let Some(fate) = self.searches.due(self.horizon, &mut self.names) {
                    self.fate(fate, out);
                }
                self.attempts.expire(self.horizon, out);
            }
            Sighting::CameBack(client, time) => self.knowledge.witness.came_back(client, time),
            Sighting::Answered {
                server,
                mark,
                options,
                ttl,
            } => self.knowledge.answered(server, mark, options, ttl),
            Sighting::Refused { server, ttl } => self.knowledge.refused(server, ttl),
            Sighting::Uses {
                client,
                address,
                mark,
            } => self.names.use_address(client, address, mark),
            Sighting::Message(carried) => {
                let Carried {
                    mark,
                    transport,
                    ip,
                    from,
                    to,
                    message,
                } = *carried;
                self.lookups
                    .message(mark, transport, &ip, from, to, message);
            }
            Sighting::OverTcp {
                mark,
                client,
                resolver,
                event,
                ttl,
            } => self.lookups.tcp(mark, client, resolver, event, ttl),
            Sighting::Fragment {
                client,
                resolver,
                mark,
            } => self.searches.fragment(client, resolver, mark),
            Sighting::Whole { client, resolver } => self.searches.whole(client, resolver),
            Sighting::Arp(arp) => self.neighbors.arp(arp.0, &arp.1, &arp.2),
            Sighting::Ndp(ndp) => {
                let (mark, wire, sender, neighbor, mac) = *ndp;
                self.neighbors.ndp(mark, &wire, sender, &neighbor, mac);
            }
            Sighting::Quoted(error) => {
                let (mark, ip, icmp, quote) = *error;
                self.lookups.icmp(mark, &ip, &icmp, &quote);
            }
            Sighting::CutQuote(cut) => self.knowledge.cut_quote(cut.0, cut.1, cut.2),
            Sighting::CutSegments(world) => self.cut_segments(world),
            Sighting::Probed(world) => self.experiments.made(world),
            Sighting::Measured(source, measured) => self.measured(source, *measured, out),
            Sighting::Dropped(Some((from, to))) => self.knowledge.drops.between(from, to),
            Sighting::Dropped(None) => self.knowledge.drops.some_time(),
            Sighting::Drain => {
                while let Some(facts) = self.lookups.drain() {
                    self.search_closed(facts);
                }
            }
            Sighting::Left(flow) => self.left.push(flow),
            Sighting::Drained => self.drained(out),
            Sighting::Evicted(count) => self.evicted = self.evicted.saturating_add(count),
            Sighting::Closed(closed) => self.closed(*closed, out),
            Sighting::Finished => {
                self.attempts.finish(out);
                let mut summary = std::mem::take(&mut self.attempts.summary);
                summary.root_causes = self.attempts.causes.list();
                out(Record::Summary(summary));
            }
        }
    }

    /// Pairs of fatal claims that met on one connection or look-up although the catalogue does not say
    /// which of them explains the other. A gap in the catalogue: tests allow none.
    pub fn undeclared(&self) -> impl Iterator<Item = (Code, Code)> {
        self.undeclared.iter().copied()
    }

    /// All connections that were open. First what each of them teaches, then the judging: all of them end here at once.
    fn drained(&mut self, out: &mut dyn FnMut(Record)) {
        let mut flows = std::mem::take(&mut self.left);
        flows.sort_by_key(|ripe| (ripe.first().time, ripe.first().frame));
        let silent = self.silent.clone();
        let open = |service| Inside::open(&silent, service);
        let mut mail = false;
        for ripe in &flows {
            mail |= ripe.look(open, |flow| {
                self.settle(flow);
                flow.dialogue.is_mail()
            });
        }
        let mail = mail || self.sources.iter().any(Source::may_hold_mail);
        for fate in self.searches.drain(mail, &self.names) {
            self.fate(fate, out);
        }
        for ripe in flows {
            let ending = ripe.ending();
            self.judge_flow(ripe.into_flow(open), ending, out);
        }
    }

    /// Worlds are apart: what was learned of one says nothing about the next.
    pub(super) fn forget(&mut self, out: &mut dyn FnMut(Record)) {
        self.knowledge = Knowledge::default();
        self.names = Names::default();
        self.searches = Searches::default();
        self.neighbors = Neighbors::default();
        self.experiments.clear();
        self.attempts.finish(out);
        self.compare(out);
        self.attempts.causes.settle_silences();
        self.horizon = Timestamp(i64::MIN);
    }

    /// What connections and look-ups say beside each other when all of them are judged.
    fn compare(&mut self, out: &mut dyn FnMut(Record)) {
        for claim in self.answers.disagreements() {
            out(Record::Finding(finding(claim)));
        }
        for forked in self.forks.weigh() {
            let finding = finding(forked.claim);
            let server = SocketAddr::new(forked.server.ip, forked.server.port);
            let who = Who::Client(forked.client, forked.explains);
            self.attempts.causes.explain(who, server, &finding.verdict);
            out(Record::Finding(finding));
        }
    }

    /// The latest time that a world showed after its frame `last`, as far as its clock can be trusted.
    pub(super) fn horizon_of(&self, world: SourceId, last: Mark) -> Timestamp {
        self.sources
            .get(world.0 as usize)
            .and_then(|source| source.clock.after(last))
            .unwrap_or(self.horizon)
    }

    fn search_closed(&mut self, facts: Box<LookupFacts>) {
        let probed = self.experiments.made_by_probe(self.world(facts.source));
        self.searches.closed(facts, probed, &mut self.names);
    }

    /// What an ended connection teaches, before any of its generation is judged.
    fn settle(&mut self, flow: &MailFlow<Inside>) {
        let key = *flow.tracker.key();
        let first = flow.tracker.facts().first;
        self.names.began(key.client.ip, key.server.ip, first);
        let session = flow.dialogue.facts();
        let dialogue = session.as_ref().map(|session| session.dialogue);
        let starttls = dialogue.and_then(|dialogue| dialogue.starttls_offer());
        let bare = session
            .as_ref()
            .and_then(|session| session.tls)
            .is_some_and(|tls| {
                tls.client_finished.is_some()
                    && tls.application_data[Side::Client].is_none()
                    && tls.refusal.is_none()
            });
        self.knowledge.learn(&key, flow.tracker.facts(), starttls);
        if bare {
            self.knowledge.bare_handshake(&key);
        }
        if clock_holds(flow.tracker.facts())
            && let Some(gap) = flow.tracker.facts().idle.first()
            && dialogue.is_none_or(|dialogue| dialogue.goodbye.is_none())
            && flow.tracker.facts().last.time.since(gap.to.time) < 30 * crate::base::SECOND
            && !flow.tracker.facts().went_on_after(gap)
        {
            self.knowledge.idle_death(key.server, gap.length);
        }
    }

    fn judge_flow(
        &mut self,
        mut flow: Box<MailFlow<Inside>>,
        ending: Ending,
        out: &mut dyn FnMut(Record),
    ) {
        flow.dialogue.session();
        let flow = &*flow;
        let key = *flow.tracker.key();
        let tcp = flow.tracker.facts();
        let Some(session) = flow.dialogue.facts() else {
            return;
        };
        let service = session.service.unwrap_or(Service::Other);
        let judged_as_mail = service != Service::Other && session.mail;
        if !judged_as_mail {
            self.attempts.summary.other += 1;
            if !self.config.all {
                self.shown.forget(tcp.first.frame);
                return;
            }
        }
        if let Some(source) = self.sources.get_mut(key.source.0 as usize) {
            source.mail_connections += u64::from(judged_as_mail);
        }
        if judged_as_mail {
            self.note_unheard(&key, tcp);
        }
        // Of one that had to make room nobody knows how it went on, so its silence counts for nothing; but SYNs that nothing
        // answered have said what they can say.
        let answered = tcp.sides[Side::Server].segments > 0 || tcp.established.is_some();
        let horizon = match ending {
            Ending::Evicted if answered => tcp.last.time,
            _ => self.horizon_of(key.source, tcp.last),
        };
        let (judged, mut made, name) = self.assess(flow, &session, horizon);
        self.undeclared.extend(&judged.judgement.undeclared);
        made.id = self.connection_number(tcp.first.frame);
        let server = Wanted::Server(key.server.ip, key.server.port);
        let mut told = Told::of(
            judged.judgement.outcome,
            &made.verdict,
            &made.findings,
            self.blame(
                judged.judgement.outcome,
                &made.verdict,
                key.client.ip,
                server,
            ),
        );
        if let Some(told) = &mut told
            && judged.judgement.outcome == Outcome::Failed
        {
            // What it died of may be said before it is given up.
            let died = judged.judgement.verdict.time;
            let until = connections::got_on(tcp);
            told.got_on = until.map(|until| died.map_or(until, |died| until.min(died)));
            told.waited = connections::waited(tcp, horizon);
        }
        let member = Member {
            id: made.id,
            started: tcp.first.time,
            decided: match (judged.judgement.outcome, connections::ending(tcp)) {
                (Outcome::Healthy | Outcome::Degraded, _) => {
                    tcp.established.map_or(tcp.first.time, |mark| mark.time)
                }
                (_, diagnosis::Ending::Closed { at, .. }) => at.time,
                (_, diagnosis::Ending::Open) => tcp.last.time,
            },
            outcome: judged.judgement.outcome,
            asked: None,
            told,
            server,
            established: tcp.established.is_some(),
            check: judged.judgement.is_check,
            own_sake: self.experiments.made_by_probe(self.world(key.source)),
        };
        if judged_as_mail {
            let handshake = Handshake::of(
                made.id,
                key.client.port,
                tcp,
                (judged.judgement.verdict.code, connections::ending(tcp)),
                horizon,
            );
            self.compared(&key, tcp, &judged.judgement, handshake, name.as_ref());
        }
        let twin = tcp
            .syns
            .seen
            .first()
            .and_then(|syn| Some((syn.isn, syn.tsval?)));
        if judged_as_mail {
            // All exchangers of a domain serve one purpose (RFC 5321 5.1).
            let client = self.names.asker(key.client.ip);
            let domain = name
                .as_ref()
                .filter(|_| made.service == Service::Smtp.name())
                .and_then(|name| self.searches.domain_of(client, name));
            let attempt = self.attempts.connection(
                client,
                service,
                domain.or(name.as_ref()),
                member,
                tcp.last.time,
                judged.again,
                twin,
                Some(session.dialogue),
                out,
            );
            made.attempt = Some(attempt);
            self.attempts.summary.connections += 1;
            self.attempts.summary.checks += u64::from(judged.judgement.is_check);
        } else {
            let attempt = self.attempts.connection(
                key.client.ip,
                service,
                None,
                member,
                tcp.last.time,
                Again::Soon,
                None,
                None,
                out,
            );
            made.attempt = Some(attempt);
        }
        out(Record::Connection(Box::new(made)));
    }

    /// What an attempt keeps of a member's verdict in case it is what the attempt died of.
    pub(super) fn blame(
        &self,
        outcome: Outcome,
        verdict: &VerdictInfo,
        client: IpAddr,
        wanted: Wanted,
    ) -> Option<Blame> {
        matches!(outcome, Outcome::Failed | Outcome::Degraded).then(|| {
            let causes = &self.attempts.causes;
            causes.blame(verdict, client, &wanted.text())
        })
    }

    /// Keeps of a connection what says something only beside others.
    fn compared(
        &mut self,
        key: &FlowKey,
        tcp: &TcpFacts,
        judgement: &Judgement,
        handshake: Option<Handshake>,
        name: Option<&Foreign>,
    ) {
        let code = judgement.verdict.code;
        let lossy = self.knowledge.drops.during(tcp.first.time, tcp.last.time);
        self.forks
            .judged((key.client.ip, key.server), tcp, handshake, lossy);
        let worked = match judgement.outcome {
            Outcome::Healthy | Outcome::Degraded => true,
            Outcome::Failed if matches!(code.class(), Class::Network | Class::Service) => false,
            Outcome::Failed | Outcome::Incomplete => return,
        };
        if let Some(name) = name {
            self.answers.reached(name, key.server.ip, tcp.first, worked);
        }
    }

    /// Judges a connection with what is known by now; number and attempt of the record are the caller's.
    pub(super) fn assess(
        &self,
        flow: &MailFlow<Inside>,
        session: &SessionFacts<'_>,
        horizon: Timestamp,
    ) -> (Judged, ConnectionRecord, Option<Foreign>) {
        let key = *flow.tracker.key();
        let tcp = flow.tracker.facts();
        let hello = session.tls.and_then(|tls| tls.client_hello.as_ref());
        let asked = hello.and_then(|hello| hello.sni.as_ref());
        let found = self
            .names
            .of(key.client.ip, key.server.ip, tcp.first.time, asked)
            .cloned();
        let mut context = self.knowledge.context(&key, tcp, false);
        context.server_name = found;
        context.roots = self.config.roots.clone();
        let asker = self.names.asker(key.client.ip);
        context.tlsa = match &context.server_name {
            Some(name) => self.searches.tlsa(asker, name, key.server.port),
            None => self.searches.any_tlsa(asker, key.server.port),
        }
        .filter(|records| records.at.time <= tcp.first.time);
        let mut judged = judge(key, tcp, session, &self.config.replies, horizon, &context);
        let answered = tcp.syn_acks.count > 0;
        self.experiments
            .weigh_connection(key.source, key.server, answered, &mut judged.judgement);
        let judgement = &mut judged.judgement;
        if judgement.outcome == Outcome::Failed {
            judgement.ladder.fall_short(judgement.verdict.code);
        }
        let name = context.server_name;
        let made = record(
            &key,
            tcp,
            session,
            &mut judged,
            name.clone(),
            self.config.show_secrets,
        );
        (judged, made, name)
    }
}
