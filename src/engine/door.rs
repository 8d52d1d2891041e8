//! The engine itself: one frame at a time, and what becomes ripe because of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use super::Config;
use super::attempts::{Attempts, Member};
use super::connections::{judge, record};
use super::inside::Inside;
use super::knowledge::Knowledge;
use super::names::Names;
use super::record::{
    FindingRecord, LookupRecord, Moment, Record, SourceRecord, VerdictInfo, millis,
};
use super::searches::{Fate, Searches, Waiting};
use crate::base::{Foreign, FrameRef, MILLISECOND, Mark, Side, SourceId, Timestamp};
use crate::diagnosis::{
    Code, Lookup, SourceState, WENT_ON, judge_lookup, judge_neighbors, judge_source,
};
use crate::flow::lookup::{LookupFacts, Lookups, TcpEvent, Transport as Carrier};
use crate::flow::{Ended, Endpoint, MailFlow, Neighbors, Ports, SynOptions, Table};
use crate::proto::Service;
use crate::proto::dns::{self, Answer, StreamDecoder};
use crate::wire::{Icmp, Ip, Link, Net, Packet, Reassembler, Tcp, Transport, Udp, dissect};

/// TCP streams of DNS that are decoded at once.
const DNS_STREAMS: usize = 1_024;
/// Ripe connections are looked for this often, in capture time.
const RIPEN: i64 = 100 * MILLISECOND;

/// A frame as the engine takes it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Where it came from.
    pub source: SourceId,
    /// Its number there, from 1.
    pub number: u64,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// When it was captured.
    pub time: Timestamp,
    /// What was captured.
    pub data: &'a [u8],
    /// Its length on the wire.
    pub original_len: u32,
    /// One of mxray's own control packets: left out.
    pub control: bool,
}

/// What a source says at its end.
#[derive(Clone, Debug, Default)]
pub struct SourceEnd {
    /// Frames that the capturing machine says it lost.
    pub dropped: u64,
    /// What could not be read.
    pub damage: Option<String>,
}

struct Source {
    kind: &'static str,
    name: Foreign,
    format: Option<&'static str>,
    packets: u64,
    bytes: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    mail_connections: u64,
    /// MACs that asked for a neighbour, and whether unicast frames to one of them are visible here.
    askers: ArrayVec<([u8; 6], IpAddr), 32>,
    /// MACs that opened mail connections.
    mailers: ArrayVec<[u8; 6], 32>,
    unicast_visible: bool,
    closed: bool,
}

impl Source {
    /// ARP or NDP silence counts only where unicast frames to the one who asked are visible, and where the one who asked
    /// is a machine that mail is about.
    fn see_link(&mut self, packet: &Packet<'_>, ports: &Ports) {
        let Some(from) = packet.link.source else {
            return;
        };
        match (&packet.net, &packet.transport) {
            (Net::Arp(arp), _) if !arp.reply => self.asks(from, arp.sender_ip),
            (Net::Ip(ip), Transport::Icmp(icmp))
                if icmp.neighbor.is_some_and(|n| !n.advertisement) =>
            {
                self.asks(from, ip.source);
            }
            (_, Transport::Tcp(tcp))
                if tcp.flags.opens()
                    && ports.service(tcp.destination_port).is_some()
                    && !self.mailers.contains(&from) =>
            {
                let _ = self.mailers.try_push(from);
            }
            _ => {}
        }
        if !self.unicast_visible
            && let Some(to) = packet.link.destination
        {
            self.unicast_visible = self.askers.iter().any(|(mac, _)| *mac == to);
        }
    }

    fn asks(&mut self, mac: [u8; 6], ip: IpAddr) {
        if !self.askers.contains(&(mac, ip)) {
            let _ = self.askers.try_push((mac, ip));
        }
    }

    /// Whether the machine with that address opened mail connections here, under whatever address.
    fn mails(&self, asker: IpAddr) -> bool {
        self.askers
            .iter()
            .any(|(mac, ip)| *ip == asker && self.mailers.contains(mac))
    }
}

