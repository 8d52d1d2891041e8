//! Numbers of the TLS registries as words: alerts, cipher suites, groups, versions.
//!
//! Sources: IANA "TLS Parameters"; versions as OpenSSL prints them. It knows no default and no
//! opinion: an unregistered number has no name.

use super::facts::Version;

/// Name of an alert description (IANA TLS Alerts); `"unassigned"` when there is none.
pub fn alert_name(description: u8) -> &'static str {
    match description {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        52 => "too_many_cids_requested",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        117 => "general_error",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => "unassigned",
    }
}

/// Name of a cipher suite (IANA TLS Cipher Suites).
pub fn cipher_name(cipher: u16) -> Option<&'static str> {
    tls_parser::TlsCipherSuite::from_id(cipher).map(|suite| suite.name)
}

/// Name of a group (IANA TLS Supported Groups).
pub fn group_name(group: u16) -> Option<&'static str> {
    Some(match group {
        0x0013 => "secp192r1",
        0x0015 => "secp224r1",
        0x0016 => "secp256k1",
        0x0017 => "secp256r1",
        0x0018 => "secp384r1",
        0x0019 => "secp521r1",
        0x001A => "brainpoolP256r1",
        0x001B => "brainpoolP384r1",
        0x001C => "brainpoolP512r1",
        0x001D => "x25519",
        0x001E => "x448",
        0x001F => "brainpoolP256r1tls13",
        0x0020 => "brainpoolP384r1tls13",
        0x0021 => "brainpoolP512r1tls13",
        0x0100 => "ffdhe2048",
        0x0101 => "ffdhe3072",
        0x0102 => "ffdhe4096",
        0x0103 => "ffdhe6144",
        0x0104 => "ffdhe8192",
        0x0200 => "MLKEM512",
        0x0201 => "MLKEM768",
        0x0202 => "MLKEM1024",
        0x11EB => "SecP256r1MLKEM768",
        0x11EC => "X25519MLKEM768",
        0x11ED => "SecP384r1MLKEM1024",
        0x6399 => "X25519Kyber768Draft00",
        0x639A => "SecP256r1Kyber768Draft00",
        _ => return None,
    })
}

/// Whether a group holds a post-quantum key encapsulation, alone or as a hybrid.
pub(super) fn is_post_quantum(group: u16) -> bool {
    matches!(group, 0x0200..=0x0202 | 0x11EB..=0x11ED | 0x6399 | 0x639A)
}

impl Version {
    /// As OpenSSL spells it: `TLSv1.2`. Drafts of TLS 1.3 are called so; anything else is `unknown`.
    pub fn name(self) -> &'static str {
        match self.0 {
            0x0002 => "SSLv2",
            0x0300 => "SSLv3",
            0x0301 => "TLSv1",
            0x0302 => "TLSv1.1",
            0x0303 => "TLSv1.2",
            0x0304 => "TLSv1.3",
            0x7F00..=0x7FFF => "TLSv1.3 draft",
            _ => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cipher_name, group_name};

    #[test]
    fn names_are_the_registry_s() {
        assert_eq!(cipher_name(0x1301), Some("TLS_AES_128_GCM_SHA256"));
        assert_eq!(
            cipher_name(0x0033),
            Some("TLS_DHE_RSA_WITH_AES_128_CBC_SHA")
        );
        assert_eq!(cipher_name(0x0A0A), None);
        assert_eq!(group_name(0x11EC), Some("X25519MLKEM768"));
    }
}
