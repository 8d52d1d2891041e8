//! Opening a TCP connection to one of several addresses.

use super::spec::{ClientSpec, Fallback};
use crate::lab::server::stop::{Stop, Woken};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The head start of one address over the next (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Tries the addresses as the client's fallback has it; what failed is added to `tried`.
pub fn connect(
    spec: &ClientSpec,
    targets: &[SocketAddr],
    source_port: Option<u16>,
    stop: &Stop,
    tried: &mut Vec<(SocketAddr, String)>,
) -> Result<TcpStream, String> {
    let patience = Duration::from_millis(spec.connect_timeout_ms);
    let targets = match spec.fallback {
        Fallback::None => targets.get(..targets.len().min(1)).unwrap_or_default(),
        _ => targets,
    };
    if spec.fallback == Fallback::HappyEyeballs {
        return race(spec, targets, source_port, stop, patience, tried);
    }
    for &target in targets {
        match one(
            target,
            spec.source_address,
            source_port,
            spec.receive_buffer,
            patience,
            stop,
        ) {
            Ok(socket) => return Ok(socket),
            Err(why) => tried.push((target, why)),
        }
    }
    Err(tried
        .last()
        .map_or_else(|| "no address".to_owned(), |(_, why)| why.clone()))
}

/// One address.
pub fn one(
    target: SocketAddr,
    source: Option<IpAddr>,
    source_port: Option<u16>,
    receive_buffer: Option<u32>,
    patience: Duration,
    stop: &Stop,
) -> Result<TcpStream, String> {
    let socket = begin(target, source, source_port, receive_buffer)?;
    match stop.writable(&socket, Some(Instant::now() + patience)) {
        Ok(Woken::Ready) => established(socket),
        Ok(Woken::TimeOver) => Err("connection timed out".to_owned()),
        Ok(Woken::Stopped) => Err("the run was stopped".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn begin(
    target: SocketAddr,
    source: Option<IpAddr>,
    source_port: Option<u16>,
    receive_buffer: Option<u32>,
) -> Result<Socket, String> {
    let text = |error: std::io::Error| error.to_string();
    let socket = Socket::new(
        Domain::for_address(target),
        Type::STREAM.cloexec(),
        Some(Protocol::TCP),
    )
    .map_err(text)?;
    if let Some(size) = receive_buffer.and_then(|size| usize::try_from(size).ok()) {
        socket.set_recv_buffer_size(size).map_err(text)?;
    }
    if source.is_some() || source_port.is_some() {
        let any: IpAddr = if target.is_ipv4() {
            [0, 0, 0, 0].into()
        } else {
            [0u16; 8].into()
        };
        let own = source
            .filter(|own| own.is_ipv4() == target.is_ipv4())
            .unwrap_or(any);
        socket.set_reuse_address(true).map_err(text)?;
        socket
            .bind(&SocketAddr::new(own, source_port.unwrap_or(0)).into())
            .map_err(text)?;
    }
    socket.set_nonblocking(true).map_err(text)?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error.to_string()),
        _ => Ok(socket),
    }
}

fn established(socket: Socket) -> Result<TcpStream, String> {
    match socket.take_error() {
        Ok(None) => Ok(socket.into()),
        Ok(Some(error)) | Err(error) => Err(error.to_string()),
    }
}

/// Happy eyeballs: one more address every 250 ms, or at once when one fails; the first that answers wins.
fn race(
    spec: &ClientSpec,
    targets: &[SocketAddr],
    source_port: Option<u16>,
    stop: &Stop,
    patience: Duration,
    tried: &mut Vec<(SocketAddr, String)>,
) -> Result<TcpStream, String> {
    let end = Instant::now() + patience;
    let mut waiting: Vec<(SocketAddr, Socket)> = Vec::new();
    let mut next = targets.iter();
    loop {
        let begun = next.next();
        if let Some(&target) = begun {
            match begin(
                target,
                spec.source_address,
                source_port,
                spec.receive_buffer,
            ) {
                Ok(socket) => waiting.push((target, socket)),
                Err(why) => tried.push((target, why)),
            }
        }
        if waiting.is_empty() && begun.is_none() {
            return Err(tried
                .last()
                .map_or_else(|| "no address".to_owned(), |(_, why)| why.clone()));
        }
        let deadline = if begun.is_some() {
            (Instant::now() + HEAD_START).min(end)
        } else {
            end
        };
        let sockets: Vec<&Socket> = waiting.iter().map(|(_, socket)| socket).collect();
        match stop
            .any_writable(&sockets, deadline)
            .map_err(|error| error.to_string())?
        {
            Some(index) => {
                let (target, socket) = waiting.remove(index);
                match established(socket) {
                    Ok(socket) => return Ok(socket),
                    Err(why) => tried.push((target, why)),
                }
            }
            None if stop.is_rung() => return Err("the run was stopped".to_owned()),
            None if Instant::now() >= end => {
                tried.extend(
                    waiting
                        .into_iter()
                        .map(|(target, _)| (target, "connection timed out".to_owned())),
                );
                return Err("connection timed out".to_owned());
            }
            None => {}
        }
    }
}