/// The one door.
pub struct Engine {
    config: Config,
    sources: Vec<Source>,
    table: Table<Inside>,
    lookups: Lookups,
    neighbors: Neighbors,
    fragments: Reassembler,
    dns_streams:
        HashMap<(SourceId, Endpoint, Endpoint), StreamDecoder, foldhash::fast::RandomState>,
    knowledge: Knowledge,
    names: Names,
    searches: Searches,
    attempts: Attempts,
    horizon: Timestamp,
    ripened: Timestamp,
    came_back: Option<(IpAddr, Timestamp)>,
    next_connection: u64,
    next_lookup: u64,
    searches_seen: u64,
    /// Pairs of fatal claims that met without a line in the claim order. Bounded by the catalogue.
    undeclared: BTreeSet<(Code, Code)>,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(config: Config) -> Engine {
        let keys = config.keylog.clone();
        let mut ports = config.ports.clone();
        if config.all {
            ports.everything();
        }
        Engine {
            config,
            sources: Vec::new(),
            table: Table::new(ports).seeded(keys),
            lookups: Lookups::default(),
            neighbors: Neighbors::default(),
            fragments: Reassembler::new(),
            dns_streams: HashMap::default(),
            knowledge: Knowledge::default(),
            names: Names::default(),
            searches: Searches::default(),
            attempts: Attempts::default(),
            horizon: Timestamp(i64::MIN),
            ripened: Timestamp(i64::MIN),
            came_back: None,
            next_connection: 0,
            next_lookup: 0,
            searches_seen: 0,
            undeclared: BTreeSet::new(),
        }
    }

    /// Adds key log text (SSLKEYLOGFILE, or of a pcapng file's own): it counts for connections whose first encrypted
    /// record is still to come. Returns how many secrets were taken.
    pub fn secrets(&mut self, text: &[u8]) -> usize {
        self.config.keylog.add(text)
    }

