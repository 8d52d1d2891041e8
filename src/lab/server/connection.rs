//! From the listen queue to a dialogue and to its end: one service's connections.

use super::channel::{Channel, End};
use super::dns::{self, Dns};
use super::session::{Service, Session};
use super::spec::{Accept, ServiceKind, Software, Then};
use super::stop::{Stop, Woken};
use super::{Log, Served, imap, pop3, raw, sieve, smtp};
use socket2::SockRef;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections of one service served at once; more wait in the listen queue.
const AT_ONCE: usize = 512;
/// How long a PROXY header is waited for (Postfix, `smtpd_upstream_proxy_timeout`).
const PROXY: Duration = Duration::from_secs(5);
/// The 12 bytes that begin a PROXY protocol v2 header.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Takes connections until the bell rings.
pub fn accept_all(
    listener: &TcpListener,
    service: &Arc<Service>,
    dns: Option<&Arc<Dns>>,
    stop: &Arc<Stop>,
    log: &Arc<Log>,
) {
    if service.spec.accept == Accept::Never {
        stop.until_rung();
        return;
    }
    let active = Arc::new(AtomicUsize::new(0));
    let mut threads: Vec<std::thread::JoinHandle<()>> = Vec::new();
    let mut number = 0u32;
    while matches!(stop.readable(listener, None), Ok(Woken::Ready)) {
        threads.retain(|thread| !thread.is_finished());
        if threads.len() >= AT_ONCE {
            // The oldest connection has to go before the next one comes in.
            let _ = threads.remove(0).join();
        }
        let Ok((socket, client)) = listener.accept() else {
            continue;
        };
        number = number.saturating_add(1);
        let (service, dns, stop, log) = (service.clone(), dns.cloned(), stop.clone(), log.clone());
        let active = active.clone();
        let thread = std::thread::Builder::new()
            .name("lab-connection".into())
            .spawn(move || {
                let now_active = active.fetch_add(1, Ordering::SeqCst).saturating_add(1);
                let end = serve(socket, &service, dns.as_deref(), &stop, number, now_active);
                active.fetch_sub(1, Ordering::SeqCst);
                log.add(Served {
                    kind: service.spec.kind,
                    client,
                    end: end.to_string(),
                });
            });
        if let Ok(thread) = thread {
            threads.push(thread);
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}

fn serve(
    socket: TcpStream,
    service: &Service,
    dns: Option<&Dns>,
    stop: &Arc<Stop>,
    number: u32,
    active: usize,
) -> End {
    match service.spec.accept {
        Accept::Serve | Accept::Never => {}
        Accept::Close => return End::Scripted(Then::Close),
        Accept::Reset => {
            let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
            return End::Scripted(Then::Reset);
        }
        Accept::StopReading => {
            stop.until_rung();
            return End::Stopped;
        }
    }
    let idle = Duration::from_millis(service.spec.idle_timeout_ms.unwrap_or(300_000));
    let mut channel = match Channel::new(socket, stop.clone(), idle) {
        Ok(channel) => channel,
        Err(error) => return End::Io(error.to_string()),
    };
    channel.cut_after(service.spec.cut);
    if service.spec.tls.no_close_notify {
        channel.without_close_notify();
    }
    let mut session = Session::new(channel, service, number);
    let too_many = service
        .spec
        .max_connections
        .is_some_and(|limit| active > limit);
    let end = match run(&mut session, dns, too_many) {
        Ok(()) => End::Done,
        Err(end) => end,
    };
    let farewell = farewell(&session);
    session.finish(&end, &farewell);
    end
}

fn run(session: &mut Session<'_>, dns: Option<&Dns>, too_many: bool) -> Result<(), End> {
    let kind = session.service.spec.kind;
    if session.service.spec.proxy_protocol {
        proxy_header(session)?;
    }
    if let Some(dns) = dns {
        return dns::serve_tcp(&mut session.channel, dns);
    }
    // Courier closes the connection that is too many without a word.
    if too_many && session.service.software() == Software::Courier {
        return Err(End::Scripted(Then::Close));
    }
    if kind.implicit_tls() {
        session.start_tls()?;
    }
    if too_many {
        let lines = match kind {
            ServiceKind::Imap | ServiceKind::Imaps => imap::too_many(session),
            ServiceKind::Pop3 | ServiceKind::Pop3s => pop3::too_many(session),
            ServiceKind::Sieve => sieve::too_many(),
            _ => smtp::too_many(session),
        };
        session.say(&lines)?;
        return Err(End::Scripted(Then::Close));
    }
    match kind {
        ServiceKind::Smtp
        | ServiceKind::Submission
        | ServiceKind::Submissions
        | ServiceKind::Lmtp => smtp::serve(session),
        ServiceKind::Imap | ServiceKind::Imaps => imap::serve(session),
        ServiceKind::Pop3 | ServiceKind::Pop3s => pop3::serve(session),
        ServiceKind::Sieve => sieve::serve(session),
        ServiceKind::Raw | ServiceKind::Https | ServiceKind::Dns => raw::serve(session),
    }
}

fn farewell(session: &Session<'_>) -> Vec<String> {
    match session.service.spec.kind {
        ServiceKind::Imap | ServiceKind::Imaps => imap::farewell(session),
        ServiceKind::Pop3 | ServiceKind::Pop3s => pop3::farewell(session),
        ServiceKind::Sieve => sieve::farewell(session),
        ServiceKind::Raw | ServiceKind::Https | ServiceKind::Dns => Vec::new(),
        _ => smtp::farewell(session),
    }
}

/// Reads a PROXY header of version 1 or 2; whoever sends none is turned away without a word, as Postfix does.
fn proxy_header(session: &mut Session<'_>) -> Result<(), End> {
    let idle = Duration::from_millis(session.service.spec.idle_timeout_ms.unwrap_or(300_000));
    session.channel.set_patience(PROXY);
    let refused = || End::Scripted(Then::Close);
    let first = session
        .channel
        .exact(1)
        .map_err(|end| if end == End::Patience { refused() } else { end })?;
    if first == [b'\r'] {
        let rest = session.channel.exact(15).map_err(|_| refused())?;
        let length = match rest.get(13..) {
            Some([high, low]) if rest.get(..11) == PROXY_V2.get(1..) => {
                u16::from_be_bytes([*high, *low])
            }
            _ => return Err(refused()),
        };
        session
            .channel
            .exact(usize::from(length))
            .map_err(|_| refused())?;
    } else {
        let line = session.channel.line().map_err(|_| refused())?;
        if first != [b'P'] || !line.starts_with("ROXY ") {
            if session.service.software() == Software::Exim {
                session
                    .say(&["503 Command refused, required Proxy negotiation failed".to_owned()])?;
            }
            return Err(refused());
        }
    }
    session.channel.set_patience(idle);
    Ok(())
}
