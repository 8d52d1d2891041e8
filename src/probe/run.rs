//! One round over all targets: what can run side by side does; outcomes decide what else is measured to place a fault
//! that was already seen. [`again`] is what the later rounds of `--every` look at.

pub mod again;
mod beside;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::beside::Beside;
use super::context::{Connect, ConnectError, Context, Turn};
use super::dns::blocklist::Whose;
use super::dns::{self, Destination, OwnNames};
use super::options::StageName;
use super::plain::may_ping;
use super::session::by_path::{Shown, interceptions};
use super::session::{Ask, Binding, SessionEnd, SessionOutcome, ask_for, session};
use super::settings::{self, Met};
use super::stage::ports::{Guessed, Silent};
use super::stage::size::Pings;
use super::stage::{interception, local, loss, ports, rates, size, split};
use super::target::Target;
use crate::proto::Service;

/// A SYN that was not answered for so long is looked into.
const SOON: Duration = Duration::from_millis(300);

/// Who opened and has not greeted by then may be somebody else than the server: that is looked into before the time is over.
const GREETED: Duration = Duration::from_secs(8);

/// The last packets of a session may take so long to come.
const LAST: Duration = Duration::from_millis(400);

/// One service at one address, as a whole round found it.
#[derive(Clone, Debug)]
pub struct Known {
    /// The service.
    pub destination: Destination,
    /// Where.
    pub to: SocketAddr,
}

impl Known {
    /// As the history of rounds names it.
    pub fn what(&self) -> String {
        self.to.to_string()
    }
}

/// What ordinary sockets cannot tell.
pub const BLIND: [&str; 4] = [
    "where within an open connection something dies, and what sizes pass there: no packet is crafted",
    "whether a firewall at the server's own distance answers in its name: TTL, DSCP and options of answers are not seen",
    "how much is lost on the way, hop by hop",
    "whether other source ports fare alike, on one fixed path each",
];
/// What ping sockets would tell.
pub const PINGLESS: &str =
    "whether the host answers pings, as a control, and whether large packets pass";
/// What grants that.
pub const PING_GRANT: &str = "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'";
/// What grants it.
pub const GRANT: &str = "sudo setcap cap_net_raw,cap_net_admin=ep $(command -v mxray)";

/// A session that is over: the name that was called, where, and what came of it.
type Spoken = (Option<String>, SocketAddr, SessionOutcome);

/// Where services are found, while targets are measured.
type Servers = Arc<Mutex<Vec<Known>>>;

/// Measures all targets once. Everything goes into the context; gives back what services there are.
pub async fn run(context: &Context, targets: &[Target]) -> Vec<Known> {
    if !context.captures() {
        for what in BLIND {
            context.unknowable(what, GRANT);
        }
        if !may_ping() {
            context.unknowable(PINGLESS, PING_GRANT);
        }
    }
    let mut running = JoinSet::new();
    let names = Arc::new(OwnNames::default());
    let servers = Servers::default();
    for target in targets {
        context.begins(target.to_string());
        let (context, target, names) = (context.clone(), target.clone(), names.clone());
        let servers = servers.clone();
        running.spawn(async move { probe(&context, &target, &names, &servers).await });
    }
    finish(context, running).await;
    let found = servers.lock().map(|found| found.clone());
    found.unwrap_or_default()
}

/// Waits for all of them, but not beyond the end of the round; gives back what those that came to their end found.
async fn finish<T: 'static>(context: &Context, mut running: JoinSet<T>) -> Vec<T> {
    let mut done = Vec::new();
    tokio::select! {
        () = rest(&mut running, &mut done) => {}
        () = ended(context) => {
            if !context.is_interrupted() {
                context.caution(format!(
                    "the deadline of {} s ended the measuring before all was measured: what is not said was not looked for to the end; --deadline gives more time",
                    context.options().deadline.as_secs_f64()
                ));
            }
            // Sessions see the end themselves and leave politely.
            if tokio::time::timeout(LAST, rest(&mut running, &mut done)).await.is_err() {
                running.abort_all();
            }
        }
    }
    context.settle(LAST).await;
    done
}

