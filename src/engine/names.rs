//! Which look-up led to which connection: addresses back to the names that a client had asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::{
    Families, Foreign, Mark, Nanos, PackedMark, Remembered, SECOND, Solo, Timestamp,
};
use crate::diagnosis::is_mail_name;

/// Pairs of client and address, and clients, that are remembered at the least: what fills a hash table of 32,768 places.
const REMEMBERED: usize = 28_672;
/// Beginnings remembered of each client.
const OPENED: usize = 8;
/// Clients remembered that had been told of one address.
const ASKERS: usize = 4;
/// Who races its two families connects at once when the answers are there (RFC 8305 3: 50 ms, 5: 250 ms between tries).
const RACED: Nanos = 2 * SECOND;

/// Names remembered of one client and address.
const TOLD: usize = 4;

/// To which address a connection began, and where.
type Beginning<A> = (A, PackedMark);

/// A name that a client had looked up for an address, once or several times in a row.
#[derive(Clone, Debug)]
struct Found {
    name: Foreign,
    /// When it was answered first.
    answered: Mark,
    /// Where a mail connection used it.
    used: Option<Mark>,
}

/// Names by client and address; the latest answer before a connection wins.
#[derive(Debug)]
pub struct Names {
    found: Remembered<(IpAddr, IpAddr), Solo<Found, TOLD>>,
    /// Where each client's latest mail connections began, and to which address; the oldest goes first. A connection mostly begins before its
    /// look-up is closed.
    opened: Families<Solo<Beginning<Ipv4Addr>, OPENED>, Solo<Beginning<Ipv6Addr>, OPENED>>,
    /// Of clients that open more: the latest that made room, by client and address.
    opened_before: Remembered<(IpAddr, IpAddr), Mark>,
    /// By address: who had been told of it, and when; the oldest goes first.
    askers: Remembered<IpAddr, Solo<(IpAddr, Mark), ASKERS>>,
    /// Addresses of machines that asked for names under their address of the other family.
    asked_as: Remembered<IpAddr, IpAddr>,
    /// Clients of whom a name was used that was not used before, until somebody asks.
    newly_used: Vec<IpAddr>,
}

impl Default for Names {
    fn default() -> Names {
        Names {
            found: Remembered::new(REMEMBERED),
            opened: Families::new(REMEMBERED),
            opened_before: Remembered::new(REMEMBERED),
            askers: Remembered::new(REMEMBERED),
            asked_as: Remembered::new(REMEMBERED),
            newly_used: Vec::new(),
        }
    }
}

impl Names {
    /// An answer gave `address` to `client` for `name`.
    pub fn answered(&mut self, client: IpAddr, address: IpAddr, name: &Foreign, answered: Mark) {
        let used = self.latest_use(client, address);
        let used = used.filter(|mark| mark.time >= answered.time);
        let told = self.found.entry((client, address), Solo::new);
        match told.iter_mut().last() {
            // Look-ups close in any order.
            Some(last) if last.name == *name => {
                if last.used.is_none() && used.is_some() {
                    self.newly_used.push(client);
                }
                last.used = last.used.or(used);
                if answered.time < last.answered.time {
                    last.answered = answered;
                }
            }
            _ => {
                if used.is_some() {
                    self.newly_used.push(client);
                }
                told.push_last(Found {
                    name: name.clone(),
                    answered,
                    used,
                });
            }
        }
        self.askers
            .entry(address, Solo::new)
            .push_last((client, answered));
    }

