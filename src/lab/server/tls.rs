//! The server's side of TLS: rustls for honest handshakes, and what else a ClientHello may get.
//!
//! The hello is read before anything is decided, so that a scenario can decide by its SNI. rustls
//! speaks 1.2 and 1.3; an older server is an alert or raw records (`on_hello`). It refuses to
//! break cryptography: what is wrong is wrong in certificates, versions, suites and manners.

use super::channel::{Channel, End};
use super::pki::Pki;
use super::spec::{OnHello, Then, TlsSpec, TlsVersion};
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls::{CipherSuite, Connection, RootCertStore, ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a server waits for a ClientHello.
const HELLO: Duration = Duration::from_secs(300);

/// Versions as rustls names them; none named: all.
pub fn versions(wanted: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    let mut versions = Vec::new();
    for version in if wanted.is_empty() {
        &[TlsVersion::V13, TlsVersion::V12]
    } else {
        wanted
    } {
        versions.push(match version {
            TlsVersion::V12 => &rustls::version::TLS12,
            TlsVersion::V13 => &rustls::version::TLS13,
        });
    }
    versions
}

/// ring's cryptography with only these suites (IANA names); none named: all.
///
/// # Errors
/// When a suite's name is unknown to rustls.
pub fn provider(suites: &[String]) -> Result<Arc<rustls::crypto::CryptoProvider>, String> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !suites.is_empty() {
        let mut chosen = Vec::new();
        for name in suites {
            // rustls calls the suites of TLS 1.3 TLS13_…, IANA TLS_….
            let known = provider.cipher_suites.iter().find(|suite| {
                let own = format!("{:?}", suite.suite());
                own == *name || own.replacen("TLS13_", "TLS_", 1) == *name
            });
            chosen.push(*known.ok_or_else(|| format!("no cipher suite is called {name}"))?);
        }
        provider.cipher_suites = chosen;
    }
    Ok(Arc::new(provider))
}

/// The configuration of one service.
///
/// # Errors
/// When the scenario asks for something that rustls does not have.
pub fn configuration(spec: &TlsSpec, host: &str, pki: &Pki) -> Result<Arc<ServerConfig>, String> {
    let names = spec.names.clone().unwrap_or_else(|| vec![host.to_owned()]);
    let identity = pki
        .identity(spec.certificate, &names)
        .ok_or("no certificate was made for this service")?;
    // rustls staples nothing that is empty.
    let staple = match spec.staple {
        Some(staple) => pki.staple(identity, staple)?,
        None => Vec::new(),
    };
    let provider = provider(&spec.suites)?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(&spec.versions))
        .map_err(|error| error.to_string())?;
    let builder = if spec.client_certificate {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pki.roots.iter().cloned());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert_with_ocsp(identity.chain.clone(), identity.key(), staple)
        .map_err(|error| error.to_string())?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

/// Waits for the ClientHello and gives it what the scenario says.
pub fn accept(
    channel: &mut Channel,
    spec: &TlsSpec,
    config: &Arc<ServerConfig>,
) -> Result<(), End> {
    let mut acceptor = Acceptor::default();
    let deadline = Instant::now() + HELLO;
    let mut seen = Vec::new();
    let accepted = loop {
        let mut buffer = [0; 4096];
        let count = channel.read_raw(&mut buffer, deadline)?;
        let mut fresh = buffer.get(..count).unwrap_or_default();
        if seen.len() < 11 {
            seen.extend_from_slice(fresh);
        }
        while !fresh.is_empty() {
            acceptor
                .read_tls(&mut fresh)
                .map_err(|error| End::Io(error.to_string()))?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err((error, mut alert)) => {
                misbehave(channel, spec)?;
                let mut out = Vec::new();
                let _ = alert.write(&mut out);
                channel.write_raw(too_old(&seen).unwrap_or(&out))?;
                return Err(End::Tls(error.to_string()));
            }
        }
    };
    let name = accepted
        .client_hello()
        .server_name()
        .unwrap_or_default()
        .to_owned();
    let welcome = spec
        .unless_names
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&name));
    if !welcome {
        misbehave(channel, spec)?;
    }
    if let Some(suite) = spec.only_suite {
        return Err(old(
            channel,
            suite,
            accepted.client_hello().cipher_suites(),
        )?);
    }
    match accepted.into_connection(config.clone()) {
        Ok(connection) => channel.start_tls(Connection::Server(connection)),
        Err((error, mut alert)) => {
            let mut out = Vec::new();
            let _ = alert.write(&mut out);
            channel.write_raw(too_old(&seen).unwrap_or(&out))?;
            Err(End::Tls(error.to_string()))
        }
    }
}

/// protocol_version, as OpenSSL says it, for a hello below TLS 1.2; rustls would say handshake_failure.
fn too_old(hello: &[u8]) -> Option<&'static [u8]> {
    match (hello.first(), hello.get(9..11)) {
        (Some(22), Some(version)) if version < [3, 3].as_slice() => Some(&[21, 3, 1, 0, 2, 2, 70]),
        _ => None,
    }
}

/// What a server says that has one suite: its ServerHello (RFC 5246 7.4.1.3), or handshake_failure. Then it waits.
fn old(channel: &mut Channel, suite: u16, offered: &[CipherSuite]) -> Result<End, End> {
    if !offered.iter().any(|one| u16::from(*one) == suite) {
        channel.write_raw(&[21, 3, 3, 0, 2, 2, 40])?;
        return Ok(End::Scripted(Then::Close));
    }
    let [high, low] = suite.to_be_bytes();
    // Record and message headers, version, 32 bytes that stand for chance, no session, the suite, no compression.
    let head = [22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    let hello = [&head[..], &[0x5a; 32], &[0, high, low, 0]].concat();
    channel.write_raw(&hello)?;
    Ok(End::Scripted(Then::Stall))
}

fn misbehave(channel: &mut Channel, spec: &TlsSpec) -> Result<(), End> {
    match spec.on_hello {
        OnHello::Handshake => Ok(()),
        OnHello::Silence => Err(End::Scripted(Then::Stall)),
        OnHello::Close => Err(End::Scripted(Then::Close)),
        OnHello::Reset => Err(End::Scripted(Then::Reset)),
        OnHello::Alert => {
            let fatal = 2;
            channel.write_raw(&[21, 3, 3, 0, 2, fatal, spec.alert.unwrap_or(40)])?;
            Err(End::Scripted(Then::Close))
        }
        OnHello::Bytes => {
            channel.write_raw(&from_hex(spec.bytes.as_deref().unwrap_or_default()))?;
            Err(End::Scripted(Then::Stall))
        }
    }
}

/// Hexadecimal digits to bytes; everything else in the text is ignored.
pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .filter_map(|digit| u8::try_from(digit).ok())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
        .collect()
}
