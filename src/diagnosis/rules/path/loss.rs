//! `path.loss`: segments that got lost and had to be sent again, counted in MSS-equivalents in both directions.
//!
//! Degraded at ≥ 3 events when they are ≥ 3 %, or ≥ 1 % with ≥ 1 s of standing still; less is a finding. What was first sent when the
//! connection was done (a FIN that waits for a process to close) is not counted: nobody waits for it. Nor does anybody for what a server
//! says by itself (RFC 2177: new mail) and sends again and again until a client that slept wakes; a way that was down looks the same.

use crate::base::{Mark, Nanos, SECOND, Side, Timestamp};
use crate::diagnosis::{At, Claim, Code, Connection, Weight, Where};
use crate::flow::{LossEvent, LossPlace};
use crate::proto::Service;
use crate::proto::mail::{Exchange, Verb};

/// Answers do not pause for so long: a slow disk, the lines in which Dovecot says every 10 s how far a SEARCH is, are asked for.
const UNREADABLE: Nanos = 10 * SECOND;

/// Hears a connection that opened.
pub fn rule(c: &Connection<'_>, claims: &mut Vec<Claim>) {
    let over = over(c);
    let counts = |loss: &&LossEvent| over.is_none_or(|over| loss.sent < over);
    let (mut events, mut lost, mut stood_still) = (
        c.tcp.loss_count,
        c.tcp.mss_equivalents_lost,
        c.tcp.stood_still,
    );
    // What a sleeping client may be all there is to.
    let mut asleep = (0, 0, 0);
    for loss in c.tcp.losses.iter() {
        let told = (loss.events, u64::from(loss.equivalents), loss.waited);
        if !counts(&loss) {
            events = events.saturating_sub(told.0);
            lost = lost.saturating_sub(told.1);
            stood_still = stood_still.saturating_sub(told.2).max(0);
        } else if may_be_sleep(c, loss) {
            asleep = (asleep.0 + told.0, asleep.1 + told.1, asleep.2 + told.2);
        }
    }
    if events < 3 || c.tcp.mss_equivalents == 0 {
        return;
    }
    // Twice as much was sent again though it had arrived: the way puts packets out of order, and not every receiver says of each copy that it
    // was one too many (RFC 2883 4). A way that loses answers as well makes one needless resend for each of these.
    if c.tcp.mss_equivalents_needless > lost.saturating_mul(2) {
        return;
    }
    let losses = || c.tcp.losses.iter().filter(counts);
    let Some(first) = losses().find(|loss| loss.place != LossPlace::Capture) else {
        return;
    };
    let rate = lost as f64 / c.tcp.mss_equivalents as f64;
    let is_costly = |events: u32, lost: u64, stood_still: Nanos| {
        let rate = lost as f64 / c.tcp.mss_equivalents as f64;
        events >= 3 && (rate >= 0.03 || rate >= 0.01 && stood_still >= SECOND)
    };
    let awake = (
        events.saturating_sub(asleep.0),
        lost.saturating_sub(asleep.1),
        stood_still.saturating_sub(asleep.2),
    );
    let costly = is_costly(awake.0, awake.1, awake.2);
    let doubtful = !costly && asleep.0 > 0;
    let (mut before, mut after) = (0, 0);
    for loss in losses() {
        match loss.place {
            LossPlace::Before => before += 1,
            LossPlace::After => after += 1,
            LossPlace::Capture => {}
        }
    }
    let side = first.side.name();
    let mut claim = Claim::new(
        Code::PathLoss,
        At::of(Where::Network),
        first.at,
        if doubtful { 0.5 } else { 0.9 },
        format!(
            "{} of {} packets were lost ({:.1} %), {:.1} s of standing still.",
            lost,
            c.tcp.mss_equivalents,
            rate * 100.0,
            stood_still as f64 / 1e9
        ),
    )
    .weighing(if costly { Weight::Costly } else { Weight::Finding })
    .shown_by(format!("the {side} sends lost data again; {events} events in all, {after} beyond the capture point, {before} before it"))
    .advise("Find the link: from which hop on does mtr show loss that persists to the end; look at interface errors, duplex, overload");
    if doubtful {
        claim = claim.or(
            Code::TcpClientVanished,
            0.45,
            "a capture at the client: one that slept shows nothing at all of that time",
        );
    }
    if let Some(last) = losses().next_back() {
        claim = claim.because(last.at, "lost data again");
    }
    claims.push(claim);
}

