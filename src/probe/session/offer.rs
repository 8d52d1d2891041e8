//! A hello of our own on a connection of its own, and what it gets: the hands of every measurement of ClientHellos.
//!
//! On ports that begin with TLS and behind STARTTLS alike. Such a connection goes no further than the server's choice: it proves
//! what the server and the path take, holds no key and is a control. Who asks decides what it means.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::ask::{Ask, Until};
use super::hold::{Handover, up_to};
use super::wire::is_acknowledged;
use crate::probe::options::StageName;
use crate::probe::tls::flight::{Chosen, Flight, read};
use crate::probe::tls::hello::{Shape, craft, craft_in_records};
use crate::probe::tls::ladder::How;
use crate::probe::{Connect, Context, Role};
use crate::proto::tls::alert_name;

/// Between two connections to one server (manners: stock fail2ban counts).
pub(super) const APART: Duration = Duration::from_millis(1_100);
/// An answer to a hello.
pub(super) const ANSWER: Duration = Duration::from_secs(6);
/// The same, once others like it were answered: time for a segment that is lost twice (RFC 6298: 1 s, then 2 s).
const SOON: Duration = Duration::from_secs(4);
/// After a ServerHello the rest of the choice is waited for so long.
const REST: Duration = Duration::from_secs(1);
/// Bytes of a server's first flight that are looked at.
const FLIGHT: usize = 65_536;

/// What a hello of our own got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A ServerHello, or a HelloRetryRequest: the server speaks TLS with us.
    Hello(Chosen),
    /// An alert.
    Alert(u8),
    /// FIN or RST.
    Ended,
    /// Nothing; and whether TCP had acknowledged the hello.
    Silent { acknowledged: bool },
    /// No TLS.
    Strange,
}

impl Answer {
    /// The server itself answered.
    pub(super) fn passes(self) -> bool {
        matches!(self, Answer::Hello(_) | Answer::Alert(_))
    }

    /// In words.
    pub(super) fn says(self) -> String {
        match self {
            Answer::Hello(Chosen { retry: true, .. }) => "a HelloRetryRequest".to_owned(),
            Answer::Hello(_) => "a ServerHello".to_owned(),
            Answer::Alert(number) => format!("alert {} ({number})", alert_name(number)),
            Answer::Ended => "the end of the connection".to_owned(),
            Answer::Silent { acknowledged: true } => {
                format!(
                    "an acknowledgement and nothing else in {} s",
                    ANSWER.as_secs()
                )
            }
            Answer::Silent {
                acknowledged: false,
            } => format!(
                "nothing in {} s, not even an acknowledgement",
                ANSWER.as_secs()
            ),
            Answer::Strange => "something that is no TLS".to_owned(),
        }
    }
}

/// The bytes of a hello.
pub(super) fn hello(context: &Context, shape: &Shape) -> Vec<u8> {
    craft(shape, &random(context))
}

fn random(context: &Context) -> [u8; 32] {
    let mut random = [0u8; 32];
    for chunk in random.chunks_mut(4) {
        let bytes = context.random().to_be_bytes();
        chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
    }
    random
}

/// Sends a hello and reads what it gets. The connection ends with it.
pub(super) async fn offer(context: &Context, stream: TcpStream, hello: &[u8]) -> Answer {
    offer_in(context, stream, &[hello], Duration::ZERO, ANSWER).await
}

/// The same, where an answer is known to come soon or not at all.
pub(super) async fn offer_briefly(context: &Context, stream: TcpStream, hello: &[u8]) -> Answer {
    offer_in(context, stream, &[hello], Duration::ZERO, SOON).await
}

/// The same in pieces of its own segments, a pause between them.
async fn offer_in(
    context: &Context,
    mut stream: TcpStream,
    pieces: &[&[u8]],
    pause: Duration,
    patience: Duration,
) -> Answer {
    if let Ok(peer) = stream.peer_addr() {
        context.spend(peer.ip(), 4).await;
    }
    let _ = stream.set_nodelay(true);
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            tokio::time::sleep(pause).await;
        }
        if stream.write_all(piece).await.is_err() {
            return Answer::Ended;
        }
    }
    let mut flight = Vec::new();
    let mut buffer = [0u8; 4_096];
    let mut begun = None;
    let mut end = Instant::now() + patience;
    loop {
        let came = tokio::time::timeout_at(end, stream.read(&mut buffer)).await;
        let count = match (came, begun) {
            (Ok(Ok(count)), _) if count > 0 && flight.len() < FLIGHT => count,
            // What was chosen is known, also where the rest of the flight does not come.
            (_, Some(chosen)) => return Answer::Hello(chosen),
            (Err(_), None) => {
                return Answer::Silent {
                    acknowledged: is_acknowledged(&stream),
                };
            }
            (Ok(_), None) => return Answer::Ended,
        };
        flight.extend_from_slice(buffer.get(..count).unwrap_or_default());
        match read(&flight) {
            Flight::More => {}
            Flight::Begun(chosen) => {
                if begun.replace(chosen).is_none() {
                    end = Instant::now() + REST;
                }
            }
            Flight::Whole(chosen) => return Answer::Hello(chosen),
            Flight::Alert(number) => return Answer::Alert(number),
            Flight::Strange => return Answer::Strange,
        }
    }
}

/// A session as far as it goes without credentials and without mail.
pub(super) fn quiet(ask: &Ask) -> Ask {
    Ask {
        until: Until::Tls,
        login: None,
        envelope: None,
        ..ask.clone()
    }
}

/// A hello on a connection of its own, at least [`APART`] after the one before.
pub(super) async fn alone(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    shape: &Shape,
    why: &'static str,
) -> Answer {
    tokio::time::sleep(APART).await;
    context.progress(StageName::Tls, &format!("{to}: {why}"));
    written(context, ask, to, (shape, How::Whole), why)
        .await
        .unwrap_or(Answer::Strange)
}

/// A hello, written as asked, on a connection of its own; `None` where not even the point for it was reached.
pub(super) async fn written(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    (shape, how): (&Shape, How),
    why: &'static str,
) -> Option<Answer> {
    let connect = Connect::default();
    let (role, before) = (Role::Control(why), Handover::Handshake);
    let handed = up_to(context, &quiet(ask), to, role, connect, before).await?;
    let stream = handed.stream;
    Some(match how {
        How::Whole => offer(context, stream, &hello(context, shape)).await,
        How::Records(limit) => {
            let records = craft_in_records(shape, &random(context), limit);
            offer(context, stream, &records).await
        }
        How::Halves(cut, pause) => {
            let whole = hello(context, shape);
            let (first, second) = whole.split_at_checked(cut)?;
            offer_in(context, stream, &[first, second], pause, ANSWER).await
        }
    })
}
