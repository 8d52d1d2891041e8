//! Embedded clients against embedded servers on loopback: healthy, every certificate, every misbehaviour.

mod dns;

use super::{ClientOutcome, ClientSpec, Network, run};
use crate::lab::server::spec::ServiceKind;
use crate::lab::server::{Ground, Served, ServerSpec, Servers, Stop};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Runs a client against servers on free ports of loopback; both as a scenario would write them.
fn lab(server: &str, client: &str) -> (ClientOutcome, Vec<Served>) {
    let server: ServerSpec = toml::from_str(server).expect("server");
    let mut client: ClientSpec = toml::from_str(client).expect("client");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs();
    let pki = Servers::certificates(&server, now).expect("certificates");
    let ground = Ground {
        addresses: vec![[127, 0, 0, 1].into()],
        any_port: true,
    };
    let servers = Servers::start(&server, &ground, &pki).expect("servers");
    let port = |kind: ServiceKind| {
        let own = servers
            .listening()
            .iter()
            .find(|listening| listening.kind == kind);
        own.map(|listening| listening.address.port())
    };
    client.port = client
        .port
        .or(port(client.service))
        .or(port(ServiceKind::Raw))
        .or(Some(1));
    let resolvers = port(ServiceKind::Dns)
        .map(|port| ([127, 0, 0, 1], port).into())
        .into_iter()
        .collect();
    let network = Network {
        servers: vec![[127, 0, 0, 1].into()],
        resolvers,
        pki: &pki,
        stop: Arc::new(Stop::new().expect("eventfd")),
        seed: 7,
    };
    let outcome = run(&client, &network);
    let served = servers.served(
        outcome
            .sessions
            .iter()
            .filter(|s| s.local.is_some())
            .count(),
        Duration::from_secs(2),
    );
    (outcome, served)
}

/// The trouble that a client has with a server.
fn trouble(server: &str, client: &str) -> String {
    lab(server, client)
        .0
        .trouble()
        .unwrap_or_else(|| "none".to_owned())
}

#[test]
fn every_healthy_service_works() {
    for kind in ServiceKind::MAIL {
        let kind = kind.name();
        let server = format!("[[services]]\nkind = \"{kind}\"\n");
        let (outcome, served) = lab(&server, &format!("service = \"{kind}\"\n"));
        assert_eq!(outcome.trouble(), None, "{kind}: {:#?}", outcome.sessions);
        assert!(outcome.succeeded(), "{kind}");
        assert_eq!(
            served.first().map(|served| served.end.as_str()),
            Some("done"),
            "{kind}"
        );
    }
}

#[test]
fn every_mechanism_works_and_fails() {
    for kind in ["submission", "imap", "pop3", "sieve"] {
        for mechanism in ["plain", "login", "xoauth2", "oauthbearer"] {
            let server =
                format!("[[services]]\nkind = \"{kind}\"\nmechanisms = [\"{mechanism}\"]\n");
            let password = if mechanism.starts_with(['x', 'o']) {
                "token"
            } else {
                "secret"
            };
            let login = |password: &str| {
                format!(
                    "service = \"{kind}\"\n[login]\nmechanism = \"{mechanism}\"\npassword = \"{password}\"\n"
                )
            };
            let (good, _) = lab(&server, &login(password));
            assert_eq!(
                good.trouble(),
                None,
                "{kind} {mechanism}: {:#?}",
                good.sessions
            );
            let bad = trouble(&server, &login("wrong"));
            assert!(bad.starts_with("login: "), "{kind} {mechanism}: {bad}");
        }
    }
}

