//! The later rounds of `--every`: a SYN, a greeting when its turn has come, and the whole measurement where something changed.
//!
//! What is done is planned in [`schedule`]; here are its hands.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Beside, Known, finish, service};
use crate::probe::context::{Connect, Context};
use crate::probe::control::Role;
use crate::probe::history::Standing;
use crate::probe::policy::Policies;
use crate::probe::schedule::{self, Look};
use crate::probe::session::{Ask, SessionEnd, Until, ask_for, hold};
use crate::probe::syn::{self, Syn};

/// A SYN is sent again after so long, as a kernel would: over more than 3 s, so that the silence counts (verdicts.md, "Silence has a clock").
const AGAIN: [Duration; 4] = [
    Duration::from_millis(1_000),
    Duration::from_millis(1_000),
    Duration::from_millis(1_100),
    Duration::from_millis(900),
];

/// Looks at services again, as [`schedule`] plans it: `due` are those whose turn for a session it is. Gives back which were measured
/// as a whole beside these.
pub async fn glance(
    context: &Context,
    servers: &[Known],
    due: impl Fn(&Known) -> bool,
    standing: impl Fn(&Known) -> Standing,
) -> Vec<String> {
    let mut running = JoinSet::new();
    for known in servers {
        let (due, standing) = (due(known), standing(known));
        let (context, known) = (context.clone(), known.clone());
        running.spawn(async move {
            let whole = look(&context, &known, due, standing).await;
            whole.then(|| known.what())
        });
    }
    finish(context, running)
        .await
        .into_iter()
        .flatten()
        .collect()
}

/// Whether it was measured as a whole.
async fn look(context: &Context, known: &Known, due: bool, standing: Standing) -> bool {
    context.serves(known.to.port(), known.destination.setting.service);
    let look = schedule::look(due, standing);
    let answered = match look {
        Look::Whole => false,
        Look::Greeting => greets(context, known).await,
        Look::Syn => syn_again(context, known.to).await,
    };
    if !schedule::goes_on(look, standing, answered) || context.is_cancelled() {
        return false;
    }
    let beside = Beside {
        names: Arc::default(),
        lookups: None,
        policies: Arc::new(Policies::new(None, None)),
    };
    service(context, &known.destination, known.to, &beside, None).await;
    true
}

/// A session that ends after the greeting; whether that came.
async fn greets(context: &Context, known: &Known) -> bool {
    let destination = &known.destination;
    let ask = Ask {
        until: Until::Greeting,
        ..ask_for(
            context,
            destination.setting,
            destination.name.as_deref(),
            known.to,
        )
    };
    let how = Connect {
        patience: Duration::from_secs(5),
        ..Connect::default()
    };
    let outcome = hold(context, &ask, known.to, Role::Target, how).await;
    outcome.end == SessionEnd::Fine
}

/// One SYN, sent again like a kernel's; the kernel takes the answer back with its RST. Whether anything came.
async fn syn_again(context: &Context, to: SocketAddr) -> bool {
    let Ok(mut flow) = context.reserve(to, Role::Target) else {
        return false;
    };
    let one = Syn::ordinary(context, context.random());
    for (number, wait) in (0u16..).zip(AGAIN) {
        context.spend(to.ip(), 1).await;
        if syn::send(context, &flow, one, number).is_err() {
            return false;
        }
        let answered = async {
            while let Some(seen) = flow.packets.recv().await {
                if syn::answer(&seen, one.isn).is_some() {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            answered = tokio::time::timeout(wait, answered) => {
                if let Ok(answered) = answered {
                    return answered;
                }
            }
            () = context.cancelled() => return true,
        }
    }
    false
}
