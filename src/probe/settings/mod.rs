//! The settings of a mail program, checked: what was typed, what works, and the difference in one sentence.
//!
//! Only where the user gave settings (a URL). Each claim names the setting that was measured to work; without one there is no claim, and none
//! where the typed ones work. Names come from DNS, the domain's autoconfig document (only with `--discover`) and the built-in list
//! (`close`); what is only guessed is never connected to, but for the usual names of the user's own domain with `--discover`.

mod autoconfig;
pub mod check;
pub mod close;
pub mod discover;
mod typo;

use std::net::SocketAddr;
use std::sync::Arc;

use self::check::check;
use self::discover::Published;
use super::context::Context;
use super::dns::lookups::Lookups;
use super::dns::question::Host as Name;
use super::dns::{Found, resolvers};
use super::options::StageName;
use super::target::{Host, Setting, Target, TlsWish};
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::proto::Service;

/// What became of the connections with the settings as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met {
    /// Which address.
    pub to: SocketAddr,
    /// A connection was opened.
    pub opened: bool,
    /// The host itself says that nothing listens there.
    pub refused: bool,
    /// A device says in so many words that it lets nobody through, or that there is no way: no other setting mends that.
    pub barred: bool,
    /// The server met us in the encryption that was typed: a greeting in clear, or its part of a handshake.
    pub understood: bool,
    /// The session did what it was to do.
    pub worked: bool,
}

/// Says what is wrong with settings that failed, and with `--discover` how they differ from those that are published.
pub async fn judge(context: &Context, target: &Target, found: &Found, met: &[Met]) {
    let Target::Settings {
        host,
        setting,
        user,
    } = target
    else {
        return;
    };
    let tries_login = context.login().is_some() && context.options().wants(StageName::Auth);
    if setting.service == Service::Smtp && tries_login {
        context.unknowable(
            "whether the account can log in: smtp:// is how servers speak to each other, and there nobody logs in",
            "submission://HOST:PORT tries it",
        );
    }
    let name = match host {
        Host::Name(name) => Name::parse(name).ok(),
        Host::Address(_) => None,
    };
    let case = Case {
        context,
        target,
        typed: *setting,
        name: name.as_ref(),
        met,
    };
    let works = met.iter().any(|one| one.worked);
    let lookups = Lookups::new(context, resolvers(context));
    let domains = close::domains(name.as_ref(), account(context, user.as_deref()).as_ref());
    let mut published = Vec::new();
    if context.options().discover {
        for domain in &domains {
            published = discover::published(context, &lookups, domain).await;
            if !published.is_empty() {
                break;
            }
        }
    }
    let said = !works && case.mistaken().await;
    // Nothing of that name is there, or the host serves no mail: is it a slip?
    let nothing = match met {
        // No answer at all, or one that a filter made, is no word about the name.
        [] => name
            .as_ref()
            .zip(found.lookups())
            .is_some_and(|(name, lookups)| lookups.deny(name)),
        _ => met.iter().all(|one| one.refused && !one.barred),
    };
    if let Some(name) = name.as_ref().filter(|_| !works && !said && nothing) {
        let slip = typo::Slip {
            context,
            lookups: &lookups,
            typed: name,
            setting: *setting,
            found,
        };
        slip.look(&domains, &published).await;
    }
    if context.options().discover {
        case.compare(&lookups, &domains, &published, works).await;
    }
}

/// The domain of the account that the user named.
fn account(context: &Context, user: Option<&str>) -> Option<Name> {
    let login = context.login();
    let user = user
        .map(str::to_owned)
        .or_else(|| login.map(|login| login.user().to_owned()))?;
    Name::parse(user.rsplit_once('@')?.1).ok()
}

/// Settings as typed, and what became of them.
struct Case<'a> {
    context: &'a Context,
    target: &'a Target,
    typed: Setting,
    name: Option<&'a Name>,
    met: &'a [Met],
}

