//! Logging in, once, with what the user handed over for it, and telling whose fault a refusal is.
//!
//! Everything that holds a secret lives here: [`Login`] (who, and with what), [`Talk`] (one exchange of one mechanism,
//! sans-IO) and [`Lockout`] (an account that was refused rests for 15 minutes, also across runs). Secrets are wiped when
//! they are dropped and have no `Debug`; lines that hold one are sent as [`Turn`]s, which carry beside the line what may
//! be remembered of it. It refuses a second mechanism, a second try, and to guess a password.

mod choice;
mod credentials;
mod lockout;
mod scram;
mod talk;

pub use credentials::{Login, Way, no_core_dumps};
pub use lockout::{Lockout, Turnstile};
pub use talk::{Talk, Turn};
