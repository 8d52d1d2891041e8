//! Ports that nobody named: of a bare host every mail port is tried, and one that the host keeps closed is no fault of it.
//!
//! Each is asked by a SYN of its own first, a control. Where another port of the same host opens, a RST from as far away
//! is the host's own word that nothing listens there, and no connection is judged for it. A RST from elsewhere, and silence,
//! may be a device's doing and are looked into like those of a named port. Where nothing opens at all nothing is left out.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use crate::probe::context::{Ahead, Context};
use crate::probe::options::StageName;
use crate::probe::plan::walk::Heard;
use crate::probe::stage::reference::{self, Reference};
use crate::probe::way::{Kind, Way, settle};

/// SYNs to a port that does not answer: the first may be lost.
const TRIES: u32 = 2;
/// The same where a port answered its second SYN only: packets get lost here, and a closed port is not to look like a silent one.
const TRIES_LOSSY: u32 = 12;

/// What is known of guessed ports.
#[derive(Default)]
pub struct Guessed {
    /// Those that their hosts keep closed.
    pub closed: HashSet<SocketAddr>,
    /// Those that answered nothing while another port of their host opened.
    pub silent: HashMap<SocketAddr, Silent>,
}

/// A port that was silent.
pub struct Silent {
    /// What answered meanwhile.
    pub control: Reference,
    /// It is looked into before all else.
    pub ahead: Ahead,
}

/// Asks the guessed ports.
pub async fn guessed(context: &Context, guesses: &[SocketAddr]) -> Guessed {
    let mut ways: Vec<(SocketAddr, Way)> = guesses
        .iter()
        .map(|to| (*to, Way::new(Kind::Flows(*to), "does the port open?")))
        .collect();
    if ways.len() < 2 {
        return Guessed::default();
    }
    context.progress(StageName::Tcp, "which of the usual mail ports open");
    let mut lossy = false;
    for turn in 0..TRIES_LOSSY {
        if turn >= TRIES && !lossy {
            break;
        }
        let mut all: Vec<&mut Way> = ways.iter_mut().map(|(_, way)| way).collect();
        for way in all.iter_mut().filter(|way| way.last_end.is_none()) {
            way.send(context, 64).await;
        }
        // Those that answered say how long an answer takes.
        settle(&mut all).await;
        lossy |= all
            .iter()
            .filter_map(|way| way.walk.at(64))
            .any(|rung| rung.ends > 0 && rung.sent > 1);
        let none = ways.iter().all(|(_, way)| way.last_end.is_none());
        if none || context.is_cancelled() {
            break;
        }
    }
    // One RST among so many SYNs at once may be a limit's: who keeps a port closed says so again.
    let mut refused: Vec<&mut Way> = ways
        .iter_mut()
        .map(|(_, way)| way)
        .filter(|way| matches!(way.last_end, Some(Heard::Reset { .. })))
        .collect();
    for way in &mut refused {
        way.send(context, 64).await;
    }
    settle(&mut refused).await;
    let answers: Vec<(SocketAddr, Heard)> = ways
        .iter()
        .filter_map(|(to, way)| Some((*to, way.last_end?)))
        .collect();
    let closed = own_word(&answers);
    for host in closed.iter().map(SocketAddr::ip).collect::<HashSet<_>>() {
        let mut ports: Vec<u16> = closed
            .iter()
            .filter(|to| to.ip() == host)
            .map(SocketAddr::port)
            .collect();
        ports.sort_unstable();
        let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
        context.caution(format!(
            "{host} refuses ports {} itself: nothing listens there, which is no fault as long as nobody expects it; HOST:PORT has one of them judged",
            ports.join(", ")
        ));
    }
    let controls: HashMap<IpAddr, Reference> = answers
        .iter()
        .filter_map(|(to, heard)| Some((to.ip(), reference::opened(*to, *heard)?)))
        .collect();
    let silent = ways
        .iter()
        .filter(|(_, way)| way.last_end.is_none() && way.walk.last_router().is_none())
        .filter_map(|(to, _)| {
            let control = *controls.get(&to.ip())?;
            let ahead = context.go_ahead(to.ip());
            Some((*to, Silent { control, ahead }))
        })
        .collect();
    Guessed { closed, silent }
}

/// Which refusals are the host's: those that come from as far as a SYN-ACK of it does.
fn own_word(answers: &[(SocketAddr, Heard)]) -> HashSet<SocketAddr> {
    let opens = |host: &SocketAddr, far: u8| {
        answers.iter().any(|(to, heard)| {
            to.ip() == host.ip() && matches!(heard, Heard::Open { distance } if *distance == far)
        })
    };
    answers
        .iter()
        .filter(
            |(to, heard)| matches!(heard, Heard::Reset { distance, .. } if opens(to, *distance)),
        )
        .map(|(to, _)| *to)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::own_word;
    use crate::probe::plan::walk::Heard;

    const OPEN: Heard = Heard::Open { distance: 3 };

    fn reset(distance: u8) -> Heard {
        Heard::Reset {
            distance,
            tos: 0,
            label: None,
        }
    }

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    #[test]
    fn a_refusal_from_as_far_as_an_open_port_is_the_hosts() {
        let closed = own_word(&[(at(1, 25), OPEN), (at(1, 110), reset(3))]);
        assert_eq!(closed.into_iter().collect::<Vec<_>>(), [at(1, 110)]);
    }

    #[test]
    fn a_device_or_a_host_without_any_open_port_is_looked_into() {
        let nearer = [(at(1, 25), OPEN), (at(1, 110), reset(1))];
        assert!(own_word(&nearer).is_empty());
        let another = [(at(1, 25), OPEN), (at(2, 110), reset(3))];
        assert!(own_word(&another).is_empty());
        let none = [(at(1, 25), reset(3)), (at(1, 110), reset(3))];
        assert!(own_word(&none).is_empty());
    }
}
