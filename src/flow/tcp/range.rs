//! One range of a direction's stream and its story: how often it passed, at which sizes, and why again.
//!
//! It tells reordering from a loss, and a needless resend from a needed one, for one range by itself; what that
//! means for the connection is the scoreboard's to count.

use crate::base::{MILLISECOND, Mark, Nanos};

/// A late segment that nobody asked for is reordering within this time, however short the round trip.
const REORDERED: Nanos = 3 * MILLISECOND;

/// One captured segment as the scoreboard sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) mark: Mark,
    /// Running number of the segment in its connection.
    pub(super) ordinal: u64,
    /// First offset.
    pub(super) start: i64,
    /// One past the last offset, a FIN included.
    pub(super) end: i64,
    /// Payload bytes.
    pub(super) payload: u32,
    pub(super) fin: bool,
    pub(super) packet_len: u32,
    /// Without DF: a router that cannot pass it on whole cuts it (RFC 791 3.2).
    pub(super) may_be_cut: bool,
    pub(super) ip_id: Option<u16>,
    pub(super) tsval: Option<u32>,
    /// Silence of the connection before it.
    pub(super) idle_before: Nanos,
    /// Largest payload of one packet in this direction.
    pub(super) mss: u32,
    /// Smallest round trip known, from the capture point to the receiver and back.
    pub(super) rtt: Option<Nanos>,
    /// The same from end to end, if both parts of it are known.
    pub(super) whole_rtt: Option<Nanos>,
    /// How long a tick of the sender's clock takes, if that is known.
    pub(super) tick: Option<Nanos>,
    /// The receiver asked for a resend (three duplicate ACKs or SACK).
    pub(super) asked: bool,
    /// The receiver cannot tell of what lies behind its first hole (no SACK).
    pub(super) blind: bool,
    /// It only probes a closed window.
    pub(super) probe: bool,
    /// What was seen of it before passed a moment ago: this is a copy.
    pub(super) copied: bool,
    /// Its sender spoke last before a silence of both so long, and speaks again; 0 of what was asked for.
    pub(super) unasked: Nanos,
}

impl Segment {
    /// Whether it was sent before a segment with that clock and identification that came before it; `None` where neither tells. A sender
    /// puts the time of sending into a resend (RFC 7323 3.2), and a new identification (RFC 6864 4).
    pub(super) fn is_older(&self, tsval: Option<u32>, ip_id: Option<u16>) -> Option<bool> {
        if let (Some(own), Some(other)) = (self.tsval, tsval) {
            return Some(own.wrapping_sub(other).cast_signed() < 0);
        }
        let told = |id: Option<u16>| id.filter(|id| *id != 0);
        let (own, other) = (told(self.ip_id)?, told(ip_id)?);
        match other.wrapping_sub(own) {
            1..64 => Some(true),
            0 | 0xffc0.. => Some(false),
            _ => None,
        }
    }
}

/// A range of the stream with one story.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) start: i64,
    pub(super) end: i64,
    /// It ends with a FIN.
    pub(super) fin: bool,
    /// Times it passed; 0 while it is a hole.
    pub(super) count: u32,
    pub(super) first: Mark,
    pub(super) ordinal: u64,
    /// The hole was filled by a resend, not by reordering.
    pub(super) lost_before: bool,
    /// Already told as arrived by SACK.
    pub(super) sacked: bool,
    /// Resends that are explained otherwise (ICMP said too big; came after its SACK).
    pub(super) excused: bool,
    /// Largest payload it was carried in.
    pub(super) size: u32,
    /// Smallest payload it was carried in.
    pub(super) size_min: u32,
    pub(super) packet_len: u32,
    /// TSval of the first copy, or of the segment after the hole; and likewise the identification.
    pub(super) tsval: Option<u32>,
    pub(super) ip_id: Option<u16>,
    pub(super) idle_before: Nanos,
    pub(super) mss: u32,
    /// Nobody had asked for it, after a silence so long; 0 of what was asked for.
    pub(super) unasked: Nanos,
    /// `None` of what passed once.
    story: Option<Box<Story>>,
}

/// What there is to tell of a range that was a hole or passed more than once.
#[derive(Clone, Debug)]
struct Story {
    last: Mark,
    last_tsval: Option<u32>,
    /// The first resend.
    resent: Option<Mark>,
    /// It began as a hole, noticed there.
    hole: Option<Mark>,
    /// Separate losses that its resends stand for.
    episodes: u32,
    /// How often it was carried in its largest size, and when.
    size_count: u32,
    size_first: Mark,
    size_last: Mark,
    /// In what size it was carried last, how often in a row, and when first.
    latest_size: u32,
    latest_count: u32,
    latest_first: Mark,
    /// A router said that packets over so many bytes do not pass; and how often a larger one was sent all the same.
    refused: Option<u32>,
    unheeded: u32,
}

