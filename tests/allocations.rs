//! On the paths of TCP and of foreign flows allocations do not go with packets: at most one per hundred frames; and what waits
//! for judging is small; and a live run of hours holds no more memory at its end than early in it. Counted with an allocator that counts.

#[path = "support/flood.rs"]
#[allow(dead_code)] // another suite takes the rest
mod flood;
#[path = "../benches/generator/mod.rs"]
#[allow(dead_code)] // the bench takes the rest
mod generator;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use generator::{Case, Generator, Recipe};
use mxray::base::{Foreign, MILLISECOND, SECOND, SourceId, Timestamp};
use mxray::engine::record::Record;
use mxray::engine::{Config, Engine, Input as Frame};
use mxray::wire::TcpFlags;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

fn grow(bytes: i64) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

struct Counting;

// SAFETY: everything is the system allocator's; only numbers of this thread change beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        grow(layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        grow(-(layout.size() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A capture of that case, generated.
fn captured(case: Case) -> support::Captured {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcap");
    let generator = Generator::new(&support::captures()).expect("the recordings are there");
    let file = std::fs::File::create(&path).expect("a file");
    let recipe = Recipe {
        case,
        size: 4 << 20,
        seed: 3,
    };
    generator
        .build(&recipe, std::io::BufWriter::new(file))
        .expect("is written");
    support::Captured::read(&path).expect("a capture")
}

/// Feeds frames to an engine; `before` is told the place of each.
fn feed(frames: &[support::Kept], before: &mut dyn FnMut(usize)) -> Engine {
    let mut engine = Engine::new(Config::default());
    let source = engine.open_source("file", Foreign::from("capture"), None);
    for (place, frame) in frames.iter().enumerate() {
        before(place);
        engine.frame(&frame.of(source), &mut |_| {});
    }
    engine
}

/// Allocations of an engine while it takes the frames of a capture from the middle on, and how many frames these are.
fn in_the_middle(case: Case) -> (u64, u64) {
    let captured = captured(case);
    let (half, end) = (captured.frames.len() / 2, captured.frames.len() - 100);
    let mut start = 0;
    let _engine = feed(&captured.frames[..end], &mut |place| {
        if place == half {
            start = COUNT.get();
        }
    });
    (COUNT.get() - start, (end - half) as u64)
}

#[test]
fn a_long_mail_connection_does_not_allocate_by_packet() {
    let (allocations, frames) = in_the_middle(Case::OneConnection);
    assert!(frames > 1_000);
    assert!(
        allocations * 100 <= frames,
        "{allocations} allocations in {frames} frames"
    );
}

#[test]
fn foreign_flows_allocate_by_flow_and_not_by_packet() {
    let (allocations, frames) = in_the_middle(Case::Bulk);
    assert!(frames > 1_000);
    assert!(
        allocations * 100 <= frames,
        "{allocations} allocations in {frames} frames"
    );
}

/// A flood, or a firewall's silence, that is over for all of them at once.
#[test]
fn unanswered_syns_that_end_together_are_small_to_the_end() {
    let mut captured = captured(Case::Syns);
    let last = captured.frames.last().expect("frames").time;
    captured
        .frames
        .retain(|frame| last.since(frame.time) > 3_600 * SECOND);
    let syns = captured.frames.len() as i64;
    assert!(syns > 30_000, "{syns}");
    let start = LIVE.get();
    PEAK.set(start);
    let mut engine = feed(&captured.frames, &mut |_| {});
    let (open, mut judged) = (PEAK.get() - start, 0);
    PEAK.set(LIVE.get());
    engine.tick(last, &mut |record| {
        judged += i64::from(matches!(record, Record::Connection(_)));
    });
    let ending = PEAK.get() - start;
    assert_eq!(judged, syns);
    assert!(open < 1_000 * syns, "{} bytes each while open", open / syns);
    assert!(
        ending < 2_000 * syns,
        "{} bytes each at the end",
        ending / syns
    );
}

const HOUR: i64 = 3_600 * SECOND;

/// A live run: frames with the time that it is, and time that passes without any.
struct Live {
    engine: Engine,
    source: SourceId,
    number: u64,
    failed: u64,
    healthy: u64,
}

impl Live {
    fn new() -> Live {
        let mut engine = Engine::new(Config {
            live: true,
            ..Config::default()
        });
        let source = engine.open_source("interface", Foreign::from("test0"), None);
        Live {
            engine,
            source,
            number: 0,
            failed: 0,
            healthy: 0,
        }
    }

    fn see(failed: &mut u64, healthy: &mut u64, record: &Record) {
        if let Record::Connection(one) = record
            && one.verdict.is_final
        {
            *failed += u64::from(one.outcome == "failed");
            *healthy += u64::from(one.outcome == "healthy");
        }
    }

