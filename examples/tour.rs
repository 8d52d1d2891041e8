//! Draws the tour of the terminal interface in `docs/tour/`: `cargo run --example tour`.
//!
//! Shipped captures are played into the interface without a terminal, keys are pressed, and each screen is kept as an
//! SVG. So the tour shows what the program draws, and nothing else.

use std::error::Error;
use std::fs;
use std::path::Path;

#[path = "../tests/support/screening.rs"]
mod screening;
#[path = "../tests/support/touring.rs"]
mod touring;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tour");
    fs::create_dir_all(&folder)?;
    for (name, _, keys) in touring::STOPS {
        fs::write(folder.join(format!("{name}.svg")), touring::draw(keys)?)?;
    }
    fs::write(folder.join("README.md"), touring::page())?;
    Ok(())
}
