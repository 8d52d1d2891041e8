//! The same packets in other clothes get the same verdicts: another file format, other link types, tags, labels and tunnels
//! around them, fragments, super-segments, mirror ports, other addresses and ports, another year.

#[path = "reencode/clothes.rs"]
mod clothes;
#[path = "reencode/cuts.rs"]
mod cuts;
#[path = "reencode/mapping.rs"]
mod mapping;
mod support;

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use mxray::base::Timestamp;
use mxray::capture::PcapngWriter;
use mxray::engine::SourceEnd;
use mxray::engine::record::Record;

use mapping::{known, remapped};
use support::{Captured, Kept, in_parallel, judge, recordings, replay};

const YEAR: i64 = 365 * 24 * 3_600 * 1_000_000_000;
const ETHERNET: u16 = 1;

/// What must not change.
fn verdicts(records: &[Record]) -> Vec<String> {
    let mut found = Vec::new();
    for record in records {
        match record {
            Record::Connection(one) => {
                let findings: Vec<&str> = one
                    .findings
                    .iter()
                    .map(|finding| finding.code)
                    .filter(|code| *code != "capture.duplicates")
                    .collect();
                found.push(format!(
                    "connection {} {} {} {} stage {} at {} frame {:?} findings {findings:?}",
                    one.id,
                    one.service,
                    one.outcome,
                    one.verdict.code,
                    one.stage,
                    one.verdict.at.place,
                    one.verdict.frame
                ));
            }
            Record::Lookup(one) => found.push(format!(
                "look-up {} {} {} {} {} frame {:?}",
                one.id, one.name, one.kind, one.outcome, one.verdict.code, one.verdict.frame
            )),
            Record::Attempt(one) => found.push(format!(
                "attempt {} {} {}",
                one.id, one.outcome, one.verdict.code
            )),
            // Damage belongs to the file, and a copy of its frames has none; that frames stand twice is said of those that do.
            Record::Finding(one)
                if matches!(one.verdict.code, "capture.damaged" | "capture.duplicates") => {}
            Record::Finding(one) => found.push(format!(
                "finding {} {:?}",
                one.verdict.code, one.verdict.frame
            )),
            Record::Summary(one) => {
                let mut causes: Vec<&str> =
                    one.root_causes.iter().map(|cause| cause.code).collect();
                causes.sort_unstable();
                found.push(format!("summary {:?} causes {causes:?}", one.by_code));
            }
            Record::Source(_) | Record::Path(_) => {}
        }
    }
    found
}

/// Runs a change over every recording, and says where a verdict changed.
fn holds(what: &str, change: impl Fn(&str, &Captured) -> Option<Vec<Record>> + Sync) {
    holds_as(what, verdicts, change);
}

/// The same, with what is compared.
fn holds_as(
    what: &str,
    verdicts: impl Fn(&[Record]) -> Vec<String> + Sync,
    change: impl Fn(&str, &Captured) -> Option<Vec<Record>> + Sync,
) {
    let entries: Vec<(String, PathBuf)> = recordings().into_iter().collect();
    assert!(!entries.is_empty(), "no recordings");
    let found = in_parallel(&entries, |(name, path)| {
        let captured = Captured::read(path).expect("a capture");
        let before = verdicts(&captured.judge());
        let after = verdicts(&change(name, &captured)?);
        let first = before.iter().zip(&after).find(|(was, is)| was != is);
        Some(match first {
            Some((was, is)) => Some(format!("{name}\n    was {was}\n    is  {is}")),
            None if before.len() != after.len() => Some(format!(
                "{name}: {} records became {}",
                before.len(),
                after.len()
            )),
            None => None,
        })
    });
    let tried = found.iter().flatten().count();
    let changed: Vec<String> = found.into_iter().flatten().flatten().collect();
    assert!(
        tried * 2 > entries.len(),
        "only {tried} of {} recordings were tried",
        entries.len()
    );
    assert!(
        changed.is_empty(),
        "{what} changed {} verdicts:\n  {}",
        changed.len(),
        changed.join("\n  ")
    );
}

/// A classic pcap file with nanoseconds, in either byte order. The project writes no such files itself.
fn pcap(frames: &[Kept], big_endian: bool) -> Vec<u8> {
    let u32s = |value: u32| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let u16s = |value: u16| {
        if big_endian {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        }
    };
    let mut file = Vec::new();
    file.extend(u32s(0xA1B2_3C4D));
    file.extend(u16s(2));
    file.extend(u16s(4));
    file.extend([0; 8]);
    file.extend(u32s(262_144));
    file.extend(u32s(
        frames.first().map_or(1, |frame| u32::from(frame.link_type)),
    ));
    for frame in frames {
        let time = u64::try_from(frame.time.0).expect("after 1970");
        file.extend(u32s(
            u32::try_from(time / 1_000_000_000).expect("before 2106"),
        ));
        file.extend(u32s(
            u32::try_from(time % 1_000_000_000).expect("below a second"),
        ));
        file.extend(u32s(u32::try_from(frame.data.len()).expect("a frame")));
        file.extend(u32s(frame.original_len));
        file.extend(&frame.data[..]);
    }
    file
}

