//! What filters and routers do, for both families: what passes, what does not, and what is said about it.

use super::super::packet::{Packet, Toward, flag};
use super::ground::{Ends, families, only, passes, path, send, send_at};
use crate::base::SECOND;

/// A ClientHello of a shape that filters look for, with this name in it.
fn hello(name: &str) -> Vec<u8> {
    let mut bytes = vec![22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3];
    bytes.extend(name.bytes());
    bytes
}

#[test]
fn a_match_is_about_exactly_what_it_says() {
    for ends in families() {
        let family = if ends.v4() { 4 } else { 6 };
        let other = if ends.v4() { 6 } else { 4 };
        let syn_to = |client: u16, server: u16| {
            ends.between(
                Toward::Server,
                (client, server),
                (1, 0, flag::SYN),
                &[],
                &[],
            )
        };
        let large = ends.says(&[b'x'; 900]);
        let query = ends.dns(Toward::Server, 28, 0);
        let cases: Vec<(String, Packet, Packet)> = vec![
            ("port = 25".into(), syn_to(4, 25), syn_to(4, 26)),
            ("port = [25, 587]".into(), syn_to(4, 587), syn_to(4, 26)),
            (
                format!("address = \"{}\"", ends.server),
                ends.syn(),
                query.clone(),
            ),
            ("protocol = \"udp\"".into(), query.clone(), ends.syn()),
            (
                "client_port = { modulo = 4, is = 1 }".into(),
                syn_to(4001, 25),
                syn_to(4002, 25),
            ),
            (
                "sni = \"mail.a\"".into(),
                ends.says(&hello("mail.a")),
                ends.says(&hello("b")),
            ),
            (
                "sni = \"\"".into(),
                ends.says(&hello("b")),
                ends.says(b"EHLO me\r\n"),
            ),
            (
                "contains = \"MAIL\"".into(),
                ends.says(b"MAIL FROM:<>"),
                ends.says(b"RCPT TO:<>"),
            ),
            (
                "bytes = \"16 03\"".into(),
                ends.says(&hello("b")),
                ends.says(b"EHLO me\r\n"),
            ),
            ("longer_than = 600".into(), large.clone(), ends.says(b"x")),
            ("up_to = 600".into(), ends.says(b"x"), large),
            ("data = true".into(), ends.says(b"x"), ends.syn()),
            ("flags = \"S!A\"".into(), ends.syn(), ends.says(b"x")),
            (
                "dns_type = \"AAAA\"".into(),
                query,
                ends.dns(Toward::Server, 1, 0),
            ),
            (
                format!("family = {family}, port = 25"),
                ends.syn(),
                syn_to(4, 26),
            ),
        ];
        for (condition, hit, miss) in cases {
            let text = format!("[[fault]]\nhop = 2\nmatch = {{ {condition} }}\naction = \"drop\"");
            assert!(
                !passes(&mut path(&text), Toward::Server, hit),
                "{condition}: {ends:?}"
            );
            assert!(
                passes(&mut path(&text), Toward::Server, miss),
                "{condition}: {ends:?}"
            );
        }
        let text = format!("[[fault]]\nhop = 2\nmatch = {{ family = {other} }}\naction = \"drop\"");
        assert!(passes(&mut path(&text), Toward::Server, ends.syn()));
        let text = "[[fault]]\nhop = 2\nmatch = { toward = \"client\" }\naction = \"drop\"";
        assert!(passes(&mut path(text), Toward::Server, ends.says(b"x")));
        assert!(!passes(&mut path(text), Toward::Client, ends.answers(b"x")));
    }
}

