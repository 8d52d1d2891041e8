//! One document over HTTPS, where a domain publishes something: an MTA-STS policy (RFC 8461), a mail program's settings (autoconfig).
//!
//! One GET on a control connection, bounded in bytes and time, from a host whose certificate validates; no redirect is followed, no
//! cookie kept, nothing about a user told. Whoever asks says why it may be asked at all.

use std::net::SocketAddr;
use std::time::Duration;

use super::context::{Connect, Context};
use super::control::Role;
use super::options::StageName;
use super::session::wire::{Got, Patience, Wire};
use super::tls::chain::{Identity, Judged};
use super::tls::client::{Hello, Wish, client};
use crate::base::SECOND;

/// The port (RFC 9110 4.2.2).
const PORT: u16 = 443;
/// A connection is waited for so long.
const OPENS: Duration = Duration::from_secs(4);
/// Bytes of an answer that are read.
const LONGEST: usize = 64 << 10;
/// Read attempts for one document.
const READS: usize = 64;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The host.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The media type.
    pub accept: &'a str,
    /// What it is, for the connection's mark.
    pub what: &'static str,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// No connection, no TLS, or no whole answer.
    Unreachable,
    /// The host's certificate does not validate: why.
    Untrusted(String),
    /// Another status than 200, or no HTTP.
    Absent,
}

/// Fetches it from one address of its host.
///
/// # Errors
/// Why there is none.
pub async fn get(
    context: &Context,
    address: std::net::IpAddr,
    wanted: Wanted<'_>,
) -> Result<String, Lack> {
    let Wanted {
        host, path, what, ..
    } = wanted;
    let to = SocketAddr::new(address, PORT);
    context.progress(StageName::Tls, &format!("{what} of {host}"));
    let how = Connect {
        patience: OPENS,
        ..Connect::default()
    };
    let opened = context.connect(to, Role::Control(what), how).await;
    let opened = opened.map_err(|_| Lack::Unreachable)?;
    let client = client(&Wish {
        name: Some(host.to_owned()),
        address,
        hello: Hello::Current,
    })
    .map_err(|_| Lack::Unreachable)?;
    let recorder = client.recorder.clone();
    let mut wire = Wire::new(opened.stream);
    let end = context.now().plus(5 * SECOND);
    context.spend(address, 4).await;
    let shaken = wire.handshake(context, client, end).await;
    shaken.map_err(|_| Lack::Unreachable)?;
    let identity = Identity::Name(host.to_owned());
    let judged = recorder.judged(&context.roots().der, &identity, context.now());
    if !judged.as_ref().is_some_and(Judged::validates) {
        wire.close().await;
        let why = judged.and_then(|judged| {
            let fault = judged.faults.into_iter().next().map(|fault| fault.text);
            fault.or(judged.unsure)
        });
        return Err(Lack::Untrusted(why.unwrap_or_default()));
    }
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: mxray\r\nAccept: {}\r\nConnection: close\r\n\r\n",
        wanted.accept
    );
    if wire.write(request.as_bytes()).await.is_some() {
        return Err(Lack::Unreachable);
    }
    let mut answer = Vec::new();
    for _ in 0..READS {
        match wire.read(context, end, Patience::Deadline).await {
            Got::Bytes(bytes) if answer.len() < LONGEST => answer.extend(bytes),
            _ => break,
        }
    }
    wire.close().await;
    document(&answer).ok_or(Lack::Absent)
}

/// The document of an HTTP answer: only of `200` (no redirects, RFC 8461 3.3), chunked or not (RFC 9112 6, 7.1).
fn document(answer: &[u8]) -> Option<String> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let status = lines.next()?;
    let mut words = status.split_ascii_whitespace();
    if !words.next()?.starts_with("http/1.") || words.next()? != "200" {
        return None;
    }
    let body = rest.get(4..)?;
    let mut length = None;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        match name.trim() {
            "content-length" => length = value.trim().parse::<usize>().ok(),
            "transfer-encoding" if value.contains("chunked") => return dechunk(body),
            _ => {}
        }
    }
    let body = length.and_then(|length| body.get(..length)).unwrap_or(body);
    String::from_utf8(body.to_vec()).ok()
}

fn dechunk(mut body: &[u8]) -> Option<String> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(body.get(..end)?).ok()?;
        let size = size.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        body = body.get(end.checked_add(2)?..)?;
        if size == 0 {
            return String::from_utf8(whole).ok();
        }
        whole.extend_from_slice(body.get(..size)?);
        body = body.get(size.checked_add(2)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::document;

    const TEXT: &str = "version: STSv1\r\n";

    #[test]
    fn only_a_200_has_a_document() {
        let plain = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TEXT}junk",
            TEXT.len()
        );
        assert_eq!(document(plain.as_bytes()).as_deref(), Some(TEXT));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n3;x\r\nefg\r\n0\r\n\r\n";
        assert_eq!(document(chunked.as_bytes()).as_deref(), Some("abcdefg"));
        for other in [
            "HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\nx",
            "HTTP/1.1 404 No\r\n\r\nx",
            "220 mail\r\n\r\nx",
        ] {
            assert_eq!(document(other.as_bytes()), None);
        }
    }
}