fn pcapng(frames: &[Kept]) -> Vec<u8> {
    let mut writer = PcapngWriter::new(Vec::new()).expect("a file");
    let link_type = frames.first().map_or(ETHERNET, |frame| frame.link_type);
    let interface = writer
        .interface("again", link_type, 0)
        .expect("an interface");
    for frame in frames {
        writer
            .packet(interface, frame.time, &frame.data, frame.original_len, None)
            .expect("a packet");
    }
    writer.into_inner().expect("a file")
}

fn through_a_file(bytes: &[u8]) -> Vec<Record> {
    let folder = tempfile::tempdir().expect("a folder");
    let path: &Path = &folder.path().join("again");
    fs::write(path, bytes).expect("written");
    replay(path).expect("a capture")
}

/// A recording of one link type, without what only pcapng can say.
fn plain(captured: &Captured) -> bool {
    captured.end.dropped == 0
        && captured.end.damage.is_none()
        && captured
            .frames
            .iter()
            .all(|frame| frame.link_type == captured.frames[0].link_type && !frame.control)
}

#[test]
fn pcap_and_pcapng_say_the_same() {
    holds("Little-endian pcap", |_, captured| {
        plain(captured).then(|| through_a_file(&pcap(&captured.frames, false)))
    });
    holds("Big-endian pcap", |_, captured| {
        plain(captured).then(|| through_a_file(&pcap(&captured.frames, true)))
    });
    holds("Writing pcapng anew", |_, captured| {
        plain(captured).then(|| through_a_file(&pcapng(&captured.frames)))
    });
}

fn ethernet(captured: &Captured) -> bool {
    captured
        .frames
        .iter()
        .all(|frame| frame.link_type == ETHERNET && frame.data.len() >= 14)
}

fn tagged(frame: &Kept, tags: &[u8]) -> Kept {
    let mut data = frame.data.to_vec();
    data.splice(12..12, tags.iter().copied());
    let more = u32::try_from(tags.len()).expect("a few bytes");
    Kept {
        data: data.into(),
        original_len: frame.original_len + more,
        ..frame.clone()
    }
}

#[test]
fn vlan_tags_change_nothing() {
    let one: &[u8] = &[0x81, 0x00, 0x20, 0x2A];
    let two: &[u8] = &[0x88, 0xA8, 0x00, 0x07, 0x81, 0x00, 0x0F, 0xFE];
    for (what, tags) in [("A VLAN tag", one), ("Two VLAN tags", two)] {
        holds(what, |_, captured| {
            let frames: Vec<Kept> = captured
                .frames
                .iter()
                .map(|frame| tagged(frame, tags))
                .collect();
            ethernet(captured).then(|| judge(&frames, &captured.end))
        });
    }
}

#[test]
fn another_year_changes_nothing() {
    for (what, years) in [("Seven years later", 7), ("Thirty years earlier", -30)] {
        holds(what, |_, captured| {
            // A certificate is judged at the packet's time.
            let certificates = captured
                .judge()
                .iter()
                .any(|record| matches!(record, Record::Connection(one) if one.tls.as_ref().is_some_and(|tls| !tls.certificates.is_empty())));
            if certificates {
                return None;
            }
            let shift = |frame: &Kept| Kept {
                time: Timestamp(frame.time.0 + years * YEAR),
                ..frame.clone()
            };
            let frames: Vec<Kept> = captured.frames.iter().map(shift).collect();
            Some(judge(&frames, &captured.end))
        });
    }
}

#[test]
fn other_addresses_and_ports_change_nothing() {
    holds("Mapping addresses and ports", |_, captured| {
        let known = known(captured);
        let frames: Vec<Kept> = captured
            .frames
            .iter()
            .map(|frame| remapped(frame, &known))
            .collect();
        ethernet(captured).then(|| judge(&frames, &captured.end))
    });
}

#[test]
fn the_mapping_maps() {
    let (_, path) = recordings()
        .into_iter()
        .find(|(name, _)| name == "ok/smtp-plain")
        .expect("a recording");
    let captured = Captured::read(&path).expect("a capture");
    let known = known(&captured);
    let ends = |frames: &[Kept]| {
        judge(frames, &SourceEnd::default())
            .iter()
            .find_map(|record| match record {
                Record::Connection(one) => Some((
                    one.client.ip.parse::<IpAddr>().ok(),
                    one.server.ip.parse::<IpAddr>().ok(),
                    one.client.port,
                )),
                _ => None,
            })
            .expect("a connection")
    };
    let frames: Vec<Kept> = captured
        .frames
        .iter()
        .map(|frame| remapped(frame, &known))
        .collect();
    let (before, after) = (ends(&captured.frames), ends(&frames));
    assert_ne!(before.0, after.0);
    assert_ne!(before.1, after.1);
    assert_ne!(before.2, after.2);
}

/// What only the addresses of Ethernet show: whether the asker of ARP or NDP would have been heard an answer to.
const NEEDS_ETHERNET: &str = "route.neighbor-unresolved/";