#[test]
fn a_reset_has_the_habits_of_its_device() {
    for ends in families() {
        let faults = "[[fault]]\nhop = 2\naction.reset = { ttl = 200, identification = \"copied\", window = { fixed = 777 }, copy_class = true }";
        let (toward, reset) = only(send(&mut path(faults), Toward::Server, ends.syn()));
        let segment = reset.segment().expect("a segment");
        assert_eq!(toward, Toward::Client);
        assert_eq!((reset.source(), reset.ttl()), (ends.server, 199));
        assert_eq!(segment.flags, flag::RST | flag::ACK);
        assert_eq!((segment.seq, segment.ack, segment.window), (0, 2, 777));
        assert_eq!(reset.identification(), if ends.v4() { 4711 } else { 0 });
        let faults = "[[fault]]\nhop = 2\naction.reset = { identification = { fixed = 9 } }";
        let (_, reset) = only(send(&mut path(faults), Toward::Server, ends.syn()));
        assert_eq!(reset.identification(), if ends.v4() { 9 } else { 0 });
    }
}

#[test]
fn a_prohibition_names_its_router_and_quotes_what_it_was_about() {
    for ends in families() {
        for (kind, v4, v6) in [
            ("admin-prohibited", (3, 13), (1, 1)),
            ("host-prohibited", (3, 10), (1, 1)),
            ("net-prohibited", (3, 9), (1, 5)),
            ("port-unreachable", (3, 3), (1, 4)),
            ("net-unreachable", (3, 0), (1, 0)),
            ("host-unreachable", (3, 1), (1, 3)),
            ("reject-route", (3, 13), (1, 6)),
        ] {
            let faults = format!("[[fault]]\nhop = 2\naction.prohibit = {{ icmp = \"{kind}\" }}");
            let (toward, error) = only(send(&mut path(&faults), Toward::Server, ends.syn()));
            assert_eq!((toward, error.source()), (Toward::Client, ends.hops[1]));
            let said = (error.body()[0], error.body()[1]);
            assert_eq!(said, if ends.v4() { v4 } else { v6 }, "{kind}");
            let quote = error.quoted().expect("a quote");
            assert_eq!(
                (quote.source(), quote.destination(), quote.ports()),
                (ends.client, ends.server, Some((40_000, 25)))
            );
        }
    }
}

#[test]
fn routers_quote_much_or_little() {
    let quoted = |ends: &Ends, how: &str, length: usize| {
        let hops = format!("[[path.hop]]\nquote = \"{how}\"\n[[path.hop]]\n");
        let mut packet = ends.says(&vec![b'x'; length]);
        packet.set_ttl(1);
        let (_, error) = only(send(&mut path(&hops), Toward::Server, packet));
        error.payload().len()
    };
    for ends in families() {
        let header = if ends.v4() { 20 } else { 40 };
        let usual = if ends.v4() { 548 } else { 1232 };
        assert_eq!(quoted(&ends, "eight", 1300), header + 8);
        assert_eq!(quoted(&ends, "usual", 1300), usual);
        assert_eq!(quoted(&ends, "usual", 10), header + 30);
        assert_eq!(quoted(&ends, "full", 1300), header + 20 + 1300);
    }
}

#[test]
fn a_small_link_tells_its_mtu_or_swallows() {
    for ends in families() {
        let large = ends.says(&[b'x'; 1350]);
        let hop = |how: &str| {
            format!("[[path.hop]]\n[[path.hop]]\nlink = {{ mtu = 1300, too_big = {how} }}\n")
        };
        let (toward, error) = only(send(
            &mut path(&hop("\"tell\"")),
            Toward::Server,
            large.clone(),
        ));
        let kind = if ends.v4() { (3, 4) } else { (2, 0) };
        assert_eq!((toward, error.source()), (Toward::Client, ends.hops[1]));
        assert_eq!((error.body()[0], error.body()[1]), kind);
        assert_eq!(error.body()[4..8], 1300u32.to_be_bytes());
        let (_, error) = only(send(
            &mut path(&hop("{ bogus = 0 }")),
            Toward::Server,
            large.clone(),
        ));
        assert_eq!(error.body()[4..8], [0; 4]);
        assert!(send(&mut path(&hop("\"silent\"")), Toward::Server, large.clone()).is_empty());
        assert!(passes(
            &mut path(&hop("\"silent\"")),
            Toward::Server,
            ends.says(b"small")
        ));
    }
}

