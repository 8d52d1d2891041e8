//! The filter language: plain words, `key:value`, `/regex/`, and `-` before any of them.
//!
//! Words and keys must all fit. A value may name several with commas. Words look at what the list shows: code,
//! title, names, addresses, port, service, summary; case does not matter.
//!
//! `code:tcp` also takes `tcp.dropped`; `host:mx1` looks into the server's name and address; `state:` and `class:` take
//! the beginning of one of their words.

use memchr::memmem;
use regex::{Regex, RegexBuilder};

use super::row::Row;
use crate::present::title;

/// The longest filter, in bytes.
pub const LONGEST: usize = 200;

/// A filter that was understood.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug)]
struct Term {
    wanted: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Word(String),
    Regex(Regex),
    Code(Vec<String>),
    Port(Vec<u16>),
    Host(Vec<String>),
    Client(Vec<String>),
    Server(Vec<String>),
    State(Vec<String>),
    Class(Vec<String>),
    Service(Vec<String>),
}

/// The keys, for messages and help.
pub const KEYS: [&str; 8] = [
    "code:", "port:", "host:", "state:", "class:", "client:", "server:", "service:",
];

/// What `state:` knows.
const STATES: [&str; 5] = ["failed", "degraded", "healthy", "incomplete", "open"];
/// What `class:` knows.
const CLASSES: [&str; 4] = ["network", "service", "policy", "client"];

impl Filter {
    /// Reads a filter; the error is one sentence.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let mut terms = Vec::new();
        for word in split(text) {
            let (wanted, rest) = match word.strip_prefix(['-', '!']) {
                Some(rest) if !rest.is_empty() => (false, rest),
                _ => (true, word.as_str()),
            };
            let test = test(rest)?;
            terms.push(Term { wanted, test });
        }
        Ok(Filter {
            text: text.trim().to_owned(),
            terms,
        })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether policy refusals were asked for by name.
    pub fn asks_for_policy(&self) -> bool {
        self.terms.iter().any(|term| {
            term.wanted
                && match &term.test {
                    Test::Class(classes) => classes
                        .iter()
                        .any(|class| "policy".starts_with(class.as_str())),
                    Test::Code(_) => true,
                    _ => false,
                }
        })
    }

    /// Whether a row fits.
    pub fn fits(&self, row: &Row) -> bool {
        if self.terms.is_empty() {
            return true;
        }
        let mut haystack = None;
        self.terms.iter().all(|term| {
            let fits = match &term.test {
                Test::Word(word) => {
                    let told = haystack.get_or_insert_with(|| told(row));
                    memmem::find(told.as_bytes(), word.as_bytes()).is_some()
                }
                Test::Regex(regex) => regex.is_match(haystack.get_or_insert_with(|| told(row))),
                Test::Code(codes) => codes.iter().any(|code| is_code(row.verdict().code, code)),
                Test::Port(ports) => ports.contains(&row.port()),
                Test::Host(hosts) => hosts.iter().any(|host| {
                    row.name().is_some_and(|name| contains(name.as_str(), host))
                        || contains(row.server_ip(), host)
                }),
                Test::Client(clients) => clients.iter().any(|ip| contains(row.client_ip(), ip)),
                Test::Server(servers) => servers.iter().any(|ip| contains(row.server_ip(), ip)),
                Test::State(states) => states.iter().any(|state| {
                    row.state().starts_with(state) || row.outcome().starts_with(state)
                }),
                Test::Class(classes) => row
                    .verdict()
                    .class
                    .is_some_and(|class| classes.iter().any(|wanted| class.starts_with(wanted))),
                Test::Service(services) => services.iter().any(|service| row.service() == service),
            };
            fits == term.wanted
        })
    }
}

fn contains(text: &str, lower: &str) -> bool {
    text.to_lowercase().contains(lower)
}

fn is_code(code: &str, wanted: &str) -> bool {
    code.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || wanted.contains('.'))
}

/// Everything that a word may be found in, in lower case: put together in one piece, since with every key of a filter this is
/// asked of all rows.
fn told(row: &Row) -> String {
    let verdict = row.verdict();
    let target = row.target();
    let parts: [&str; 9] = [
        verdict.code,
        title(verdict.code),
        row.client_ip(),
        row.server_ip(),
        &target,
        row.service(),
        row.state(),
        verdict.class.unwrap_or(""),
        &verdict.summary,
    ];
    let mut text = parts.join(" ");
    text.make_ascii_lowercase();
    text
}

