//! Several captures as one, in the order of time (`--merge`).
//!
//! Frames keep their own source and number. Within a source their order is never changed, even where its
//! clock steps back; at equal times the source that was named first comes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::reader::{CaptureReader, Frame};
use crate::base::{SourceId, Timestamp};

/// A merging reader.
pub struct Merged {
    readers: Vec<(SourceId, CaptureReader)>,
    /// The next frame of each reader that has one: its time, then the reader's place.
    next: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// The reader whose frame was given out last; it is asked again when that frame is done with.
    last: Option<usize>,
}

impl Merged {
    /// Merges readers, each with the source that its frames are of.
    pub fn new(mut readers: Vec<(SourceId, CaptureReader)>) -> Merged {
        let mut next = BinaryHeap::with_capacity(readers.len());
        for (place, (_, reader)) in readers.iter_mut().enumerate() {
            if let Some(frame) = reader.peek() {
                next.push(Reverse((frame.time, place)));
            }
        }
        Merged {
            readers,
            next,
            last: None,
        }
    }

    /// The earliest frame of all that are next.
    pub fn next_frame(&mut self) -> Option<(SourceId, Frame<'_>)> {
        self.look_ahead();
        let Reverse((_, place)) = self.next.pop()?;
        self.last = Some(place);
        let (source, reader) = self.readers.get_mut(place)?;
        let source = *source;
        reader.next_frame().map(|frame| (source, frame))
    }

    /// Reads what stands before the next frame of the input that gave the last one: its secrets are known then. Gives
    /// that input's place in [`Merged::readers`], once.
    pub fn look_ahead(&mut self) -> Option<usize> {
        let place = self.last.take()?;
        if let Some(frame) = self
            .readers
            .get_mut(place)
            .and_then(|(_, reader)| reader.peek())
        {
            self.next.push(Reverse((frame.time, place)));
        }
        Some(place)
    }

    /// The readers, for their summaries and key logs.
    pub fn readers(&self) -> &[(SourceId, CaptureReader)] {
        &self.readers
    }
}
