//! One round over all targets: what can run side by side does; outcomes decide what else is measured to place a fault
//! that was already seen.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::context::{Connect, ConnectError, Context};
use super::dns::{self, Destination};
use super::options::StageName;
use super::session::{SessionEnd, SessionOutcome, ask_for, session};
use super::settings::{self, Met};
use super::stage::{ports, split};
use super::target::Target;

/// A SYN that was not answered for so long is looked into.
const SOON: Duration = Duration::from_millis(300);

/// The last packets of a session may take so long to come.
const LAST: Duration = Duration::from_millis(400);

/// Measures all targets once. Everything goes into the context.
pub async fn run(context: &Context, targets: &[Target]) {
    let mut running = JoinSet::new();
    for target in targets {
        let (context, target) = (context.clone(), target.clone());
        running.spawn(async move { probe(&context, &target).await });
    }
    tokio::select! {
        () = async { while running.join_next().await.is_some() {} } => {}
        () = ended(context) => {
            // Sessions see the end themselves and leave politely.
            let rest = async { while running.join_next().await.is_some() {} };
            if tokio::time::timeout(LAST, rest).await.is_err() {
                running.abort_all();
            }
        }
    }
    context.settle(LAST).await;
}

/// The deadline, but for what may outlast it (a greeting), or Ctrl-C.
async fn ended(context: &Context) {
    context.cancelled().await;
    tokio::select! {
        () = context.interrupted() => {}
        () = async {
            while context.is_patient() {
                tokio::time::sleep(LAST / 8).await;
            }
        } => {}
    }
}

async fn probe(context: &Context, target: &Target) {
    let found = dns::find(context, target).await;
    let placing = found.place();
    let mut running = JoinSet::new();
    let reachable = context.options().wants(StageName::Tcp);
    for destination in found.destinations.iter().filter(|_| reachable) {
        for address in &destination.addresses {
            let to = SocketAddr::new(*address, destination.setting.port);
            let (context, destination) = (context.clone(), destination.clone());
            running.spawn(async move { (to, service(&context, &destination, to).await) });
        }
    }
    // What went wrong with names is placed meanwhile: nothing waits for it.
    let sessions = async {
        let mut met = Vec::new();
        while let Some(done) = running.join_next().await {
            met.extend(done.ok().map(|(to, outcome)| Met {
                to,
                opened: outcome.error.is_none(),
                barred: matches!(
                    outcome.error,
                    Some(ConnectError::Unreachable(_) | ConnectError::Denied(_))
                ),
                worked: outcome.end == SessionEnd::Fine,
            }));
        }
        if reachable {
            settings::judge(context, target, &found, &met).await;
        }
    };
    tokio::join!(placing, sessions, listed(context, &found));
}

/// Whether blocklists know our address or the servers'; only when asked.
async fn listed(context: &Context, found: &dns::Found) {
    let zones = &context.options().blocklists;
    let servers = found.destinations.iter().flat_map(|one| &one.addresses);
    let mut addresses: Vec<(IpAddr, &'static str)> = Vec::new();
    for server in servers.take(if zones.is_empty() { 0 } else { 32 }) {
        let ours = context.source_for(*server).ok();
        let both = ours
            .map(|ours| (ours, "Our own address"))
            .into_iter()
            .chain([(*server, "The server's address")]);
        addresses.extend(both);
    }
    addresses.sort();
    addresses.dedup();
    if !addresses.is_empty() {
        dns::blocklist::ask(context, zones, &addresses).await;
    }
}

/// One service at one address.
async fn service(context: &Context, destination: &Destination, to: SocketAddr) -> SessionOutcome {
    let options = context.options();
    let ask = ask_for(
        context,
        destination.setting,
        destination.name.as_deref(),
        to,
    );
    let how = Connect {
        source_port: options.source_port,
        ..Connect::default()
    };
    context.progress(StageName::Tcp, &format!("{to}"));
    let begun = Instant::now();
    let speaking = session(context, &ask, to, how);
    let watching = async {
        tokio::time::sleep(SOON).await;
        if !context.is_open(to) && options.wants(StageName::Tcp) {
            ports::silent(context, to, begun).await;
        }
        true
    };
    tokio::pin!(speaking, watching);
    let mut watched = false;
    let outcome = loop {
        tokio::select! {
            outcome = &mut speaking => break outcome,
            looked = &mut watching, if !watched => watched = looked,
        }
    };
    match outcome.end {
        // What was begun to place it is done to its end, also when the kernel gives up first.
        SessionEnd::NoAnswer | SessionEnd::Refused
            if !watched && options.wants(StageName::Tcp) && begun.elapsed() >= SOON =>
        {
            watching.await;
        }
        SessionEnd::Refused if !watched && options.wants(StageName::Tcp) => {
            ports::refused(context, to).await;
        }
        // It opens: also from other ports?
        _ if context.is_open(to) && options.wants(StageName::Tcp) => {
            split::sample(context, to).await;
        }
        _ => {}
    }
    outcome
}