impl Case<'_> {
    /// The same host in another way; true when that works and was said.
    async fn mistaken(&self) -> bool {
        let typed = self.name.map(Name::as_str);
        for one in self.met {
            // No hello to a port that greets, and no wait for a greeting where TLS was spoken: the encryption is not what is wrong.
            if one.understood {
                continue;
            }
            if one.opened {
                let other = other_mode(self.typed);
                if let Some(heard) = check(self.context, one.to, other, typed).await {
                    self.wrong_encryption(other, &heard);
                    return true;
                }
                continue;
            }
            if one.barred {
                continue;
            }
            for other in other_ports(self.typed) {
                let to = SocketAddr::new(one.to.ip(), other.port);
                if let Some(heard) = check(self.context, to, other, typed).await {
                    self.wrong_port(other, &heard);
                    return true;
                }
            }
        }
        false
    }

    fn wrong_encryption(&self, right: Setting, heard: &str) {
        let (port, wants, not) = (
            self.typed.port,
            mode(right.tls, "STARTTLS"),
            mode(self.typed.tls, "STARTTLS or none"),
        );
        let claim = Claim::new(
            Code::SettingsWrongEncryption,
            At::of(Where::Client),
            Proof::Measured("the other encryption", self.context.now()),
            0.95,
            format!("{}: port {port} wants {wants}, not {not}.", self.target),
        )
        .shown_by(format!("the same port, the other way: {heard}"))
        .advise(format!("Set the encryption of port {port} to {wants}"));
        self.say(claim);
    }

    fn wrong_port(&self, right: Setting, heard: &str) {
        let port = self.typed.port;
        let claim = Claim::new(
            Code::SettingsWrongPort,
            At::of(Where::Client),
            Proof::Measured("other ports of the host", self.context.now()),
            0.93,
            format!(
                "{}: port {port} does not open, {} works.",
                self.target,
                words(right)
            ),
        )
        .shown_by(format!("port {}: {heard}", right.port))
        .advise(format!("Enter {}", words(right)))
        .advise(format!(
            "Server's operator: open port {port} or correct the instructions"
        ));
        self.say(claim);
    }

    /// A claim stands among the report's findings, and beside the connections that it explains.
    fn say(&self, claim: Claim) {
        for one in self.met {
            self.context.measured(Measured {
                about: About::Server(one.to),
                claim: claim.clone().weighing(Weight::Finding),
                settles: Settles::Finding,
            });
        }
        self.context.finding(claim);
    }

    /// What was typed beside what is published, in one sentence.
    async fn compare(
        &self,
        lookups: &Arc<Lookups>,
        domains: &[Name],
        published: &[Published],
        works: bool,
    ) {
        let typed = format!(
            "{} as typed {}",
            self.target,
            if works { "works" } else { "does not work" }
        );
        let fitting: Vec<&Published> = published
            .iter()
            .filter(|one| is_same_purpose(one.setting.service, self.typed.service))
            .collect();
        let Some(best) = fitting.first() else {
            let asked: Vec<&str> = domains.iter().map(Name::as_str).collect();
            self.context.caution(format!(
                "settings: {typed}; nothing is published for it (autoconfig, SRV and usual names of {})",
                asked.join(", ")
            ));
            return;
        };
        let same = fitting
            .iter()
            .find(|one| Some(&one.host) == self.name && one.setting == self.typed);
        let text = match (same, works) {
            (Some(same), _) => format!("{typed} and is what {} says", same.place),
            (None, _) => {
                let shown = format!("{} at {}", words(best.setting), best.host);
                let fate = match self.heard(lookups, best).await {
                    Some(heard) => format!("works as well ({heard})"),
                    None => "was not heard to work".to_owned(),
                };
                let fate = match works {
                    true => fate,
                    false => fate.replace(" as well", ""),
                };
                format!("{typed}; {} says {shown}, which {fate}", best.place)
            }
        };
        self.context.caution(format!("settings: {text}"));
    }

    async fn heard(&self, lookups: &Arc<Lookups>, one: &Published) -> Option<String> {
        for address in discover::addresses(self.context, lookups, &one.host).await {
            let to = SocketAddr::new(address, one.setting.port);
            let heard = check(self.context, to, one.setting, Some(one.host.as_str())).await;
            if heard.is_some() {
                return heard;
            }
        }
        None
    }
}

/// Whether one program uses both for the same: reading by one protocol, or sending.
fn is_same_purpose(one: Service, other: Service) -> bool {
    let sends = |service| match service {
        Service::Smtp => Service::Submissions,
        other => spoken(other, TlsWish::Implicit),
    };
    sends(one) == sends(other)
}

fn mode(tls: TlsWish, clear: &'static str) -> &'static str {
    match tls {
        TlsWish::Implicit => "SSL/TLS",
        _ => clear,
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

#[cfg(test)]
mod tests {
    use super::{is_same_purpose, other_mode, other_ports};
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
    fn reading_and_sending_are_two_purposes() {
        assert!(is_same_purpose(Service::Imap, Service::Imaps));
        assert!(is_same_purpose(Service::Smtp, Service::Submission));
        assert!(!is_same_purpose(Service::Imaps, Service::Pop3s));
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