#[test]
fn a_split_decides_by_the_flow_and_for_both_directions() {
    for ends in families() {
        let mut path =
            path("[[fault]]\nhop = 2\naction.split = { branches = 4, dead = 1, by = \"tuple\" }");
        let mut dead = 0;
        for client in 40_000..40_200 {
            let there = ends.between(Toward::Server, (client, 25), (1, 0, flag::SYN), &[], &[]);
            let back = ends.between(
                Toward::Client,
                (client, 25),
                (1, 2, flag::SYN | flag::ACK),
                &[],
                &[],
            );
            let passed = passes(&mut path, Toward::Server, there.clone());
            assert_eq!(passed, passes(&mut path, Toward::Server, there));
            assert_eq!(passed, passes(&mut path, Toward::Client, back));
            dead += usize::from(!passed);
        }
        assert!(
            (20..80).contains(&dead),
            "{dead} of 200 on one branch of four"
        );
    }
}

#[test]
fn a_filter_forgets_flows_that_were_silent() {
    for ends in families() {
        for (answer, resets) in [("silent", 0), ("reset", 1)] {
            let mut path = path(&format!(
                "[[fault]]\nhop = 2\naction.forget-idle = {{ after_ms = 30000, answer = \"{answer}\" }}"
            ));
            let mut at = |seconds: i64, packet: Packet| {
                send_at(&mut path, seconds * SECOND, Toward::Server, packet)
            };
            assert_eq!(at(0, ends.syn())[0].0, Toward::Server);
            assert_eq!(at(20, ends.says(b"x"))[0].0, Toward::Server);
            assert_eq!(at(49, ends.says(b"x"))[0].0, Toward::Server);
            let late = at(90, ends.says(b"x"));
            assert_eq!(late.len(), resets);
            for (toward, reset) in late {
                assert_eq!(toward, Toward::Client);
                assert_eq!(
                    reset.segment().map(|s| (s.flags, s.seq)),
                    Some((flag::RST, 200))
                );
            }
        }
    }
}

#[test]
fn a_flow_dies_after_so_many_bytes_packets_or_seconds() {
    for ends in families() {
        for (condition, alive) in [
            ("after_bytes = 250", 3),
            ("after_packets = 2", 2),
            ("after_seconds = 3.5", 4),
        ] {
            let mut silent = path(&format!(
                "[[fault]]\nhop = 2\nmatch = {{ {condition}, sticky = true }}\naction = \"drop\""
            ));
            let mut reset = path(&format!(
                "[[fault]]\nhop = 2\nmatch = {{ {condition} }}\naction.reset = {{ to = \"both\" }}"
            ));
            for second in 0..7 {
                let packet = ends.says(&[b'x'; 100]);
                let passed = send_at(&mut silent, second * SECOND, Toward::Server, packet.clone());
                assert_eq!(passed.len() == 1, second < alive, "{condition}: {second}");
                let got = send_at(&mut reset, second * SECOND, Toward::Server, packet);
                let resets = got
                    .iter()
                    .filter(|(_, p)| p.segment().is_some_and(|s| s.flags & flag::RST != 0));
                assert_eq!(
                    resets.count() == 2,
                    second >= alive,
                    "{condition}: {second}"
                );
            }
            // Caught once, caught for good, in both directions.
            assert!(
                send_at(&mut silent, 8 * SECOND, Toward::Client, ends.answers(b"x")).is_empty()
            );
            // Another flow is none of it.
            let other = ends.between(Toward::Server, (41_000, 25), (1, 0, flag::SYN), &[], &[]);
            assert_eq!(
                send_at(&mut silent, 8 * SECOND, Toward::Server, other).len(),
                1
            );
        }
    }
}

