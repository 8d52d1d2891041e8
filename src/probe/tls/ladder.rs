//! Which hello comes next, so that it is known what TLS a server takes and what the path lets through (`--intensive`).
//!
//! Versions one by one, a hello without a name, suites by leaving out what was chosen until nothing is, groups one by one, and the
//! sizes and splits that devices on the way trip over (field B7, C8). Sans-IO: answers in, hellos out; each is offered on a connection of its
//! own and goes no further than the server's choice. It judges nothing; [`crate::probe::session`] says what dies of what.

use std::time::Duration;

use super::flight::Chosen;
use super::hello::{ALL_GROUPS, HYBRID, Highest, SUITES_12, SUITES_13, Shape, is_current_suite};
use crate::engine::record::{HelloInfo, TlsTaken};
use crate::proto::tls::{cipher_name, group_name};

/// Suites that are asked for at the most.
const SUITES: usize = 20;
/// Connections at the most, for the announcement.
pub const CONNECTIONS: u32 = (Highest::ALL.len() + 1 + SUITES + ALL_GROUPS.len() + 1 + HOWS) as u32;
/// The size of large hellos: that of a current client's with a post-quantum share.
pub const LARGE: usize = 1_560;
/// Where a hello is cut: in front of its name, and within the first packet of any path.
const CUT: usize = 60;
/// Between the halves of a split hello, so that they arrive one by one (tldr.fail).
const HALVES: Duration = Duration::from_secs(1);

/// How a hello is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// In one piece.
    Whole,
    /// In two segments, a pause between them.
    Halves(usize, Duration),
    /// In two records within one write (RFC 8446 5.1 allows it).
    Records(usize),
}

/// What a hello is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Version(Highest),
    NoName,
    Suite(Highest),
    Group(u16),
    Written(usize),
}

/// A hello that is to be offered.
#[derive(Clone, Debug)]
pub struct Rung {
    about: About,
    /// What it looks like.
    pub shape: Shape,
    /// How it is written.
    pub how: How,
    /// What it is called.
    pub name: String,
}

impl Rung {
    /// Whether it differs from an ordinary hello in its size or in how it is written.
    pub fn is_written(&self) -> bool {
        matches!(self.about, About::Written(_))
    }
}

/// How a rung ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server chose version, suite and (where named) group.
    Took {
        /// The version.
        version: u16,
        /// The suite.
        suite: u16,
    },
    /// It refused by an alert.
    Refused(String),
    /// The connection ended, or nothing came: in words.
    Died(String),
}

/// Names of what is written in other ways than one small piece; the sizes are those of [`LARGE`].
const WRITTEN: [&str; 5] = [
    "small, in two segments 1 s apart",
    "large, padded, in one write",
    "large, post-quantum, in one write",
    "large, post-quantum, in two segments 1 s apart",
    "large, post-quantum, in two records",
];
const HOWS: usize = WRITTEN.len();

/// The climb.
#[derive(Clone, Debug)]
pub struct Ladder {
    server: Option<String>,
    waiting: Vec<About>,
    taken: TlsTaken,
    /// Suites still to be offered: of TLS 1.3, and of what was before.
    left: (Vec<u16>, Vec<u16>),
    highest_old: Option<Highest>,
    takes_13: bool,
}

impl Ladder {
    /// At its foot; `server` is the name for SNI.
    pub fn new(server: Option<&str>) -> Ladder {
        let mut waiting: Vec<About> = (0..HOWS).rev().map(About::Written).collect();
        waiting.extend(server.map(|_| About::NoName));
        waiting.extend(Highest::ALL.into_iter().map(About::Version));
        Ladder {
            server: server.map(str::to_owned),
            waiting,
            taken: TlsTaken::default(),
            left: (SUITES_13.to_vec(), SUITES_12.to_vec()),
            highest_old: None,
            takes_13: false,
        }
    }