impl Range {
    /// A router said that packets over `mtu` bytes do not pass: that explains what was lost in larger ones. `heeded`: the sender must send
    /// smaller ones from now on.
    pub(super) fn refuse(&mut self, mtu: u32, heeded: bool) {
        if self.packet_len > mtu {
            self.excused = true;
            if heeded {
                let story = self.story();
                story.refused = Some(story.refused.map_or(mtu, |known| known.min(mtu)));
            }
        }
    }

    /// How often it was sent in a packet of a size that a router had refused before.
    pub(super) fn unheeded(&self) -> u32 {
        self.story.as_ref().map_or(0, |story| story.unheeded)
    }

    /// When it passed last.
    pub(super) fn last(&self) -> Mark {
        self.story.as_ref().map_or(self.first, |story| story.last)
    }

    /// Where it was noticed as a hole, if it began as one.
    pub(super) fn hole(&self) -> Option<Mark> {
        self.story.as_ref()?.hole
    }

    /// The first resend.
    pub(super) fn resent(&self) -> Option<Mark> {
        self.story.as_ref()?.resent
    }

    /// Payload of the largest packet that surely was among so many bytes of it: a super-segment left in packets of full size.
    pub(super) fn at_most(&self, bytes: i64) -> u32 {
        self.size_min.min(u32::try_from(bytes).unwrap_or(u32::MAX))
    }

    /// Separate losses that its resends stand for.
    pub(super) fn episodes(&self) -> u32 {
        self.story.as_ref().map_or(0, |story| story.episodes)
    }

    /// One loss more.
    pub(super) fn lost(&mut self) {
        let story = self.story();
        story.episodes = story.episodes.saturating_add(1);
    }

    /// Its losses are told by another part of it.
    pub(super) fn tail(&mut self) {
        if let Some(story) = &mut self.story {
            story.episodes = 0;
        }
    }

    /// How often it was carried in its largest size, and when first and last.
    pub(super) fn largest(&self) -> (u32, Mark, Mark) {
        self.story
            .as_ref()
            .map_or((1, self.first, self.first), |story| {
                (story.size_count, story.size_first, story.size_last)
            })
    }

    /// The largest size, if it was carried in that so often: size, how often, when first and last.
    pub(super) fn carried_largest(&self, often: u32) -> Option<(u32, u32, Mark, Mark)> {
        let (count, first, last) = self.largest();
        (self.size > 0 && count >= often).then_some((self.size, count, first, last))
    }

    /// Likewise what it was sent again in after a larger first packet (by a sender that was told of a smaller size, or where the capture does
    /// not show how large a packet may be).
    pub(super) fn carried_latest(&self, often: u32) -> Option<(u32, u32, Mark, Mark)> {
        let story = self.story.as_ref()?;
        (story.latest_size > 0 && story.latest_count >= often).then_some((
            story.latest_size,
            story.latest_count,
            story.latest_first,
            story.last,
        ))
    }

    fn story(&mut self) -> &mut Story {
        self.story.get_or_insert_with(|| {
            Box::new(Story {
                last: self.first,
                last_tsval: self.tsval,
                resent: None,
                hole: None,
                episodes: 0,
                size_count: 1,
                size_first: self.first,
                size_last: self.first,
                latest_size: self.size,
                latest_count: 1,
                latest_first: self.first,
                refused: None,
                unheeded: 0,
            })
        })
    }

    pub(super) fn new(start: i64, end: i64, segment: &Segment, hole: bool) -> Range {
        let size = if hole {
            0
        } else {
            segment.payload.min(segment.mss)
        };
        let mut range = Range {
            start,
            end,
            fin: segment.fin && !hole,
            count: u32::from(!hole),
            first: segment.mark,
            ordinal: segment.ordinal,
            lost_before: false,
            sacked: false,
            excused: segment.probe && !hole,
            size,
            size_min: size,
            packet_len: if hole { 0 } else { segment.packet_len },
            tsval: segment.tsval,
            ip_id: segment.ip_id,
            idle_before: segment.idle_before,
            mss: segment.mss,
            unasked: segment.unasked,
            story: None,
        };
        if hole {
            range.story().hole = Some(segment.mark);
        }
        range
    }

