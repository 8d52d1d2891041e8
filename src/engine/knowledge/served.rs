//! What is kept of a server: its ports, who answered at them and when, from how far.
//!
//! Of a hundred thousand servers nearly each has one port that anybody asked for, so that one lies in the server itself and the others
//! apart. It judges nothing and refuses to know who asked.

use std::iter;
use std::net::IpAddr;

use super::super::admissions::Admissions;
use crate::base::{Few, Mark, PackedMark, Remembered, Rest};
use crate::flow::HopCount;

/// Ports kept of one server besides the first.
const MORE: usize = 15;

/// One port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Port {
    pub(super) port: u16,
    answered: PackedMark,
    starttls: PackedMark,
    /// Of its latest SYN-ACK.
    pub(super) ttl: Option<u8>,
    /// Its SYN-ACK had a window scale.
    pub(super) scaled: bool,
    /// That it answered was never seen: its clients went on as they do after an answer.
    pub(super) unseen: bool,
    /// A connection to it has ended.
    pub(super) known: bool,
}

impl Port {
    /// The port of that number, which answered there.
    pub(super) fn new(port: u16, answered: Mark) -> Port {
        Port {
            port,
            answered: answered.into(),
            ..Port::default()
        }
    }

    /// Where it answered last; none for no port.
    pub(super) fn answered(&self) -> Option<Mark> {
        self.answered.get()
    }

    pub(super) fn set_answered(&mut self, mark: Mark) {
        self.answered = mark.into();
    }

    /// Where it offered STARTTLS first.
    pub(super) fn starttls(&self) -> Option<Mark> {
        self.starttls.get()
    }

    pub(super) fn offers_starttls(&mut self, mark: Option<Mark>) {
        self.starttls = self.starttls().or(mark).into();
    }
}

/// One server.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// The port that was seen first; one without an answer before.
    first: Port,
    /// The TTL of the latest packet and of the latest SYN-ACK.
    pub(super) ttl: Option<u8>,
    pub(super) syn_ttl: Option<u8>,
    /// Distinct TTLs of RSTs in answer to SYNs, to whatever port; 0 is none.
    refused: [u8; 3],
    /// It has more.
    more: bool,
}

/// What few servers have.
#[derive(Debug, Default)]
pub(super) struct More {
    /// The other ports, in the order in which they were seen.
    ports: Vec<Port>,
    /// Of those ports of a server that the capture is beside which had a second connection.
    admissions: Vec<(u16, Admissions)>,
    /// Whether the capturing host itself sends these clients what the server says.
    here: Few<(IpAddr, bool), 8>,
}

/// All servers.
pub(super) type Servers = Remembered<IpAddr, Server, More>;

impl Server {
    /// Whether the capture is beside it: nothing lies between.
    pub(super) fn is_beside(&self) -> bool {
        let hops = self.syn_ttl.map(HopCount::of);
        hops.is_some_and(|hops| hops.hops == 0)
    }

    /// The port of that number, to be changed.
    pub(super) fn port<'a>(
        &'a mut self,
        more: &'a mut Rest<'_, IpAddr, More>,
        port: u16,
    ) -> Option<&'a mut Port> {
        if self.first.port == port && self.first.answered().is_some() {
            return Some(&mut self.first);
        }
        let more = self.more.then(|| more.get())??;
        more.ports.iter_mut().find(|known| known.port == port)
    }

    /// Adds a port that is new; of too many the latest is not kept.
    pub(super) fn add(&mut self, more: &mut Rest<'_, IpAddr, More>, port: Port) {
        if self.first.answered().is_none() {
            self.first = port;
            return;
        }
        self.more = true;
        let ports = &mut more.make().ports;
        if ports.len() < MORE {
            ports.push(port);
        }
    }

    /// It answered a SYN with a RST of that TTL.
    pub(super) fn refuses(&mut self, ttl: u8) {
        let mut places = self.refused.iter_mut();
        if let Some(place) = places.find(|known| **known == 0 || **known == ttl) {
            *place = ttl;
        }
    }

    /// Whether the capturing host itself sends that client what it says. To one that a NAT serves it does, whoever else is served by another.
    pub(super) fn lives(
        &mut self,
        more: &mut Rest<'_, IpAddr, More>,
        client: IpAddr,
        made_here: bool,
    ) {
        self.more = true;
        let here = &mut more.make().here;
        if !here.iter().any(|(known, _)| *known == client) {
            let _ = here.try_push((client, made_here));
        }
    }

    /// Who was let in at a port that is known.
    pub(super) fn admissions<'a>(
        &mut self,
        more: &'a mut Rest<'_, IpAddr, More>,
        port: u16,
    ) -> &'a mut Admissions {
        self.more = true;
        let all = &mut more.make().admissions;
        let at = all.iter().position(|(known, _)| *known == port);
        let at = at.unwrap_or_else(|| {
            all.push((port, Admissions::default()));
            all.len() - 1
        });
        &mut all[at].1
    }
}

