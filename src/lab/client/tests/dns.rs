//! Look-ups against the embedded DNS server on loopback, healthy and not.

use super::lab;
use crate::lab::client::LookupOutcome;

const ZONE: &str = "zone = [\"example.net MX 10 mail.example.net\", \"mail.example.net A 127.0.0.1\", \
    \"mail.example.net AAAA ::1\", \"alias.example.net CNAME mail.example.net\", \"v4.example.net 60 A 127.0.0.1\", \
    \"null.example.net MX 0 .\"]\n";

/// One look-up: `rule` as the server's, and what each type's look-up says.
fn look_up(rule: &str, client: &str) -> Vec<String> {
    let server =
        format!("[[services]]\nkind = \"dns\"\n[services.dns]\n{ZONE}\nrules = [{rule}]\n");
    let client =
        format!("service = \"smtp\"\n[resolve]\nonly = true\ntimeout_ms = 100\n{client}\n");
    let (outcome, _) = lab(&server, &client);
    let answer = |lookup: &LookupOutcome| match &lookup.answer {
        Ok(texts) => format!("{} {} {}", lookup.tries, lookup.rtype, texts.join(",")),
        Err(why) => format!("{} {} !{why}", lookup.tries, lookup.rtype),
    };
    outcome.lookups.iter().map(answer).collect()
}

#[test]
fn names_are_looked_up() {
    assert_eq!(look_up("", ""), ["1 A 127.0.0.1", "1 AAAA ::1"]);
    assert_eq!(
        look_up("", "name = \"alias.example.net\"\ntypes = [\"A\"]"),
        ["1 A mail.example.net,127.0.0.1"]
    );
    assert_eq!(
        look_up("", "name = \"v4.example.net\""),
        ["1 A 127.0.0.1", "1 AAAA "]
    );
    assert_eq!(
        look_up("", "name = \"nobody.example.net\""),
        ["1 A !NXDOMAIN", "1 AAAA !NXDOMAIN"]
    );
    assert_eq!(
        look_up("", "name = \"null.example.net\"\ntypes = [\"MX\"]"),
        ["1 MX type 15, 3 bytes"]
    );
    let mx = look_up("", "name = \"example.net\"\ntypes = [\"MX\"]");
    assert_eq!(mx, ["1 MX mail.example.net", "1 A 127.0.0.1", "1 AAAA ::1"]);
}

#[test]
fn resolvers_misbehave_as_scripted() {
    let a = "types = [\"A\"]";
    assert_eq!(look_up("{ action = \"silence\" }", a), ["2 A !no answer"]);
    assert_eq!(
        look_up("{ action = \"silence\", first = 1 }", a),
        ["2 A 127.0.0.1"]
    );
    assert_eq!(
        look_up("{ action = \"silence\", rtype = \"AAAA\" }", ""),
        ["1 A 127.0.0.1", "2 AAAA !no answer"]
    );
    assert_eq!(
        look_up(
            "{ action = \"servfail\", ede = 6, ede_text = \"bogus\" }",
            "types = [\"A\"]\nedns = 1232"
        ),
        ["2 A !SERVFAIL"]
    );
    assert_eq!(look_up("{ action = \"refused\" }", a), ["2 A !REFUSED"]);
    assert_eq!(look_up("{ action = \"nxdomain\" }", a), ["1 A !NXDOMAIN"]);
    assert_eq!(look_up("{ action = \"nodata\" }", a), ["1 A "]);
    assert_eq!(
        look_up("{ action = \"rcode\", rcode = 9 }", a),
        ["1 A !RCODE 9"]
    );
    assert_eq!(look_up("{ action = \"truncate\" }", a), ["1 A 127.0.0.1"]);
    assert_eq!(
        look_up(
            "{ action = \"reset\", transport = \"tcp\" }, { action = \"truncate\" }",
            a
        ),
        ["2 A !over TCP: connection reset by peer"]
    );
    assert_eq!(look_up("{ action = \"wrong-id\" }", a), ["2 A !no answer"]);
    assert_eq!(
        look_up("{ action = \"wrong-question\" }", a),
        ["2 A !no answer"]
    );
    assert_eq!(look_up("{ action = \"malformed\" }", a), ["2 A !no answer"]);
    let forged = look_up(
        "{ action = \"forge\", answer = [\"mail.example.net A 198.51.100.66\"] }",
        a,
    );
    assert_eq!(forged, ["1 A 198.51.100.66"]);
    let slow = look_up("{ delay_ms = 30 }", a);
    assert_eq!(slow, ["1 A 127.0.0.1"]);
    let large = look_up("{ pad_to = 900 }", a);
    assert!(
        large[0].starts_with("1 A 127.0.0.1,198.51.100.1,"),
        "{large:?}"
    );
}
