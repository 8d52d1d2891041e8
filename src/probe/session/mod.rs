//! One mail session with one server address, over the kernel's own TCP.
//!
//! Never a byte on a server-first port before the last greeting line; at a 421 or any limit it ends. What the packets
//! mean the engine says; this only tells how far it came, so that the run knows what else is worth measuring.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::context::{Connect, ConnectError, Context};
use super::control::Role;
use super::options::{Login, StageName};
use super::target::TlsWish;
use crate::diagnosis::Stage;
use crate::proto::Service;

/// A greeting may take so long (RFC 5321 4.5.3.2.1 allows five minutes; given up sooner it is `unknown`).
const GREETING: Duration = Duration::from_secs(60);
/// A reply to QUIT may take so long.
const GOODBYE: Duration = Duration::from_secs(5);

/// What a session is to do.
#[derive(Clone)]
pub struct Ask {
    /// The service.
    pub service: Service,
    /// How TLS is to be had.
    pub tls: TlsWish,
    /// The name for SNI and validation.
    pub name: Option<String>,
    /// Who logs in.
    pub login: Option<Login>,
    /// Recipients to ask about.
    pub to: Vec<String>,
}

/// What a session came to.
#[derive(Debug)]
pub struct SessionOutcome {
    /// How it ended.
    pub end: SessionEnd,
    /// The last stage that was reached.
    pub reached: Stage,
    /// Until the last greeting line.
    pub greeting: Option<Duration>,
    /// Why it could not be opened.
    pub error: Option<ConnectError>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It did what it was to do.
    Fine,
    /// No answer to the SYN.
    NoAnswer,
    /// The SYN was refused, by a RST or an ICMP error.
    Refused,
    /// Open, and no greeting.
    NoGreeting,
    /// Reset or closed.
    Reset {
        /// After that stage.
        after: Stage,
        /// By FIN.
        by_fin: bool,
    },
    /// Nothing came any more.
    Silent {
        /// After that stage.
        after: Stage,
    },
    /// The run ended first.
    GaveUp,
}

impl SessionOutcome {
    fn of(end: SessionEnd, reached: Stage) -> SessionOutcome {
        SessionOutcome {
            end,
            reached,
            greeting: None,
            error: None,
        }
    }
}

/// Speaks to one server address.
pub async fn session(context: &Context, ask: &Ask, to: SocketAddr, how: Connect) -> SessionOutcome {
    let opened = match context.connect(to, Role::Target, how).await {
        Ok(opened) => opened,
        Err(error) => {
            let end = match error {
                ConnectError::Timeout if context.is_cancelled() => SessionEnd::GaveUp,
                ConnectError::Timeout => SessionEnd::NoAnswer,
                _ => SessionEnd::Refused,
            };
            return SessionOutcome {
                error: Some(error),
                ..SessionOutcome::of(end, Stage::Route)
            };
        }
    };
    if ask.tls == TlsWish::Implicit {
        drop(opened);
        return SessionOutcome::of(SessionEnd::Fine, Stage::Tcp);
    }
    context.progress(StageName::Mail, &format!("waiting for {to}'s greeting"));
    let mut stream = opened.stream;
    let start = Instant::now();
    match line(&mut stream, GREETING.min(context.left())).await {
        Line::Last => {}
        Line::Closed(by_fin) => {
            return SessionOutcome::of(
                SessionEnd::Reset {
                    after: Stage::Tcp,
                    by_fin,
                },
                Stage::Tcp,
            );
        }
        Line::Nothing => return SessionOutcome::of(SessionEnd::NoGreeting, Stage::Tcp),
    }
    let greeting = start.elapsed();
    let goodbye: &[u8] = match ask.service {
        Service::Imap | Service::Imaps => b"a1 LOGOUT\r\n",
        Service::Sieve => b"LOGOUT\r\n",
        _ => b"QUIT\r\n",
    };
    context.spend(to.ip(), 1).await;
    if stream.write_all(goodbye).await.is_ok() {
        line(&mut stream, GOODBYE.min(context.left())).await;
    }
    SessionOutcome {
        greeting: Some(greeting),
        ..SessionOutcome::of(SessionEnd::Fine, Stage::Greeting)
    }
}

enum Line {
    Last,
    Closed(bool),
    Nothing,
}

/// Reads until a line that no further one of the same reply follows (RFC 5321 4.2.1: a hyphen after the code).
async fn line(stream: &mut TcpStream, patience: Duration) -> Line {
    let mut text = Vec::new();
    let read = async {
        let mut buffer = [0u8; 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => return Line::Closed(true),
                Ok(count) => text.extend_from_slice(buffer.get(..count).unwrap_or(&[])),
                Err(_) => return Line::Closed(false),
            }
            let whole = text.ends_with(b"\n");
            let last = text
                .trim_ascii_end()
                .rsplit(|byte| *byte == b'\n')
                .next()
                .unwrap_or(&[]);
            if whole && last.get(3) != Some(&b'-') || text.len() > 65_536 {
                return Line::Last;
            }
        }
    };
    tokio::time::timeout(patience, read)
        .await
        .unwrap_or(Line::Nothing)
}
