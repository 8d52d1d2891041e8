//! Chains against small zones, from the first question to the addresses.

use super::{Aim, Chain, Learned, Reached};
use crate::base::Foreign;
use crate::probe::dns::question::{Host, Question};
use crate::proto::Service;
use crate::proto::dns::{Answer, Record, RecordType, type_name};

fn host(name: &str) -> Host {
    Host::parse(name).expect("a name")
}

fn domain(name: &str) -> Aim {
    Aim::Domain {
        name: host(name),
        services: false,
    }
}

fn record(line: &str) -> (Question, Record) {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |at: usize| words[at].parse::<u16>().expect("a number");
    let name = |at: usize| Foreign::from(words[at].trim_end_matches('.'));
    let (kind, answer) = match words[1] {
        "A" => (
            RecordType::A,
            Answer::Address(words[2].parse().expect("an address")),
        ),
        "AAAA" => (
            RecordType::AAAA,
            Answer::Address(words[2].parse().expect("an address")),
        ),
        "MX" => (RecordType::MX, Answer::Mx(number(2), name(3))),
        "SRV" => (
            RecordType::SRV,
            Answer::Srv(number(2), number(3), number(4), name(5)),
        ),
        other => panic!("{other}"),
    };
    let record = Record {
        owner: words[0].into(),
        kind,
        ttl: 300,
        answer,
    };
    (Question::new(&host(words[0]), kind), record)
}

/// Asks until nothing is wanted; the questions in rounds, as `TYPE name`.
fn follow(aim: Aim, zone: &[&str]) -> (Vec<String>, Reached) {
    let zone: Vec<(Question, Record)> = zone.iter().map(|line| record(line)).collect();
    let mut chain = Chain::new(aim, true, true);
    let mut rounds = Vec::new();
    loop {
        let wanted = chain.wanted();
        if wanted.is_empty() {
            return (rounds, chain.reached());
        }
        let words = wanted
            .iter()
            .filter(|question| question.kind != RecordType::SRV);
        rounds.push(
            words
                .map(|question| format!("{} {}", type_name(question.kind), question.name))
                .collect::<Vec<_>>()
                .join(", "),
        );
        for question in wanted {
            let records: Vec<Record> = zone
                .iter()
                .filter(|(asked, _)| *asked == question)
                .map(|(_, record)| record.clone())
                .collect();
            let exists = zone.iter().any(|(asked, _)| asked.name == question.name);
            let learned = match (records.is_empty(), exists) {
                (false, _) => Learned::Records(records),
                (true, true) => Learned::NoData,
                (true, false) => Learned::NoName,
            };
            chain.learn(&question, learned);
        }
        assert!(rounds.len() < 9, "it ends");
    }
}

#[test]
fn exchangers_by_preference_with_their_addresses() {
    let (rounds, reached) = follow(
        domain("example.net"),
        &[
            "example.net MX 20 b.example.net",
            "example.net MX 10 a.example.net",
            "a.example.net A 192.0.2.1",
            "a.example.net AAAA 2001:db8::1",
            "b.example.net A 192.0.2.2",
        ],
    );
    assert_eq!(
        rounds,
        [
            "MX example.net",
            "A a.example.net, AAAA a.example.net, A b.example.net, AAAA b.example.net"
        ]
    );
    let names: Vec<&str> = reached.exchangers.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["a.example.net", "b.example.net"]);
    assert_eq!(reached.exchangers[0].addresses.len(), 2);
    assert!(reached.is_domain && !reached.null_mx);
}

#[test]
fn without_an_mx_the_domain_itself_takes_mail() {
    let (rounds, reached) = follow(domain("example.net"), &["example.net A 192.0.2.1"]);
    assert_eq!(rounds[1], "A example.net, AAAA example.net");
    assert!(reached.exchangers[0].implicit);
    assert_eq!(reached.exchangers[0].addresses.len(), 1);
}

#[test]
fn a_null_mx_ends_it() {
    let (rounds, reached) = follow(
        domain("example.net"),
        &["example.net MX 0 .", "example.net A 192.0.2.1"],
    );
    assert_eq!(rounds.len(), 1);
    assert!(reached.null_mx && reached.exchangers.is_empty());
}

#[test]
fn an_address_as_mx_is_not_followed() {
    let (rounds, reached) = follow(domain("example.net"), &["example.net MX 10 192.0.2.1"]);
    assert_eq!(rounds.len(), 1);
    assert_eq!(reached.unusable, ["192.0.2.1"]);
    assert!(!reached.null_mx && reached.exchangers.is_empty());
}

#[test]
fn a_bare_name_is_a_host_when_it_has_neither_mx_nor_srv() {
    let (rounds, reached) = follow(
        Aim::Either(host("mail.example.net")),
        &["mail.example.net A 192.0.2.1"],
    );
    assert_eq!(rounds.len(), 1, "{rounds:?}");
    assert!(!reached.is_domain);
    assert_eq!(reached.addresses.len(), 1);
    let chain = Chain::new(Aim::Either(host("mail.example.net")), true, true);
    let needed = |kind| chain.is_needed(&Question::new(&host("mail.example.net"), kind));
    assert!(needed(RecordType::A) && !needed(RecordType::MX));
}

#[test]
fn what_is_called_like_a_host_and_has_an_mx_is_a_domain_that_needs_it() {
    let name = host("mail.example.net");
    let mx = Question::new(&name, RecordType::MX);
    let mut chain = Chain::new(Aim::Either(name), true, true);
    let (_, answer) = record("mail.example.net MX 10 a.example.net");
    chain.learn(&mx, Learned::Records(vec![answer]));
    assert!(chain.is_needed(&mx));
    // The near misses: it has none, or nobody knows.
    for learned in [Learned::NoData, Learned::NoName, Learned::Fault] {
        chain.learn(&mx, learned);
        assert!(!chain.is_needed(&mx));
    }
}

#[test]
fn services_by_srv() {
    let (_, reached) = follow(
        Aim::Either(host("example.net")),
        &[
            "_imaps._tcp.example.net SRV 20 0 993 b.example.net",
            "_imaps._tcp.example.net SRV 10 0 1993 a.example.net",
            "_imap._tcp.example.net SRV 0 0 0 .",
            "a.example.net A 192.0.2.1",
        ],
    );
    assert!(reached.is_domain);
    let first = &reached.offered[0];
    assert_eq!((first.service, first.port), (Service::Imaps, 1_993));
    assert_eq!(first.addresses.len(), 1);
    assert_eq!(reached.withheld, [Service::Imap]);
}

#[test]
fn nothing_is_asked_after_a_name_that_is_not_there() {
    let (rounds, reached) = follow(domain("exmaple.net"), &[]);
    assert_eq!(rounds, ["MX exmaple.net"]);
    assert_eq!(reached.exchangers, []);
}