    /// The next hello; `None` at the top.
    pub fn rung(&mut self) -> Option<Rung> {
        let about = self.waiting.pop()?;
        let server = self.server.clone();
        let server = server.as_deref();
        let usual = || Shape::small(Highest::Tls13, server);
        let (shape, how, name) = match about {
            About::Version(version) => (
                // A server of one group alone speaks its versions all the same.
                Shape {
                    groups: ALL_GROUPS.to_vec(),
                    ..Shape::only(version, server)
                },
                How::Whole,
                format!("{} alone", version.name()),
            ),
            About::NoName => (
                Shape::small(Highest::Tls13, None),
                How::Whole,
                "without a server name".to_owned(),
            ),
            About::Suite(version) => {
                let shape = Shape {
                    suites: self.left_of(version).clone(),
                    groups: ALL_GROUPS.to_vec(),
                    ..Shape::only(version, server)
                };
                let name = format!("{} without the suites that it chose", version.name());
                (shape, How::Whole, name)
            }
            About::Group(group) => (self.with_group(group), How::Whole, named_group(group)),
            About::Written(which) => {
                let quantum = Shape {
                    post_quantum: true,
                    ..usual()
                };
                let padded = Shape {
                    padded_to: Some(LARGE),
                    ..usual()
                };
                let (shape, how) = match which {
                    0 => (usual(), How::Halves(CUT, HALVES)),
                    1 => (padded, How::Whole),
                    2 => (quantum, How::Whole),
                    3 => (quantum, How::Halves(CUT, HALVES)),
                    _ => (quantum, How::Records(LARGE / 2)),
                };
                let name = WRITTEN.get(which).copied().unwrap_or_default().to_owned();
                (shape, how, name)
            }
        };
        Some(Rung {
            about,
            shape,
            how,
            name,
        })
    }

    /// A hello that can carry one group alone: TLS 1.3 without a share, so that the server asks for it, or ECDHE of TLS 1.2.
    fn with_group(&self, group: u16) -> Shape {
        let server = self.server.as_deref();
        let groups = vec![group];
        match (self.takes_13, self.highest_old) {
            (false, Some(old)) => Shape {
                groups,
                suites: SUITES_12
                    .iter()
                    .copied()
                    .filter(|suite| cipher_name(*suite).is_some_and(|name| name.contains("ECDHE")))
                    .collect(),
                ..Shape::only(old, server)
            },
            _ => Shape {
                groups,
                shares: false,
                ..Shape::only(Highest::Tls13, server)
            },
        }
    }

    /// What a hello got.
    pub fn ended(&mut self, rung: &Rung, ended: &Ended) {
        match (rung.about, ended) {
            (About::Version(version), ended) => self.version(version, ended),
            (About::NoName, ended) => {
                self.taken.without_name = Some(says(ended));
            }
            (About::Suite(version), Ended::Took { suite, .. }) => self.suite(version, *suite),
            (About::Group(group), Ended::Took { .. }) => self.taken.groups.push(named_group(group)),
            (About::Suite(_) | About::Group(_), _) => {}
            (About::Written(_), ended) => self.taken.hellos.push(HelloInfo {
                hello: rung.name.clone(),
                answer: says(ended),
                passes: !matches!(ended, Ended::Died(_)),
            }),
        }
    }

    fn version(&mut self, version: Highest, ended: &Ended) {
        match ended {
            // A server that chooses another one does not have this.
            Ended::Took {
                version: chosen, ..
            } if *chosen == version.number() => {
                self.taken.versions.push(version.name().to_owned());
                match version {
                    Highest::Tls13 => self.takes_13 = true,
                    old => self.highest_old = self.highest_old.max(Some(old)),
                }
            }
            Ended::Died(how) => self
                .taken
                .unknown_versions
                .push(format!("{} got {how}", version.name())),
            _ => {}
        }
        // The oldest is asked last, and then it is known what to ask of suites and groups.
        if version == Highest::Tls10 {
            self.taken.versions.reverse();
            self.plan();
        }
    }

