//! The settings of a mail program, checked: what was typed, what works, and the difference in one sentence.
//!
//! Only where the user gave settings (a URL), and only when they failed. Each claim names the setting that was measured to work; without one there is no claim. Names come from DNS and the
//! built-in list alone (`close`), and what is only guessed is never connected to.

pub mod check;
pub mod close;

use std::net::SocketAddr;

use self::check::check;
use self::close::{Origin, domains, providers, suggestions};
use super::context::Context;
use super::dns::asking::Fate;
use super::dns::chain::{SERVICES, service_question};
use super::dns::lookups::Lookups;
use super::dns::question::{Host as Name, Question, Shape};
use super::dns::{Found, resolvers};
use super::target::{Host, Setting, Target, TlsWish};
use crate::base::Foreign;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::proto::Service;
use crate::proto::dns::{Answer, RecordType};

/// What became of the connections with the settings as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Which address.
    pub to: SocketAddr,
    /// A connection was opened.
    pub opened: bool,
    /// A device says in so many words that it lets nobody through, or that there is no way: no other setting mends that.
    pub barred: bool,
    /// The session did what it was to do.
    pub worked: bool,
}

/// Says what is wrong with settings that failed.
pub async fn judge(context: &Context, target: &Target, found: &Found, met: &[Met]) {
    let Target::Settings {
        host,
        setting,
        user,
    } = target
    else {
        return;
    };
    if met.iter().any(|one| one.worked) {
        return;
    }
    let name = match host {
        Host::Name(name) => Name::parse(name).ok(),
        Host::Address(_) => None,
    };
    if met.is_empty() {
        if let Some(name) = name {
            misspelt(context, &name, *setting, user.as_deref(), found).await;
        }
        return;
    }
    for one in met {
        let typed = name.as_ref().map(Name::as_str);
        if one.opened {
            let other = other_mode(*setting);
            if let Some(heard) = check(context, one.to, other, typed).await {
                wrong_encryption(context, target, *setting, other, met, &heard);
                return;
            }
            continue;
        }
        if one.barred {
            continue;
        }
        for other in other_ports(*setting) {
            let to = SocketAddr::new(one.to.ip(), other.port);
            if let Some(heard) = check(context, to, other, typed).await {
                wrong_port(context, target, *setting, other, met, &heard);
                return;
            }
        }
    }
}

/// The same port, encrypted the other way.
fn other_mode(setting: Setting) -> Setting {
    let tls = match setting.tls {
        TlsWish::Implicit => TlsWish::Offered,
        _ => TlsWish::Implicit,
    };
    Setting {
        service: spoken(setting.service, tls),
        tls,
        port: setting.port,
    }
}

/// The service's name with and without implicit TLS (RFC 8314 3.3, 3.4).
fn spoken(service: Service, tls: TlsWish) -> Service {
    let implicit = tls == TlsWish::Implicit;
    match service {
        Service::Imap | Service::Imaps if implicit => Service::Imaps,
        Service::Imap | Service::Imaps => Service::Imap,
        Service::Pop3 | Service::Pop3s if implicit => Service::Pop3s,
        Service::Pop3 | Service::Pop3s => Service::Pop3,
        Service::Submission | Service::Submissions if implicit => Service::Submissions,
        Service::Submission | Service::Submissions => Service::Submission,
        other => other,
    }
}

/// Where else the same purpose is served, the recommended first (RFC 8314 3.3, RFC 6409 3.1).
fn other_ports(setting: Setting) -> Vec<Setting> {
    use TlsWish::{Implicit, Offered, Required};
    let all: &[(Service, TlsWish, u16)] = match setting.service {
        Service::Submission | Service::Submissions | Service::Smtp => &[
            (Service::Submissions, Implicit, 465),
            (Service::Submission, Required, 587),
        ],
        Service::Imap | Service::Imaps => &[
            (Service::Imaps, Implicit, 993),
            (Service::Imap, Offered, 143),
        ],
        Service::Pop3 | Service::Pop3s => &[
            (Service::Pop3s, Implicit, 995),
            (Service::Pop3, Offered, 110),
        ],
        Service::Sieve => &[(Service::Sieve, Offered, 4_190)],
        _ => &[],
    };
    all.iter()
        .filter(|(.., port)| *port != setting.port)
        .map(|(service, tls, port)| Setting {
            service: *service,
            tls: *tls,
            port: *port,
        })
        .collect()
}

