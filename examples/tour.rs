//! Draws the tour of the terminal interface in `docs/tour/`: `cargo run --example tour`.
//!
//! Shipped captures are played into the interface without a terminal, keys are pressed, and each screen is kept as an
//! SVG and as text. So the tour shows what the program draws, and nothing else.

use std::error::Error;
use std::fs;
use std::path::Path;

use mxray::tui::{Event, Headless, Kind};

#[path = "../tests/support/screening.rs"]
mod screening;

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
const STOPS: [(&str, &str, &[&str]); 6] = [
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

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("docs/tour");
    fs::create_dir_all(&folder)?;
    let mut page = String::from(
        "# A tour of the terminal interface\n\nDrawn by `cargo run --example tour` from captures of this repository.\n",
    );
    for (name, what, keys) in STOPS {
        let mut screen = open()?;
        for key in keys {
            screen.keys(key);
        }
        fs::write(folder.join(format!("{name}.svg")), screen.svg())?;
        page.push_str(&format!("\n{what}\n\n![{what}]({name}.svg)\n"));
    }
    fs::write(folder.join("README.md"), page)?;
    Ok(())
}

/// The screen that the captures end with.
fn open() -> Result<Headless, Box<dyn Error>> {
    let (setup, _) = screening::setup(Kind::Once);
    let mut screen = screening::play(setup, &CAPTURES, (100, 30))?;
    screen.event(Event::End);
    Ok(screen)
}
