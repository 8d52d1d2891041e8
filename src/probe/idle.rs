//! How long a silent connection survives, and how it dies: only when asked (`--idle`), because it takes its time (field B11).
//!
//! A NAT or firewall forgets connections that say nothing; mail programs that idle then hang. The silence is doubled until the
//! connection is dead, then halved between the longest that lived and the shortest that died. [`Search`] plans and is pure; every
//! connection is a control. A server that ends a silent connection by itself (421, BYE, FIN) is another cause, and is
//! not called a device's.

use std::net::SocketAddr;

use super::options::StageName;
use super::session::wire::{Got, Patience, Wire};
use super::session::{Ask, TlsWanted};
use super::tls::client::{Wish, client};
use super::{Connect, Context, Role};
use crate::base::{Nanos, SECOND};
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::proto::Service;

/// The first silence; below, nothing is called idle (verdicts.md, tcp.idle-dropped).
const FIRST: Nanos = 30 * SECOND;
/// Longer silences are nobody's concern.
const LONGEST: Nanos = 4 * 3_600 * SECOND;
/// An answer to NOOP.
const ANSWER: Nanos = 10 * SECOND;
/// What the measurement is called.
const NAME: &str = "silent connections";

/// How a silent connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It answered afterwards.
    Alive,
    /// What was sent after the silence drew a RST.
    Reset,
    /// What was sent after the silence vanished.
    Vanished,
    /// The server said goodbye or closed.
    Ended,
}

/// Finds the edge between the silences that live and those that die.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Search {
    lived: Nanos,
    died: Option<(Nanos, Fate)>,
}

impl Search {
    /// What the last silence came to.
    pub fn saw(&mut self, silence: Nanos, fate: Fate) {
        match fate {
            Fate::Alive => self.lived = self.lived.max(silence),
            fate => {
                if self.died.is_none_or(|(known, _)| silence < known) {
                    self.died = Some((silence, fate));
                }
            }
        }
    }

    /// The next silence to try; `None` when the edge is known well enough (10 s or a tenth), or nothing ends it.
    pub fn next_silence(&self) -> Option<Nanos> {
        match self.died {
            None => {
                let next = self.lived.saturating_mul(2).max(FIRST);
                (next <= LONGEST).then_some(next)
            }
            Some((died, _)) => {
                let gap = died.saturating_sub(self.lived);
                let fine = (died / 10).max(10 * SECOND);
                (gap > fine).then(|| self.lived.saturating_add(gap / 2))
            }
        }
    }

    /// The longest silence that lived, and the shortest that died and how.
    pub fn edge(&self) -> (Nanos, Option<(Nanos, Fate)>) {
        (self.lived, self.died)
    }
}

/// Measures one server.
pub async fn measure(context: &Context, ask: &Ask, to: SocketAddr) {
    let mut search = Search::default();
    let mut open: Option<Wire> = None;
    while let Some(silence) = search.next_silence() {
        let left = i64::try_from(context.left().as_nanos()).unwrap_or(i64::MAX);
        if left < silence.saturating_add(2 * ANSWER) || context.is_cancelled() {
            break;
        }
        let mut wire = match open.take() {
            Some(wire) => wire,
            None => match greeted(context, ask, to).await {
                Some(wire) => wire,
                None => break,
            },
        };
        let seconds = silence / SECOND;
        context.progress(StageName::Mail, &format!("{to}: silent for {seconds} s"));
        let fate = outlives(context, ask, &mut wire, silence).await;
        let Some(fate) = fate else { break };
        search.saw(silence, fate);
        if fate == Fate::Alive {
            open = Some(wire);
        }
    }
    if let Some(wire) = open {
        wire.close().await;
    }
    report(context, to, &search);
}

/// A connection of its own, past its greeting.
async fn greeted(context: &Context, ask: &Ask, to: SocketAddr) -> Option<Wire> {
    let role = Role::Control("how long a silent connection survives");
    let opened = context.connect(to, role, Connect::default()).await.ok()?;
    let mut wire = Wire::new(opened.stream);
    let soon = || context.now().plus(30 * SECOND);
    if ask.tls == TlsWanted::Implicit {
        let wish = Wish {
            name: ask.sni.clone(),
            address: to.ip(),
            hello: ask.hello,
        };
        let client = client(&wish).ok()?;
        wire.handshake(context, client, soon()).await.ok()?;
    }
    match wire.read(context, soon(), Patience::Deadline).await {
        Got::Bytes(_) => Some(wire),
        _ => None,
    }
}

