//! Plays a case of a script on a stage, statement by statement.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mxray::wire::TcpFlags;

use crate::script::{Case, usual};
use crate::stage::{Look, Manner, Stage};
use crate::{dns, tls};

/// Plays a case; the stage holds the frames, the map the labelled ones.
pub fn play(case: &Case, manner: Manner) -> (Stage, BTreeMap<String, u64>) {
    let mut player = Player {
        stage: Stage::new(manner),
        port: 25,
        labels: BTreeMap::new(),
        opened: false,
    };
    for step in &case.steps {
        match usual(step) {
            Some(steps) => steps.lines().for_each(|step| player.step(step.trim())),
            None => player.step(step),
        }
    }
    (player.stage, player.labels)
}

struct Player {
    stage: Stage,
    port: u16,
    labels: BTreeMap<String, u64>,
    opened: bool,
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

fn nanos(text: &str) -> i64 {
    let number = |text: &str| {
        text.parse::<f64>()
            .unwrap_or_else(|_| panic!("{text}: a duration"))
    };
    let value = if let Some(ms) = text.strip_suffix("ms") {
        number(ms) * 1e6
    } else if let Some(us) = text.strip_suffix("us") {
        number(us) * 1e3
    } else if let Some(s) = text.strip_suffix('s') {
        number(s) * 1e9
    } else {
        panic!("{text}: a duration")
    };
    value as i64
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b'0') => out.push(0),
            Some(b'\\') => out.push(b'\\'),
            Some(b'x') => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).expect("two hex digits"));
            }
            Some(b'*') => {
                // \*1000,x: a thousand times x
                let rest: String = bytes
                    .by_ref()
                    .take_while(|b| *b != b';')
                    .map(char::from)
                    .collect();
                let (count, what) = rest.split_once(',').expect("\\*COUNT,TEXT;");
                out.extend(what.as_bytes().repeat(count.parse().expect("a count")));
            }
            other => panic!("{text}: unknown escape {other:?}"),
        }
    }
    out
}

fn endpoint(text: &str, port: u16) -> (Ipv4Addr, u16) {
    match text.split_once(':') {
        Some((ip, port)) => (
            ip.parse().expect("an address"),
            port.parse().expect("a port"),
        ),
        None => (text.parse().expect("an address"), port),
    }
}

impl Player {
    fn connect(&mut self, words: &[&str]) {
        let next = u16::try_from(self.stage.lines.len()).expect("few");
        let get = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
        let client = get("client=").map_or((CLIENT, 40_000 + next), |t| endpoint(t, 40_000 + next));
        let server = get("server=").map_or((SERVER, self.port), |t| endpoint(t, self.port));
        self.stage.connect(client, server);
        self.opened = true;
    }

    fn ready(&mut self) {
        if !self.opened {
            self.connect(&[]);
        }
    }

    fn step(&mut self, step: &str) {
        let (body, label) = match step.rsplit_once(" @") {
            Some((body, label)) if label.chars().all(char::is_alphanumeric) => (body, Some(label)),
            _ => (step, None),
        };
        let frame = self.act(body);
        if let Some(label) = label {
            self.labels.insert(label.to_owned(), frame);
        }
    }

