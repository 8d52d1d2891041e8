//! `capture.*` beside a connection: one direction missing, a beginning missing, frames cut, lost, copied, out of order, or a bound of mxray's own.

use crate::base::{Mark, SECOND, Side};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::Opening;

/// Copies are worth a word from this many on, and from this share of all frames (one in …).
const COPIES: u32 = 3;
const COPY_SHARE: u64 = 20;

/// Hears every connection.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let tcp = c.tcp;
    let (client, server) = (&tcp.sides[Side::Client], &tcp.sides[Side::Server]);
    let one_way = c.one_sided();
    let mut find = |code: Code, at: Mark, sure: f32, summary: String, advice: &str| {
        claims.push(
            Claim::new(code, At::of(Where::Unknown), at, sure, summary)
                .weighing(Weight::Finding)
                .advise(advice),
        );
    };
    if one_way {
        let side = if server.segments == 0 {
            "client"
        } else {
            "server"
        };
        find(
            Code::CaptureOneWay,
            tcp.first,
            0.9,
            format!("Only packets of the {side} were captured."),
            "Capture both directions: at an end, or on a mirror port that copies received and sent frames",
        );
    }
    if tcp.opening == Opening::Midstream {
        find(
            Code::CaptureMidStream,
            tcp.first,
            0.95,
            "The capture begins in the middle of this connection.".to_owned(),
            "Start recording before the client connects",
        );
    }
    if tcp.cut_frames > 0 {
        find(
            Code::CaptureSnaplen,
            tcp.first,
            0.98,
            format!(
                "{} frames of this connection were cut short by the recorder.",
                tcp.cut_frames
            ),
            "Record whole packets: tcpdump -s 0",
        );
    }
    let unread = c.context.refused_cut.filter(|_| server.segments == 0);
    if let Some(error) = unread.filter(|_| tcp.cut_frames == 0) {
        find(
            Code::CaptureSnaplen,
            error,
            0.9,
            "An ICMP error that may be about this connection was cut short by the recorder."
                .to_owned(),
            "Record whole packets: tcpdump -s 0",
        );
    }
    let holes = tcp
        .capture_gaps
        .client
        .saturating_add(tcp.capture_gaps.server)
        .max(tcp.acked_unseen);
    let tolerated = u32::from(tcp.opening == Opening::Midstream);
    if !one_way && holes > tolerated {
        find(
            Code::CaptureDropped,
            tcp.last,
            0.85,
            "Bytes of this connection were acknowledged that the capture does not hold.".to_owned(),
            "Filter in the kernel, or give the recorder a larger buffer (tcpdump -B)",
        );
    }
    let frames = client.segments.saturating_add(server.segments);
    if tcp.duplicates >= COPIES && u64::from(tcp.duplicates).saturating_mul(COPY_SHARE) >= frames {
        find(
            Code::CaptureDuplicates,
            tcp.first,
            0.9,
            format!(
                "{} frames of this connection were recorded twice; they are counted once.",
                tcp.duplicates
            ),
            "Capture on one interface or one mirror direction; editcap -d removes copies",
        );
    }
    if let Some(jump) = *tcp.clock_jump {
        find(
            Code::CaptureDisorder,
            jump.to,
            0.9,
            format!(
                "The capture's clock jumped forward by {:.0} s: the clocks of both ends stood still meanwhile.",
                jump.length as f64 / SECOND as f64
            ),
            "No time across this jump was judged; capture with a clock that is not set meanwhile",
        );
    }
    let apart = tcp.clock_error >= SECOND && tcp.disorder == 0;
    if tcp.disorder > 0 || tcp.behind > 0 || apart {
        let words = match (tcp.disorder, tcp.behind) {
            _ if apart => format!(
                "The server's packets stand {:.1} s behind what answers them: the two directions were timed by clocks that differ.",
                tcp.clock_error as f64 / SECOND as f64
            ),
            (0, behind) => {
                format!("{behind} frames of this connection stand behind what answers them.")
            }
            (disorder, _) => {
                format!("Times of {disorder} frames of this connection run backwards.")
            }
        };
        find(
            Code::CaptureDisorder,
            tcp.first,
            0.9,
            words,
            "Sort with reordercap; merge files with mergecap, not cat",
        );
    }
    if c.dialogue.omitted > 0 {
        find(
            Code::CaptureLimit,
            tcp.last,
            0.98,
            format!(
                "{} commands in the middle of this long session were not kept.",
                c.dialogue.omitted
            ),
            "Nothing to do: its beginning and its end were judged",
        );
    }
}