/// As a mail program calls it.
fn words(setting: Setting) -> String {
    let mode = match setting.tls {
        TlsWish::Implicit => "SSL/TLS",
        TlsWish::Required => "STARTTLS",
        TlsWish::Offered => "STARTTLS if offered",
    };
    format!("port {} with {mode}", setting.port)
}

fn wrong_encryption(
    context: &Context,
    target: &Target,
    typed: Setting,
    right: Setting,
    met: &[Met],
    heard: &str,
) {
    let right_words = match right.tls {
        TlsWish::Implicit => "SSL/TLS",
        _ => "STARTTLS",
    };
    let typed_words = match typed.tls {
        TlsWish::Implicit => "SSL/TLS",
        _ => "STARTTLS or none",
    };
    let claim = Claim::new(
        Code::SettingsWrongEncryption,
        At::of(Where::Client),
        Proof::Measured("the other encryption", context.now()),
        0.95,
        format!(
            "{target}: port {} wants {right_words}, not {typed_words}.",
            typed.port
        ),
    )
    .shown_by(format!("the same port, the other way: {heard}"))
    .advise(format!(
        "Set the encryption of port {} to {right_words}",
        typed.port
    ));
    say(context, met, claim);
}

fn wrong_port(
    context: &Context,
    target: &Target,
    typed: Setting,
    right: Setting,
    met: &[Met],
    heard: &str,
) {
    let claim = Claim::new(
        Code::SettingsWrongPort,
        At::of(Where::Client),
        Proof::Measured("other ports of the host", context.now()),
        0.93,
        format!(
            "{target}: port {} does not open, {} works.",
            typed.port,
            words(right)
        ),
    )
    .shown_by(format!("port {}: {heard}", right.port))
    .advise(format!("Enter {}", words(right)))
    .advise(format!(
        "Server's operator: open port {} or correct the instructions",
        typed.port
    ));
    say(context, met, claim);
}

/// A claim stands among the report's findings, and beside the connections that it explains.
fn say(context: &Context, met: &[Met], claim: Claim) {
    for one in met {
        context.measured(Measured {
            about: About::Server(one.to),
            claim: claim.clone().weighing(Weight::Finding),
            settles: Settles::Finding,
        });
    }
    context.finding(claim);
}

/// The name leads nowhere: is it a slip of one that serves this?
async fn misspelt(
    context: &Context,
    typed: &Name,
    setting: Setting,
    user: Option<&str>,
    found: &Found,
) {
    let login = context
        .options()
        .login
        .as_ref()
        .map(|login| login.user().to_owned());
    let account = user
        .map(str::to_owned)
        .or(login)
        .and_then(|user| Name::parse(user.rsplit_once('@')?.1).ok());
    let lookups = Lookups::new(context, resolvers(context));
    let mut known: Vec<(Name, Origin)> = Vec::new();
    for domain in domains(typed, account.as_ref()) {
        known.extend(named_by(&lookups, &domain, setting.service).await);
    }
    known.extend(providers().into_iter().map(|name| (name, Origin::Provider)));
    for suggestion in suggestions(typed, &known) {
        let Some(server) = lookups.servers.first() else {
            return;
        };
        for kind in [RecordType::A, RecordType::AAAA] {
            let question = Question::new(&suggestion.name, kind);
            let exchanged = lookups.ask(server, &question, Shape::PLAIN, 2).await;
            let Some(Fate::Answered(answer)) = exchanged.fate else {
                continue;
            };
            let addresses =
                answer
                    .message
                    .answers
                    .iter()
                    .filter_map(|record| match record.answer {
                        Answer::Address(address) => Some(address),
                        _ => None,
                    });
            for address in addresses
                .filter(|address| context.options().families.allow(*address))
                .take(2)
            {
                let to = SocketAddr::new(address, setting.port);
                let heard = check(context, to, setting, Some(suggestion.name.as_str())).await;
                if let Some(heard) = heard {
                    typo(context, typed, &suggestion, setting, &heard, found);
                    return;
                }
            }
        }
    }
}

