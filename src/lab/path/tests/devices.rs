//! Devices that take part in the conversation, for both families where they know both.

use super::super::packet::{Packet, Toward, flag};
use super::ground::{families, only, passes, path, send};

#[test]
fn options_are_stripped_and_the_mss_is_lowered() {
    for ends in families() {
        let options = [
            2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0,
        ];
        let syn = ends.between(
            Toward::Server,
            (40_000, 25),
            (1, 0, flag::SYN),
            &options,
            &[],
        );
        let faults = "[[fault]]\nhop = 1\naction.strip-options = { options = [\"window-scale\", \"sack\", \"timestamps\"] }\n\
                      [[fault]]\nhop = 2\naction.clamp-mss = { mss = 1000 }";
        let (_, arrived) = only(send(&mut path(faults), Toward::Server, syn));
        let mut left = vec![2, 4, 3, 232];
        left.extend([1; 16]);
        assert_eq!(arrived.options(), left);
    }
}

#[test]
fn a_randomiser_shifts_numbers_and_may_forget_sack() {
    for ends in families() {
        for forgets in [false, true] {
            let mut path = path(&format!(
                "[[fault]]\nhop = 2\naction.randomise-sequence = {{ toward = \"server\", forget_sack = {forgets} }}"
            ));
            let (_, syn) = only(send(&mut path, Toward::Server, ends.syn()));
            let shift = syn.segment().expect("a segment").seq.wrapping_sub(1);
            assert_ne!(shift, 0);
            let sack = |edge: u32| {
                let mut options = vec![1, 1, 5, 10];
                options.extend(edge.wrapping_add(10).to_be_bytes());
                options.extend(edge.wrapping_add(20).to_be_bytes());
                options
            };
            let ack = ends.between(
                Toward::Client,
                (40_000, 25),
                (9, shift.wrapping_add(5), flag::ACK),
                &sack(shift),
                &[],
            );
            let (_, back) = only(send(&mut path, Toward::Client, ack));
            assert_eq!(back.segment().map(|s| s.ack), Some(5));
            assert_eq!(back.options(), sack(if forgets { shift } else { 0 }));
        }
    }
}

#[test]
fn a_syn_proxy_answers_before_it_asks() {
    for ends in families() {
        let mut path = path("[[fault]]\nhop = 2\naction.syn-proxy = { ttl = 255, mss = 1220 }");
        let (toward, answer) = only(send(&mut path, Toward::Server, ends.syn()));
        let own = answer.segment().expect("a segment");
        assert_eq!(
            (toward, answer.source(), answer.ttl()),
            (Toward::Client, ends.server, 254)
        );
        assert_eq!((own.flags, own.ack), (flag::SYN | flag::ACK, 2));
        assert_eq!(answer.options(), [2, 4, 4, 196]);
        let ack = ends.segment(Toward::Server, (2, own.seq.wrapping_add(1), flag::ACK), &[]);
        let (toward, onward) = only(send(&mut path, Toward::Server, ack));
        assert_eq!(toward, Toward::Server);
        assert_eq!(
            onward.segment().map(|s| (s.flags, s.seq)),
            Some((flag::SYN, 1))
        );
    }
}

#[test]
fn a_transparent_proxy_answers_in_the_servers_name() {
    for ends in families() {
        let mut path = path(&format!(
            "[[fault]]\nhop = 1\nmatch = {{ port = 25, toward = \"server\" }}\naction.redirect = {{ to = \"{}\" }}",
            ends.other
        ));
        let (toward, syn) = only(send(&mut path, Toward::Server, ends.syn()));
        assert_eq!((toward, syn.destination()), (Toward::Server, ends.other));
        let mut answer = ends.segment(Toward::Client, (9, 2, flag::SYN | flag::ACK), &[]);
        answer.set_source(ends.other);
        answer.seal();
        let (toward, answer) = only(send(&mut path, Toward::Client, answer));
        assert_eq!((toward, answer.source()), (Toward::Client, ends.server));
    }
}

#[test]
fn errors_and_echoes_find_their_way_back_through_a_nat() {
    let [ends, _] = families();
    let outside = "203.0.113.9".parse().expect("an address");
    let mut path = path("[[fault]]\nhop = 1\naction.nat = { address = \"203.0.113.9\" }");
    let mut syn = ends.syn();
    syn.set_ttl(2);
    let (toward, error) = only(send(&mut path, Toward::Server, syn));
    assert_eq!((toward, error.destination()), (Toward::Client, ends.client));
    let quote = error.quoted().expect("a quote");
    assert_eq!(
        (quote.source(), quote.ports()),
        (ends.client, Some((40_000, 25)))
    );
    let echo = |from, to, kind: u8| {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
        for address in [from, to] {
            let std::net::IpAddr::V4(v4) = address else {
                panic!("IPv4")
            };
            bytes.extend(v4.octets());
        }
        bytes.extend([kind, 0, 0, 0, 0, 77, 0, 1]);
        let mut packet = Packet::new(bytes).expect("a packet");
        packet.seal();
        packet
    };
    let (_, asked) = only(send(
        &mut path,
        Toward::Server,
        echo(ends.client, ends.server, 8),
    ));
    assert_eq!(asked.source(), outside);
    let (_, answered) = only(send(
        &mut path,
        Toward::Client,
        echo(ends.server, outside, 0),
    ));
    assert_eq!(answered.destination(), ends.client);
    assert!(
        send(&mut path, Toward::Client, {
            let mut stray = ends.answers(b"x");
            stray.set_destination(outside);
            stray.set_ports(25, 30_000);
            stray.seal();
            stray
        })
        .is_empty()
    );
}

