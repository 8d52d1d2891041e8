//! What sizes pass: a search between the largest packet that was answered and the smallest that never is.
//!
//! The sizes of real links are tried first (scamper's table), then the gap is halved. A size fails only when so many of it were
//! unanswered that the loss of small packets, sent between them, excludes chance; one answer is enough to pass. An answer
//! above a size that seemed to fail takes that back: loss that hits large packets more often is no black hole.

use std::net::IpAddr;

use crate::probe::stats::{CERTAIN, chance_of_silence};

/// MTUs of links that exist: plateaus of RFC 1191 and what tunnels leave (field C4).
const LINKS: [u16; 24] = [
    68, 296, 508, 552, 576, 1006, 1280, 1400, 1420, 1436, 1454, 1476, 1480, 1492, 1500, 2002, 4352,
    4464, 4470, 8166, 9000, 9192, 17_914, 32_000,
];
/// Packets of one size in one go.
pub const COPIES: u32 = 3;
/// Packets of one size at the most; then it cannot be told.
const MOST: u32 = 30;
/// A step on the way may err this often: the last one may not.
const STEP: f64 = 0.02;

/// A router said that a packet was too big.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub from: IpAddr,
    /// The MTU of the next hop, as it says; 0 is said by routers older than RFC 1191.
    pub mtu: u32,
    /// The size that it was about.
    pub about: u16,
}

impl Told {
    /// Whether a sender that believes it goes on sending what does not pass: nothing smaller is said.
    pub fn useless(&self) -> bool {
        self.mtu >= u32::from(self.about)
    }

    /// Whether it names no size that a link has (RFC 791: 68 is the least; RFC 8200: 1280).
    pub fn bogus(&self) -> bool {
        let least = if self.from.is_ipv4() { 68 } else { 1_280 };
        self.mtu < least || self.useless()
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send [`COPIES`] packets of this size, a small one after each.
    Try(u16),
    /// It is known.
    Done(Found),
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// The largest size that was answered.
    pub passes: u16,
    /// The smallest that is not; none when all that was asked for passes.
    pub fails: Option<u16>,
    /// Packets of that size and above, none of which was answered.
    pub unanswered: u32,
    /// Small packets answered, and sent, meanwhile.
    pub small: (u32, u32),
    /// Chance is excluded.
    pub sure: bool,
    /// A router said so.
    pub told: Option<Told>,
}

impl Found {
    /// Whether packets of that many bytes are sure to vanish, without a word of any router.
    pub fn swallows(&self, bytes: usize) -> bool {
        let small = self.fails.is_some_and(|fails| usize::from(fails) <= bytes);
        self.sure && self.told.is_none() && small
    }
}

/// The search.
#[derive(Clone, Debug)]
pub struct Search {
    most: u16,
    passes: u16,
    fails: Option<u16>,
    /// (size, sent) of what was never answered.
    silent: Vec<(u16, u32)>,
    small: (u32, u32),
    told: Option<Told>,
    next: u16,
    over: bool,
}

impl Search {
    /// Up to `most` bytes, where `small` is a size that passes.
    pub fn new(small: u16, most: u16) -> Search {
        Search {
            most,
            passes: small,
            fails: None,
            silent: Vec::new(),
            small: (0, 0),
            told: None,
            next: most,
            over: most <= small,
        }
    }

    fn chance(&self, sent: u32) -> f64 {
        chance_of_silence(
            sent,
            self.small.1 - self.small.0.min(self.small.1),
            self.small.1,
        )
    }

    /// How many of a size that is `fails` or larger were sent in vain.
    fn unanswered(&self) -> u32 {
        let above = |size: u16| self.fails.is_some_and(|fails| size >= fails);
        let silent = self.silent.iter().filter(|(size, _)| above(*size));
        silent.map(|(_, sent)| sent).sum()
    }

