//! An autoconfig document: what a domain tells mail programs to enter (Thunderbird's `config-v1.1.xml`, draft-ietf-mailmaint-autoconfig).
//!
//! Pure: text in, settings out. What it does not understand it leaves out: other protocols, hosts that are no names, ports that are none. The
//! placeholder for the domain is filled in; those for the user stand for nobody here.

use roxmltree::{Document, Node};

use super::spoken;
use crate::probe::dns::question::Host;
use crate::probe::target::{Setting, TlsWish};
use crate::proto::Service;

/// Servers that are read.
const SERVERS: usize = 16;
/// Where a document stands, below `https://HOST` (the second for the domain itself, RFC 8615).
pub const PATHS: [(&str, &str); 2] = [
    ("autoconfig.", "/mail/config-v1.1.xml"),
    ("", "/.well-known/autoconfig/mail/config-v1.1.xml"),
];

/// Reads a document of `domain`, in its order. Empty when it is none.
pub fn read(text: &str, domain: &str) -> Vec<(Host, Setting)> {
    let Ok(document) = Document::parse(text) else {
        return Vec::new();
    };
    if !document.root_element().has_tag_name("clientConfig") {
        return Vec::new();
    }
    document
        .descendants()
        .filter(|node| node.has_tag_name("incomingServer") || node.has_tag_name("outgoingServer"))
        .filter_map(|node| server(node, domain))
        .take(SERVERS)
        .collect()
}

fn server(node: Node<'_, '_>, domain: &str) -> Option<(Host, Setting)> {
    let child = |name: &str| {
        let found = node.children().find(|child| child.has_tag_name(name))?;
        Some(found.text()?.trim())
    };
    let name = child("hostname")?.replace("%EMAILDOMAIN%", domain);
    let host = Host::parse(&name).ok()?;
    let port = child("port")?.parse().ok().filter(|port| *port > 0)?;
    let tls = match child("socketType")? {
        "SSL" => TlsWish::Implicit,
        "STARTTLS" => TlsWish::Required,
        "plain" => TlsWish::Offered,
        _ => return None,
    };
    let service = match node.attribute("type")? {
        "imap" => Service::Imap,
        "pop3" => Service::Pop3,
        "smtp" => Service::Submission,
        "managesieve" => Service::Sieve,
        _ => return None,
    };
    let setting = Setting {
        service: spoken(service, tls),
        tls,
        port,
    };
    Some((host, setting))
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::probe::target::TlsWish;
    use crate::proto::Service;

    const DOCUMENT: &str = r#"<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="example.net"><domain>example.net</domain>
<incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILADDRESS%</username></incomingServer>
<incomingServer type="exchange"><hostname>owa.example.net</hostname><port>443</port><socketType>SSL</socketType></incomingServer>
<incomingServer type="pop3"><hostname>%EMAILADDRESS%</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.net</hostname><port>587</port><socketType>STARTTLS</socketType></outgoingServer>
<outgoingServer type="smtp"><hostname>smtp.example.net</hostname><port>0</port><socketType>SSL</socketType></outgoingServer>
</emailProvider></clientConfig>"#;

    #[test]
    fn servers_that_a_mail_program_can_enter() {
        let found = read(DOCUMENT, "example.net");
        let [(imap, incoming), (smtp, outgoing)] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (imap.as_str(), smtp.as_str()),
            ("imap.example.net", "smtp.example.net")
        );
        assert_eq!(
            (incoming.service, incoming.tls, incoming.port),
            (Service::Imaps, TlsWish::Implicit, 993)
        );
        assert_eq!(
            (outgoing.service, outgoing.tls, outgoing.port),
            (Service::Submission, TlsWish::Required, 587)
        );
    }

    #[test]
    fn what_is_no_such_document_says_nothing() {
        for text in [
            "",
            "<html><body>404</body></html>",
            "<clientConfig>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><clientConfig/>",
        ] {
            assert!(read(text, "example.net").is_empty(), "{text}");
        }
    }
}