#[test]
fn starttls_is_overwritten_in_every_protocol() {
    for ends in families() {
        let mut path = path("[[fault]]\nhop = 2\naction = \"strip-starttls\"");
        for (said, heard) in [
            (
                "250-SIZE 9\r\n250 STARTTLS\r\n",
                "250-SIZE 9\r\n250 XXXXXXXA\r\n",
            ),
            (
                "* CAPABILITY IMAP4rev1 STARTTLS\r\n",
                "* CAPABILITY IMAP4rev1 XXXXXXXA\r\n",
            ),
            ("+OK\r\nSTLS\r\n.\r\n", "+OK\r\nXXXA\r\n.\r\n"),
            ("250 SIZE 9\r\n", "250 SIZE 9\r\n"),
        ] {
            let (_, arrived) = only(send(
                &mut path,
                Toward::Client,
                ends.answers(said.as_bytes()),
            ));
            assert_eq!(String::from_utf8_lossy(arrived.payload()), heard);
        }
    }
}

#[test]
fn starttls_is_taken_out_and_the_numbers_fit() {
    for ends in families() {
        for (said, heard) in [
            (
                "250-SIZE 9\r\n250-STARTTLS\r\n250 HELP\r\n",
                "250-SIZE 9\r\n250 HELP\r\n",
            ),
            ("250-SIZE 9\r\n250 STARTTLS\r\n", "250 SIZE 9\r\n"),
            (
                "* CAPABILITY IMAP4rev1 STARTTLS IDLE\r\n",
                "* CAPABILITY IMAP4rev1 IDLE\r\n",
            ),
            ("+OK\r\nSTLS\r\nUIDL\r\n.\r\n", "+OK\r\nUIDL\r\n.\r\n"),
            ("250 SIZE 9\r\n", "250 SIZE 9\r\n"),
        ] {
            let mut path = path("[[fault]]\nhop = 2\naction = \"delete-starttls\"");
            let offer = ends.answers(said.as_bytes());
            let (begun, length) = (offer.segment().expect("TCP").seq, said.len() as u32);
            let gone = (said.len() - heard.len()) as u32;
            // Sent again it is cut again.
            for _ in 0..2 {
                let (_, arrived) = only(send(&mut path, Toward::Client, offer.clone()));
                assert_eq!(String::from_utf8_lossy(arrived.payload()), heard);
                assert_eq!(arrived.segment().expect("TCP").seq, begun);
            }
            let mut next = ends.answers(b"220 go ahead\r\n");
            next.set_seq(begun.wrapping_add(length));
            next.seal();
            let (_, arrived) = only(send(&mut path, Toward::Client, next));
            let seq = arrived.segment().expect("TCP").seq;
            assert_eq!(seq, begun.wrapping_add(length - gone));
            let mut answer = ends.says(b"STARTTLS\r\n");
            answer.set_ack(begun.wrapping_add(length - gone));
            answer.seal();
            let (_, arrived) = only(send(&mut path, Toward::Server, answer));
            let ack = arrived.segment().expect("TCP").ack;
            assert_eq!(ack, begun.wrapping_add(length));
        }
    }
}

#[test]
fn dns_is_forged_in_the_resolvers_name() {
    for ends in families() {
        let (asked, address) = if ends.v4() {
            (1, "198.51.100.9")
        } else {
            (28, "2001:db8::9")
        };
        for (swallow, copies) in [(false, 2), (true, 1)] {
            let mut path = path(&format!(
                "[[fault]]\nhop = 2\nmatch = {{ port = 53 }}\naction.dns-forge = {{ addresses = [\"{address}\"], swallow = {swallow} }}"
            ));
            let arrived = send(
                &mut path,
                Toward::Server,
                ends.dns(Toward::Server, asked, 0),
            );
            assert_eq!(arrived.len(), copies);
            let (_, forged) = arrived
                .iter()
                .find(|(toward, _)| *toward == Toward::Client)
                .expect("an answer");
            assert_eq!(
                (forged.source(), forged.ports()),
                (ends.resolver, Some((53, 5000)))
            );
            // Same id, one answer.
            assert_eq!(
                (forged.payload()[..2].to_vec(), forged.payload()[7]),
                (vec![0, 7], 1)
            );
        }
    }
}

#[test]
fn large_answers_and_single_types_are_dropped() {
    for ends in families() {
        let header = if ends.v4() { 28 } else { 48 };
        let mut large = path(&format!(
            "[[fault]]\nhop = 2\nmatch = {{ port = 53, toward = \"client\", longer_than = {} }}\naction = \"drop\"",
            512 + header
        ));
        assert!(passes(
            &mut large,
            Toward::Client,
            ends.dns(Toward::Client, 16, 512 - 19)
        ));
        assert!(!passes(
            &mut large,
            Toward::Client,
            ends.dns(Toward::Client, 16, 513 - 19)
        ));
        let mut typed = path(
            "[[fault]]\nhop = 2\nmatch = { port = 53, dns_type = \"AAAA\" }\naction = \"drop\"",
        );
        assert!(passes(
            &mut typed,
            Toward::Server,
            ends.dns(Toward::Server, 1, 0)
        ));
        assert!(!passes(
            &mut typed,
            Toward::Server,
            ends.dns(Toward::Server, 28, 0)
        ));
    }
}
