//! The mail dialogue: what SMTP, LMTP, IMAP, POP3 and ManageSieve have in common as facts.

mod dialogue;

pub use dialogue::{
    Answer, Command, Dialogue, Enhanced, Exchange, Family, Language, Mechanism, Oddity, Phase,
    Reply, Status, Verb,
};