    /// Suites and groups of what the server speaks.
    fn plan(&mut self) {
        let groups = ALL_GROUPS.iter().rev().copied();
        let groups: Vec<u16> = groups.chain([HYBRID]).collect();
        match (self.takes_13, self.highest_old) {
            (false, None) => return,
            (false, Some(_)) => {
                let curves = |group: &u16| !matches!(group, 0x0100..=0x01FF) && *group != HYBRID;
                self.waiting
                    .extend(groups.into_iter().filter(curves).map(About::Group));
            }
            (true, _) => self.waiting.extend(groups.into_iter().map(About::Group)),
        }
        if let Some(old) = self.highest_old {
            self.waiting.push(About::Suite(old));
        }
        if self.takes_13 {
            self.waiting.push(About::Suite(Highest::Tls13));
        }
    }

    fn left_of(&mut self, version: Highest) -> &mut Vec<u16> {
        match version {
            Highest::Tls13 => &mut self.left.0,
            _ => &mut self.left.1,
        }
    }

    fn suite(&mut self, version: Highest, suite: u16) {
        let left = self.left_of(version);
        let Some(at) = left.iter().position(|left| *left == suite) else {
            return;
        };
        left.remove(at);
        let more = !left.is_empty();
        let name = cipher_name(suite).map_or_else(|| format!("{suite:#06x}"), str::to_owned);
        self.taken.suites.push(name);
        // The hello that is refused counts as well, once for each list.
        if more && self.taken.suites.len().saturating_add(2) < SUITES {
            self.waiting.push(About::Suite(version));
        }
    }

    /// Nothing of any version came back from the server.
    pub fn is_hopeless(&self) -> bool {
        self.taken.unknown_versions.len() == Highest::ALL.len()
    }

    /// What is known by now.
    pub fn taken(&self) -> TlsTaken {
        self.taken.clone()
    }
}

/// As the groups' registry calls it.
fn named_group(group: u16) -> String {
    group_name(group).map_or_else(|| format!("group {group:#06x}"), str::to_owned)
}

fn says(ended: &Ended) -> String {
    match ended {
        Ended::Took { .. } => "taken".to_owned(),
        Ended::Refused(how) | Ended::Died(how) => how.clone(),
    }
}

/// Something that a server chose and that not every client of today has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// What.
    pub what: String,
    /// Programs built on OpenSSL, GnuTLS or NSS offer it all the same: that a session of ours has it not proves nothing of the server.
    pub is_widely_known: bool,
}

/// x448: the only group of [`ALL_GROUPS`] that a session of ours does not take, and NSS does not either.
const X448: u16 = 0x001E;
/// Bits of a prime below which programs built on OpenSSL refuse (RFC 8270; security level 2 of Debian's and Fedora's).
const WEAK_PRIME: usize = 2_048;