/// Nobody waited for it: it came of the server without having been asked for. Of the mail protocols only IMAP knows such (RFC 9051 5.2, RFC 2177);
/// what others say by themselves is a goodbye. What is said while an answer is due is part of the answer, however long the server pauses in it.
fn is_unasked(c: &Connection<'_>, loss: &LossEvent) -> bool {
    let imap = matches!(c.service, Service::Imap | Service::Imaps);
    if loss.side != Side::Server || !imap {
        return false;
    }
    // Nobody knows whether it was asked for before the capture began.
    let first = c.tcp.sides[Side::Client].first_data;
    if c.began_late() && first.is_none_or(|first| first.time > loss.sent) {
        return true;
    }
    if loss.unasked == 0 {
        return false;
    }
    let dialogue = c.dialogue;
    let clear = c.tls.is_none() && dialogue.opaque.is_none();
    if !(clear || c.reads_inside()) {
        // Which command is open nobody can read: only that there was one, and that it was silent for longer than answers pause.
        let asked = c.tls.and_then(|tls| tls.application_data[Side::Client]);
        let asked = asked.map(|(first, _)| first).or(dialogue.opaque);
        let asked = asked.is_some_and(|asked| asked.time < loss.sent) || c.began_late();
        return asked && loss.unasked >= UNREADABLE;
    }
    // Of what was not captured nobody knows whether it was asked for.
    if c.partly_unseen() || c.began_late() {
        return true;
    }
    let said = |mark: Mark| mark.time < loss.sent;
    let answered = |exchange: &Exchange| {
        let reply = exchange.reply.as_ref();
        reply.is_some_and(|reply| said(reply.done))
    };
    let due = |exchange: &Exchange| {
        let asked = exchange.command.as_ref();
        asked.is_some_and(|command| said(command.at)) && !answered(exchange)
    };
    let greeted = dialogue.greeted && dialogue.exchanges.first().is_some_and(answered);
    greeted && !dialogue.exchanges.iter().any(due)
}

/// The server spoke by itself, and nothing came back of the client until it took the whole of it: its host may have slept. Nobody waited for what
/// was said, and resends into one silence say nothing of other packets.
fn may_be_sleep(c: &Connection<'_>, loss: &LossEvent) -> bool {
    let said = |loss: &LossEvent| loss.place == LossPlace::After && is_unasked(c, loss);
    let silence = |head: &LossEvent| {
        let during = 0..=head.waited;
        said(head)
            && head.events >= 3
            && head.waited >= 3 * SECOND
            && during.contains(&loss.sent.since(head.sent))
    };
    said(loss) && c.tcp.losses.iter().any(silence)
}

/// Since when nobody waits for anything: it is done, and what was asked before is answered to the end (POP3's QUIT may stand in one
/// segment with the RETRs before it, RFC 2449 6.6).
fn over(c: &Connection<'_>) -> Option<Timestamp> {
    let done = c.done?.time;
    let answers = c.dialogue.exchanges.iter().filter(|exchange| {
        let command = exchange.command.as_ref();
        command.is_none_or(|command| command.verb != Verb::Quit)
    });
    let last = answers
        .filter_map(|exchange| exchange.reply.as_ref())
        .map(|reply| reply.done.time)
        .filter(|time| *time > done)
        .max();
    // The end of that answer is itself waited for.
    Some(last.map_or(done, |last| last.plus(1)))
}
