//! Blocklists (RFC 5782): is an address listed, and why. Asked only when the user names a zone.
//!
//! A listed address has an A record in 127.0.0.0/8 under the zone, and mostly a TXT that says why. 127.255.255.0/24 is no listing but the operator's word that he does not
//! answer this resolver (public resolver, over quota), and anything outside 127/8 is a hijacked or dead zone (RFC 5782 2.1, 2.3). Unless the zone's own test entry works, its
//! silence about an address says nothing; and a zone that lists 127.0.0.1 lists everybody (a dead zone with a wildcard), so its word says nothing (RFC 5782 5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tokio::task::JoinSet;

use super::asking::{Answered, Fate};
use super::lookups::Lookups;
use super::question::{Host, Question, Shape};
use super::resolvers;
use crate::base::Foreign;
use crate::diagnosis::{At, Claim, Code, Proof, Weight, Where};
use crate::probe::context::Context;
use crate::probe::options::StageName;
use crate::proto::dns::{Answer, RecordType, rcode_name};

/// What a zone says of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Listed; the codes, and why.
    Listed {
        /// Addresses in 127/8: what they mean says the zone's page.
        codes: Vec<Ipv4Addr>,
        /// The TXT, if there is one.
        why: Option<Foreign>,
    },
    /// NXDOMAIN.
    NotListed,
    /// The zone does not answer us: why.
    Unusable(String),
}

/// The name under which a zone lists an address: octets or nibbles reversed (RFC 5782 2.1, 2.4).
pub fn entry(address: IpAddr, zone: &Host) -> Option<Host> {
    let reversed = Host::reversed(address);
    let bare = reversed
        .as_str()
        .strip_suffix(".in-addr.arpa")
        .or(reversed.as_str().strip_suffix(".ip6.arpa"))?;
    zone.below(bare).ok()
}

/// What an answer to the A question says.
pub fn read(answer: &Answered) -> Listing {
    let message = &answer.message;
    match message.rcode {
        3 => return Listing::NotListed,
        0 => {}
        other => return Listing::Unusable(format!("it answers {}", rcode_name(other))),
    }
    let codes: Vec<Ipv4Addr> = message
        .answers
        .iter()
        .filter_map(|record| match record.answer {
            Answer::Address(IpAddr::V4(address)) => Some(address),
            _ => None,
        })
        .collect();
    if codes.is_empty() {
        return Listing::NotListed;
    }
    if let Some(refusal) = codes
        .iter()
        .find(|code| code.octets()[..3] == [127, 255, 255])
    {
        let why = match refusal.octets()[3] {
            252 => "a typing error in the zone's name",
            254 => "it does not serve public resolvers: ask through one of your own",
            255 => "too many questions from this resolver",
            _ => "it refuses this resolver",
        };
        return Listing::Unusable(format!("{refusal} is no listing: {why}"));
    }
    match codes.iter().find(|code| !code.is_loopback()) {
        Some(wrong) => Listing::Unusable(format!(
            "it answers {wrong}, outside 127.0.0.0/8: the zone is dead, or the resolver rewrites answers"
        )),
        None => Listing::Listed { codes, why: None },
    }
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// That from which we send.
    Ours,
    /// That of a server.
    Servers,
}

impl Whose {
    const fn says(self) -> &'static str {
        match self {
            Whose::Ours => "Our own address",
            Whose::Servers => "The server's address",
        }
    }

    const fn place(self) -> Where {
        match self {
            Whose::Ours => Where::Client,
            Whose::Servers => Where::Server,
        }
    }
}

/// Asks zones about addresses, ours and the servers'; every listing becomes a finding. Private addresses are never listed and not asked for,
/// which is said of our own.
pub async fn ask(context: &Context, zones: &[String], addresses: &[(IpAddr, Whose)]) {
    for (address, _) in addresses
        .iter()
        .filter(|(address, whose)| *whose == Whose::Ours && !is_public(*address))
    {
        context.caution(format!(
            "our own address {address} is private: the world sees that of a NAT, about which no blocklist was asked"
        ));
    }
    let lookups = Lookups::new(context, resolvers(context));
    let mut running = JoinSet::new();
    for zone in zones {
        let Ok(zone) = Host::parse(zone) else {
            continue;
        };
        let addresses: Vec<(IpAddr, Whose)> = addresses
            .iter()
            .copied()
            .filter(|(address, _)| is_public(*address))
            .collect();
        running.spawn(zone_says(context.clone(), lookups.clone(), zone, addresses));
    }
    while running.join_next().await.is_some() {}
}