/// Says nothing for so long, then asks; `None` when the run ends.
async fn outlives(context: &Context, ask: &Ask, wire: &mut Wire, silence: Nanos) -> Option<Fate> {
    let end = context.now().plus(silence);
    match wire.read(context, end, Patience::Deadline).await {
        Got::Silence => {}
        Got::Stop => return None,
        Got::Reset => return Some(Fate::Reset),
        // Words that nobody asked for are a goodbye; so is FIN.
        Got::Bytes(_) | Got::Closed | Got::Broken(_) => return Some(Fate::Ended),
    }
    let line: &[u8] = match ask.service {
        Service::Imap | Service::Imaps => b"a9 NOOP\r\n",
        // Not allowed before a login (RFC 1939 5), and answered all the same.
        _ => b"NOOP\r\n",
    };
    if wire.write(line).await.is_some() {
        return Some(Fate::Reset);
    }
    let end = context.now().plus(ANSWER);
    match wire.read(context, end, Patience::Deadline).await {
        Got::Bytes(_) => Some(Fate::Alive),
        Got::Reset => Some(Fate::Reset),
        Got::Silence => Some(Fate::Vanished),
        Got::Stop => None,
        Got::Closed | Got::Broken(_) => Some(Fate::Ended),
    }
}

fn report(context: &Context, to: SocketAddr, search: &Search) {
    let (lived, died) = search.edge();
    let (lived, unit) = (lived / SECOND, "s");
    let Some((silence, fate)) = died else {
        context.progress(
            StageName::Mail,
            &format!("{to}: a connection silent for {lived} {unit} lives"),
        );
        return;
    };
    let died = silence / SECOND;
    let proof = Proof::Measured(NAME, context.now());
    let shown = format!("silent for {lived} s: lives; for {died} s: dead");
    let claim = match fate {
        Fate::Alive => return,
        Fate::Ended => Claim::new(
            Code::MailIdleTimeout,
            At::address(Where::Server, to.ip()),
            proof,
            0.9,
            format!("The server ends a connection that was silent for {died} s, and not one of {lived} s."),
        )
        .advise("Clients: say NOOP, or renew IDLE, more often than that"),
        Fate::Reset | Fate::Vanished => {
            let how = match fate {
                Fate::Reset => "what is sent afterwards draws a reset",
                _ => "what is sent afterwards vanishes",
            };
            Claim::new(
                Code::TcpIdleDropped,
                At::of(Where::Network),
                proof,
                0.93,
                format!("A connection that was silent for {died} s is forgotten on the way, one of {lived} s is not: {how}."),
            )
            .advise(format!("Clients: keep connections alive more often than every {lived} s (NOOP, IDLE renewal, TCP keep-alive)"))
            .advise("Whoever runs the NAT or firewall between: a longer timeout for established TCP")
        }
    };
    context.measured(Measured {
        about: About::Server(to),
        claim: claim.shown_by(shown).weighing(Weight::Finding),
        settles: Settles::Finding,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the search against a path that forgets after so many seconds.
    fn search(forgets: i64) -> (Search, usize) {
        let mut search = Search::default();
        let mut tries = 0;
        while let Some(silence) = search.next_silence() {
            tries += 1;
            assert!(tries < 40);
            let fate = match silence < forgets * SECOND {
                true => Fate::Alive,
                false => Fate::Vanished,
            };
            search.saw(silence, fate);
        }
        (search, tries)
    }

    #[test]
    fn the_edge_is_found() {
        for forgets in [20, 45, 60, 300, 1_800, 3_600] {
            let (found, tries) = search(forgets);
            let (lived, died) = found.edge();
            let (died, fate) = died.expect("an edge");
            assert_eq!(fate, Fate::Vanished);
            assert!(lived < forgets * SECOND && forgets * SECOND <= died);
            assert!(died - lived <= (died / 10).max(10 * SECOND));
            assert!(tries <= 14, "{tries} for {forgets} s");
        }
    }

    #[test]
    fn what_never_dies_is_not_searched_for_ever() {
        let (found, tries) = search(1 << 30);
        assert_eq!(found.edge().1, None);
        assert!(tries < 12);
    }
}