    fn act(&mut self, step: &str) -> u64 {
        for side in ['C', 'S'] {
            for (mark, acked, unseen) in [
                ("!", false, false),
                ("?!", false, true),
                ("?", true, true),
                ("", true, false),
            ] {
                let Some(rest) = step.strip_prefix(&format!("{side}:{mark}")) else {
                    continue;
                };
                let (rest, end) = match rest.strip_prefix('~') {
                    Some(rest) => (rest, ""),
                    None => (rest, "\r\n"),
                };
                let mut bytes = unescape(rest.strip_prefix(' ').unwrap_or(rest));
                bytes.extend(end.as_bytes());
                let look = Look {
                    unseen,
                    ..Look::default()
                };
                return self.stage.say(side, &bytes, acked, &look);
            }
        }
        let words: Vec<&str> = step.split_whitespace().collect();
        let (what, rest) = words.split_first().expect("a step");
        let mut look = Look::default();
        let get = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key));
        look.ttl = get("ttl=").map(|t| t.parse().expect("a TTL"));
        look.id = get("id=").map(|t| t.parse().expect("an ID"));
        look.beyond = get("seq+=").map_or(0, |t| t.parse().expect("a distance"));
        look.window = get("win=").map(|t| t.parse().expect("a window"));
        look.label = get("label=").map(|t| t.parse().expect("a label"));
        look.unseen = rest.contains(&"unseen");
        look.soon = rest.contains(&"soon");
        look.joins = rest.contains(&"join");
        match *what {
            "port" => {
                self.port = rest[0].parse().expect("a port");
                0
            }
            "rtt" => {
                if self.stage.manner.rtt.is_none() {
                    self.stage.rtt = nanos(rest[0]);
                }
                0
            }
            "mss" => {
                self.stage.mss = rest[0].parse().expect("a size");
                0
            }
            "conn" => {
                self.connect(rest);
                0
            }
            "use" => {
                self.stage.current = rest[0].parse::<usize>().expect("a number") - 1;
                0
            }
            "open" => {
                self.ready();
                let first = self.stage.syn(&look);
                self.stage.syn_ack(&Look::default());
                self.stage.establish();
                first
            }
            "syn" => {
                self.ready();
                if rest.contains(&"ecn") {
                    look.flags |= TcpFlags::ECE | TcpFlags::CWR;
                }
                self.stage.syn(&look)
            }
            "synack" => self.stage.syn_ack(&look),
            "ack" => self.stage.establish(),
            "refuse" => {
                self.ready();
                self.stage.refuse(&look)
            }
            "icmp" => {
                let from = get("from=").map(|ip| ip.parse().expect("an address"));
                let word = get("mtu=").map_or(0, |mtu| mtu.parse().expect("an MTU"));
                let number = |text: &str| text.parse().expect("a number");
                self.stage
                    .icmp(number(rest[0]), number(rest[1]), word, from)
            }
            "window" => {
                let value = rest[1].parse().expect("a window");
                let line = self.stage.line();
                match rest[0] {
                    "C" => line.client.window = value,
                    _ => line.server.window = value,
                }
                0
            }
            "wait" => {
                self.stage.wait(nanos(rest[0]));
                0
            }
            "others" => self.others(),
            "neighbour" => {
                self.stage.neighbour = rest[0].parse().expect("a byte");
                0
            }
            "horizon" => {
                self.stage.wait(nanos(rest[0]));
                // A neighbour asks the time: nobody of this conversation.
                let from = SocketAddr::new(self.stage.address(Ipv4Addr::new(10, 0, 0, 77)), 123);
                let to = SocketAddr::new(self.stage.address(Ipv4Addr::new(10, 0, 0, 1)), 123);
                self.stage.datagram(from, to, &[0x23; 48], 'C')
            }
            "dns" => self.dns(rest),
            "C" | "S" => self.side(step, what.chars().next().unwrap_or('C'), rest, &look),
            other => panic!("{other}: no such step ({step})"),
        }
    }

    fn side(&mut self, step: &str, side: char, rest: &[&str], look: &Look) -> u64 {
        let other = if side == 'C' { 'S' } else { 'C' };
        match rest[0] {
            "tls" | "tls!" | "tls?" => {
                let text = step
                    .split_once(' ')
                    .and_then(|(_, t)| t.split_once(' '))
                    .map_or("", |(_, t)| t);
                let bytes = tls::records(side, text);
                let look = Look {
                    unseen: rest[0] == "tls?",
                    ..Look::default()
                };
                self.stage.say(side, &bytes, rest[0] != "tls!", &look)
            }
            "again" => self.stage.again(side),
            "ack" => self.stage.acknowledge(other),
            "fin" => self.stage.fin(side, true, look),
            "fin!" => self.stage.fin(side, false, look),
            "rst" => {
                if rest.contains(&"all") {
                    self.stage.hear(side);
                }
                self.stage.reset(side, rest.contains(&"bare"), look)
            }
            "keepalive" => self.stage.keep_alive(side, true),
            "keepalive!" => self.stage.keep_alive(side, false),
            other => panic!("{other}: no such step ({step})"),
        }
    }

    /// Another connection of the same client, to a web server: something comes back to it.
    fn others(&mut self) -> u64 {
        let current = self.stage.current;
        let port = 50_000 + u16::try_from(self.stage.lines.len()).expect("few");
        self.stage
            .connect((CLIENT, port), (Ipv4Addr::new(198, 51, 100, 80), 443));
        let first = self.stage.syn(&Look::default());
        self.stage.syn_ack(&Look::default());
        self.stage.establish();
        self.stage.fin('C', true, &Look::default());
        self.stage.fin('S', true, &Look::default());
        self.stage.current = current;
        first
    }

    fn dns(&mut self, rest: &[&str]) -> u64 {
        let get = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key));
        let resolver = get("resolver=").map_or(Ipv4Addr::new(10, 0, 0, 1), |t| {
            t.parse().expect("an address")
        });
        let client = SocketAddr::new(
            self.stage.address(CLIENT),
            33_000 + self.stage.next_dns_id() % 1000,
        );
        let resolver = SocketAddr::new(self.stage.address(resolver), 53);
        let id = self.stage.next_dns_id();
        let question = dns::question(id, rest[0], rest[1]);
        self.stage.wait(1_000_000);
        let first = self.stage.datagram(client, resolver, &question, 'C');
        if rest[2] == "silent" {
            return first;
        }
        self.stage.wait(get("after=").map_or(3_000_000, nanos));
        let answers: Vec<&str> = rest
            .get(3)
            .map_or(Vec::new(), |text| text.split(',').collect());
        let v6 = self.stage.manner.v6;
        let map = |ip: Ipv4Addr| -> IpAddr { self.stage.address(ip) };
        let answer = dns::answer(&question, rest[0], rest[1], rest[2], &answers, v6, &map);
        self.stage.datagram(resolver, client, &answer, 'S')
    }
}
