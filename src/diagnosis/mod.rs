//! Floor 3: from facts to verdicts.
//!
//! The catalogue of codes, the four rules before all codes, one rule per file, one arbiter, and the
//! folding into root causes. No byte is decoded here again, and no rule knows another.

pub mod arbiter;
mod catalogue;
mod claim_order;
pub mod handshake;
mod judge;
mod judge_handshakes;
mod judge_lookup;
mod ladder;
pub mod lookup_view;
pub mod measured;
pub mod principles;
pub mod quoted;
pub mod rules;
mod unseen;
mod verdict;
mod view;

pub use catalogue::{Class, Code};
pub use handshake::Handshake;
pub use judge::{Judgement, judge_connection};
pub use judge_handshakes::judge_handshakes;
pub use judge_lookup::{asks_a_list, is_mail_name, is_mail_question, is_underscored, judge_lookup};
pub use ladder::{Ladder, Stage};
pub use lookup_view::{AGAIN, CONTRADICTED, Lookup, LookupContext, Sibling, WENT_ON};
pub use measured::{About, Measured, Settles};
pub use rules::capture::{SourceState, judge_source};
pub use rules::dns::{Told, judge_answers, withheld};
pub use rules::route::judge_neighbors;
pub use verdict::{Alternative, At, Claim, Evidence, Outcome, Proof, Verdict, Weight, Where};
pub use view::{Connection, Context, Ending, Tlsa};
