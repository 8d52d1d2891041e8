//! A fault in words, for whoever runs a scenario: what the hop does, and to which packets.
//!
//! It names conditions, never causes: what a fault means to mail is the verdict's to say.

use std::fmt::Display;

use super::super::matching::{Match, Protocol, Some1};
use super::super::packet::Toward;
use super::{Action, FaultSpec};

impl FaultSpec {
    /// `drops TCP port 25 toward the server`.
    pub fn words(&self) -> String {
        let what = self.matching.words();
        match &self.action {
            Action::Drop => format!("drops {what}"),
            Action::Reset(spec) if spec.pass => format!("adds a TCP reset to {what}"),
            Action::Reset(_) => format!("answers {what} with a TCP reset"),
            Action::Prohibit(_) => format!("answers {what} with an ICMP error"),
            Action::Loop { with } => format!("sends {what} in a circle with hop {with}"),
            Action::Delay { ms } => format!("delays {what} by {ms} ms"),
            Action::Repeat { .. } => format!("forwards {what} twice"),
            Action::RateLimit(spec) => format!(
                "lets {} a second through of {what}, {} at once",
                spec.per_second, spec.burst
            ),
            Action::Split(spec) => format!(
                "spreads {what} over {} branches, of which one is dead",
                spec.branches
            ),
            Action::BleachDscp { .. } => format!("overwrites the DSCP of {what}"),
            Action::ForgetIdle(spec) => format!(
                "forgets connections after {} silent seconds: {what}",
                spec.after_ms / 1000.0
            ),
            Action::Nat(spec) => format!("translates the source of {what} to {}", spec.address),
            Action::Redirect(spec) => format!("hands {what} to {}", spec.to),
            Action::Readdress { source } => format!("replaces the source of {what} by {source}"),
            Action::StripOptions { .. } => format!("removes TCP options from {what}"),
            Action::ClampMss { mss } => format!("lowers the MSS of {what} to {mss}"),
            Action::RandomiseSequence(_) => format!("randomises the sequence numbers of {what}"),
            Action::SynProxy(_) => format!("answers SYNs in the server's name: {what}"),
            Action::SmtpFixup { .. } => format!("masks the SMTP dialogue of {what}"),
            Action::DeleteStarttls => format!("takes STARTTLS out of {what}"),
            Action::StripStarttls => format!("overwrites STARTTLS in {what}"),
            Action::DnsForge(_) => format!("answers DNS in the resolver's name: {what}"),
        }
    }
}

impl Match {
    /// The packets that it is about: `TCP port 25 toward the server`.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.family.map(|family| format!("IPv{family}")));
        words.extend(self.protocol.map(|protocol| {
            match protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Icmp => "ICMP",
            }
            .to_owned()
        }));
        words.extend(self.flags.as_ref().map(|flags| match flags.as_str() {
            "S!A" => "SYNs of".to_owned(),
            "SA" => "SYN-ACKs of".to_owned(),
            other => format!("segments with {other} of"),
        }));
        words.extend(self.port.as_ref().map(|port| match port {
            Some1::One(port) => format!("port {port}"),
            Some1::Any(ports) => format!("ports {}", joined(ports)),
        }));
        words.extend(self.address.as_ref().map(|address| match address {
            Some1::One(address) => address.to_string(),
            Some1::Any(addresses) => joined(addresses),
        }));
        if words.is_empty() {
            words.push("packets".to_owned());
        }
        words.extend(self.toward.map(|toward| {
            match toward {
                Toward::Server => "toward the server",
                Toward::Client => "toward the client",
            }
            .to_owned()
        }));
        words.extend(self.conditions());
        words.join(" ")
    }

    /// Everything that is said after the packets were named.
    fn conditions(&self) -> Vec<String> {
        let mut words = Vec::new();
        words.extend(self.client_port.map(|class| {
            format!(
                "with source ports of remainder {} by {}",
                class.is, class.modulo
            )
        }));
        words.extend(self.longer_than.map(|n| format!("longer than {n} bytes")));
        words.extend(self.up_to.map(|n| format!("of at most {n} bytes")));
        words.extend(self.data.map(|data| match data {
            true => "with payload".to_owned(),
            false => "without payload".to_owned(),
        }));
        words.extend(
            self.contains
                .as_ref()
                .map(|text| format!("with “{}” in them", text.trim())),
        );
        words.extend(
            self.bytes
                .as_ref()
                .map(|hex| format!("with the bytes {hex} in them")),
        );
        words.extend(self.sni.as_ref().map(|name| match name.as_str() {
            "" => "with a ClientHello".to_owned(),
            name => format!("with a ClientHello for {name}"),
        }));
        words.extend(
            self.dns_type
                .as_ref()
                .map(|name| format!("about {name} records")),
        );
        words.extend(
            self.after_bytes
                .map(|n| format!("after {n} bytes of a flow")),
        );
        words.extend(
            self.after_packets
                .map(|n| format!("after {n} packets of a flow")),
        );
        words.extend(self.after_seconds.map(|s| format!("after {s} s of a flow")));
        words.extend(self.times.map(|n| match n {
            1 => "once".to_owned(),
            n => format!("{n} times"),
        }));
        words.extend(
            self.probability
                .map(|p| format!("in {:.0} % of the cases", p * 100.0)),
        );
        if self.sticky {
            words.push("and all that follows in the flow".to_owned());
        }
        words
    }
}

fn joined<T: Display>(list: &[T]) -> String {
    let each: Vec<String> = list.iter().map(T::to_string).collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::FaultSpec;

    #[test]
    fn a_fault_is_said_in_words() {
        let said = |text: &str| {
            let spec: FaultSpec = toml::from_str(text).expect("a fault");
            spec.words()
        };
        assert_eq!(
            said("hop = 2\nmatch = { port = 25, toward = \"server\" }\naction = \"drop\""),
            "drops port 25 toward the server"
        );
        assert_eq!(
            said(
                "hop = 2\nmatch = { family = 6, port = [25, 587], flags = \"S!A\" }\naction.reset = {}"
            ),
            "answers IPv6 SYNs of ports 25, 587 with a TCP reset"
        );
        assert_eq!(
            said("hop = 1\nmatch = { contains = \"MAIL FROM\", sticky = true }\naction = \"drop\""),
            "drops packets with “MAIL FROM” in them and all that follows in the flow"
        );
    }
}