#[test]
fn every_certificate_is_refused_by_its_alert() {
    for (kind, dislike, alert) in [
        ("valid", "none", "done"),
        ("expired", "expired", "CertificateExpired"),
        ("not-yet-valid", "not valid yet", "BadCertificate"),
        ("self-signed", "UnknownIssuer", "UnknownCA"),
        ("untrusted-root", "UnknownIssuer", "UnknownCA"),
        ("incomplete-chain", "UnknownIssuer", "UnknownCA"),
        ("wrong-name", "not valid for name", "BadCertificate"),
        ("weak", "SignatureAlgorithm", "BadCertificate"),
    ] {
        for version in ["1.2", "1.3"] {
            let server = format!(
                "[[services]]\nkind = \"imaps\"\n[services.tls]\ncertificate = \"{kind}\"\nversions = [\"{version}\"]\n"
            );
            let (outcome, served) = lab(&server, "service = \"imaps\"\n");
            let trouble = outcome.trouble().unwrap_or_else(|| "none".to_owned());
            assert!(trouble.contains(dislike), "{kind} {version}: {trouble}");
            let end = served
                .first()
                .map(|served| served.end.clone())
                .unwrap_or_default();
            assert!(end.contains(alert), "{kind} {version}: {end}");
        }
    }
}

#[test]
fn tls_goes_wrong_as_scripted() {
    let imaps = |tls: &str| format!("[[services]]\nkind = \"imaps\"\n[services.tls]\n{tls}\n");
    let client = "service = \"imaps\"\npatience_ms = 300\n";
    for (tls, extra, words) in [
        ("on_hello = \"silence\"", "", "tls: timed out"),
        ("on_hello = \"close\"", "", "tls: the peer closed"),
        ("on_hello = \"reset\"", "", "tls: connection reset"),
        ("on_hello = \"alert\"\nalert = 112", "", "UnrecognisedName"),
        (
            "on_hello = \"alert\"\nunless_names = [\"mail.example.net\"]",
            "",
            "none",
        ),
        (
            "on_hello = \"bytes\"\nbytes = \"1503030002 02 46\"",
            "",
            "ProtocolVersion",
        ),
        (
            "versions = [\"1.3\"]",
            "[tls]\nversions = [\"1.2\"]",
            "ProtocolVersion",
        ),
        (
            "versions = [\"1.2\"]",
            "[tls]\nversions = [\"1.3\"]",
            "ProtocolVersion",
        ),
        (
            "suites = [\"TLS_AES_128_GCM_SHA256\"]",
            "[tls]\nsuites = [\"TLS_CHACHA20_POLY1305_SHA256\"]",
            "HandshakeFailure",
        ),
        ("client_certificate = true", "", "CertificateRequired"),
        (
            "client_certificate = true",
            "[tls]\ncertificate = true",
            "none",
        ),
        ("", "[tls]\nraw_hello = \"ssl3\"", "alert 70"),
        ("", "[tls]\nraw_hello = \"1.0\"", "alert 70"),
        ("", "[tls]\ntrust = \"nothing\"", "UnknownIssuer"),
        (
            "certificate = \"expired\"",
            "[tls]\ntrust = \"anything\"",
            "none",
        ),
        ("", "[tls]\nrefuse_with = 46", "Other"),
        ("", "[tls]\nhello_size = 2000\nsplit_hello = 700", "none"),
        ("", "[tls]\nmode = \"none\"", "greeting: timed out"),
    ] {
        let trouble = trouble(&imaps(tls), &format!("{client}{extra}\n"));
        assert!(trouble.contains(words), "{tls} {extra}: {trouble}");
    }
}

#[test]
fn tls_and_plaintext_mixed_up() {
    let imap = "[[services]]\nkind = \"imap\"\n";
    let trouble_imap = trouble(
        imap,
        "service = \"imap\"\npatience_ms = 300\n[tls]\nmode = \"implicit\"\n",
    );
    assert!(
        trouble_imap.contains("corrupt") || trouble_imap.contains("message"),
        "{trouble_imap}"
    );
    let imaps = "[[services]]\nkind = \"imaps\"\n";
    let (outcome, served) = lab(imaps, "service = \"imaps\"\nsteps = [\"hello\"]\n");
    assert!(!outcome.succeeded());
    assert!(
        served
            .first()
            .is_some_and(|served| served.end.starts_with("TLS")),
        "{served:?}"
    );
}

