//! What an outsider sends is parsed without anything that can panic.
//!
//! Looks for `unsafe`, `unwrap`, `expect`, panicking macros and indices in the modules where foreign bytes are read. An index by
//! a side of a connection, or by `..`, is none that can panic.

use super::reader::{Source, Token, sources};
use super::{complain, fault_at};

/// Where bytes of outsiders are parsed.
const FOREIGN: [&str; 4] = ["wire", "proto", "flow", "capture"];

/// Words before a `[` that do not make it an index.
const NO_VALUE: &[&str] = &[
    "mut", "return", "in", "else", "match", "dyn", "as", "if", "const", "let", "ref", "move",
    "break", "impl", "where", "static", "for", "box", "while", "loop", "type",
];

/// What a value of `Side` is called in the sources. `PerSide` is indexed by one and cannot be missed.
const SIDES: &[&str] = &[
    "Side", "side", "other", "peer", "quoted", "from", "by", "sender", "receiver", "waiting",
    "speaker",
];

/// Whether an index can lie beyond the end: it is neither a side nor `..`.
fn can_panic(source: &Source, open: usize) -> bool {
    let mut depth = 0usize;
    let mut within = Vec::new();
    for next in open..source.tokens.len() {
        if source.sign(next, '[') || source.sign(next, '(') {
            depth += 1;
        } else if source.sign(next, ']') || source.sign(next, ')') {
            depth -= 1;
            if depth == 0 {
                break;
            }
        }
        within.push(next);
    }
    let within = within.get(1..).unwrap_or_default();
    let range = within
        .windows(2)
        .any(|two| source.sign(two[0], '.') && source.sign(two[1], '.'));
    let by_side = within
        .iter()
        .filter_map(|at| source.word(*at))
        .any(|word| SIDES.contains(&word));
    if range { within.len() > 2 } else { !by_side }
}

#[test]
fn foreign_bytes_are_parsed_without_anything_that_panics() {
    let mut faults = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| FOREIGN.contains(&source.module()))
    {
        for at in 0..source.tokens.len() {
            let mut fault =
                |what: &str, remedy: &str| faults.extend(fault_at(source, at, what, remedy));
            let called = at > 0 && source.sign(at - 1, '.') && source.sign(at + 1, '(');
            match source.word(at) {
                Some("unwrap") if called => fault(
                    "`.unwrap()`",
                    "foreign bytes decide here: use `?`, `let … else` or a default",
                ),
                // With a text: a decoder may expect a reply, which is another thing.
                Some("expect")
                    if called
                        && source
                            .tokens
                            .get(at + 2)
                            .is_some_and(|(token, _)| *token == Token::Text) =>
                {
                    fault(
                        "`.expect(…)`",
                        "foreign bytes decide here: use `?`, `let … else` or a default",
                    )
                }
                Some("unsafe") => fault("`unsafe`", "foreign bytes are parsed in safe code"),
                Some(word @ ("panic" | "todo" | "unimplemented" | "unreachable"))
                    if source.sign(at + 1, '!') =>
                {
                    fault(
                        &format!("`{word}!`"),
                        "dissection cannot fail: return what did decode, and why it stopped",
                    )
                }
                _ => {}
            }
            let indexed = source.sign(at, '[')
                && at > 0
                && (source.sign(at - 1, ')')
                    || source.sign(at - 1, ']')
                    || source.sign(at - 1, '?')
                    || source
                        .word(at - 1)
                        .is_some_and(|word| !NO_VALUE.contains(&word)));
            if indexed && can_panic(source, at) {
                fault(
                    "an index that can panic",
                    "use `.get(…)`, a slice pattern or an iterator",
                );
            }
        }
    }
    complain(
        "What an outsider sends is parsed without unsafe, unwrap, panic and panicking indices.",
        &faults,
    );
}