/// What is known of one server, to be looked at.
#[derive(Clone, Copy)]
pub(super) struct Served<'a> {
    server: &'a Server,
    more: Option<&'a More>,
}

impl<'a> Served<'a> {
    /// Of that server, if anything is.
    pub(super) fn of(servers: &'a Servers, ip: IpAddr) -> Option<Served<'a>> {
        let server = servers.get(&ip)?;
        let more = server.more.then(|| servers.rest(&ip)).flatten();
        Some(Served { server, more })
    }

    /// The first port that fits.
    pub(super) fn port(self, fits: impl Fn(&Port) -> bool) -> Option<&'a Port> {
        let first = Some(&self.server.first).filter(|port| port.answered().is_some());
        let others = self.more.into_iter().flat_map(|more| &more.ports);
        first.into_iter().chain(others).find(|port| fits(port))
    }

    /// Who was let in at a port.
    pub(super) fn admissions(self, port: u16) -> Option<&'a Admissions> {
        let mut all = self.more?.admissions.iter();
        all.find_map(|(known, admissions)| (*known == port).then_some(admissions))
    }

    /// TTLs that the address answers with, apart from what connections to that port show of themselves.
    pub(super) fn ttls(self, port: u16) -> Few<u8, 4> {
        let refused = self.server.refused.into_iter().filter(|ttl| *ttl > 0);
        let others = self.more.into_iter().flat_map(|more| &more.ports);
        let ports = iter::once(&self.server.first).chain(others);
        let answers = ports
            .filter(|other| other.port != port)
            .filter_map(|other| other.ttl);
        refused.chain(answers).take(4).collect()
    }

    /// Whether the capturing host itself sends that client what it says.
    pub(super) fn is_here(self, client: IpAddr) -> Option<bool> {
        let mut here = self.more?.here.iter();
        here.find_map(|(known, made)| (*known == client).then_some(*made))
    }

    /// How far it is.
    pub(super) fn hops(self) -> Option<HopCount> {
        self.server.ttl.or(self.server.syn_ttl).map(HopCount::of)
    }
}

#[cfg(test)]
mod tests {
    use super::{MORE, Port, Served, Server, Servers};
    use crate::base::{FrameRef, Mark, SourceId, Timestamp};

    fn mark(number: u64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), number),
            time: Timestamp(0),
        }
    }

    #[test]
    fn the_first_port_lies_in_the_server_and_the_others_apart() {
        assert_eq!((size_of::<Server>(), align_of::<Server>()), (48, 2));
        let ip = [192, 0, 2, 10].into();
        let mut servers = Servers::new(4);
        assert!(Served::of(&servers, ip).is_none());
        for number in 0..20_u16 {
            let (server, mut more) = servers.entry_and_rest(ip, Server::default);
            assert!(server.port(&mut more, number).is_none());
            server.add(&mut more, Port::new(number, mark(u64::from(number))));
            let kept = server.port(&mut more, number).map(|port| port.port);
            assert_eq!(kept, (usize::from(number) <= MORE).then_some(number));
        }
        let served = Served::of(&servers, ip).unwrap();
        let answered = |number| {
            let port = served.port(|port| port.port == number);
            port.and_then(Port::answered)
        };
        assert_eq!((answered(0), answered(7)), (Some(mark(0)), Some(mark(7))));
        assert_eq!(
            served.port(|port| port.port != 0).map(|port| port.port),
            Some(1)
        );
        assert!(served.admissions(0).is_none());
        let (server, mut more) = servers.entry_and_rest(ip, Server::default);
        let _ = server.admissions(&mut more, 3);
        let served = Served::of(&servers, ip).unwrap();
        assert!(served.admissions(3).is_some() && served.admissions(0).is_none());
    }
}