/// Why current clients may not agree with what a server chose, if that is so: its suite, its group or its signature algorithm.
pub fn unusual(chosen: Chosen) -> Option<Unusual> {
    let Chosen {
        suite,
        group,
        scheme,
        prime_bits,
        ..
    } = chosen;
    let of = |what: String, is_widely_known| {
        Some(Unusual {
            what,
            is_widely_known,
        })
    };
    if let Some(bits) = prime_bits.filter(|bits| *bits < WEAK_PRIME) {
        return of(format!("Diffie-Hellman with a prime of {bits} bits"), false);
    }
    if !is_current_suite(suite) {
        let name = cipher_name(suite).unwrap_or("a suite without a name");
        // RFC 7465, RFC 8758: RC4; RFC 9325 4.1: 3DES.
        let broken = name.contains("RC4") || name.contains("3DES");
        return of(format!("the suite {name}"), !broken);
    }
    if group == Some(X448) {
        return of(format!("the group {}", named_group(X448)), true);
    }
    // RFC 8446 4.2.3: what a session offers is ECDSA, Ed25519, and RSA with SHA-2.
    match scheme? {
        0x0808 => of("Ed448 signatures".to_owned(), true),
        0x0201 | 0x0203 => of("signatures with SHA-1".to_owned(), false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{CONNECTIONS, Ended, Ladder, unusual};
    use crate::probe::tls::flight::Chosen;
    use crate::probe::tls::hello::Highest;

    /// A server with these versions, suites and groups, and every size but those that `dies` names.
    fn climb(versions: &[u16], suites: &[u16], groups: &[u16], dies: &str) -> (Ladder, u32) {
        let mut ladder = Ladder::new(Some("mail.example.net"));
        let mut count = 0;
        while let Some(rung) = ladder.rung() {
            count += 1;
            let shape = &rung.shape;
            let version = Highest::ALL
                .into_iter()
                .rev()
                .filter(|version| (shape.lowest..=shape.highest).contains(version))
                .find(|version| versions.contains(&version.number()));
            let offered = |suite: &&u16| shape.suites.is_empty() || shape.suites.contains(*suite);
            let suite = suites.iter().find(offered);
            let fits =
                shape.groups.is_empty() || shape.groups.iter().any(|one| groups.contains(one));
            let ended = match (version, suite) {
                _ if !dies.is_empty() && rung.name.contains(dies) => Ended::Died("nothing".into()),
                (Some(version), Some(suite)) if fits => Ended::Took {
                    version: version.number(),
                    suite: *suite,
                },
                _ => Ended::Refused("alert 40".into()),
            };
            ladder.ended(&rung, &ended);
            assert!(count <= CONNECTIONS);
        }
        (ladder, count)
    }

    #[test]
    fn what_a_server_takes_is_found_one_by_one() {
        let both = [0x1301, 0x1302, 0xC02F, 0xC030];
        let (ladder, count) = climb(&[0x0303, 0x0304], &both, &[0x001D, 0x0017], "two segments");
        let taken = ladder.taken();
        assert_eq!(taken.versions, ["TLS 1.2", "TLS 1.3"]);
        assert_eq!(taken.groups, ["x25519", "secp256r1"]);
        assert_eq!(taken.suites.len(), 4, "{:?}", taken.suites);
        assert_eq!(taken.without_name.as_deref(), Some("taken"));
        let dead: Vec<&str> = taken
            .hellos
            .iter()
            .filter(|hello| !hello.passes)
            .map(|hello| hello.hello.as_str())
            .collect();
        assert_eq!(dead.len(), 2, "{dead:?}");
        assert!(count > 15);
    }

    #[test]
    fn an_old_server_is_asked_in_its_own_version() {
        let (ladder, _) = climb(&[0x0301], &[0x002F], &[0x0017], "");
        let taken = ladder.taken();
        assert_eq!(taken.versions, ["TLS 1.0"]);
        assert_eq!(taken.suites.len(), 1);
        // It took the group of none: RSA.
        let (nothing, count) = climb(&[], &[], &[], "");
        assert!(nothing.taken().versions.is_empty() && count < 12);
    }

    #[test]
    fn what_current_clients_lack_is_named() {
        let known = |suite, group, scheme, prime_bits| {
            let chosen = Chosen {
                version: 0x0303,
                suite,
                retry: false,
                group,
                scheme,
                prime_bits,
            };
            unusual(chosen).map(|one| one.is_widely_known)
        };
        assert_eq!(known(0xC02F, Some(0x0017), Some(0x0804), None), None);
        assert_eq!(known(0x002F, None, None, None), Some(true));
        assert_eq!(known(0x000A, None, None, None), Some(false));
        // What a session of ours takes is nothing that it lacks.
        assert_eq!(known(0xC02F, Some(0x0019), None, None), None);
        assert_eq!(known(0xC02B, Some(0x0017), Some(0x0603), None), None);
        assert_eq!(known(0xC02F, Some(0x001E), None, None), Some(true));
        assert_eq!(known(0x009E, None, Some(0x0401), Some(2_048)), Some(true));
        assert_eq!(known(0x009E, None, Some(0x0401), Some(1_024)), Some(false));
    }
}
