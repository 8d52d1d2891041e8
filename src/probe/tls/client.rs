//! One TLS client connection as a probe opens it: every suite and version that rustls has, a hello of today's size.
//!
//! It makes the connection and reads it out afterwards; it moves no byte. Session tickets are not kept: each session is
//! measured whole. With a client certificate nothing can be proved here; a server that demands one is told so.

use std::sync::{Arc, LazyLock, Mutex};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{IpAddr as TlsAddress, ServerName, SignatureVerificationAlgorithm};
use rustls::{ClientConfig, ClientConnection, KeyLog, SignatureScheme};
use zeroize::Zeroizing;

use super::groups::BEYOND_THE_PROVIDER;
use super::post_quantum::X25519MlKem768;
use super::recorder::Recorder;
use crate::base::Foreign;
use crate::proto::tls::{
    ECDSA_P521_SHA256, ECDSA_P521_SHA384, ECDSA_P521_SHA512, KeyHolder, Version,
};

/// Which ClientHello is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// As current clients send it: with a post-quantum share, about 1,500 bytes.
    Current,
    /// Without it: about 250 bytes, one segment everywhere.
    Small,
}

/// What a handshake needs to be told.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The name for SNI; `None` for an address (RFC 6066 3: no literal addresses in SNI).
    pub name: Option<String>,
    /// The address that is dialled, when there is no name.
    pub address: std::net::IpAddr,
    /// The hello.
    pub hello: Hello,
}

/// Collects the lines of a key log (SSLKEYLOGFILE) of one session; they are wiped when dropped.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Zeroizing<String>>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// The lines so far.
    pub fn lines(&self) -> Zeroizing<String> {
        self.0
            .lock()
            .map_or_else(|_| Zeroizing::default(), |lines| lines.clone())
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, random: &[u8], secret: &[u8]) {
        use std::fmt::Write as _;
        let Ok(mut lines) = self.0.lock() else { return };
        // No piece of it may be left behind by a growing buffer.
        if lines.capacity() == 0 {
            lines.reserve(2_048);
        }
        let _ = write!(lines, "{label} ");
        for byte in random {
            let _ = write!(lines, "{byte:02x}");
        }
        lines.push(' ');
        for byte in secret {
            let _ = write!(lines, "{byte:02x}");
        }
        lines.push('\n');
    }
}

/// A connection that has said nothing yet, who records its certificates, and its secrets.
pub struct Client {
    /// The connection.
    pub connection: ClientConnection,
    /// Holds the chain afterwards.
    pub recorder: Recorder,
    /// Holds the key log afterwards.
    pub secrets: Secrets,
    /// The hello, taken out of the connection already: it is sent before anything else.
    pub opening: Vec<u8>,
}

/// Within so many bytes of a hello its name has to stand: in its first segment, whatever the path's MSS.
const FIRST_SEGMENT: usize = 1_200;
/// Hellos that are made until one is so. rustls shuffles extensions; of those behind the post-quantum share about half come too late.
const SHUFFLES: u32 = 64;

/// What was agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The version.
    pub version: Version,
    /// The suite's number.
    pub suite: u16,
    /// The group's number, when rustls says.
    pub group: Option<u16>,
}

/// One way of checking a signature.
type Algorithm = &'static dyn SignatureVerificationAlgorithm;
/// What is checked: ring's, and those on P-521 behind them, under the schemes that fix their digest.
static ALGORITHMS: LazyLock<Algorithms> = LazyLock::new(Algorithms::default);

struct Algorithms {
    all: Vec<Algorithm>,
    mapping: Vec<(SignatureScheme, &'static [Algorithm])>,
}

impl Default for Algorithms {
    fn default() -> Algorithms {
        let rings = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        let mut all = rings.all.to_vec();
        let mut mapping = rings.mapping.to_vec();
        for (scheme, more) in [
            (SignatureScheme::ECDSA_NISTP256_SHA256, ECDSA_P521_SHA256),
            (SignatureScheme::ECDSA_NISTP384_SHA384, ECDSA_P521_SHA384),
            (SignatureScheme::ECDSA_NISTP521_SHA512, ECDSA_P521_SHA512),
        ] {
            all.push(more);
            match mapping.iter_mut().find(|(known, _)| *known == scheme) {
                // TLS 1.3 tries the first alone, up to 1.2 the scheme names no curve: it stands behind the curve's own.
                Some((_, known)) => *known = Vec::leak([*known, &[more]].concat()),
                None => mapping.push((scheme, Vec::leak(vec![more]))),
            }
        }
        Algorithms { all, mapping }
    }
}

/// The provider: ring's suites, X25519MLKEM768 in front for [`Hello::Current`], and what ring lacks behind.
fn provider(hello: Hello) -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.kx_groups.extend(BEYOND_THE_PROVIDER);
    provider.signature_verification_algorithms = WebPkiSupportedAlgorithms {
        all: &ALGORITHMS.all,
        mapping: &ALGORITHMS.mapping,
    };
    if hello == Hello::Current {
        provider.kx_groups.insert(0, &X25519MlKem768);
    }
    Arc::new(provider)
}

