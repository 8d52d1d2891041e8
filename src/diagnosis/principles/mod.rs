//! The rules before all codes: what is done, what is only a check, when silence counts, what absence needs.
//!
//! They are not codes and make no claims; every rule leans on them, so that no two rules disagree about
//! when a connection was over.

mod check;
mod clock;
mod closed_window;
mod delivered;
mod done;
mod explanations;
mod farewell;
mod reset_origin;
mod served;
mod witness;

pub use check::{Check, check};
pub use clock::{clock_holds, in_order, may_measure};
pub use closed_window::silent_behind_window;
pub use delivered::{behind_message, delivered};
pub use done::{clear_after_starttls, done, gone_before_greeting, without_holes};
pub use explanations::{Explanations, LIKELIER, share};
pub use farewell::{Farewell, farewell, has_size_of_quit, quit_unanswered};
pub use reset_origin::{Origin, reset_origin, with_words};
pub use served::{Served, port_served};
pub use witness::{Absence, absence, asked_in_vain, client_was_silent, gave_up_on_peer, was_owed};