/// All that is still running.
async fn rest<T: 'static>(running: &mut JoinSet<T>, done: &mut Vec<T>) {
    while let Some(one) = running.join_next().await {
        done.extend(one.ok());
    }
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

async fn probe(context: &Context, target: &Target, names: &Arc<OwnNames>, servers: &Servers) {
    let first = dns::find(context, target).await;
    if first.unsent(context).await {
        context.measures(&target.to_string());
    }
    // What went wrong with names is placed meanwhile: nothing waits for it.
    let placing = async {
        let authorities = async {
            match context.options().wants(StageName::Dns) {
                true => first.authorities().await,
                false => dns::Authorities::default(),
            }
        };
        tokio::join!(first.place(), authorities).1
    };
    tokio::pin!(placing);
    let (mut placed, mut later) = (None, None);
    if first.unresolved {
        let mut late = std::pin::pin!(first.later(context, target));
        later = loop {
            tokio::select! {
                done = &mut placing, if placed.is_none() => placed = Some(done),
                later = &mut late => break later,
            }
        };
    }
    let found = later.unwrap_or_else(|| first.clone());
    let mut running = JoinSet::new();
    let beside = Beside::of(context, target, &found, names);
    let reachable = context.options().wants(StageName::Tcp);
    if found.is_measured(reachable) {
        context.measures(&target.to_string());
    }
    let ways = ways(context, &found.destinations);
    let start = |running: &mut JoinSet<Spoken>,
                 destination: &Destination,
                 address: IpAddr,
                 silent: Option<Silent>| {
        let to = SocketAddr::new(address, destination.setting.port);
        let (context, destination) = (context.clone(), destination.clone());
        let beside = beside.clone();
        if let Ok(mut servers) = servers.lock() {
            servers.push(Known {
                destination: destination.clone(),
                to,
            });
        }
        let host = context.host(address);
        host.serves();
        host.mtu.get_or_init(|| context.mtu_towards(address));
        running.spawn(async move {
            let outcome = service(&context, &destination, to, &beside, silent).await;
            (destination.name, to, outcome)
        });
    };
    let published = async {
        let mut running = JoinSet::new();
        for (destination, address) in published(context, target, &found, reachable).await {
            start(&mut running, &destination, address, None);
        }
        while running.join_next().await.is_some() {}
    };
    let sessions = async {
        let guesses: Vec<SocketAddr> = endpoints(&found, |one| !one.typed)
            .into_iter()
            .map(|(_, to)| to)
            .filter(|to| ways.contains(&to.ip()))
            .collect();
        let mut guessed = match reachable {
            true => ports::guessed(context, &guesses).await,
            false => Guessed::default(),
        };
        let mut services = endpoints(&found, |_| reachable);
        services.retain(|(_, to)| ways.contains(&to.ip()) && !guessed.closed.contains(to));
        // What is silent already is looked into before the others speak.
        services.sort_by_key(|(_, to)| !guessed.silent.contains_key(to));
        for (destination, to) in services {
            let silent = guessed.silent.remove(&to);
            start(&mut running, destination, to.ip(), silent);
        }
        let (mut met, mut shown) = (Vec::new(), Vec::new());
        while let Some(done) = running.join_next().await {
            let Ok((name, to, outcome)) = done else {
                continue;
            };
            ports::question(context, to, &outcome);
            met.push(Met {
                to,
                opened: outcome.error.is_none(),
                barred: context.is_barred(to)
                    || matches!(
                        outcome.error,
                        Some(ConnectError::Unreachable(_) | ConnectError::Denied(_))
                    ),
                refused: matches!(outcome.error, Some(ConnectError::Refused)),
                understood: outcome.was_understood(),
                worked: outcome.end == SessionEnd::Fine,
            });
            shown.extend(outcome.judged.map(|judged| Shown { name, to, judged }));
        }
        for device in interceptions(&shown, |to, code| context.known_of(to, code)) {
            context.measured(device);
        }
        if reachable {
            settings::judge(context, target, &found, &met).await;
        }
        met
    };
    let placing = async {
        match placed {
            Some(done) => done,
            None => placing.await,
        }
    };
    let (authorities, met, (), ()) =
        tokio::join!(placing, sessions, listed(context, &found), published);
    let dead: Vec<SocketAddr> = met
        .iter()
        .filter(|one| !one.opened)
        .map(|one| one.to)
        .collect();
    authorities.judge(context, &dead).await;
}