/// Words apart at blanks; a `/regex/` may hold blanks.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut in_regex = false;
    for c in text.chars() {
        let opens = c == '/' && matches!(word.as_str(), "" | "-" | "!");
        if c == ' ' && !in_regex {
            if !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        if c == '/' {
            in_regex = opens || (in_regex && word.ends_with('\\'));
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn test(word: &str) -> Result<Test, String> {
    if let Some(pattern) = word.strip_prefix('/') {
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        return RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build()
            .map(Test::Regex)
            .map_err(|error| {
                let why = error.to_string();
                let last = why.lines().last().unwrap_or("not a regex").trim();
                format!("/{pattern}/: {}", last.trim_start_matches("error: "))
            });
    }
    let lower = word.to_lowercase();
    let Some((key, value)) = lower.split_once(':') else {
        return Ok(Test::Word(lower));
    };
    let values = || -> Vec<String> {
        value
            .split(',')
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    };
    if value.is_empty() && KEYS.contains(&format!("{key}:").as_str()) {
        return Err(format!("{key}: wants a value"));
    }
    Ok(match key {
        "code" => Test::Code(values()),
        "port" => {
            let ports: Result<Vec<u16>, _> = value
                .split(',')
                .filter(|port| !port.is_empty())
                .map(str::parse)
                .collect();
            Test::Port(ports.map_err(|_| format!("port:{value} is no port"))?)
        }
        "host" => Test::Host(values()),
        "state" => {
            let states = values().into_iter().map(|state| match state.as_str() {
                "ok" => "healthy".to_owned(),
                "unknown" => "incomplete".to_owned(),
                _ => state,
            });
            Test::State(known(key, states.collect(), &STATES)?)
        }
        "class" => Test::Class(known(key, values(), &CLASSES)?),
        "client" => Test::Client(values()),
        "server" => Test::Server(values()),
        "service" => Test::Service(values()),
        // An address or a name with a port has a colon as well.
        _ if may_be_an_address(key, value) => Test::Word(lower),
        _ => return Err(format!("there is no {key}:")),
    })
}

/// Values that are the beginning of a word which such a key can have.
fn known(key: &str, values: Vec<String>, words: &[&str]) -> Result<Vec<String>, String> {
    let begins = |value: &String| words.iter().any(|word| word.starts_with(value.as_str()));
    match values.iter().find(|value| !begins(value)) {
        Some(value) => Err(format!("{key}:{value} is none of {}", words.join(", "))),
        None => Ok(values),
    }
}

/// Whether a colon may stand between the groups of an IPv6 address, or before a port.
fn may_be_an_address(before: &str, after: &str) -> bool {
    let word = !before.is_empty() && before.chars().all(|c| c.is_ascii_alphabetic());
    let hex = before.chars().all(|c| c.is_ascii_hexdigit());
    !word || hex || after.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Filter, split};

    #[test]
    fn words_keys_and_patterns_are_told_apart() {
        assert_eq!(
            split("a  -b code:x /c d/ e"),
            ["a", "-b", "code:x", "/c d/", "e"]
        );
        assert!(Filter::parse("port:25,587 state:failed -class:policy mx1").is_ok());
        assert!(Filter::parse("/mx[12]/").is_ok());
        assert!(Filter::parse("192.0.2.10:25").is_ok());
        assert!(Filter::parse("2001:db8::1").is_ok());
        assert_eq!(
            Filter::parse("port:abc").unwrap_err(),
            "port:abc is no port"
        );
        assert_eq!(Filter::parse("code:").unwrap_err(), "code: wants a value");
        assert_eq!(
            Filter::parse("state:dead").unwrap_err(),
            "state:dead is none of failed, degraded, healthy, incomplete, open"
        );
        assert!(
            Filter::parse("cod:tcp.dropped")
                .unwrap_err()
                .starts_with("there is no cod:")
        );
        for address in ["fe80::1", "mail.example.net:25", "localhost:25", "fd::25"] {
            assert!(Filter::parse(address).is_ok(), "{address}");
        }
        assert!(Filter::parse("/mx[/").unwrap_err().starts_with("/mx[/: "));
        assert!(Filter::parse("class:policy").unwrap().asks_for_policy());
        assert!(!Filter::parse("-class:policy").unwrap().asks_for_policy());
    }

    #[test]
    fn a_pattern_cannot_be_made_to_explode() {
        assert!(Filter::parse("/(a{1000}){1000}/").is_err());
    }
}