    fn frame(&mut self, time: i64, data: &[u8]) {
        self.number += 1;
        let (failed, healthy) = (&mut self.failed, &mut self.healthy);
        self.engine.frame(
            &Frame {
                source: self.source,
                number: self.number,
                interface: 0,
                link_type: 1,
                time: Timestamp(time),
                data,
                original_len: data.len() as u32,
                control: false,
            },
            &mut |record| Live::see(failed, healthy, &record),
        );
    }

    /// Time has come so far.
    fn tick(&mut self, time: i64) {
        let (failed, healthy) = (&mut self.failed, &mut self.healthy);
        let now = Timestamp(time);
        self.engine.watched(self.source, now);
        self.engine
            .tick(now, &mut |record| Live::see(failed, healthy, &record));
        self.engine.provisional(now, 1_024, &mut |_| {});
    }
}

/// A segment of the one connection that stays open through all of it.
fn idle(from_client: bool, flags: u8, numbers: (u32, u32), text: &[u8]) -> Vec<u8> {
    let (client, server) = (("10.200.0.1", 41_000), ("198.51.100.1", 143));
    let (from, to) = if from_client {
        (client, server)
    } else {
        (server, client)
    };
    flood::frame(&[], &flood::segment(from, to, flags, numbers, text))
}

#[test]
fn a_live_run_of_hours_stays_within_its_memory() {
    const BEGAN: i64 = 1_800_000_000 * SECOND;
    const EACH_SECOND: i64 = 5;
    let (ack, push) = (TcpFlags::ACK, TcpFlags::ACK | TcpFlags::PSH);
    let mut live = Live::new();
    // What a process holds once for all is made before it is measured.
    for frame in flood::connection(0).iter().chain(&flood::connection(1)) {
        live.frame(BEGAN - HOUR, frame);
    }
    live.tick(BEGAN - HOUR / 2);
    let own = LIVE.get();
    // Sixteen hours of five connections a second, each from another address, one in ten refused.
    let mut most = [0i64; 16];
    let mut number = 2;
    for second in 0..16 * 3_600 {
        let now = BEGAN + second * SECOND;
        for one in 0..EACH_SECOND {
            let time = now + one * SECOND / EACH_SECOND;
            for (place, frame) in (0..).zip(flood::connection(number)) {
                live.frame(time + place * MILLISECOND, &frame);
            }
            number += 1;
        }
        live.tick(now + SECOND);
        let hour = usize::try_from(second / 3_600).expect("an hour");
        most[hour] = most[hour].max(LIVE.get() - own);
    }
    let mebibytes = most.map(|bytes| bytes >> 20);
    println!("most in each hour, in MiB: {mebibytes:?}");
    // What is known of addresses fills its room within eight hours (114,688 servers after 6.4 h, and then a second generation of them);
    // then nothing grows any more.
    assert!(most[15] < 24 << 20, "{mebibytes:?}");
    assert!(most[15] <= most[9] + most[9] / 10, "{mebibytes:?}");
    // An open connection, and then nothing at all for 2 h 9 min: it goes on as if a second had passed.
    let noon = BEGAN + 16 * HOUR + 60 * SECOND;
    for (place, frame) in (0..).zip([
        idle(true, TcpFlags::SYN, (1_000, 0), b""),
        idle(false, TcpFlags::SYN | TcpFlags::ACK, (5_000, 1_001), b""),
        idle(true, ack, (1_001, 5_001), b""),
        idle(false, push, (5_001, 1_001), b"* OK ready\r\n"),
        idle(true, push, (1_001, 5_013), b"a LOGIN u p\r\n"),
        idle(false, push, (5_013, 1_014), b"a OK in\r\n"),
        idle(true, push, (1_014, 5_022), b"b IDLE\r\n"),
        idle(false, push, (5_022, 1_022), b"+ idling\r\n"),
        idle(true, ack, (1_022, 5_032), b""),
    ]) {
        live.frame(noon + place * MILLISECOND, &frame);
    }
    let silent = 2 * HOUR + 9 * 60 * SECOND;
    let mut quiet = i64::MAX;
    for second in 1..silent / SECOND {
        live.tick(noon + second * SECOND);
        quiet = LIVE.get() - own;
    }
    assert!(quiet < most[7], "{} MiB in silence", quiet >> 20);
    let (healthy, failed) = (live.healthy, live.failed);
    let after = noon + silent;
    for (place, frame) in (0..).zip([
        idle(true, push, (1_022, 5_032), b"DONE\r\n"),
        idle(false, push, (5_032, 1_028), b"b OK\r\n"),
        idle(true, push, (1_028, 5_038), b"c LOGOUT\r\n"),
        idle(false, push, (5_038, 1_038), b"* BYE\r\nc OK\r\n"),
        idle(false, TcpFlags::FIN | ack, (5_051, 1_038), b""),
        idle(true, TcpFlags::FIN | ack, (1_038, 5_052), b""),
        idle(false, ack, (5_052, 1_039), b""),
    ]) {
        live.frame(after + place * MILLISECOND, &frame);
    }
    for second in 1..600 {
        live.tick(after + second * SECOND);
    }
    assert_eq!((live.healthy, live.failed), (healthy + 1, failed));
}