    /// Where the latest mail connections of `client` began, and to which address, in order.
    fn opened(&self, client: IpAddr) -> impl Iterator<Item = (IpAddr, Mark)> + Clone + '_ {
        let (fours, sixes) = match client {
            IpAddr::V4(client) => (self.opened.four(&client), None),
            IpAddr::V6(client) => (None, self.opened.six(&client)),
        };
        let fours = fours.into_iter().flatten();
        let sixes = sixes.into_iter().flatten();
        let fours = fours.map(|(address, mark)| (IpAddr::V4(*address), *mark));
        fours
            .chain(sixes.map(|(address, mark)| (IpAddr::V6(*address), *mark)))
            .filter_map(|(address, mark)| Some((address, mark.get()?)))
    }

    /// Where the latest mail connection of `client` to `address` began.
    fn latest_use(&self, client: IpAddr, address: IpAddr) -> Option<Mark> {
        let latest = self.opened(client).filter(|(known, _)| *known == address);
        let before = || self.opened_before.get(&(client, address)).copied();
        latest.last().map(|(_, mark)| mark).or_else(before)
    }

    /// Where `client` opened a mail connection within `span` after `time`.
    pub fn went_on(&self, client: IpAddr, time: Timestamp, span: Nanos) -> Option<Mark> {
        self.opened(client)
            .map(|(_, mark)| mark)
            .find(|mark| (0..=span).contains(&mark.time.since(time)))
    }

    /// Where `client` opened a mail connection within `span` after `time` to an address of that family which no answer in the
    /// capture had told it by then, and which it did not know before `asked`.
    pub fn went_to_untold(
        &self,
        client: IpAddr,
        v4: bool,
        asked: Timestamp,
        (time, span): (Timestamp, Nanos),
    ) -> Option<Mark> {
        let all = self.opened(client);
        let untold = |address: IpAddr, mark: Mark| {
            let told = self.found.get(&(client, address));
            let known = |one: (IpAddr, Mark)| one.0 == address && one.1.time < asked;
            told.is_none_or(|told| told.iter().all(|one| one.answered.time > mark.time))
                && !all.clone().any(known)
        };
        let mut near = all.clone().filter(|(address, mark)| {
            address.is_ipv4() == v4 && (0..=span).contains(&mark.time.since(time))
        });
        near.find(|(address, mark)| untold(*address, *mark))
            .map(|(_, mark)| mark)
    }

    /// A mail connection of `client` to `address` begins.
    pub fn use_address(&mut self, client: IpAddr, address: IpAddr, mark: Mark) {
        let left = match (client, address) {
            (IpAddr::V4(client), IpAddr::V4(address)) => {
                let opened = self.opened.four_entry(client, Solo::new);
                let left = began(opened, (address, mark.into()));
                left.map(|(address, mark)| (IpAddr::V4(address), mark))
            }
            (IpAddr::V6(client), IpAddr::V6(address)) => {
                let opened = self.opened.six_entry(client, Solo::new);
                let left = began(opened, (address, mark.into()));
                left.map(|(address, mark)| (IpAddr::V6(address), mark))
            }
            // Both stand in one header.
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        };
        if let Some((address, mark)) = left
            && let Some(mark) = mark.get()
        {
            self.opened_before.insert((client, address), mark);
        }
        self.used_by(client, address, mark);
    }

    fn used_by(&mut self, asker: IpAddr, address: IpAddr, mark: Mark) {
        if let Some(told) = self.found.get_mut(&(asker, address))
            && let Some(last) = told.iter_mut().last()
            && last.used.is_none()
        {
            last.used = Some(mark);
            self.newly_used.push(asker);
        }
    }

    /// A connection of `client` to `address` began there: shows whose look-ups led to it when the client, as one with two
    /// families does, had asked under its other address. Only one asker of the other family, told moments before, is one.
    pub fn began(&mut self, client: IpAddr, address: IpAddr, mark: Mark) {
        if self.found.get(&(client, address)).is_some() {
            return;
        }
        let Some(askers) = self.askers.get(&address) else {
            return;
        };
        let recent =
            |(_, told): &&(IpAddr, Mark)| (0..=RACED).contains(&mark.time.since(told.time));
        let mut recent = askers.iter().filter(recent).map(|(asker, _)| *asker);
        if let Some(asker) = recent.next()
            && asker.is_ipv4() != client.is_ipv4()
            && recent.all(|other| other == asker)
        {
            self.asked_as.insert(client, asker);
            self.used_by(asker, address, mark);
        }
    }

    /// The address under which the machine with the address `client` asks for names.
    pub fn asker(&self, client: IpAddr) -> IpAddr {
        self.asked_as.get(&client).copied().unwrap_or(client)
    }

    /// What `client` had asked for before it opened a connection to `address` at `time`. Of several names it is the one that the client then
    /// asks the server for (RFC 6066 3), else the latest.
    pub fn of(
        &self,
        client: IpAddr,
        address: IpAddr,
        time: Timestamp,
        sni: Option<&Foreign>,
    ) -> Option<&Foreign> {
        let own = self.found.get(&(client, address));
        let told = own.or_else(|| self.found.get(&(self.asker(client), address)))?;
        let mut before = told
            .iter()
            .rev()
            .filter(|found| found.answered.time <= time)
            .map(|found| &found.name);
        let latest = before.clone().next();
        fn plain(name: &Foreign) -> &str {
            name.as_str().trim_end_matches('.')
        }
        let same = |name: &Foreign, sni: &Foreign| plain(name).eq_ignore_ascii_case(plain(sni));
        match (sni, latest) {
            (Some(sni), Some(name)) if !same(name, sni) => {
                before.find(|name| same(name, sni)).or(latest)
            }
            _ => latest,
        }
    }

    /// Whether somebody was told that address for a name of mail, and nobody went there.
    pub fn is_untried(&self, address: IpAddr) -> bool {
        let told = |client: IpAddr| self.found.get(&(client, address));
        let mut askers = self.askers.get(&address).into_iter().flatten();
        let untried = |one: &Found| one.used.is_none() && is_mail_name(one.name.as_str());
        askers.any(|(client, _)| told(*client).is_some_and(|told| told.iter().any(untried)))
    }

    /// Each client of whom a name was used that was not used before, since the last time that somebody asked.
    pub fn newly_used(&mut self, tell: impl FnMut(IpAddr)) {
        self.newly_used.drain(..).for_each(tell);
    }

    /// Whether a mail connection of `client` that began within that time used what it had been told for `name`.
    pub fn name_used(
        &self,
        client: IpAddr,
        name: &Foreign,
        (from, until): (Timestamp, Timestamp),
    ) -> bool {
        self.opened(client).any(|(address, mark)| {
            (from..=until).contains(&mark.time) && self.used(client, address, name).is_some()
        })
    }

    /// Where a mail connection used that `client` had been told `address` for `name`.
    pub fn used(&self, client: IpAddr, address: IpAddr, name: &Foreign) -> Option<Mark> {
        let told = self.found.get(&(client, address))?;
        let mut told = told.iter().rev().filter(|found| found.name == *name);
        told.next().and_then(|found| found.used)
    }
}