/// Every service at every address of it.
fn endpoints(
    found: &dns::Found,
    wanted: impl Fn(&Destination) -> bool,
) -> Vec<(&Destination, SocketAddr)> {
    let wanted = found.destinations.iter().filter(|one| wanted(one));
    let each = wanted.flat_map(|one| {
        let port = one.setting.port;
        let addresses = one.addresses.iter();
        addresses.map(move |address| (one, SocketAddr::new(*address, port)))
    });
    each.collect()
}

/// Services that the domain publishes and that are not spoken to already (`--discover`); a URL's are compared instead.
async fn published(
    context: &Context,
    target: &Target,
    found: &dns::Found,
    reachable: bool,
) -> Vec<(Destination, IpAddr)> {
    let is_domain = matches!(target, Target::Domain(_) | Target::Mailbox { .. });
    let (Some(lookups), Some(name)) = (found.lookups(), &found.name) else {
        return Vec::new();
    };
    if !context.options().discover || !reachable || !is_domain {
        return Vec::new();
    }
    let mut fresh: Vec<(Destination, IpAddr)> = Vec::new();
    for one in settings::discover::destinations(context, lookups, name).await {
        for address in &one.addresses {
            let same = |other: &Destination, at: &IpAddr| {
                other.setting.port == one.setting.port && at == address
            };
            let known = found
                .destinations
                .iter()
                .any(|other| other.addresses.iter().any(|at| same(other, at)))
                || fresh.iter().any(|(other, at)| same(other, at));
            if !known && context.source_for(*address).is_ok() {
                fresh.push((one.clone(), *address));
            }
        }
    }
    fresh
}

/// The addresses that this host has a way to. Where it has none to any of them, that is the fault; a family without a route is
/// none as long as the other has one.
fn ways(context: &Context, destinations: &[Destination]) -> HashSet<IpAddr> {
    let (mut ways, mut none) = (HashSet::new(), None);
    for address in destinations.iter().flat_map(|one| &one.addresses) {
        match context.way_out(*address) {
            Err(Some(why)) => {
                none.get_or_insert((*address, why));
            }
            Ok(_) | Err(None) => {
                ways.insert(*address);
            }
        }
    }
    if let (true, Some((address, why))) = (ways.is_empty(), none) {
        local::no_way(context, address, None, &why);
    }
    ways
}

/// Whether blocklists know our address or the servers'; only when asked.
async fn listed(context: &Context, found: &dns::Found) {
    let zones = &context.options().blocklists;
    let servers = found.destinations.iter().flat_map(|one| &one.addresses);
    let mut addresses: Vec<(IpAddr, Whose)> = Vec::new();
    for server in servers.take(if zones.is_empty() { 0 } else { 32 }) {
        let ours = context.source_for(*server).ok();
        let both = ours
            .map(|ours| (ours, Whose::Ours))
            .into_iter()
            .chain([(*server, Whose::Servers)]);
        addresses.extend(both);
    }
    addresses.sort();
    addresses.dedup();
    if !addresses.is_empty() {
        dns::blocklist::ask(context, zones, &addresses).await;
    }
}

