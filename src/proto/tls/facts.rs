//! Facts of one TLS connection, each with frame and time.

use std::net::IpAddr;

use crate::base::{Foreign, Mark, PerSide, Side, Timestamp};

/// Handshake messages kept.
const MESSAGES: usize = 64;
/// Alerts kept.
const ALERTS: usize = 16;

/// A protocol version as on the wire: 0x0300 SSLv3 … 0x0303 TLS 1.2, 0x0304 TLS 1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

/// What was seen of TLS on a connection.
#[derive(Clone, Debug, Default)]
pub struct TlsFacts {
    /// First byte of the first record, by side.
    pub started: PerSide<Option<Mark>>,
    /// The beginning of this side was not captured: what comes first may be from the middle of a record.
    pub headless: PerSide<bool>,
    /// What came so far of this side ends inside a record.
    pub inside_record: PerSide<bool>,
    /// The first ClientHello.
    pub client_hello: Option<ClientHello>,
    /// The ClientHello after a HelloRetryRequest.
    pub second_client_hello: Option<Mark>,
    /// A HelloRetryRequest (RFC 8446 4.1.4).
    pub hello_retry: Option<Mark>,
    /// The ServerHello.
    pub server_hello: Option<ServerHello>,
    /// Certificates of the server, leaf first, as sent (visible up to TLS 1.2, later with keys).
    pub certificates: Vec<Certificate>,
    /// The server sent more than is in `certificates`: bytes are missing, or one cannot be read.
    pub certificates_cut: bool,
    /// Where the server's Certificate message ended.
    pub certificate_seen: Option<Mark>,
    /// The server asked for a client certificate.
    pub certificate_request: Option<Mark>,
    /// The client answered with an empty certificate list.
    pub empty_client_certificate: Option<Mark>,
    /// The client answered with a certificate; in TLS 1.3 without keys, messages that can be nothing else stood before its Finished.
    pub client_certificate: Option<Mark>,
    /// ServerKeyExchange: size of a Diffie-Hellman prime in bits, when it is finite-field DH.
    pub dh_bits: Option<u32>,
    /// ServerHelloDone (TLS ≤ 1.2).
    pub server_hello_done: Option<Mark>,
    /// Handshake messages in order of their first byte, bounded.
    pub handshake: Vec<(Handshake, Side, Mark)>,
    /// Alerts that were sent in clear or were decrypted, bounded.
    pub alerts: Vec<Alert>,
    /// ChangeCipherSpec by side.
    pub change_cipher_spec: PerSide<Option<Mark>>,
    /// Encrypted records: the first few and the last few of each side, bounded, in order.
    pub opaque: Vec<OpaqueRecord>,
    /// Count of encrypted records by side.
    pub opaque_records: PerSide<u64>,
    /// Bytes in encrypted records by side.
    pub opaque_bytes: PerSide<u64>,
    /// Application data (not Finished, not tickets, not alert-sized) was seen, by side: first and last.
    pub application_data: PerSide<Option<(Mark, Mark)>>,
    /// Encrypted records of application data type behind the client's Finished (TLS ≤ 1.2: behind the side's own),
    /// tickets and alert-sized ones of TLS 1.3 included: 0 means that nothing at all came, where
    /// `application_data` may be in doubt about a greeting that looks like a ticket.
    pub after_finished: PerSide<u64>,
    /// The client's Finished (or what must be it, by order and size).
    pub client_finished: Option<Mark>,
    /// The server's Finished, or in TLS 1.3 its encrypted flight.
    pub server_finished: Option<Mark>,
    /// A close_notify-sized record: alert type in TLS ≤ 1.2; 19 bytes of application data (11 with CCM_8) in 1.3.
    pub close_notify: PerSide<Option<Mark>>,
    /// An alert-sized encrypted record of the client *instead of* its Finished (it refuses what the server sent).
    pub refusal: Option<Refusal>,
    /// Bytes were missing inside the TLS stream.
    pub gaps: PerSide<u32>,
    /// Records could not be followed any more from here (lost place, or not TLS at all).
    pub lost: Option<(Side, Mark)>,
    /// Not TLS: this side's first bytes in clear, where TLS was expected.
    pub clear_text: PerSide<Option<(Mark, Foreign)>>,
    /// The latest time at which each side sent anything.
    pub last: PerSide<Option<Timestamp>>,
    /// What of the encrypted records could be read.
    pub inside: Inside,
    /// Encrypted records that were opened, by side.
    pub opened_records: PerSide<u64>,
    /// Bytes of application data in them, by side.
    pub opened_bytes: PerSide<u64>,
    /// Encrypted records that could not be opened although keys were at hand, by side: bytes were missing, or the
    /// tag did not fit.
    pub unopened_records: PerSide<u64>,
}

/// Whether what is inside TLS was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inside {
    /// No keys: records are known by order and size only.
    #[default]
    Opaque,
    /// Keys for both directions are at hand, and what came so far was read.
    Read,
    /// It was read up to here; from here on at least one direction could not be followed.
    Until(Mark),
}

/// A ClientHello.
#[derive(Clone, Debug)]
pub struct ClientHello {
    /// First byte.
    pub at: Mark,
    /// Last byte.
    pub done: Mark,
    /// Length of the message in bytes, record headers not counted.
    pub length: u32,
    /// Highest version offered (supported_versions, else legacy version).
    pub max_version: Version,
    /// Lowest version offered, when supported_versions says so.
    pub min_version: Option<Version>,
    /// Server name indication (RFC 6066 3).
    pub sni: Option<Foreign>,
    /// Protocols offered (RFC 7301).
    pub alpn: Vec<Foreign>,
    /// Cipher suites offered, GREASE removed.
    pub ciphers: Vec<u16>,
    /// Groups offered, GREASE removed.
    pub groups: Vec<u16>,
    /// Key shares offered, GREASE removed.
    pub key_shares: Vec<u16>,
    /// JA4 fingerprint (TLS client).
    pub ja4: Foreign,
    /// Whether a post-quantum hybrid key share is in it (X25519MLKEM768 0x11EC, SecP256r1MLKEM768 0x11EB, draft 0x6399).
    pub post_quantum: bool,
    /// It asks for secure renegotiation, by extension or by suite (RFC 5746 3.4).
    pub secure_renegotiation: bool,
}