/// Makes a connection.
///
/// # Errors
/// In words, when the name is no DNS name.
///
/// Its name stands in the first segment, as with mail programs that do not shuffle (OpenSSL, GnuTLS, NSS): a filter that reads single segments would let the
/// others pass, and what a user suffers would be seen by chance.
pub fn client(wish: &Wish) -> Result<Client, String> {
    let mut client = fresh(wish)?;
    for _ in 0..SHUFFLES {
        let opening = &client.opening;
        let early = opening.get(..FIRST_SEGMENT).unwrap_or(opening);
        let named = |name: &String| {
            let name = name.trim_end_matches('.').as_bytes();
            early
                .windows(name.len().max(1))
                .any(|part| part.eq_ignore_ascii_case(name))
        };
        if wish.name.as_ref().is_none_or(named) {
            break;
        }
        client = fresh(wish)?;
    }
    Ok(client)
}

fn fresh(wish: &Wish) -> Result<Client, String> {
    let provider = provider(wish.hello);
    let recorder = Recorder::default();
    let verifier = KeyHolder::new(recorder.clone(), provider.clone());
    let secrets = Secrets::default();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.key_log = Arc::new(secrets.clone());
    let name = match &wish.name {
        Some(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?
        }
        None => ServerName::IpAddress(TlsAddress::from(wish.address)),
    };
    let mut connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut opening = Vec::with_capacity(2_048);
    while connection.wants_write() {
        let written = connection.write_tls(&mut opening);
        if written.map_err(|error| error.to_string())? == 0 {
            break;
        }
    }
    Ok(Client {
        connection,
        recorder,
        secrets,
        opening,
    })
}

/// What both ends agreed on, once the handshake is done.
pub fn agreed(connection: &ClientConnection) -> Option<Agreed> {
    Some(Agreed {
        version: Version(u16::from(connection.protocol_version()?)),
        suite: u16::from(connection.negotiated_cipher_suite()?.suite()),
        group: connection
            .negotiated_key_exchange_group()
            .map(|group| u16::from(group.name())),
    })
}

/// Why a handshake ended, for whoever judges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server sent an alert.
    Alert(u8),
    /// What came is no TLS: its first bytes.
    NotTls(Foreign),
    /// We refused its certificate, or what it signed with it: its key is too short, its digest broken, or it is not the key's
    /// holder; in rustls' words.
    Refused(String),
    /// The server broke the protocol, or wants what rustls does not have; in rustls' words.
    Misbehaved(String),
}

/// Reads an error of rustls. `first` are the first bytes that the server sent in answer to the hello.
pub fn failure(error: &rustls::Error, first: &[u8]) -> Failure {
    match error {
        rustls::Error::AlertReceived(alert) => Failure::Alert(u8::from(*alert)),
        // No line of a mail protocol begins with a content type of TLS (RFC 8446 5.1: 20 to 24).
        _ if first.first().is_some_and(|kind| !(20..=24).contains(kind)) => {
            let line = first
                .split(|byte| matches!(byte, b'\r' | b'\n'))
                .next()
                .unwrap_or_default();
            Failure::NotTls(Foreign::bounded(line, 120))
        }
        rustls::Error::InvalidCertificate(_) => Failure::Refused(error.to_string()),
        other => Failure::Misbehaved(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_SEGMENT, Hello, Wish, client};

    #[test]
    fn the_name_is_in_the_first_segment_however_extensions_are_shuffled() {
        for _ in 0..20 {
            let wish = Wish {
                name: Some("mail.example.net".to_owned()),
                address: "192.0.2.10".parse().expect("an address"),
                hello: Hello::Current,
            };
            let opening = client(&wish).expect("a client").opening;
            assert!(opening.len() > 1_300, "a hello of today's size");
            let name = b"mail.example.net";
            let early = &opening[..FIRST_SEGMENT];
            assert!(early.windows(name.len()).any(|part| part == name));
        }
    }
}