#[test]
fn servers_misbehave_as_scripted() {
    let client = "service = \"smtp\"\npatience_ms = 300\nconnect_timeout_ms = 300\n";
    for (service, extra, words) in [
        ("accept = \"close\"", "", "greeting: the peer closed"),
        ("accept = \"reset\"", "", "reset by peer"),
        ("accept = \"never\"", "", "greeting: timed out"),
        (
            "accept = \"stop-reading\"",
            "steps = [{ send_bytes = 9000000 }]",
            "send_bytes",
        ),
        ("greeting = { silent = true }", "", "greeting: timed out"),
        (
            "greeting = { lines = [\"554 no\"], then = \"close\" }",
            "",
            "greeting: 554 no",
        ),
        (
            "greeting = { teaser = \"220-wait\", delay_ms = 50 }",
            "",
            "none",
        ),
        ("greeting = { pace_ms = 1 }", "", "none"),
        ("greeting = { then = \"reset\" }", "", "reset"),
        ("starttls = \"refused\"", "", "starttls: 454 4.7.0"),
        ("starttls = \"absent\"", "", "starttls: 502 5.5.2"),
        (
            "starttls = \"absent\"",
            "[tls]\nmode = \"if-offered\"",
            "none",
        ),
        (
            "starttls = \"absent\"",
            "[tls]\nmode = \"required\"",
            "does not offer STARTTLS",
        ),
        (
            "requires_tls = true",
            "[tls]\nmode = \"none\"",
            "530 5.7.0 Must issue",
        ),
        ("cut = { after_bytes = 40, then = \"reset\" }", "", "reset"),
        ("cut = { after_bytes = 40, then = \"close\" }", "", "closed"),
        ("proxy_protocol = true", "", "greeting: timed out"),
        ("proxy_protocol = true", "proxy_protocol = true", "none"),
        (
            "replies = [{ on = \"RCPT\", reply = [\"450 later\"] }]",
            "",
            "mail: 450 later",
        ),
        (
            "replies = [{ on = \"RCPT\", nth = 2, reply = [\"450 later\"] }]",
            "",
            "none",
        ),
        (
            "replies = [{ on = \"MAIL\", then = \"stall\" }]",
            "",
            "mail: timed out",
        ),
        (
            "replies = [{ on = \".\", then = \"reset\" }]",
            "",
            "mail: connection reset",
        ),
        (
            "replies = [{ on = \"DATA\", reply = [\"354 go\"], then = \"stop-reading\" }]",
            "[mail]\nsize = 9000000",
            "mail: timed out",
        ),
        ("", "[mail]\nsize = 11000000", "552 5.3.4"),
        ("", "[mail]\nbdat = true", "none"),
        ("", "[mail]\npipelining = true", "none"),
        (
            "",
            "[mail]\nto = [\"user@elsewhere.example\"]",
            "Relay access denied",
        ),
        ("", "[login]\nuser = \"user@example.net\"", "503 5.5.1"),
        (
            "idle_timeout_ms = 100",
            "steps = [\"greeting\", { pause_ms = 200 }, \"hello\"]",
            "421 4.4.2",
        ),
        ("software = \"exim\"", "", "none"),
    ] {
        let server = format!("[[services]]\nkind = \"smtp\"\n{service}\n");
        let (outcome, served) = lab(&server, &format!("{client}{extra}\n"));
        let trouble = outcome.trouble().unwrap_or_else(|| "none".to_owned());
        assert!(
            trouble.contains(words),
            "{service} {extra}: {trouble} {served:?}\n{:#?}",
            outcome.sessions
        );
    }
}