/// A ServerHello.
#[derive(Clone, Debug)]
pub struct ServerHello {
    /// Last byte.
    pub at: Mark,
    /// Version chosen (supported_versions, else legacy version).
    pub version: Version,
    /// Cipher suite chosen.
    pub cipher: u16,
    /// Protocol chosen, when visible.
    pub alpn: Option<Foreign>,
    /// Session resumed (no certificate will follow), when visible.
    pub resumed: bool,
    /// The server does secure renegotiation (RFC 5746 3.6).
    pub secure_renegotiation: bool,
}

/// A certificate as it was sent.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Subject, one line.
    pub subject: Foreign,
    /// Issuer, one line.
    pub issuer: Foreign,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// DNS names of the subject alternative name extension, lower case.
    pub names: Vec<Foreign>,
    /// Addresses of the same extension (iPAddress, RFC 5280 4.2.1.6).
    pub addresses: Vec<IpAddr>,
    /// Common name of the subject, lower case.
    pub common_name: Option<Foreign>,
    /// Subject equals issuer.
    pub self_issued: bool,
    /// Its own key verifies its signature.
    pub self_signed: bool,
    /// Which of the certificates sent with it is its issuer, by place (name matches, and the signature where it can be checked):
    /// the order is not to be relied on (RFC 8446 4.4.2). `None` for one that signed itself.
    pub issued_by: Option<usize>,
    /// It says where its issuer's certificate lies (caIssuers, RFC 5280 4.2.2.1), as those of public authorities do.
    pub issuer_located: bool,
    /// It may prove a server: no extended key usage, or one with serverAuth (RFC 5280 4.2.1.12).
    pub for_servers: bool,
    /// Key: `"RSA"`, `"EC"`, `"Ed25519"` …
    pub key: &'static str,
    /// Key size in bits.
    pub key_bits: u32,
    /// Signature algorithm, as OpenSSL names it (`sha1WithRSAEncryption`).
    pub signature: Foreign,
    /// Signed with MD5 or SHA-1 by somebody else (nobody checks the digest of a self-signed one), or RSA below 2,048
    /// bits, or EC below 224.
    pub weak: bool,
    /// CA flag of basic constraints.
    pub authority: bool,
    /// DER bytes, for checking against trust anchors.
    pub der: Box<[u8]>,
}

/// A message of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the RFC's own names (RFC 8446 B.3, RFC 5246 7.4)
pub enum Handshake {
    HelloRequest,
    ClientHello,
    ServerHello,
    HelloRetryRequest,
    NewSessionTicket,
    Certificate,
    ServerKeyExchange,
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    CertificateStatus,
    Other(u8),
}

/// An alert that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Who sent it.
    pub side: Side,
    /// Where.
    pub at: Mark,
    /// Level 2.
    pub fatal: bool,
    /// Description (IANA TLS alert registry).
    pub description: u8,
}

/// One encrypted record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpaqueRecord {
    /// Who sent it.
    pub side: Side,
    /// Where its first byte is.
    pub at: Mark,
    /// Outer content type: 20, 21, 22 or 23.
    pub content_type: u8,
    /// Length of the fragment in bytes.
    pub length: u16,
}

/// An encrypted alert in the place of Finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who sent it.
    pub side: Side,
    /// Where.
    pub at: Mark,
}

impl TlsFacts {
    /// The version that was agreed, when the ServerHello was seen.
    pub fn version(&self) -> Option<Version> {
        self.server_hello.as_ref().map(|hello| hello.version)
    }

    /// When the handshake was complete for both sides: the later Finished.
    pub fn finished(&self) -> Option<Mark> {
        let (client, server) = (self.client_finished?, self.server_finished?);
        Some(if client.is_before(server) {
            server
        } else {
            client
        })
    }

    /// Nothing came of the server behind the handshake that may be its greeting: nothing at all, or tickets by the pair. A single record
    /// of TLS 1.3 may be either (RFC 8446 4.6.1).
    pub fn ungreeted(&self) -> bool {
        self.application_data.server.is_none() && self.after_finished.server != 1
    }

    pub(super) fn began(&mut self, kind: u8, side: Side, at: Mark) {
        if self.handshake.len() < MESSAGES {
            self.handshake.push((Handshake::of(kind), side, at));
        }
    }

    pub(super) fn alert(&mut self, side: Side, at: Mark, level: u8, description: u8) {
        if self.alerts.len() < ALERTS {
            self.alerts.push(Alert {
                side,
                at,
                fatal: level == 2,
                description,
            });
        }
    }
}

impl Handshake {
    fn of(kind: u8) -> Handshake {
        match kind {
            0 => Handshake::HelloRequest,
            1 => Handshake::ClientHello,
            2 => Handshake::ServerHello,
            4 => Handshake::NewSessionTicket,
            6 => Handshake::HelloRetryRequest,
            11 => Handshake::Certificate,
            12 => Handshake::ServerKeyExchange,
            13 => Handshake::CertificateRequest,
            14 => Handshake::ServerHelloDone,
            15 => Handshake::CertificateVerify,
            16 => Handshake::ClientKeyExchange,
            20 => Handshake::Finished,
            22 => Handshake::CertificateStatus,
            other => Handshake::Other(other),
        }
    }
}
