//! Certificates that a device on the way makes up: inspection of TLS by firewalls, proxies and virus scanners.
//!
//! Such a device answers in the server's name with a certificate of its own local authority. Two signs are known here: the
//! issuer's name is one that such products write (field A6 T5), and the certificate differs by path (another port, family
//! or address of the same server shows another authority for the same name). A name alone is evidence only together with a chain
//! that no public root vouches for: a company may use its firewall's authority for its own servers as well.

use crate::proto::tls::Certificate;

/// Words in an issuer's name and the product that writes them, from the vendors' manuals.
const PRODUCTS: &[(&str, &str)] = &[
    ("fortigate", "FortiGate deep inspection"),
    ("fortinet", "FortiGate deep inspection"),
    ("zscaler", "Zscaler"),
    ("netskope", "Netskope"),
    ("sophos", "Sophos Firewall or Endpoint"),
    ("astaro", "Sophos UTM"),
    ("palo alto networks", "Palo Alto Networks decryption"),
    ("globalprotect", "Palo Alto Networks decryption"),
    ("check point", "Check Point HTTPS inspection"),
    ("watchguard", "WatchGuard Firebox proxy"),
    ("fireware", "WatchGuard Firebox proxy"),
    ("sonicwall", "SonicWall DPI-SSL"),
    ("barracuda", "Barracuda inspection"),
    ("blue coat", "Blue Coat ProxySG"),
    ("bluecoat", "Blue Coat ProxySG"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Forcepoint"),
    ("untangle", "Untangle NG Firewall"),
    ("cisco umbrella", "Cisco Umbrella"),
    ("squid", "Squid ssl_bump"),
    ("mitmproxy", "mitmproxy"),
    ("charles proxy", "Charles Proxy"),
    ("portswigger", "Burp Suite"),
    ("fiddler", "Fiddler"),
    ("avast", "Avast Mail Shield"),
    ("avg web", "AVG Mail Shield"),
    ("avg technologies", "AVG Mail Shield"),
    ("kaspersky", "Kaspersky"),
    ("eset ssl filter", "ESET SSL Filter"),
    ("bitdefender", "Bitdefender"),
    ("dr.web", "Dr.Web"),
    ("g data", "G DATA"),
    ("norton", "Norton"),
    ("mcafee", "McAfee Web Gateway"),
    ("trend micro", "Trend Micro"),
    ("adguard", "AdGuard"),
    ("cloudflare for teams", "Cloudflare Gateway"),
    ("gateway ca - cloudflare", "Cloudflare Gateway"),
    ("contentwatch", "Net Nanny"),
    ("lightspeed", "Lightspeed Relay"),
    ("securly", "Securly"),
    ("iboss", "iboss"),
    ("smoothwall", "Smoothwall"),
    ("opnsense", "OPNsense web proxy"),
    ("pfsense", "pfSense web proxy"),
];

/// The product that an issuer's name points to, with the name itself; of the leaf or any certificate above it.
pub fn product(chain: &[Certificate]) -> Option<(&'static str, String)> {
    chain.iter().find_map(|certificate| {
        let issuer = certificate.issuer.as_str().to_ascii_lowercase();
        PRODUCTS
            .iter()
            .find(|(words, _)| has_words(&issuer, words))
            .map(|(_, product)| (*product, certificate.issuer.as_str().to_owned()))
    })
}

/// Whether `text` has `words` where words begin and end.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let letter = |c: char| c.is_ascii_alphanumeric();
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text
            .get(at.saturating_add(words.len())..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(letter) && !behind.is_some_and(char::is_alphabetic)
    })
}

#[cfg(test)]
mod tests {
    use super::has_words;

    #[test]
    fn a_name_is_not_found_inside_of_another() {
        assert!(has_words("cn=zscaler intermediate root ca", "zscaler"));
        assert!(has_words(
            "cn=fg100f, o=fortinet, ou=certificate authority",
            "fortinet"
        ));
        assert!(!has_words("cn=squidward ca", "squid"));
        assert!(!has_words("cn=preset ssl", "eset ssl filter"));
    }
}