async fn zone_says(
    context: Context,
    lookups: Arc<Lookups>,
    zone: Host,
    addresses: Vec<(IpAddr, Whose)>,
) {
    context.progress(StageName::Dns, &format!("blocklist {zone}"));
    // 127.0.0.2 is listed in every zone that works, 127.0.0.1 in none (RFC 5782 5).
    let test = listing(&lookups, IpAddr::from([127, 0, 0, 2]), &zone).await;
    let unusable = match test {
        Some(Listing::Listed { .. }) => {
            match listing(&lookups, IpAddr::from([127, 0, 0, 1]), &zone).await {
                Some(Listing::Listed { .. }) => Some(
                    "it lists 127.0.0.1, which no zone that works does: it lists everybody"
                        .to_owned(),
                ),
                _ => None,
            }
        }
        Some(Listing::Unusable(why)) => Some(why),
        Some(Listing::NotListed) => Some("its test entry 127.0.0.2 is missing".to_owned()),
        None => Some("it does not answer".to_owned()),
    };
    if let Some(why) = unusable {
        let text = format!("The blocklist {zone} cannot be asked: {why}.");
        context.finding(claim(
            &context,
            (Code::Unknown, Where::Unknown),
            0.0,
            text,
            "the zone's test entry",
        ));
        return;
    }
    for (address, whose) in addresses {
        if let Some(Listing::Listed { codes, why }) = listing(&lookups, address, &zone).await {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            let reason = why.map_or(String::new(), |why| format!(": \"{why}\""));
            let text = format!(
                "{} {address} is listed by {zone} ({}){reason}.",
                whose.says(),
                codes.join(", ")
            );
            let claim = claim(
                &context,
                (Code::MailBlocklisted, whose.place()),
                0.95,
                text,
                "the blocklist",
            )
            .advise(format!(
                "Read {zone}'s page on {address}, end the cause, then ask for removal"
            ));
            context.finding(claim);
        }
    }
}

fn claim(
    context: &Context,
    (code, place): (Code, Where),
    confidence: f32,
    text: String,
    name: &'static str,
) -> Claim {
    let proof = Proof::Measured(name, context.now());
    Claim::new(code, At::of(place), proof, confidence, text).weighing(Weight::Finding)
}

async fn listing(lookups: &Lookups, address: IpAddr, zone: &Host) -> Option<Listing> {
    let server = lookups.servers.first()?;
    let name = entry(address, zone)?;
    let question = Question::new(&name, RecordType::A);
    let exchanged = lookups.ask(server, &question, Shape::PLAIN, 3).await;
    let Some(Fate::Answered(answer)) = exchanged.fate else {
        return None;
    };
    let mut found = read(&answer);
    if let Listing::Listed { why, .. } = &mut found {
        let question = Question::new(&name, RecordType::TXT);
        let exchanged = lookups
            .ask(server, &question, Shape::with_room(1_232), 2)
            .await;
        if let Some(Fate::Answered(answer)) = exchanged.fate {
            *why = answer
                .message
                .answers
                .iter()
                .find_map(|record| match &record.answer {
                    Answer::Other(text) if record.kind == RecordType::TXT => Some(text.clone()),
                    _ => None,
                });
        }
    }
    Some(found)
}

/// Addresses that mean the same host to everybody: neither private nor local (RFC 1918, RFC 4193, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast())
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || is_local(v6) || v6.is_multicast())
        }
    }
}

fn is_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

#[cfg(test)]
mod tests {
    use super::{Listing, entry, is_public, read};
    use crate::base::Foreign;
    use crate::probe::dns::asking::Answered;
    use crate::probe::dns::question::{Host, Question, Shape};
    use crate::proto::dns::{Answer, Record, RecordType, decode};

    fn answer(rcode: u16, addresses: &[&str]) -> Answered {
        let name = Host::parse("2.0.0.127.zone.example").expect("a name");
        let question = Question::new(&name, RecordType::A);
        let bytes = Shape::PLAIN.encode(1, &question).expect("a message");
        let mut message = decode(&bytes, bytes.len() as u32).expect("a header");
        message.rcode = rcode;
        message.answers = addresses
            .iter()
            .map(|address| Record {
                owner: Foreign::from(name.as_str()),
                kind: RecordType::A,
                ttl: 60,
                answer: Answer::Address(address.parse().expect("an address")),
            })
            .collect();
        Answered {
            message,
            bytes,
            after: 1,
            rtt: 1,
            tries: 1,
            truncated: false,
        }
    }

    #[test]
    fn names_of_entries() {
        let zone = Host::parse("zone.example").expect("a name");
        let of = |ip: &str| entry(ip.parse().expect("an address"), &zone).expect("a name");
        assert_eq!(of("192.0.2.99").as_str(), "99.2.0.192.zone.example");
        assert!(
            of("2001:db8::1")
                .as_str()
                .ends_with(".8.b.d.0.1.0.0.2.zone.example")
        );
    }

    #[test]
    fn an_error_is_no_listing() {
        assert!(matches!(
            read(&answer(0, &["127.0.0.2"])),
            Listing::Listed { .. }
        ));
        assert_eq!(read(&answer(3, &[])), Listing::NotListed);
        for address in ["127.255.255.254", "127.255.255.255", "203.0.113.9"] {
            assert!(
                matches!(read(&answer(0, &[address])), Listing::Unusable(_)),
                "{address}"
            );
        }
        assert!(matches!(read(&answer(5, &[])), Listing::Unusable(_)));
    }

    #[test]
    fn private_addresses_are_not_asked_for() {
        for (address, public) in [
            ("10.0.0.5", false),
            ("fd00::1", false),
            ("192.0.2.1", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_public(address.parse().expect("an address")), public);
        }
    }
}