    /// What came of one go: packets of the size answered of [`COPIES`], and small ones.
    pub fn saw(&mut self, size: u16, answered: u32, small: (u32, u32)) {
        self.small.0 += small.0;
        self.small.1 += small.1;
        if answered > 0 {
            self.passes = self.passes.max(size);
            self.silent.retain(|(other, _)| *other > size);
            if self.fails.is_some_and(|fails| fails <= size) {
                self.fails = None;
            }
            self.choose();
            return;
        }
        let sent = match self.silent.iter_mut().find(|(other, _)| *other == size) {
            Some((_, sent)) => {
                *sent += COPIES;
                *sent
            }
            None => {
                self.silent.push((size, COPIES));
                COPIES
            }
        };
        if self.chance(sent) < STEP
            || self.fails.is_some() && self.chance(self.unanswered() + sent) < CERTAIN
        {
            self.fails = Some(self.fails.map_or(size, |known| known.min(size)));
            self.choose();
        } else if sent >= MOST || small_is_dead(self.small) {
            self.over = true;
        }
    }

    /// A router said that a packet of that size was too big.
    pub fn told(&mut self, told: Told) {
        self.told = Some(told);
        self.fails = Some(self.fails.map_or(told.about, |known| known.min(told.about)));
        self.choose();
        // What it says is tried first; what it cannot mean is not.
        if let Ok(mtu) = u16::try_from(told.mtu)
            && !told.bogus()
            && mtu > self.passes
            && self.fails.is_some_and(|fails| mtu < fails)
        {
            self.next = mtu;
        }
    }

    fn choose(&mut self) {
        let Some(fails) = self.fails else {
            if self.passes >= self.most {
                self.over = true;
            } else {
                self.next = self.most;
            }
            return;
        };
        // What was told and passes is the answer.
        let said = self
            .told
            .is_some_and(|told| told.mtu == u32::from(self.passes));
        if fails <= self.passes.saturating_add(1) || said {
            self.over = true;
            return;
        }
        let between: Vec<u16> = LINKS
            .into_iter()
            .filter(|size| *size > self.passes && *size < fails)
            .collect();
        // A link's own size passes, and the next byte does not: try both ends of the guess.
        let after = self.passes.saturating_add(1);
        self.next = if LINKS.contains(&self.passes) && fails - self.passes > 1 && between.is_empty()
        {
            after
        } else {
            let middle = between.get(between.len() / 2).copied();
            middle.unwrap_or(self.passes + (fails - self.passes) / 2)
        };
    }

    /// What to do next.
    pub fn step(&self) -> Step {
        let unanswered = self.unanswered();
        let silent = self.told.is_none();
        let chance = self.chance(unanswered);
        let Some(fails) = self
            .fails
            .filter(|_| self.over && silent && chance >= CERTAIN)
        else {
            return match self.over {
                true => Step::Done(self.found(chance)),
                false => Step::Try(self.next),
            };
        };
        // The place is known; a few more make it sure.
        match unanswered < MOST {
            true => Step::Try(fails),
            false => Step::Done(self.found(chance)),
        }
    }

