//! Whether a service is spoken at an address and port, in one way of encryption: a control, one connection each.
//!
//! In clear: the greeting of the service (RFC 5321 3.1, RFC 9051 7.1, RFC 1939 4, RFC 5804 1.2), then its farewell. Implicit TLS: a ServerHello in answer to our ClientHello, then the end. It proves
//! no certificate and tries no account.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::probe::target::{Setting, TlsWish};
use crate::proto::Service;

/// The other port opens, or does not matter.
const OPENS: Duration = Duration::from_secs(4);
/// A greeting that takes longer is not waited for.
const GREETS: Duration = Duration::from_secs(8);
/// Bytes of a greeting that are looked at.
const GREETING: usize = 4_096;

/// What was heard, in words, when the service is spoken there.
pub async fn check(
    context: &Context,
    to: SocketAddr,
    setting: Setting,
    name: Option<&str>,
) -> Option<String> {
    let how = Connect {
        patience: OPENS,
        ..Connect::default()
    };
    let role = Role::Control("another setting");
    let mut stream = context.connect(to, role, how).await.ok()?.stream;
    if setting.tls == TlsWish::Implicit {
        let hello = hello(name)?;
        context.spend(to.ip(), 1).await;
        stream.write_all(&hello).await.ok()?;
        let mut head = [0u8; 6];
        tokio::time::timeout(GREETS, stream.read_exact(&mut head))
            .await
            .ok()?
            .ok()?;
        // A handshake record that begins with a ServerHello (RFC 8446 4.1.3, 5.1).
        let is_server_hello = matches!(head, [22, 3, _, _, _, 2]);
        return is_server_hello.then(|| "a TLS handshake begins at once".to_owned());
    }
    let mut text = Vec::new();
    let greeting = async {
        let mut buffer = [0u8; 1_024];
        while text.len() < GREETING && !is_whole(setting.service, &text) {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => text.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
    };
    let _ = tokio::time::timeout(GREETS, greeting).await;
    let line = String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next()?).into_owned();
    if !greets(setting.service, &text) {
        return None;
    }
    context.spend(to.ip(), 1).await;
    if stream.write_all(farewell(setting.service)).await.is_ok() {
        let mut rest = [0u8; 512];
        let _ = tokio::time::timeout(Duration::from_secs(2), stream.read(&mut rest)).await;
    }
    let safe = crate::base::Foreign::bounded(line.trim_end().as_bytes(), 80);
    Some(format!("it greets in clear: \"{safe}\""))
}

/// Whether the last line of the greeting is there.
fn is_whole(service: Service, text: &[u8]) -> bool {
    if !text.ends_with(b"\n") {
        return false;
    }
    let last = text
        .trim_ascii_end()
        .rsplit(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    match service {
        Service::Sieve => last.starts_with(b"OK"),
        Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp => {
            last.get(3) != Some(&b'-')
        }
        _ => true,
    }
}

/// Whether a greeting welcomes.
fn greets(service: Service, text: &[u8]) -> bool {
    match service {
        Service::Imap | Service::Imaps => {
            text.starts_with(b"* OK") || text.starts_with(b"* PREAUTH")
        }
        Service::Pop3 | Service::Pop3s => text.starts_with(b"+OK"),
        Service::Sieve => text.starts_with(b"\"IMPLEMENTATION\"") || text.starts_with(b"OK"),
        _ => text.starts_with(b"220"),
    }
}

fn farewell(service: Service) -> &'static [u8] {
    match service {
        Service::Imap | Service::Imaps => b"a1 LOGOUT\r\n",
        Service::Sieve => b"LOGOUT\r\n",
        _ => b"QUIT\r\n",
    }
}

/// A ClientHello as rustls makes it; what it would trust does not matter, since the handshake ends after the ServerHello.
fn hello(name: Option<&str>) -> Option<Vec<u8>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(name.unwrap_or("mail.invalid").to_owned()).ok()?;
    let mut connection = ClientConnection::new(Arc::new(config), name).ok()?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{greets, hello, is_whole};
    use crate::proto::Service;

    #[test]
    fn greetings() {
        assert!(greets(Service::Imap, b"* OK ready\r\n"));
        assert!(!greets(Service::Imap, b"* BYE no\r\n"));
        assert!(greets(Service::Pop3, b"+OK\r\n"));
        assert!(greets(Service::Submission, b"220-a\r\n220 b\r\n"));
        assert!(!greets(Service::Smtp, b"554 go away\r\n"));
        assert!(greets(
            Service::Sieve,
            b"\"IMPLEMENTATION\" \"x\"\r\nOK\r\n"
        ));
    }

    #[test]
    fn a_greeting_of_many_lines_is_awaited() {
        assert!(!is_whole(Service::Smtp, b"220-wait\r\n"));
        assert!(is_whole(Service::Smtp, b"220-wait\r\n220 go\r\n"));
        assert!(!is_whole(Service::Sieve, b"\"SIEVE\" \"x\"\r\n"));
        assert!(is_whole(Service::Sieve, b"\"SIEVE\" \"x\"\r\nOK\r\n"));
    }

    #[test]
    fn a_hello_is_a_handshake_record_with_the_name() {
        let bytes = hello(Some("mail.example.net")).expect("a hello");
        assert_eq!((bytes[0], bytes[5]), (22, 1));
        let name = b"mail.example.net";
        assert!(bytes.windows(name.len()).any(|part| part == name));
    }
}