/// Codes alone: frames that change places change their numbers.
fn codes(records: &[Record]) -> Vec<String> {
    let mut found: Vec<String> = records
        .iter()
        .filter_map(|record| match record {
            Record::Connection(one) => Some(format!(
                "connection {}:{} {}",
                one.client.port, one.server.port, one.verdict.code
            )),
            Record::Lookup(one) => Some(format!("{} {} {}", one.name, one.kind, one.verdict.code)),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

/// Frames changed one by one; a recording with one that has no place there is not tried.
fn each(what: &str, change: impl Fn(&Kept) -> Option<Kept> + Sync) {
    holds(what, |name, captured| {
        if name.starts_with(NEEDS_ETHERNET) {
            return None;
        }
        let frames = captured
            .frames
            .iter()
            .map(&change)
            .collect::<Option<Vec<Kept>>>();
        let frames = ethernet(captured).then_some(frames).flatten()?;
        Some(judge(&frames, &captured.end))
    });
}

/// ARP belongs to a link; without it the rest says the same, but for what ARP alone shows.
fn each_packet(what: &str, change: impl Fn(&Kept) -> Option<Kept> + Sync) {
    holds(what, |name, captured| {
        if name.starts_with("route.") || !ethernet(captured) {
            return None;
        }
        let frames: Vec<Kept> = captured.frames.iter().filter_map(&change).collect();
        Some(judge(&frames, &captured.end))
    });
}

#[test]
fn other_link_types_change_nothing() {
    each("Linux cooked capture", clothes::cooked);
    each("Linux cooked capture v2", clothes::cooked2);
    each("802.11", clothes::wireless);
    for (what, link_type) in [("RAW", 101), ("NULL", 0), ("LOOP", 108), ("PPP", 9)] {
        each_packet(what, |frame| clothes::bare(frame, link_type));
    }
}

#[test]
fn labels_and_sessions_change_nothing() {
    each_packet("Two MPLS labels", clothes::labelled);
    each_packet("PPPoE", clothes::pppoe);
}

#[test]
fn tunnels_change_nothing() {
    for tunnel in [
        clothes::Tunnel::GreBridge,
        clothes::Tunnel::Erspan2,
        clothes::Tunnel::Erspan3,
        clothes::Tunnel::Vxlan,
        clothes::Tunnel::Geneve,
    ] {
        each(&format!("{tunnel:?}"), |frame| {
            clothes::tunnelled(frame, tunnel)
        });
    }
    for tunnel in [clothes::Tunnel::Gre, clothes::Tunnel::Ip] {
        each_packet(&format!("{tunnel:?}"), |frame| {
            clothes::tunnelled(frame, tunnel)
        });
    }
}

#[test]
fn fragments_change_nothing() {
    for (what, backwards) in [
        ("Fragments", false),
        ("Fragments, the last one first", true),
    ] {
        holds(what, |_, captured| {
            let frames: Vec<Kept> = captured
                .frames
                .iter()
                .flat_map(|frame| cuts::fragments(frame, backwards))
                .collect();
            ethernet(captured).then(|| judge(&frames, &captured.end))
        });
    }
}

#[test]
fn super_segments_change_nothing() {
    let joined = std::sync::atomic::AtomicUsize::new(0);
    // Of two segments that are one now the number of the first is left.
    let numberless = |records: &[Record]| -> Vec<String> {
        verdicts(records)
            .iter()
            .map(|line| {
                let (before, after) = line.split_once(" frame ").unwrap_or((line, ""));
                let after = after
                    .split_once(" findings ")
                    .map_or("", |(_, after)| after);
                format!("{before} {after}")
            })
            .collect()
    };
    holds_as("Segments made one", numberless, |name, captured| {
        // Of copies only some would be made one.
        if !ethernet(captured) || name.contains("mirror") {
            return None;
        }
        // A hello of two segments whose tail alone arrived: made one, nothing shows the size any more, and
        // `path.mtu-blackhole` becomes what it is then (verdicts.md: "else `tls.hello-dropped`").
        if name == "tls.hello-dropped/large-one" {
            return None;
        }
        let frames = cuts::coalesced(&captured.frames);
        joined.fetch_add(
            captured.frames.len() - frames.len(),
            std::sync::atomic::Ordering::Relaxed,
        );
        Some(judge(&frames, &captured.end))
    });
    let joined = joined.into_inner();
    assert!(joined > 100, "only {joined} segments were made one");
}

#[test]
fn a_mirror_of_both_sides_changes_nothing() {
    holds("A mirror port", |name, captured| {
        // Put into the order of time, these have nothing wrong any more.
        if name.starts_with("capture.disorder/") {
            return None;
        }
        let mut frames: Vec<Kept> = captured.frames.iter().flat_map(cuts::mirrored).collect();
        frames.sort_by_key(|frame| frame.time);
        ethernet(captured).then(|| judge(&frames, &captured.end))
    });
}

#[test]
fn directions_interleaved_badly_change_nothing() {
    holds_as("Pairs swapped", codes, |name, captured| {
        // What a reset answered, and which of two answers came first, is read from the order.
        let frames = cuts::swapped(&captured.frames, name);
        ethernet(captured).then(|| judge(&frames, &captured.end))
    });
}