/// One service at one address; `silent` where its port was seen to be so already.
async fn service(
    context: &Context,
    destination: &Destination,
    to: SocketAddr,
    beside: &Beside,
    silent: Option<Silent>,
) -> SessionOutcome {
    let options = context.options();
    context.serves(to.port(), destination.setting.service);
    let mut ask = ask_for(
        context,
        destination.setting,
        destination.name.as_deref(),
        to,
    );
    let speaks_smtp = matches!(
        destination.setting.service,
        Service::Smtp | Service::Submission | Service::Submissions | Service::Lmtp
    );
    if speaks_smtp && let Some(name) = beside.helo(context, to).await {
        ask.helo = name;
    }
    // DANE for SMTP and MTA-STS bind who relays mail to an exchanger, not mail clients.
    let relayed = destination.setting.service == Service::Smtp;
    let bound = async {
        match (&destination.name, relayed) {
            (Some(name), true) => beside.policies.bind(context, name, to.port()).await,
            _ => Binding::default(),
        }
    };
    let how = Connect {
        source_port: options.source_port,
        turn: match silent {
            Some(_) => Turn::First,
            None => Turn::Ordinary,
        },
        ..Connect::default()
    };
    context.progress(StageName::Tcp, &format!("{to}"));
    let begun = Instant::now();
    // Where mail servers speak to each other is where they are intercepted.
    let relayed = destination.setting.service == Service::Smtp && options.wants(StageName::Tcp);
    let mut proxies = JoinSet::new();
    if relayed {
        let context = context.clone();
        proxies.spawn(async move { interception::look(&context, to).await });
    }
    let speaking = session(context, &ask, to, how, bound);
    let watching = async {
        context.handed(to).await;
        let begun = Instant::now();
        if silent.is_none() {
            tokio::time::sleep(SOON).await;
        }
        if !context.is_open(to) && options.wants(StageName::Tcp) {
            ports::silent(context, to, begun, silent).await;
        }
        true
    };
    tokio::pin!(speaking);
    let mut watching = Box::pin(watching);
    let mut watched = false;
    // The longest wait for a greeting takes all the time there is (RFC 5321 4.5.3.2.1), and then nothing would be known of who opened.
    let mut sampling = Box::pin(async {
        tokio::time::sleep(GREETED).await;
        let waits = context.is_open(to) && context.is_patient() && options.wants(StageName::Tcp);
        match waits {
            true => Some(split::sample(context, to).await),
            false => None,
        }
    });
    let mut early: Option<Option<(u32, u32)>> = None;
    let (outcome, binding) = loop {
        tokio::select! {
            spoken = &mut speaking => break spoken,
            looked = &mut watching, if !watched => watched = looked,
            found = &mut sampling, if early.is_none() => early = Some(found),
        }
    };
    drop(sampling);
    let (mut sampled, mut echo) = ((0, 0), Pings::Unknown);
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
            // What it began is begun anew, and waits for its turn.
            drop(watching);
            let sizes = async {
                match options.wants(StageName::Mtu) {
                    true => {
                        let host = context.host(to.ip());
                        *host.pings.get_or_init(|| size::pings(context, to)).await
                    }
                    false => Pings::Unknown,
                }
            };
            let sampling = async {
                match early.flatten() {
                    Some(sampled) => sampled,
                    None => split::sample(context, to).await,
                }
            };
            (sampled, echo) = tokio::join!(sampling, sizes);
        }
        _ => {}
    }
    while proxies.join_next().await.is_some() {}
    let bound = Ask {
        binding,
        ..ask.clone()
    };
    super::session::offered(context, &bound, &outcome, &destination.addresses).await;
    let intensive = options.intensive && options.wants(StageName::Tcp) && context.is_open(to);
    if intensive && rates::climb(context, to).await {
        return outcome;
    }
    if options.intensive && options.wants(StageName::Tls) && context.is_open(to) {
        super::session::climb(context, &ask, &outcome).await;
    }
    if context.is_open(to) && options.wants(StageName::Mtu) {
        size::look(context, &ask, &outcome, echo).await;
    }
    if context.is_open(to) && options.wants(StageName::Loss) {
        loss::look(context, &ask, to, sampled.0, sampled.1).await;
    }
    outcome
}