/// Hosts that a domain's SRV and MX records name for a service.
async fn named_by(lookups: &Lookups, domain: &Name, service: Service) -> Vec<(Name, Origin)> {
    let Some(server) = lookups.servers.first() else {
        return Vec::new();
    };
    let family =
        |other: Service| spoken(other, TlsWish::Implicit) == spoken(service, TlsWish::Implicit);
    let mut questions: Vec<Question> = SERVICES
        .iter()
        .filter(|(_, other)| family(*other))
        .filter_map(|(label, _)| service_question(domain, label))
        .collect();
    questions.push(Question::new(domain, RecordType::MX));
    let mut found = Vec::new();
    for question in questions {
        let exchanged = lookups
            .ask(server, &question, Shape::with_room(1_232), 2)
            .await;
        let Some(Fate::Answered(answer)) = exchanged.fate else {
            continue;
        };
        for record in &answer.message.answers {
            let named = match &record.answer {
                Answer::Srv(.., target) => Some((target, Origin::Srv)),
                Answer::Mx(_, target) => Some((target, Origin::Mx)),
                _ => None,
            };
            if let Some((target, origin)) = named
                && let Ok(name) = Name::parse(target.as_str())
            {
                found.push((name, origin));
            }
        }
    }
    found
}

fn typo(
    context: &Context,
    typed: &Name,
    meant: &close::Suggestion,
    setting: Setting,
    heard: &str,
    found: &Found,
) {
    let claim = Claim::new(
        Code::SettingsHostnameTypo,
        At::of(Where::Client),
        Proof::Measured("a close name", context.now()),
        if meant.distance <= 2 { 0.93 } else { 0.8 },
        format!(
            "There is no mail server {typed}; {} has the service.",
            meant.name
        ),
    )
    .shown_by(format!(
        "{} stands in {}, {} edits away, and at {} {heard}",
        meant.name,
        meant.origin.says(),
        meant.distance,
        words(setting)
    ))
    .advise(format!(
        "Enter {} after comparing it with the provider's own instructions",
        meant.name
    ));
    let Some(lookups) = found.lookups() else {
        return context.finding(claim);
    };
    for asked in lookups
        .log()
        .iter()
        .filter(|asked| asked.question.name == *typed)
    {
        context.measured(Measured {
            about: About::Lookup {
                resolver: asked.server.address.ip(),
                name: Foreign::from(typed.as_str()),
                kind: asked.question.kind.0,
            },
            claim: claim.clone().weighing(Weight::Finding),
            settles: Settles::Finding,
        });
    }
    context.finding(claim);
}

#[cfg(test)]
mod tests {
    use super::{other_mode, other_ports};
    use crate::probe::target::{Setting, TlsWish};
    use crate::proto::Service;

    const IMAPS_AT_143: Setting = Setting {
        service: Service::Imaps,
        tls: TlsWish::Implicit,
        port: 143,
    };

    #[test]
    fn the_other_mode_keeps_the_port() {
        let other = other_mode(IMAPS_AT_143);
        assert_eq!(
            (other.service, other.tls, other.port),
            (Service::Imap, TlsWish::Offered, 143)
        );
        let back = other_mode(other);
        assert_eq!(
            (back.service, back.tls),
            (Service::Imaps, TlsWish::Implicit)
        );
    }

    #[test]
    fn other_ports_are_never_the_typed_one() {
        let ports =
            |setting| -> Vec<u16> { other_ports(setting).iter().map(|one| one.port).collect() };
        assert_eq!(ports(IMAPS_AT_143), [993]);
        let submission = Setting {
            service: Service::Submission,
            tls: TlsWish::Required,
            port: 588,
        };
        assert_eq!(ports(submission), [465, 587]);
    }
}
