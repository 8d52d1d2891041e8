//! The stops of the recorded tour in `docs/tour/`: what is played, which keys are pressed, what is said of it.
//!
//! `cargo run --example tour` draws them; a test holds that what is in the repository is what the program draws.

use mxray::capture::OpenError;
use mxray::tui::{Event, Kind};

use super::screening;

/// What is played, in this order.
const CAPTURES: [&str; 9] = [
    "ok/smtp-plain.pcapng",
    "ok/imap-starttls.pcapng",
    "auth.credentials-rejected/imap.pcapng",
    "tls.cert-expired/submission.pcapng",
    "path.mtu-blackhole/to-the-server.pcapng",
    "tcp.prohibited/admin-v4.pcapng",
    "dns.nxdomain/typo.pcapng",
    "mail.blocklisted/exchange.pcapng",
    "tcp.dropped/smtp-v4.pcapng",
];

/// Name, what it shows, and the keys that lead there from the list.
pub const STOPS: [(&str, &str, &[&str]); 8] = [
    (
        "1-connections",
        "Every connection in one line, the selected one in short: what died, where, why, what to do.",
        &["G"],
    ),
    (
        "2-packets",
        "Enter: client, path and server, packets as arrows, gaps to scale, the place of death.",
        &["G", "<Enter>"],
    ),
    (
        "3-dialogue",
        "What was said; secrets are masked.",
        &["/", "code:auth", "<Enter>", "g", "<Enter>", "2"],
    ),
    (
        "4-explain",
        "The evidence of this case, how sure, what to do, and the code's page.",
        &["/", "code:tls", "<Enter>", "g", "<Enter>", "7"],
    ),
    (
        "7-tls",
        "What was offered, what was chosen, and the certificates.",
        &["/", "code:tls", "<Enter>", "g", "<Enter>", "3"],
    ),
    (
        "8-tcp",
        "Sequence numbers over time, what was sent again, windows and round trips.",
        &["/", "code:path", "<Enter>", "g", "<Enter>", "4"],
    ),
    (
        "5-folded",
        "f: folded by root cause.",
        &["f", "f", "f", "g"],
    ),
    (
        "6-overview",
        "Tab: root causes since when, success and failure over time, servers.",
        &["<Tab>"],
    ),
];

/// A stop of the tour as SVG.
pub fn draw(keys: &[&str]) -> Result<String, OpenError> {
    let (setup, _) = screening::setup(Kind::Once);
    let mut screen = screening::play(setup, &CAPTURES, (100, 30))?;
    screen.event(Event::End);
    for key in keys {
        screen.keys(key);
    }
    Ok(screen.svg())
}

/// The page that shows them.
pub fn page() -> String {
    let mut page = String::from(
        "# A tour of the terminal interface\n\nDrawn by `cargo run --example tour` from captures of this repository; a test holds that it is fresh.\n",
    );
    for (name, what, _) in STOPS {
        page.push_str(&format!("\n{what}\n\n![{what}]({name}.svg)\n"));
    }
    page
}
