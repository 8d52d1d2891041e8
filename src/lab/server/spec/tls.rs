//! What a scenario may say about a server's TLS: certificate, versions, and what a ClientHello gets.
//!
//! Nothing here acts. TLS 1.0 and older are no versions to choose: nobody implements them here; a server that
//! insists on them is scripted with `on_hello = "bytes"` or an alert.

use serde::Deserialize;

/// How TLS is spoken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSpec {
    /// What is wrong with the certificate.
    #[serde(default)]
    pub certificate: CertificateKind,
    /// The OCSP response that is stapled to it; by default none.
    pub staple: Option<Staple>,
    /// Names in the certificate; by default the host's.
    pub names: Option<Vec<String>>,
    /// Versions; empty: 1.2 and 1.3.
    #[serde(default)]
    pub versions: Vec<TlsVersion>,
    /// Cipher suites by their IANA names; empty: all.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Whether a client must show a certificate.
    #[serde(default)]
    pub client_certificate: bool,
    /// What a ClientHello gets.
    #[serde(default)]
    pub on_hello: OnHello,
    /// A ClientHello with one of these names is served, and only others get `on_hello`; empty: all get it.
    #[serde(default)]
    pub unless_names: Vec<String>,
    /// The alert's number for `on_hello = "alert"` (fatal), RFC 8446 section 6; by default 40.
    pub alert: Option<u8>,
    /// The records that `on_hello = "bytes"` sends, in hexadecimal.
    pub bytes: Option<String>,
    /// Takes TLS 1.2 with this suite alone (its IANA number) and hellos that offer it; others get handshake_failure (40).
    /// A server of twenty years ago: the handshake ends after its ServerHello.
    pub only_suite: Option<u16>,
    /// Ends without close_notify.
    #[serde(default)]
    pub no_close_notify: bool,
}

/// What is wrong with the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateKind {
    /// Nothing: root, intermediate, leaf; leaf and intermediate are sent.
    #[default]
    Valid,
    /// It ended ten days ago.
    Expired,
    /// It begins in ten days.
    NotYetValid,
    /// Signed by itself.
    SelfSigned,
    /// A good chain to a root that nobody trusts.
    UntrustedRoot,
    /// The intermediate is not sent.
    IncompleteChain,
    /// Names the host, and is issued by a device that breaks TLS open, under a root of the company's own that is not
    /// among those that clients trust.
    Inspected,
    /// Names another host.
    WrongName,
    /// Signed with SHA-1 by a trusted root of 1,024 bits (RSA); made beforehand, for `example.net` and names below.
    Weak,
}

/// An OCSP response (RFC 6960) as a server staples it. Those from `expired` on say *revoked* and are not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Staple {
    /// Good, signed by the issuer.
    Good,
    /// The responder does not know the certificate.
    Unknown,
    /// Revoked since five days, for the compromise of its key; signed by the issuer.
    Revoked,
    /// The same, signed by a responder whom the issuer charged with it.
    RevokedByDelegate,
    /// It was to be replaced two days ago.
    Expired,
    /// It is about another certificate of the same issuer.
    OfAnother,
    /// Its signature is broken.
    BadSignature,
    /// It is signed with another certificate of the issuer's, which is not for that.
    ByNobody,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V13,
}

/// What a ClientHello gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnHello {
    /// A handshake.
    #[default]
    Handshake,
    /// Nothing, ever.
    Silence,
    /// FIN.
    Close,
    /// RST.
    Reset,
    /// The alert of `alert`, then FIN.
    Alert,
    /// The bytes of `bytes`, then reading on: a ServerHello of TLS 1.0, an odd record.
    Bytes,
}
