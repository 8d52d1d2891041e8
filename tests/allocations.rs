//! On the paths of TCP and of foreign flows allocations do not go with packets: at most one per hundred frames, counted
//! with an allocator that counts.

#[path = "../benches/generator/mod.rs"]
#[allow(dead_code)] // the bench takes the rest
mod generator;
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use generator::{Case, Generator, Recipe};
use mxray::engine::{Config, Engine, Input as Frame};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is the system allocator's; only a number of this thread changes beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of an engine while it takes the frames of a capture from the middle on, and how many frames these are.
fn in_the_middle(case: Case) -> (u64, u64) {
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
    let captured = support::Captured::read(&path).expect("a capture");
    let mut engine = Engine::new(Config::default());
    let source = engine.open_source("file", mxray::base::Foreign::from("capture"), None);
    let (half, end) = (captured.frames.len() / 2, captured.frames.len() - 100);
    let mut before = 0;
    for (place, frame) in captured.frames[..end].iter().enumerate() {
        if place == half {
            before = COUNT.get();
        }
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
    (COUNT.get() - before, (end - half) as u64)
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
