//! The manners in which every conversation is played: those that show all, and those that show less.

use super::stage::{Manner, PLAIN, Point};

/// In nanoseconds.
const MILLISECOND: i64 = 1_000_000;

/// Manners of playing that show all that the plain one shows.
pub const SAME: &[Manner] = &[
    PLAIN,
    Manner {
        name: "fast",
        rtt: Some(MILLISECOND),
        ..PLAIN
    },
    Manner {
        name: "far",
        rtt: Some(280 * MILLISECOND),
        ..PLAIN
    },
    Manner {
        name: "server",
        point: Point::Server,
        ..PLAIN
    },
    Manner {
        name: "middle",
        point: Point::Middle,
        ..PLAIN
    },
    Manner {
        name: "far-server",
        rtt: Some(280 * MILLISECOND),
        point: Point::Server,
        ..PLAIN
    },
    Manner {
        name: "v6",
        v6: true,
        ..PLAIN
    },
    Manner {
        name: "vlan",
        vlan: true,
        ..PLAIN
    },
    Manner {
        name: "mirror",
        mirror: true,
        ..PLAIN
    },
    Manner {
        name: "chunk1",
        chunk: Some(1),
        ..PLAIN
    },
    Manner {
        name: "chunk7",
        chunk: Some(7),
        ..PLAIN
    },
    Manner {
        name: "plain-tcp",
        plain: true,
        ..PLAIN
    },
];

/// Manners that show less: the verdict may fade, never change into another cause.
pub const LESS: &[Manner] = &[
    Manner {
        name: "snap96",
        snaplen: Some(96),
        ..PLAIN
    },
    Manner {
        name: "only-client",
        only: Some('C'),
        ..PLAIN
    },
    Manner {
        name: "only-server",
        only: Some('S'),
        ..PLAIN
    },
    Manner {
        name: "late1",
        skip: 1,
        ..PLAIN
    },
    Manner {
        name: "late3",
        skip: 3,
        ..PLAIN
    },
    Manner {
        name: "late6",
        skip: 6,
        ..PLAIN
    },
];
