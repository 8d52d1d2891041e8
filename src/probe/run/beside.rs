//! What is known of a target's services beside their addresses, and every session of it may need.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::probe::context::Context;
use crate::probe::dns::{self, OwnNames};
use crate::probe::options::StageName;
use crate::probe::policy::Policies;
use crate::probe::target::Target;

/// What DNS says about services beside their addresses.
#[derive(Clone)]
pub(super) struct Beside {
    pub(super) names: Arc<OwnNames>,
    pub(super) lookups: Option<Arc<dns::lookups::Lookups>>,
    pub(super) policies: Arc<Policies>,
}

impl Beside {
    /// As the look-ups of a target found it.
    pub(super) fn of(
        context: &Context,
        target: &Target,
        found: &dns::Found,
        names: &Arc<OwnNames>,
    ) -> Arc<Beside> {
        let wanted = context.options().wants(StageName::Dns);
        let lookups = found.lookups().filter(|_| wanted).cloned();
        // Exchangers that MX records name, and nobody else, take mail for the domain.
        let is_domain = found
            .reached
            .as_ref()
            .is_some_and(|reached| reached.is_domain);
        let domain = match target {
            Target::Domain(_) | Target::Mailbox { .. } if is_domain => found.name.as_ref(),
            _ => None,
        };
        let domain = domain.map(ToString::to_string);
        Arc::new(Beside {
            names: names.clone(),
            policies: Arc::new(Policies::new(lookups.clone(), domain)),
            lookups,
        })
    }

    /// What EHLO says (RFC 5321 4.1.1.1): the name that a server finds for our address, when it leads back.
    pub(super) async fn helo(&self, context: &Context, to: SocketAddr) -> Option<String> {
        let lookups = self.lookups.as_ref()?;
        let ours = context.source_for(to.ip()).ok()?;
        let name = self.names.confirmed(context, Some(lookups), ours).await?;
        Some(name.to_string())
    }
}