    /// Announces an input; its frames carry the number returned.
    pub fn open_source(
        &mut self,
        kind: &'static str,
        name: Foreign,
        format: Option<&'static str>,
    ) -> SourceId {
        let id = SourceId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source {
            kind,
            name,
            format,
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            mail_connections: 0,
            askers: ArrayVec::new(),
            mailers: ArrayVec::new(),
            unicast_visible: false,
            closed: false,
        });
        id
    }

    /// Takes a frame; hands out what has become ripe by its time.
    pub fn frame(&mut self, input: &Input<'_>, out: &mut dyn FnMut(Record)) {
        let Some(source) = self.sources.get_mut(input.source.0 as usize) else {
            return;
        };
        source.packets = source.packets.saturating_add(1);
        source.bytes = source.bytes.saturating_add(u64::from(input.original_len));
        source.first = Some(
            source
                .first
                .map_or(input.time, |first| first.min(input.time)),
        );
        source.last = Some(source.last.map_or(input.time, |last| last.max(input.time)));
        self.tick(input.time, out);
        if input.control {
            return;
        }
        let mark = Mark {
            frame: FrameRef {
                source: input.source,
                number: input.number,
            },
            time: input.time,
        };
        let packet = dissect(input.link_type, input.data, input.original_len);
        if let Some(source) = self.sources.get_mut(input.source.0 as usize) {
            source.see_link(&packet, &self.config.ports);
        }
        self.packet(mark, &packet);
    }

    /// Time passes: hands out what has become ripe.
    pub fn tick(&mut self, now: Timestamp, out: &mut dyn FnMut(Record)) {
        self.horizon = self.horizon.max(now);
        if self.horizon.since(self.ripened) < RIPEN {
            return;
        }
        self.ripened = self.horizon;
        self.ripen(out);
    }

    fn packet(&mut self, mark: Mark, packet: &Packet<'_>) {
        match &packet.net {
            Net::None => {}
            Net::Arp(arp) => self.neighbors.arp(mark, arp),
            Net::Ip(ip) => {
                if let Some(fragment) = ip.fragment {
                    let (from, to) = (ip.source, ip.destination);
                    if fragment.offset == 0
                        && let Transport::Fragment([0, 53, ..]) = packet.transport
                        && ip.protocol == 17
                    {
                        self.searches.fragment(to, from, mark);
                    }
                    if let Some(datagram) = self.fragments.add(packet, mark.time) {
                        self.searches.whole(to, from);
                        self.whole(mark, &datagram.packet());
                    }
                    return;
                }
                self.ip(mark, packet, ip);
            }
        }
    }

    fn whole(&mut self, mark: Mark, packet: &Packet<'_>) {
        if let Net::Ip(ip) = &packet.net {
            self.ip(mark, packet, ip);
        }
    }

    fn ip(&mut self, mark: Mark, packet: &Packet<'_>, ip: &Ip) {
        // One answer a second is enough of a witness.
        let quiet = self.came_back.is_none_or(|(client, time)| {
            client != ip.destination || mark.time.since(time).abs() >= 500 * MILLISECOND
        });
        if quiet && ip.source != ip.destination && !ip.destination.is_multicast() {
            self.came_back = Some((ip.destination, mark.time));
            self.knowledge.witness.came_back(ip.destination, mark.time);
        }
        match &packet.transport {
            Transport::Tcp(tcp) => self.tcp(mark, &packet.link, ip, tcp),
            Transport::Udp(udp) => self.udp(mark, ip, udp),
            Transport::Icmp(icmp) => self.icmp(mark, &packet.link, ip, icmp),
            Transport::None | Transport::Fragment(_) => {}
        }
    }

    fn tcp(&mut self, mark: Mark, link: &Link, ip: &Ip, tcp: &Tcp<'_>) {
        let from = Endpoint {
            ip: ip.source,
            port: tcp.source_port,
        };
        let to = Endpoint {
            ip: ip.destination,
            port: tcp.destination_port,
        };
        if tcp.flags.syn() {
            if tcp.flags.ack() {
                self.knowledge
                    .answered(from, mark, syn_options(tcp), ip.ttl);
            } else if self.config.ports.service(to.port).is_some() {
                self.names.use_address(from.ip, to.ip, mark);
            }
        }
        if from.port == 53 || to.port == 53 {
            self.dns_over_tcp(mark, ip, from, to, tcp);
        }
        self.table.segment(mark, link, ip, tcp);
    }

    fn udp(&mut self, mark: Mark, ip: &Ip, udp: &Udp<'_>) {
        if udp.source_port != 53 && udp.destination_port != 53 {
            return;
        }
        let Some(message) = dns::decode(udp.payload, udp.payload_len) else {
            return;
        };
        let from = Endpoint {
            ip: ip.source,
            port: udp.source_port,
        };
        let to = Endpoint {
            ip: ip.destination,
            port: udp.destination_port,
        };
        self.lookups
            .message(mark, Carrier::Udp, ip, from, to, message);
    }

    fn dns_over_tcp(&mut self, mark: Mark, ip: &Ip, from: Endpoint, to: Endpoint, tcp: &Tcp<'_>) {
        let asks = to.port == 53;
        let (client, resolver) = if asks { (from, to) } else { (to, from) };
        let event = if tcp.flags.opens() {
            Some(TcpEvent::Syn)
        } else if tcp.flags.syn() {
            Some(TcpEvent::SynAck)
        } else if tcp.flags.rst() && !asks {
            Some(TcpEvent::Reset)
        } else {
            None
        };
        if let Some(event) = event {
            self.lookups
                .tcp(mark, client.ip, resolver.ip, event, ip.ttl);
        }
        let key = (mark.frame.source, client, resolver);
        if tcp.flags.syn() || tcp.flags.rst() || tcp.flags.fin() && tcp.payload.is_empty() {
            self.dns_streams.remove(&key);
        }
        if tcp.payload.is_empty()
            || self.dns_streams.len() >= DNS_STREAMS && !self.dns_streams.contains_key(&key)
        {
            return;
        }
        let mut messages = Vec::new();
        let side = if asks { Side::Client } else { Side::Server };
        self.dns_streams
            .entry(key)
            .or_insert_with(StreamDecoder::new)
            .data(side, mark, tcp.payload, &mut messages);
        for framed in messages {
            self.lookups
                .message(framed.at, Carrier::Tcp, ip, from, to, framed.message);
        }
    }

    fn icmp(&mut self, mark: Mark, link: &Link, ip: &Ip, icmp: &Icmp<'_>) {
        if let Some(neighbor) = &icmp.neighbor {
            self.neighbors.ndp(mark, ip.source, neighbor, link.source);
        }
        if let Some(quote) = &icmp.quote
            && !self.table.icmp(mark, ip, icmp, quote)
        {
            self.lookups.icmp(mark, ip, icmp, quote);
        }
    }

    fn ripen(&mut self, out: &mut dyn FnMut(Record)) {
        while let Some(facts) = self.lookups.due(self.horizon) {
            self.search_closed(facts);
        }
        while let Some(ended) = self.table.due(self.horizon) {
            self.ended(ended, out);
        }
        while let Some(fate) = self.searches.due(self.horizon, &self.names) {
            self.fate(fate, out);
        }
        self.attempts.expire(self.horizon, out);
    }

    fn search_closed(&mut self, facts: LookupFacts) {
        self.searches_seen += 1;
        self.searches
            .closed(facts, self.searches_seen, &mut self.names);
    }

    fn ended(&mut self, ended: Ended<Inside>, out: &mut dyn FnMut(Record)) {
        match ended {
            Ended::Mail(mut flow, _) => {
                self.settle(&mut flow);
                self.judge_flow(&flow, out);
            }
            Ended::Other(foreign, _) => {
                let _ = foreign;
                self.attempts.summary.other += 1;
            }
        }
    }

    /// What an ended connection teaches, before any of its generation is judged.
    fn settle(&mut self, flow: &mut MailFlow<Inside>) {
        let key = *flow.tracker.key();
        let session = flow.dialogue.0.facts();
        let starttls = session
            .dialogue
            .capabilities
            .iter()
            .any(|capability| matches!(capability.as_str(), "STARTTLS" | "STLS"))
            .then_some(flow.tracker.facts().first);
        let bare = session.tls.is_some_and(|tls| {
            tls.client_finished.is_some()
                && tls.application_data[Side::Client].is_none()
                && tls.refusal.is_none()
        });
        self.knowledge.learn(&key, flow.tracker.facts(), starttls);
        if bare {
            self.knowledge.bare_handshake(&key);
        }
        if let Some(gap) = flow.tracker.facts().idle.first()
            && session.dialogue.goodbye.is_none()
            && flow.tracker.facts().last.time.since(gap.to.time) < 30 * crate::base::SECOND
        {
            self.knowledge.idle_death(key.server, gap.length);
        }
    }

    fn judge_flow(&mut self, flow: &MailFlow<Inside>, out: &mut dyn FnMut(Record)) {
        let key = *flow.tracker.key();
        let tcp = flow.tracker.facts();
        let session = flow.dialogue.0.facts();
        let service = session.service.unwrap_or(Service::Other);
        let judged_as_mail = service != Service::Other && session.mail;
        if !judged_as_mail {
            self.attempts.summary.other += 1;
            if !self.config.all {
                return;
            }
        }
        if let Some(source) = self.sources.get_mut(key.source.0 as usize) {
            source.mail_connections += u64::from(judged_as_mail);
        }
        let found = self
            .names
            .of(key.client.ip, key.server.ip, tcp.first.time)
            .cloned();
        let mut context = self.knowledge.context(&key, tcp, false);
        context.server_name = found.as_ref().map(|found| found.name.clone());
        context.roots = self.config.roots.clone();
        context.tlsa = match &context.server_name {
            Some(name) => self.searches.tlsa(key.client.ip, name, key.server.port),
            None => self.searches.any_tlsa(key.client.ip, key.server.port),
        }
        .filter(|mark| mark.time <= tcp.first.time);
        let horizon = self
            .sources
            .get(key.source.0 as usize)
            .and_then(|source| source.last)
            .unwrap_or(self.horizon);
        let judged = judge(key, tcp, &session, &self.config.replies, horizon, &context);
        self.undeclared.extend(&judged.judgement.undeclared);
        let mut made = record(
            &key,
            tcp,
            &session,
            &judged,
            context.server_name.clone(),
            self.config.show_secrets,
        );
        made.id = self.next_connection;
        self.next_connection += 1;
        let server = std::net::SocketAddr::new(key.server.ip, key.server.port).to_string();
        let member = Member {
            id: made.id,
            started: tcp.first.time,
            opened: tcp.established.map_or(tcp.first.time, |mark| mark.time),
            ended: tcp.last.time,
            outcome: judged.judgement.outcome,
            useful: true,
            verdict: made.verdict.clone(),
            server,
        };
        let address = Foreign::from(made.server.ip.as_str());
        let twin = tcp
            .syns
            .seen
            .first()
            .and_then(|syn| Some((syn.isn, syn.tsval?)));
        if judged_as_mail {
            made.attempt = self.attempts.connection(
                key.client.ip,
                made.service,
                context.server_name.as_ref(),
                &address,
                member,
                judged.transient,
                twin,
                out,
            );
            self.attempts.summary.connections += 1;
            self.attempts.summary.checks += u64::from(judged.judgement.is_check);
        } else {
            made.attempt = self.attempts.connection(
                key.client.ip,
                made.service,
                None,
                &address,
                member,
                false,
                None,
                out,
            );
        }
        out(Record::Connection(Box::new(made)));
    }

    fn fate(&mut self, fate: Fate, out: &mut dyn FnMut(Record)) {
        match fate {
            Fate::Judge(waiting) => self.judge_search(&waiting, out),
            Fate::Other(waiting) => {
                self.attempts.summary.other += 1;
                if self.config.all {
                    self.judge_search(&waiting, out);
                }
            }
        }
    }

    fn judge_search(&mut self, waiting: &Waiting, out: &mut dyn FnMut(Record)) {
        let facts = &waiting.facts;
        let mut context = self.searches.context(facts, &self.names);
        context.answered_near = self.knowledge.witness.answered_near(
            facts.client,
            facts.last.time,
            60 * crate::base::SECOND,
        );
        context.one_way = self.knowledge.witness.one_way(facts.client);
        context.went_on = self.names.went_on(facts.client, facts.first.time, WENT_ON);
        context.capture_drops = self.knowledge.drops;
        let horizon = self
            .sources
            .get(facts.source.0 as usize)
            .and_then(|source| source.last)
            .unwrap_or(self.horizon);
        let judgement = judge_lookup(&Lookup {
            facts,
            horizon,
            context: &context,
        });
        self.undeclared.extend(&judgement.undeclared);
        let verdict = VerdictInfo::from(&judgement.verdict);
        let id = self.next_lookup;
        self.next_lookup += 1;
        let answer = facts.answer();
        let member = Member {
            id,
            started: facts.first.time,
            opened: facts.first.time,
            ended: answer.map_or(facts.last.time, |reply| reply.at.time),
            outcome: judgement.outcome,
            useful: answer.is_some_and(|reply| {
                reply
                    .message
                    .answers
                    .iter()
                    .any(|record| record.kind == facts.kind)
            }),
            verdict: verdict.clone(),
            server: facts.resolver.to_string(),
        };
        let attempt = self.attempts.lookup(facts.client, &facts.name, member, out);
        out(Record::Lookup(LookupRecord {
            id,
            attempt,
            client: facts.client.to_string(),
            resolver: facts.resolver.to_string(),
            transport: match answer
                .map(|reply| reply.transport)
                .or(facts.queries.last().map(|query| query.transport))
            {
                Some(Carrier::Tcp) => "tcp",
                _ => "udp",
            },
            name: facts.name.clone(),
            kind: dns::type_name(facts.kind).to_string(),
            rcode: answer.map(|reply| dns::rcode_name(reply.message.rcode).to_string()),
            answers: answer.map_or_else(Vec::new, |reply| {
                reply
                    .message
                    .answers
                    .iter()
                    .map(|r| text_of(&r.answer))
                    .collect()
            }),
            tries: facts.tries,
            rtt_ms: facts.duration().map(millis),
            started: Moment(facts.first.time),
            outcome: judgement.outcome.name(),
            verdict,
            findings: judgement.findings.iter().map(VerdictInfo::from).collect(),
            source: facts.source.0,
            frames: frames_of(facts),
        }));
    }

    /// The source ends: everything of it is judged with what is known now.
    pub fn close_source(&mut self, id: SourceId, end: SourceEnd, out: &mut dyn FnMut(Record)) {
        if self
            .sources
            .get(id.0 as usize)
            .is_none_or(|source| source.closed)
        {
            return;
        }
        self.knowledge.drops |= end.dropped > 0;
        self.drain(out);
        self.finish_source(id, end, out);
    }

    fn drain(&mut self, out: &mut dyn FnMut(Record)) {
        while let Some(facts) = self.lookups.drain() {
            self.search_closed(facts);
        }
        // First what each connection teaches, then the judging: all of them end here at once.
        let mut flows = Vec::new();
        while let Some(ended) = self.table.drain() {
            match ended {
                Ended::Mail(mut flow, _) => {
                    self.settle(&mut flow);
                    flows.push(flow);
                }
                Ended::Other(..) => self.attempts.summary.other += 1,
            }
        }
        flows.sort_by_key(|flow| {
            (
                flow.tracker.facts().first.time,
                flow.tracker.facts().first.frame,
            )
        });
        let mail = flows.iter().any(|flow| flow.dialogue.0.facts().mail)
            || self
                .sources
                .iter()
                .any(|source| !source.closed && source.mail_connections > 0);
        for fate in self.searches.drain(mail, &self.names) {
            self.fate(fate, out);
        }
        for flow in flows {
            self.judge_flow(&flow, out);
        }
    }

    fn finish_source(&mut self, id: SourceId, end: SourceEnd, out: &mut dyn FnMut(Record)) {
        let Some(source) = self.sources.get_mut(id.0 as usize) else {
            return;
        };
        source.closed = true;
        let last = source.last.unwrap_or(Timestamp(0));
        let limits = [
            ("connections open at once", self.table.evicted()),
            ("look-ups open at once", self.lookups.evicted()),
            (
                "fragmented datagrams at once",
                self.fragments.counts().evicted,
            ),
        ];
        let state = SourceState {
            damage: end.damage.as_deref(),
            dropped: end.dropped,
            limits: &limits,
            last,
        };
        let mut verdicts = judge_source(&state);
        // Neighbours are known by source: those of the others stay.
        verdicts.extend(judge_neighbors(
            &self.neighbors,
            id,
            source.unicast_visible,
            &|asker| source.mail_connections == 0 || source.mails(asker),
        ));
        for verdict in verdicts {
            let verdict = VerdictInfo::from(&verdict);
            if verdict.code.starts_with("route.") {
                self.attempts.causes.add_finding(&verdict);
            }
            out(Record::Finding(FindingRecord {
                source: Some(id.0),
                verdict,
            }));
        }
        out(Record::Source(SourceRecord {
            id: id.0,
            kind: source.kind,
            name: source.name.clone(),
            format: source.format,
            packets: source.packets,
            bytes: source.bytes,
            first: source.first.map(Moment),
            last: source.last.map(Moment),
            dropped: end.dropped,
            damage: end.damage,
        }));
        // Worlds are apart: what was learned of one says nothing about the next.
        if self.sources.iter().all(|source| source.closed) {
            self.knowledge = Knowledge::default();
            self.names = Names::default();
            self.searches = Searches::default();
            self.dns_streams.clear();
            self.fragments = Reassembler::new();
            self.neighbors = Neighbors::default();
            self.came_back = None;
            self.attempts.finish(out);
            self.horizon = Timestamp(i64::MIN);
            self.ripened = Timestamp(i64::MIN);
        }
    }

    /// Pairs of fatal claims that met on one connection or look-up although the catalogue does not say
    /// which of them explains the other. A gap in the catalogue: tests allow none.
    pub fn undeclared(&self) -> impl Iterator<Item = (Code, Code)> {
        self.undeclared.iter().copied()
    }

    /// The end of everything: attempts, then the summary.
    pub fn finish(&mut self, out: &mut dyn FnMut(Record)) {
        self.drain(out);
        self.attempts.finish(out);
        let mut summary = std::mem::take(&mut self.attempts.summary);
        summary.root_causes = self.attempts.causes.list();
        out(Record::Summary(summary));
    }
}

