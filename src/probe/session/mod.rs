//! Mail sessions: one kernel connection per service and server address, from the greeting to QUIT.
//!
//! [`driver`] knows what is said next and holds no socket; [`hold`] has the socket and says nothing of its own; [`ask`] is
//! what is asked and what was found; [`claims`] are the faults that only the session itself can know, [`by_path`] those that sessions over several ways know together; `experiments` are
//! the one or two connections more that place a fault already seen. What the packets show the engine says.

pub mod ask;
pub mod by_path;
pub mod claims;
mod command;
pub mod driver;
mod elsewhere;
mod experiments;
mod handshake;
mod hold;
mod ladder;
mod login_claims;
mod offer;
mod opening;
mod own_host;
pub mod pacing;
#[cfg(test)]
mod tests;
mod which_hello;
mod which_version;
pub mod wire;

use std::net::{IpAddr, SocketAddr};

pub use ask::{Ask, Binding, Envelope, SessionEnd, SessionOutcome, Stage, TlsWanted, Until};
pub use elsewhere::offered;
pub use hold::{Handed, Handover, hold, up_to};
pub use ladder::climb;

use super::options::StageName;
use super::target::{Setting, TlsWish};
use super::tls::chain::Identity;
use super::{Connect, Context, Role};
use crate::proto::Service;

/// What a session of a destination is asked: `name` is what the user typed or DNS gave, for SNI and validation.
pub fn ask_for(context: &Context, setting: Setting, name: Option<&str>, to: SocketAddr) -> Ask {
    let options = context.options();
    let tls = match setting.tls {
        TlsWish::Implicit => TlsWanted::Implicit,
        TlsWish::Required => TlsWanted::Required,
        TlsWish::Offered => TlsWanted::IfOffered,
    };
    let smtp = matches!(
        setting.service,
        Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp
    );
    let name = name.map(|name| name.trim_end_matches('.').to_owned());
    let wanted = |stage: StageName| options.wants(stage);
    Ask {
        sni: name.clone(),
        identity: name.map_or(Identity::Address(to.ip()), Identity::Name),
        helo: literal(context.source_for(to.ip()).ok()),
        // Between servers nobody logs in.
        login: context
            .login()
            .filter(|_| wanted(StageName::Auth) && setting.service != Service::Smtp),
        envelope: (smtp && !options.to.is_empty()).then(|| Envelope {
            from: options.from.clone().unwrap_or_default(),
            to: options.to.clone(),
        }),
        until: match (wanted(StageName::Tls), wanted(StageName::Mail)) {
            (false, false) => Until::Greeting,
            (false, true) => Until::Capabilities,
            (true, false) => Until::Tls,
            (true, true) => Until::Work,
        },
        ..Ask::new(setting.service, tls, to)
    }
}

/// An address as the name of a client that has none (RFC 5321 4.1.3).
fn literal(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(v4)) => format!("[{v4}]"),
        Some(IpAddr::V6(v6)) => format!("[IPv6:{v6}]"),
        None => "[127.0.0.1]".to_owned(),
    }
}

/// The session that is judged, and what is needed to place its fault. Everything goes into the context. `bound` finds out
/// meanwhile what its domain demands of it, which is given back too.
pub async fn session(
    context: &Context,
    ask: &Ask,
    to: SocketAddr,
    how: Connect,
    bound: impl Future<Output = Binding>,
) -> (SessionOutcome, Binding) {
    let speaking = async {
        tokio::select! {
            outcome = hold(context, ask, to, Role::Target, how) => outcome,
            // The server waits for a hello: no greeting will come, and nobody needs a minute to know.
            () = experiments::beside_silence(context, ask, to) => hold::left_waiting(context, to),
            () = handshake::beside_silence(context, ask, to) => hold::left_waiting(context, to),
        }
    };
    let (outcome, binding) = tokio::join!(speaking, bound);
    // RFC 8461 4.2: what is opportunistic between servers is no more where a policy is enforced.
    let enforced = binding.sts.as_ref().is_some_and(|policy| policy.enforces());
    let ask = &Ask {
        strict: ask.strict || enforced,
        binding,
        ..ask.clone()
    };
    if !context.roots().can_judge() && outcome.tls.is_some() {
        context.unknowable(
            "whether certificates are trusted: this machine has no root certificates",
            "install ca-certificates, or give --roots FILE",
        );
    }
    if let Some(why) = outcome.judged.as_ref().and_then(|one| one.staple.as_ref()) {
        context.caution(format!(
            "certificate: the OCSP response that {to} staples says nothing of revocation: {why}; clients that insist on it refuse the server"
        ));
    }
    if let SessionEnd::NoLogin(why) = &outcome.end {
        context.unknowable("whether the account can log in", why.says());
    }
    if let (Some(login), Some(seen)) = (&ask.login, &outcome.login)
        && seen.accepted
    {
        context.caution(format!(
            "login: {to} let {} in ({})",
            crate::base::Foreign::from(login.user()),
            seen.way
        ));
    }
    for measured in claims::of(ask, &outcome, context.roots()) {
        context.measured(measured);
    }
    // What a rule of this host did is no question to the path.
    if !own_host::look(context, &outcome) && !context.is_cancelled() {
        experiments::place(context, ask, &outcome).await;
        if context.options().idle && outcome.end == SessionEnd::Fine {
            crate::probe::idle::measure(context, ask, to).await;
        }
    }
    (outcome, ask.binding.clone())
}
