//! Greeting, capabilities, transaction: what server and client said to each other, as far as it is readable.
//!
//! Nothing here looks into an encrypted stream; there the dialogue is empty, unless keys were given.

mod banner_masked;
mod command_timeout;
mod greeting_slow;
mod no_greeting;
mod not_mail;
pub(super) mod progress;
mod proxy_protocol;
pub mod refusals;
mod reply;
mod slow_answer;
mod starttls_missing;
mod starttls_stripped;
#[cfg(test)]
pub(super) mod tests;

use super::Rule;

/// The rules of this stage. `reply` speaks for every code that a negative reply proves, those of `auth` too.
pub const RULES: &[Rule] = &[
    Rule::Mail(no_greeting::rule),
    Rule::Mail(greeting_slow::rule),
    Rule::Mail(not_mail::rule),
    Rule::Mail(proxy_protocol::rule),
    Rule::Mail(banner_masked::rule),
    Rule::Mail(starttls_missing::rule),
    Rule::Mail(starttls_stripped::rule),
    Rule::Mail(reply::rule),
    Rule::Mail(slow_answer::rule),
    Rule::Mail(command_timeout::rule),
];
