//! Whether a service is spoken at an address and port, in one way of encryption: a control, one connection each.
//!
//! The greeting of the service (RFC 5321 3.1, RFC 9051 7.1, RFC 1939 4, RFC 5804 1.2), in clear or within implicit TLS, then its farewell. A
//! handshake alone proves nothing: web servers and other mail protocols shake hands as well. It proves no certificate and tries no account.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::probe::session::{Ask, SessionEnd, SessionOutcome, Until, ask_for, hold};
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
    if setting.tls == TlsWish::Implicit {
        let ask = Ask {
            until: Until::Greeting,
            login: None,
            envelope: None,
            ..ask_for(context, setting, name, to)
        };
        let session = hold(context, &ask, to, role, how);
        return within(&tokio::time::timeout(GREETS, session).await.ok()?);
    }
    let mut stream = context.connect(to, role, how).await.ok()?.stream;
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
    Some(format!(
        "it greets in clear: \"{}\"",
        short(line.as_bytes())
    ))
}

/// The greeting of a session within TLS; `None` where none of the service asked for was heard: another protocol's, a refusal, silence.
fn within(outcome: &SessionOutcome) -> Option<String> {
    let heard = outcome.tls.is_some() && outcome.greeting.is_some();
    let reply = outcome.last.as_ref().filter(|_| heard)?;
    (outcome.end == SessionEnd::Fine).then(|| {
        format!(
            "it greets within TLS: \"{}\"",
            short(reply.line.as_str().as_bytes())
        )
    })
}

/// A line, as it may be shown.
fn short(line: &[u8]) -> crate::base::Foreign {
    crate::base::Foreign::bounded(line.trim_ascii_end(), 80)
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

#[cfg(test)]
mod tests {
    use super::{greets, is_whole};
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
}
