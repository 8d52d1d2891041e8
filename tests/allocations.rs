//! On the paths of TCP and of foreign flows allocations do not go with packets: at most one per hundred frames; and what waits
//! for judging is small. Counted with an allocator that counts.

#[path = "../benches/generator/mod.rs"]
#[allow(dead_code)] // the bench takes the rest
mod generator;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use generator::{Case, Generator, Recipe};
use mxray::base::SECOND;
use mxray::engine::record::Record;
use mxray::engine::{Config, Engine, Input as Frame};

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
    let source = engine.open_source("file", mxray::base::Foreign::from("capture"), None);
    for (place, frame) in frames.iter().enumerate() {
        before(place);
        engine.frame(
            &Frame {
                source,
                number: frame.number,
                link_type: frame.link_type,
                time: frame.time,
                data: &frame.data,
                original_len: frame.original_len,
                control: frame.control,
            },
            &mut |_| {},
        );
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
