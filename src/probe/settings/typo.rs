//! A name that leads nowhere, or to a host without mail: is it a slip of one that serves this?

use std::net::SocketAddr;
use std::sync::Arc;

use super::check::check;
use super::close::{Origin, Suggestion, providers, suggestions};
use super::discover::{self, Published};
use super::{is_same_purpose, words};
use crate::base::Foreign;
use crate::diagnosis::{About, At, Claim, Code, Measured, Proof, Settles, Weight, Where};
use crate::probe::context::Context;
use crate::probe::dns::Found;
use crate::probe::dns::lookups::Lookups;
use crate::probe::dns::question::Host;
use crate::probe::target::Setting;

/// A name that may be one.
pub(super) struct Slip<'a> {
    pub(super) context: &'a Context,
    pub(super) lookups: &'a Arc<Lookups>,
    pub(super) typed: &'a Host,
    pub(super) setting: Setting,
    pub(super) found: &'a Found,
}

impl Slip<'_> {
    /// Looks for a close name that has the service, and says so.
    pub(super) async fn look(&self, domains: &[Host], published: &[Published]) {
        let mut known: Vec<(Host, Origin)> = published
            .iter()
            .filter(|one| one.origin != Origin::Usual)
            .filter(|one| is_same_purpose(one.setting.service, self.setting.service))
            .map(|one| (one.host.clone(), one.origin))
            .collect();
        for domain in domains {
            let by_srv = discover::by_srv(self.lookups, domain).await;
            known.extend(
                by_srv
                    .into_iter()
                    .filter(|one| is_same_purpose(one.setting.service, self.setting.service))
                    .map(|one| (one.host, one.origin)),
            );
            let exchangers = discover::mx(self.lookups, domain).await;
            known.extend(exchangers.into_iter().map(|host| (host, Origin::Mx)));
        }
        known.extend(providers().into_iter().map(|name| (name, Origin::Provider)));
        for suggestion in suggestions(self.typed, &known) {
            let name = &suggestion.name;
            for address in discover::addresses(self.context, self.lookups, name).await {
                let to = SocketAddr::new(address, self.setting.port);
                let heard = check(self.context, to, self.setting, Some(name.as_str())).await;
                if let Some(heard) = heard {
                    return self.say(&suggestion, &heard);
                }
            }
        }
    }

    fn say(&self, meant: &Suggestion, heard: &str) {
        let (context, typed) = (self.context, self.typed);
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
            words(self.setting)
        ))
        .advise(format!(
            "Enter {} after comparing it with the provider's own instructions",
            meant.name
        ));
        let log = self.found.lookups().map(|lookups| lookups.log());
        let asked = log.iter().flatten();
        for asked in asked.filter(|asked| asked.is_target && asked.question.name == *typed) {
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
}