#[test]
fn a_loop_uses_the_ttl_up() {
    for ends in families() {
        let mut path =
            path("[[fault]]\nhop = 2\nmatch = { toward = \"server\" }\naction.loop = { with = 3 }");
        let mut seen = Vec::new();
        for ttl in 2..6 {
            let mut packet = ends.syn();
            packet.set_ttl(ttl);
            let (_, error) = only(send(&mut path, Toward::Server, packet));
            seen.push(error.source());
        }
        let [_, second, third] = ends.hops;
        assert_eq!(seen, [second, third, second, third]);
    }
}

#[test]
fn rates_limit_what_they_match() {
    for ends in families() {
        let mut path = path(
            "[[fault]]\nhop = 2\nmatch = { flags = \"S!A\" }\naction.rate-limit = { per_second = 1.0, burst = 2 }",
        );
        let mut opens = |seconds: i64| {
            !send_at(&mut path, seconds * SECOND, Toward::Server, ends.syn()).is_empty()
        };
        assert_eq!(
            [opens(0), opens(0), opens(0), opens(1), opens(1)],
            [true, true, false, true, false]
        );
        assert!(passes(&mut path, Toward::Server, ends.says(b"x")));
    }
}

#[test]
fn a_router_is_silent_or_slow_to_complain() {
    let expire = |ends: &Ends| {
        let mut packet = ends.syn();
        packet.set_ttl(1);
        packet
    };
    for ends in families() {
        assert!(
            send(
                &mut path("[[path.hop]]\nsilent = true\n"),
                Toward::Server,
                expire(&ends)
            )
            .is_empty()
        );
        let mut limited = path("[[path.hop]]\nicmp_rate = 2\n");
        let mut told = |seconds: i64| {
            send_at(
                &mut limited,
                seconds * SECOND,
                Toward::Server,
                expire(&ends),
            )
            .len()
        };
        assert_eq!([told(0), told(0), told(0), told(1)], [1, 1, 0, 1]);
    }
}

#[test]
fn what_stands_before_a_router_keeps_it_from_complaining() {
    for ends in families() {
        let mut packet = ends.syn();
        packet.set_ttl(2);
        let before = "[[fault]]\nhop = 2\ningress = true\naction = \"drop\"";
        let behind = "[[fault]]\nhop = 2\naction = \"drop\"";
        assert!(send(&mut path(before), Toward::Server, packet.clone()).is_empty());
        let (_, error) = only(send(&mut path(behind), Toward::Server, packet));
        assert_eq!(error.source(), ends.hops[1]);
    }
}

#[test]
fn a_border_bleaches_the_class() {
    for ends in families() {
        let mut packet = ends.syn();
        packet.set_traffic_class(0xb9);
        packet.seal();
        let faults = "[[fault]]\nhop = 2\naction.bleach-dscp = {}";
        let (_, arrived) = only(send(&mut path(faults), Toward::Server, packet.clone()));
        assert_eq!(arrived.traffic_class(), 1);
        let faults = "[[fault]]\nhop = 2\naction.bleach-dscp = { to = 8, ecn = true }";
        let (_, arrived) = only(send(&mut path(faults), Toward::Server, packet));
        assert_eq!(arrived.traffic_class(), 0x20);
    }
}

#[test]
fn a_packet_is_late_or_comes_twice() {
    for ends in families() {
        let mut late = path("[[fault]]\nhop = 2\naction.delay = { ms = 500.0 }");
        let mut recorder =
            crate::lab::record::Recorder::new(crate::lab::record::RecordSpec::default());
        late.enter(Toward::Server, ends.syn(), 0, &mut recorder);
        let mut due = 0;
        while let Some(next) = late.next() {
            due = next;
            late.advance(due, &mut recorder).for_each(drop);
        }
        assert!((500_000_000..520_000_000).contains(&due), "{due}");
        let mut twice = path("[[fault]]\nhop = 2\naction.repeat = { after_ms = 1.0 }");
        assert_eq!(send(&mut twice, Toward::Server, ends.syn()).len(), 2);
    }
}