fn syn_options(tcp: &Tcp<'_>) -> SynOptions {
    SynOptions {
        mss: tcp.options.mss,
        window_scale: tcp.options.window_scale,
        sack: tcp.options.sack_permitted,
        timestamps: tcp.options.timestamps.is_some(),
        ecn: false,
        fast_open: tcp.options.fast_open,
        multipath: tcp.options.multipath,
    }
}

fn text_of(answer: &Answer) -> Foreign {
    match answer {
        Answer::Address(address) => Foreign::from(address.to_string().as_str()),
        Answer::Name(name) => name.clone(),
        Answer::Mx(preference, target) if target.is_empty() => {
            Foreign::from(format!("{preference} .").as_str())
        }
        Answer::Mx(preference, target) => Foreign::from(format!("{preference} {target}").as_str()),
        Answer::Srv(priority, weight, port, target) => {
            Foreign::from(format!("{priority} {weight} {port} {target}").as_str())
        }
        Answer::Other(text) => text.clone(),
    }
}

/// Frames of the tries and answers, in order, each once.
fn frames_of(facts: &LookupFacts) -> Vec<u64> {
    let mut frames: Vec<u64> = facts
        .queries
        .iter()
        .map(|query| query.at.frame.number)
        .chain(facts.replies.iter().map(|reply| reply.at.frame.number))
        .chain(facts.icmp.iter().map(|error| error.at.frame.number))
        .collect();
    frames.sort_unstable();
    frames.dedup();
    frames
}
