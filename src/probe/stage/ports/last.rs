//! SYNs that vanish behind the last router that says anything, where the next that answers is the server.

use std::net::{IpAddr, SocketAddr};

/// What is known then, and what to do: the router and its distance, and the server's.
pub(super) fn seen((hop, router): (u8, IpAddr), server: u8, to: SocketAddr) -> (String, String) {
    let (host, port) = (to.ip(), to.port());
    if server > hop.saturating_add(1) {
        return (
            format!(
                "SYN packets get as far as hop {hop} ({router}), and no answer comes back; the routers behind it, before the server at hop {server}, say nothing."
            ),
            format!(
                "Ask whoever runs the devices after {router} (hop {hop}) for rules about TCP port {port}, and look at {host}'s own firewall"
            ),
        );
    }
    // How far the answers come on their way back, no TTL of ours tells.
    (
        format!(
            "SYN packets get as far as hop {hop} ({router}), the last before the server, and no answer comes back."
        ),
        format!(
            "Look at {host}'s own firewall, and at every device between for rules about answers from TCP port {port}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::seen;

    #[test]
    fn the_last_before_the_server_is_next_to_it() {
        let router = IpAddr::from([198, 51, 100, 1]);
        let to = "192.0.2.10:25".parse().expect("an address");
        let (next, _) = seen((4, router), 5, to);
        assert!(next.contains("hop 4 (198.51.100.1), the last before the server"));
        // Three routers between that say nothing.
        let (silent, advice) = seen((1, router), 5, to);
        assert!(!silent.contains("the last before the server"));
        assert!(silent.contains("hop 5") && advice.contains("after 198.51.100.1"));
    }
}
