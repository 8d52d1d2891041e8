//! Addresses with ports: IPv6 in brackets (RFC 3986, 3.2.2).

/// `192.0.2.10:25`, `[2001:db8::1]:25`.
pub fn endpoint(ip: &str, port: u16) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}