    fn found(&self, chance: f64) -> Found {
        Found {
            passes: self.passes,
            fails: self.fails,
            unanswered: self.unanswered(),
            small: self.small,
            sure: self.fails.is_some() && (chance < CERTAIN || self.told.is_some()),
            told: self.told,
        }
    }
}

/// Small packets are not answered either: the connection is dead, and nothing is learned.
fn small_is_dead((answered, sent): (u32, u32)) -> bool {
    sent >= 9 && answered == 0
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use rand_pcg::Pcg32;
    use rand_pcg::rand_core::Rng as _;

    use super::{COPIES, Found, Search, Step, Told};

    /// A path of that MTU that loses packets, and says `tells` about big ones.
    fn run(mtu: u16, most: u16, loss: f64, tells: Option<u32>, seed: u64) -> (Found, u32) {
        let mut random = Pcg32::new(seed, 3);
        let mut passes = move || f64::from(random.next_u32()) / f64::from(u32::MAX) >= loss;
        let mut search = Search::new(100, most);
        let mut packets = 0;
        loop {
            match search.step() {
                Step::Done(found) => return (found, packets),
                Step::Try(size) => {
                    let (mut large, mut small) = (0, 0);
                    for _ in 0..COPIES {
                        packets += 2;
                        large += u32::from(size <= mtu && passes() && passes());
                        small += u32::from(passes() && passes());
                    }
                    match tells.filter(|_| size > mtu) {
                        Some(mtu) => search.told(Told {
                            from: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)),
                            mtu,
                            about: size,
                        }),
                        None => search.saw(size, large, (small, COPIES)),
                    }
                }
            }
            assert!(packets < 2_000, "{search:?}");
        }
    }

    #[test]
    fn what_is_smaller_than_all_that_vanish_is_not_explained_by_its_size() {
        let found = Found {
            passes: 300,
            fails: Some(301),
            unanswered: 33,
            small: (42, 42),
            sure: true,
            told: None,
        };
        assert!(found.swallows(325));
        assert!(!found.swallows(300));
        let unsure = Found {
            sure: false,
            ..found
        };
        assert!(!unsure.swallows(325));
        let whole = Found {
            fails: None,
            ..found
        };
        assert!(!whole.swallows(325));
    }

    #[test]
    fn a_clean_path_costs_one_go() {
        let (found, packets) = run(1_500, 1_500, 0.0, None, 1);
        assert_eq!((found.passes, found.fails, packets), (1_500, None, 6));
    }

    #[test]
    fn a_black_hole_is_found_to_the_byte() {
        for mtu in [576, 1_006, 1_280, 1_300, 1_400, 1_401, 1_454, 1_492, 1_499] {
            let (found, packets) = run(mtu, 1_500, 0.0, None, 1);
            assert_eq!((found.passes, found.fails), (mtu, Some(mtu + 1)), "{mtu}");
            assert!(found.sure && packets < 120, "{mtu}: {packets}");
        }
        let (found, _) = run(8_000, 9_000, 0.0, None, 1);
        assert_eq!(found.passes, 8_000);
    }

    #[test]
    fn loss_is_no_black_hole() {
        let mut wrong = 0;
        for seed in 0..200 {
            for loss in [0.05, 0.15, 0.3] {
                let (found, _) = run(1_500, 1_500, loss, None, seed);
                wrong += u32::from(found.sure);
            }
        }
        assert_eq!(wrong, 0);
    }

    #[test]
    fn a_black_hole_on_a_lossy_path_is_found_or_left_open() {
        let mut found_it = 0;
        for seed in 0..100 {
            let (found, _) = run(1_400, 1_500, 0.15, None, seed);
            if found.sure {
                assert!(
                    found.passes <= 1_400 && found.fails > Some(found.passes),
                    "{found:?}"
                );
                assert!(
                    found.fails.is_some_and(|fails| fails > 1_200),
                    "{seed}: {found:?}"
                );
                found_it += 1;
            }
        }
        assert!(found_it > 60, "{found_it}");
    }

    #[test]
    fn what_a_router_tells_is_believed_and_tried() {
        let (found, packets) = run(1_400, 1_500, 0.0, Some(1_400), 1);
        assert_eq!((found.passes, found.fails), (1_400, Some(1_500)));
        assert!(packets <= 12 && found.told.is_some_and(|told| !told.bogus()));
        let (found, _) = run(1_400, 1_500, 0.0, Some(0), 1);
        assert_eq!(found.passes, 1_400);
        assert!(
            found
                .told
                .is_some_and(|told| told.bogus() && !told.useless())
        );
        let (found, _) = run(1_400, 1_500, 0.0, Some(1_500), 1);
        assert!(
            found
                .told
                .is_some_and(|told| told.about == 1_401 || told.useless())
        );
    }
}