#[test]
fn too_many_connections_are_turned_away() {
    let server = "[[services]]\nkind = \"imap\"\nmax_connections = 1\n";
    let client =
        "service = \"imap\"\nparallel = 2\nsteps = [\"greeting\", { pause_ms = 300 }, \"quit\"]\n";
    let (outcome, _) = lab(server, client);
    let refused = outcome
        .sessions
        .iter()
        .filter_map(|session| session.error.as_deref())
        .collect::<Vec<_>>();
    assert_eq!(refused.len(), 1, "{outcome:#?}");
    assert!(
        refused.iter().all(|text| text.starts_with("* BYE [LIMIT]")),
        "{refused:?}"
    );
}

#[test]
fn what_is_no_mail_server() {
    for (raw, words) in [
        ("profile = \"ssh\"", "SSH-2.0"),
        ("profile = \"sink\"", "timed out"),
        (
            "greeting = \"hello\\r\\n\"\nthen = \"close\"",
            "greeting: hello",
        ),
    ] {
        let server = format!("[[services]]\nkind = \"raw\"\nport = 25\n[services.raw]\n{raw}\n");
        let trouble = trouble(&server, "service = \"smtp\"\npatience_ms = 200\n");
        assert!(trouble.contains(words), "{raw}: {trouble}");
    }
    let server = "[[services]]\nkind = \"raw\"\nport = 25\n[services.raw]\nprofile = \"http\"\n";
    let trouble = trouble(server, "service = \"smtp\"\nsteps = [\"hello\"]\n");
    assert!(trouble.contains("HTTP/1.1 400"), "{trouble}");
}

#[test]
fn idle_hears_a_bye() {
    let server = "[[services]]\nkind = \"imaps\"\nidle_timeout_ms = 100\n";
    let client = "service = \"imaps\"\nsteps = [\"tls\", \"greeting\", \"login\", \"select\", { idle_ms = 2000 }]\n";
    let (outcome, _) = lab(server, client);
    assert!(
        outcome.sessions[0]
            .transcript
            .iter()
            .any(|line| line.starts_with("S: * BYE")),
        "{outcome:#?}"
    );
    let short = "service = \"imaps\"\nsteps = [\"tls\", \"greeting\", \"login\", \"select\", { idle_ms = 20 }, \"quit\"]\n";
    assert_eq!(trouble("[[services]]\nkind = \"imaps\"\n", short), "none");
}

#[test]
fn the_next_address_is_tried() {
    for fallback in ["next", "happy-eyeballs"] {
        let server = "[[services]]\nkind = \"smtp\"\n";
        let client = format!(
            "service = \"smtp\"\naddresses = [\"127.0.0.2\", \"127.0.0.1\"]\nfallback = \"{fallback}\"\n"
        );
        let (outcome, _) = lab(server, &client);
        assert_eq!(outcome.trouble(), None, "{outcome:#?}");
        assert_eq!(
            outcome.sessions[0].tried.len(),
            1,
            "127.0.0.2 refuses: {outcome:#?}"
        );
    }
}

#[test]
fn a_program_is_run() {
    let client = "service = \"smtp\"\n[external]\nprogram = \"echo\"\narguments = [\"{server}\", \"{name}\"]\n";
    let (outcome, _) = lab("", client);
    assert_eq!(outcome.output, "127.0.0.1 mail.example.net\n");
    assert!(outcome.succeeded());
}

#[test]
fn a_slip_of_the_pen_is_an_error() {
    assert!(toml::from_str::<ServerSpec>("[[services]]\nkind = \"smtp\"\ngreting = {}\n").is_err());
    assert!(toml::from_str::<ClientSpec>("service = \"smtp\"\npatience = 3\n").is_err());
    assert!(toml::from_str::<ClientSpec>("service = \"smtp\"\nsteps = [\"greting\"]\n").is_err());
}

#[test]
fn every_scenario_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let listed = crate::lab::list(&folder).expect("captures/");
    let bad: Vec<String> = listed
        .iter()
        .filter_map(|one| {
            one.scenario()
                .err()
                .map(|error| format!("{}: {error}", one.title()))
        })
        .collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(listed.len() > 150, "{} scenarios", listed.len());
}
