//! TLS as far as it was visible: versions, names, certificates, and the packets that carried it.

use ratatui::style::Style;
use ratatui::text::Line;

use super::super::{Theme, labelled};
use super::{nothing, seconds};
use crate::base::{Foreign, SECOND, Side, Timestamp};
use crate::engine::record::CertificateInfo;
use crate::present::Sender;
use crate::proto::tls::{TlsFacts, cipher_name, group_name};
use crate::tui::model::{Detail, Model, Subject};

const DAY: i64 = 86_400 * SECOND;

/// What there is.
pub fn lines(model: &Model, detail: &Detail, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let Subject::Connection(record) = &detail.row.subject else {
        return nothing("A look-up has no TLS.", theme, columns);
    };
    let Some(tls) = &record.tls else {
        let said = match record.tls_mode {
            "implicit" => "TLS was to begin at once on this port; no record of it was seen.",
            _ => "No TLS was seen on this connection.",
        };
        return nothing(said, theme, columns);
    };
    let mut lines = Vec::new();
    let plain = Style::new();
    let mut say = |name: &str, text: &str, style: Style| {
        lines.extend(labelled(name, text, columns, theme, style));
    };
    let mode = match record.tls_mode {
        "implicit" => "from the first byte",
        "starttls" => "after STARTTLS",
        other => other,
    };
    say("mode", mode, plain);
    say(
        "version",
        tls.version.as_deref().unwrap_or("no ServerHello was seen"),
        plain,
    );
    if let Some(cipher) = &tls.cipher {
        say("cipher", cipher, plain);
    }
    let name = tls
        .sni
        .as_ref()
        .map_or("none: the client named no server", |sni| sni.as_str());
    say("sni", name, plain);
    if let Some(alpn) = &tls.alpn {
        say("alpn", alpn.as_str(), plain);
    }
    if let Some(ja4) = &tls.ja4 {
        say("ja4", ja4.as_str(), plain);
    }
    for (at, certificate) in tls.certificates.iter().enumerate() {
        let kind = if at == 0 { "server" } else { "issuer" };
        say(kind, certificate.subject.as_str(), theme.strong());
        say("", &format!("issued by {}", certificate.issuer), plain);
        let (text, fine) = validity(model, certificate, record.started.0);
        let style = if fine { plain } else { theme.outcome("failed") };
        say("", &text, style);
    }
    if tls.certificates.is_empty() && tls.version.as_deref() == Some("TLSv1.3") {
        say(
            "",
            "TLS 1.3 encrypts certificates: only a key log shows them",
            theme.faint(),
        );
    }
    if let Some(facts) = &detail.hellos {
        offered(facts, columns, theme, &mut lines);
    }
    let first = detail
        .steps
        .first()
        .map_or(record.started.0, |step| step.time);
    let told: Vec<Line<'static>> = detail
        .steps
        .iter()
        .filter(|step| step.label.starts_with("TLS ") || step.label == "ChangeCipherSpec")
        .map(|step| {
            let sign = match step.sender {
                Sender::End(Side::Client) => "→",
                _ => "←",
            };
            let time = seconds(step.time.since(first));
            Line::raw(super::super::cut(
                &format!("{time:>9}  #{:<6} {sign} {}", step.number, step.label),
                columns,
            ))
        })
        .collect();
    if !told.is_empty() {
        lines.push(Line::default());
        lines.extend(told);
    }
    lines
}

/// What the client offered, and what of the certificate is no more in the record: the names that it holds, key and signature.
fn offered(facts: &TlsFacts, columns: usize, theme: Theme, lines: &mut Vec<Line<'static>>) {
    let plain = Style::new();
    let mut say =
        |name: &str, text: &str| lines.extend(labelled(name, text, columns, theme, plain));
    if let Some(hello) = &facts.client_hello {
        let versions = match hello.min_version.filter(|min| *min != hello.max_version) {
            Some(min) => format!("{} to {}", min.name(), hello.max_version.name()),
            None => format!("up to {}", hello.max_version.name()),
        };
        let split = match hello.at.frame == hello.done.frame {
            true => String::new(),
            false => format!(
                ", over frames {} to {}",
                hello.at.frame.number(),
                hello.done.frame.number()
            ),
        };
        say(
            "offers",
            &format!("{versions}, {} bytes of ClientHello{split}", hello.length),
        );
        if !hello.alpn.is_empty() {
            let alpn: Vec<&str> = hello.alpn.iter().map(Foreign::as_str).collect();
            say("alpn", &alpn.join(", "));
        }
        let groups: Vec<String> = hello
            .groups
            .iter()
            .map(|group| {
                let share = if hello.key_shares.contains(group) {
                    " (key sent)"
                } else {
                    ""
                };
                format!("{}{share}", numbered(group_name(*group), *group))
            })
            .collect();
        if !groups.is_empty() {
            say("groups", &groups.join(", "));
        }
        let suites: Vec<String> = hello
            .ciphers
            .iter()
            .map(|suite| {
                numbered(
                    cipher_name(*suite).map(|name| name.trim_start_matches("TLS_")),
                    *suite,
                )
            })
            .collect();
        say("suites", &suites.join(", "));
    }
    if let Some(retry) = facts.hello_retry {
        say(
            "retry",
            &format!(
                "#{}: the server asked for another key share",
                retry.frame.number()
            ),
        );
    }
    if facts
        .server_hello
        .as_ref()
        .is_some_and(|hello| hello.resumed)
    {
        say(
            "resumed",
            "an earlier session goes on: no certificate is sent",
        );
    }
    for certificate in facts.certificates.iter().take(1) {
        let names: Vec<&str> = certificate.names.iter().map(Foreign::as_str).collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        say("names", &names);
        let weak = if certificate.weak { ", weak" } else { "" };
        say(
            "key",
            &format!(
                "{} {} bits, {}{weak}",
                certificate.key, certificate.key_bits, certificate.signature
            ),
        );
    }
}

fn numbered(name: Option<&str>, number: u16) -> String {
    name.map_or_else(|| format!("0x{number:04x}"), str::to_owned)
}

/// From when to when, and whether that holds the moment of the connection.
fn validity(model: &Model, certificate: &CertificateInfo, then: Timestamp) -> (String, bool) {
    let clock = &model.look.clock;
    let (from, to) = (certificate.not_before.0, certificate.not_after.0);
    let days = |nanos: i64| crate::present::counted((nanos / DAY).unsigned_abs(), "day", "days");
    let span = format!("valid {} … {}", clock.day(from), clock.day(to));
    if then > to {
        (
            format!("{span}: had expired {} before", days(then.since(to))),
            false,
        )
    } else if then < from {
        (
            format!("{span}: not valid for another {}", days(from.since(then))),
            false,
        )
    } else {
        (format!("{span}: {} left", days(to.since(then))), true)
    }
}