/// Adds a beginning behind all others; what makes room for it.
fn began<A: Copy>(
    opened: &mut Solo<Beginning<A>, OPENED>,
    latest: Beginning<A>,
) -> Option<Beginning<A>> {
    let oldest = opened.first().copied();
    let left = oldest.filter(|_| opened.is_full());
    opened.push_last(latest);
    left
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Names, OPENED};
    use crate::base::{Foreign, FrameRef, Mark, SECOND, SourceId, Timestamp};

    fn mark(tenths: i64) -> Mark {
        Mark {
            frame: FrameRef::new(SourceId(0), tenths.unsigned_abs() + 1),
            time: Timestamp(tenths * SECOND / 10),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn name(text: &str) -> Foreign {
        Foreign::from(text)
    }

    #[test]
    fn the_latest_answer_before_the_connection_names_it() {
        let mut names = Names::default();
        let (client, server) = (ip("10.0.0.5"), ip("192.0.2.10"));
        let asked = |names: &Names, at| {
            names
                .of(client, server, mark(at).time, None)
                .map(ToString::to_string)
        };
        names.answered(client, server, &name("a.example"), mark(10));
        names.use_address(client, server, mark(11));
        names.answered(client, server, &name("a.example"), mark(50));
        names.answered(client, server, &name("b.example"), mark(90));
        assert_eq!(asked(&names, 9), None);
        assert_eq!(asked(&names, 11), Some("a.example".to_owned()));
        assert_eq!(asked(&names, 91), Some("b.example".to_owned()));
        // Which of them it wants, it says itself, where it had been told of that one.
        for (sni, at, says) in [
            ("A.example.", 91, "a.example"),
            ("b.example", 91, "b.example"),
            ("c.example", 91, "b.example"),
            ("b.example", 89, "a.example"),
        ] {
            let sni = name(sni);
            let found = names.of(client, server, mark(at).time, Some(&sni));
            assert_eq!(found.map(Foreign::as_str), Some(says), "{sni} at {at}");
        }
        let used = |text| names.used(client, server, &name(text));
        assert_eq!(used("a.example"), Some(mark(11)));
        assert_eq!(used("b.example"), None);
    }

    #[test]
    fn a_name_is_used_by_whom_it_led_somewhere() {
        let (client, server) = (ip("10.0.0.5"), ip("192.0.2.10"));
        let mut names = Names::default();
        names.answered(client, server, &name("a.example"), mark(50));
        names.use_address(client, server, mark(51));
        let used = |client, text, from, until| {
            let time = (mark(from).time, mark(until).time);
            names.name_used(client, &name(text), time)
        };
        assert!(used(client, "a.example", 0, 100));
        // Near misses: another name, another client, and a connection that came before it or long after.
        assert!(!used(client, "b.example", 0, 100));
        assert!(!used(ip("10.0.0.6"), "a.example", 0, 100));
        assert!(!used(client, "a.example", 60, 100));
        assert!(!used(client, "a.example", 0, 40));
    }

    #[test]
    fn a_busy_client_used_what_it_was_told_before_many_others() {
        let (client, server) = (ip("10.0.0.5"), ip("192.0.2.10"));
        let used = |others: u8, answered: i64| {
            let mut names = Names::default();
            names.use_address(client, server, mark(40));
            names.use_address(client, server, mark(50));
            for other in 0..others {
                let other = IpAddr::from([198, 51, 100, other]);
                names.use_address(client, other, mark(51));
            }
            names.answered(client, server, &name("a.example"), mark(answered));
            names.used(client, server, &name("a.example"))
        };
        for others in [0, OPENED as u8 - 1, OPENED as u8, 60] {
            assert_eq!(used(others, 45), Some(mark(50)), "{others} others");
            // Near miss: told after it had begun.
            assert_eq!(used(others, 55), None, "{others} others");
        }
    }

    #[test]
    fn who_connects_where_nobody_told_it_to_has_an_answer_that_was_not_captured() {
        let (client, server) = (ip("10.0.0.5"), ip("192.0.2.10"));
        let mut names = Names::default();
        names.use_address(client, server, mark(20));
        let went = |names: &Names, v4, at| {
            let asked = mark(at - 5).time;
            names.went_to_untold(client, v4, asked, (mark(at).time, 2 * SECOND))
        };
        assert_eq!(went(&names, true, 19), Some(mark(20)));
        assert_eq!(went(&names, false, 19), None);
        assert_eq!(went(&names, true, -1), None);
        assert_eq!(went(&names, true, 21), None);
        // A server that it delivered to before it asked is one that it knows.
        let mut busy = Names::default();
        busy.use_address(client, server, mark(10));
        busy.use_address(client, server, mark(20));
        assert_eq!(went(&busy, true, 19), None);
        // Told later it was not told then; told before, that is where it has the address from.
        names.answered(client, server, &name("a.example"), mark(30));
        assert_eq!(went(&names, true, 19), Some(mark(20)));
        names.answered(client, server, &name("b.example"), mark(15));
        assert_eq!(went(&names, true, 19), None);
    }

    #[test]
    fn a_machine_with_two_families_asks_under_one_of_them() {
        let (four, six) = (ip("10.0.0.5"), ip("2001:db8:c::5"));
        let server = ip("2001:db8:5::10");
        let asker = |others: &[(&str, i64)], client: IpAddr| {
            let mut names = Names::default();
            names.answered(four, server, &name("a.example"), mark(10));
            for (other, at) in others {
                names.answered(ip(other), server, &name("a.example"), mark(*at));
            }
            names.began(client, server, mark(20));
            (
                names.asker(client),
                names.of(client, server, mark(20).time, None).is_some(),
            )
        };
        assert_eq!(asker(&[], six), (four, true));
        assert_eq!(asker(&[("10.0.0.5", 15)], six), (four, true));
        // Nobody knows which of two it was.
        assert_eq!(asker(&[("10.0.0.6", 15)], six), (six, false));
        // The other one was told long ago, or after the connection.
        assert_eq!(asker(&[("10.0.0.6", -10)], six), (four, true));
        assert_eq!(asker(&[("10.0.0.6", 21)], six), (four, true));
        // It asked by itself, and somebody else of its own family is somebody else.
        assert_eq!(asker(&[("2001:db8:c::5", 12)], six), (six, true));
        assert_eq!(asker(&[], ip("10.0.0.7")), (ip("10.0.0.7"), false));
    }
}
