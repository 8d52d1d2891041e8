//! Names that this host knows without asking: hosts(5).
//!
//! glibc and every other stub resolver read the file before they ask (nsswitch.conf(5): `files dns`), so what DNS says of such a name is nothing
//! that a mail client meets. `localhost` and what is below it is this host whether the file says so or not (RFC 6761 6.3). Nothing is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::question::Host;

/// Addresses kept for one name.
const ADDRESSES: usize = 32;

/// The addresses that the text of `/etc/hosts` has for a name, in its order. Lines that nobody understands are passed over.
pub fn addresses(text: &[u8], name: &Host) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        let named = words.any(|word| {
            word.trim_end_matches('.')
                .eq_ignore_ascii_case(name.as_str())
        });
        if let Some(address) = address.filter(|address| named && !found.contains(address)) {
            found.push(address);
        }
        if found.len() >= ADDRESSES {
            break;
        }
    }
    let text = name.as_str();
    if found.is_empty() && (text == "localhost" || text.ends_with(".localhost")) {
        found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::addresses;
    use crate::probe::dns::question::Host;

    const FILE: &[u8] = b"# this host\n127.0.0.1\tlocalhost loopback\n::1 localhost\n\
        10.0.0.25 Mail.Example.test mail # and not mx.example.test\n\
        #10.0.0.26 old.example.test\n10.0.0.27 mail\nnonsense mail\n\xff\xfe\nfe80::1%eth0 router\n";

    fn of(name: &str) -> Vec<String> {
        let name = Host::parse(name).expect("a name");
        let found = addresses(FILE, &name);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_are_found_in_any_column_and_case() {
        assert_eq!(of("mail.example.test"), ["10.0.0.25"]);
        assert_eq!(of("MAIL"), ["10.0.0.25", "10.0.0.27"]);
        assert_eq!(of("localhost"), ["127.0.0.1", "::1"]);
    }

    #[test]
    fn comments_and_broken_lines_say_nothing() {
        for name in [
            "mx.example.test",
            "old.example.test",
            "router",
            "example.test",
        ] {
            assert!(of(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn localhost_is_this_host_without_any_file() {
        let name = Host::parse("mail.localhost").expect("a name");
        assert_eq!(addresses(b"", &name).len(), 2);
        let other = Host::parse("mylocalhost").expect("a name");
        assert!(addresses(b"", &other).is_empty());
    }
}