    /// The first copy that the capture sees, after later bytes were seen. `behind_hole`: another hole stands before it.
    pub(super) fn fill(&mut self, segment: &Segment, behind_hole: bool) {
        self.lost_before = !self.reordered(segment, behind_hole);
        let (hole, start, end) = (self.hole(), self.start, self.end);
        let lost_before = self.lost_before;
        let excused = self.excused;
        *self = Range::new(start, end, segment, false);
        self.fin = segment.fin && end == segment.end;
        self.story().hole = hole;
        self.lost_before = lost_before && !excused;
        self.excused = excused;
    }

    /// Whether a late first copy was merely overtaken: it was sent before the segment that showed the hole.
    pub(super) fn reordered(&self, segment: &Segment, behind_hole: bool) -> bool {
        if let (Some(own), Some(later)) = (
            segment.ip_id.filter(|id| *id != 0),
            self.ip_id.filter(|id| *id != 0),
        ) && (1..64).contains(&later.wrapping_sub(own))
        {
            return true;
        }
        let elapsed = self
            .hole()
            .map_or(0, |hole| segment.mark.time.since(hole.time));
        let order = segment.tsval.zip(self.tsval);
        match order.map(|(own, later)| own.wrapping_sub(later) as i32) {
            Some(1..) => return false,
            // A resend has the time at which it is sent (RFC 7323 3.2).
            Some(..0) => return true,
            // Whoever was told of the hole by the segment behind it cannot have sent again before a round trip has passed.
            Some(0) if segment.whole_rtt.is_some_and(|rtt| elapsed < rtt) => return true,
            // Nor can it have in the same tick of a clock that is faster than the round trip, however late it comes.
            Some(0)
                if segment
                    .tick
                    .zip(segment.whole_rtt)
                    .is_some_and(|(tick, rtt)| rtt > tick.saturating_mul(2)) =>
            {
                return true;
            }
            // Who is told of one hole at a time sends the first one again (RFC 6582 3.2).
            None if segment.blind && behind_hole => return true,
            None if segment.whole_rtt.is_some_and(|rtt| elapsed < rtt / 2) => return true,
            _ => {}
        }
        // Nobody sends again so soon without being asked (RFC 6298 2.4, RFC 8985 7.2), however short the way.
        let limit = segment.rtt.unwrap_or(0).max(REORDERED);
        elapsed < limit && !segment.asked
    }

    pub(super) fn resend(&mut self, segment: &Segment) {
        self.count = self.count.saturating_add(1);
        self.excused |= self.sacked;
        self.packet_len = self.packet_len.max(segment.packet_len);
        let (size, largest) = (segment.payload.min(segment.mss), self.size);
        let story = self.story();
        story.last = segment.mark;
        story.resent.get_or_insert(segment.mark);
        story.last_tsval = segment.tsval;
        // A super-segment leaves in packets of a size that is not seen here; and who lets routers cut its packets (RFC 1191 3) has heard.
        if story.refused.is_some_and(|mtu| segment.packet_len > mtu)
            && segment.payload <= segment.mss
            && !segment.may_be_cut
        {
            story.unheeded = story.unheeded.saturating_add(1);
        }
        if size > largest {
            story.size_count = 1;
            story.size_first = segment.mark;
            story.size_last = segment.mark;
        } else if size == largest {
            story.size_count = story.size_count.saturating_add(1);
            story.size_last = segment.mark;
        }
        if size == story.latest_size {
            story.latest_count = story.latest_count.saturating_add(1);
        } else {
            story.latest_size = size;
            story.latest_count = 1;
            story.latest_first = segment.mark;
        }
        self.size = self.size.max(size);
        self.size_min = self.size_min.min(size);
    }

    /// The acknowledgement that came at `mark` answers the first copy: the resend was not needed.
    pub(super) fn needless(&self, mark: Mark, tsecr: Option<u32>, min_rtt: Option<Nanos>) -> bool {
        let last_tsval = self
            .story
            .as_ref()
            .map_or(self.tsval, |story| story.last_tsval);
        if let (Some(echo), Some(first), Some(last)) = (tsecr, self.tsval, last_tsval)
            && first != last
            && [first, last].contains(&echo)
        {
            return echo == first;
        }
        let answered = mark.time.since(self.last().time);
        min_rtt.is_some_and(|rtt| rtt > MILLISECOND && answered < rtt / 2)
    }
}
