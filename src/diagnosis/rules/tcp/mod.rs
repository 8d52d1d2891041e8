//! Opening and keeping the TCP connection.

mod before_greeting;
mod client_reset;
mod client_vanished;
mod dropped;
mod idle_dropped;
mod intercepted;
mod listen_overflow;
mod midstream;
mod option_dropped;
mod options_stripped;
mod prohibited;
mod rate_limited;
mod refused;
mod reset_by_path;
mod reset_midstream_by_path;
mod sequence_rewritten;
mod stalled;
mod synack_lost;
mod wrong_reply_address;
mod zero_window;

pub use rate_limited::weigh as weigh_rate_limit;

use super::Rule;

/// The rules of this stage.
pub const RULES: &[Rule] = &[
    Rule::Closed(dropped::rule),
    Rule::Closed(refused::rule),
    Rule::Closed(reset_by_path::rule),
    Rule::Closed(prohibited::rule),
    Rule::Closed(wrong_reply_address::rule),
    Rule::Closed(listen_overflow::unanswered),
    Rule::Closed(synack_lost::rule),
    Rule::Open(listen_overflow::repeated),
    Rule::Open(option_dropped::rule),
    Rule::Open(options_stripped::rule),
    Rule::Open(sequence_rewritten::rule),
    Rule::Open(intercepted::rule),
    Rule::Open(before_greeting::rule),
    Rule::Open(midstream::rule),
    Rule::Open(reset_midstream_by_path::rule),
    Rule::Open(client_reset::rule),
    Rule::Open(client_vanished::rule),
    Rule::Open(stalled::rule),
    Rule::Open(idle_dropped::rule),
    Rule::Open(zero_window::rule),
];
