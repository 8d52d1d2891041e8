//! Facts of a mail session: greeting, commands, replies, in order, each with frame and time.
//!
//! One shape for all five protocols, so that a rule about "a command that was never answered" is
//! written once. What differs (codes, response codes, tags) stays visible in [`Reply`]. Secrets are
//! masked here, where they are recognised, and nowhere later.

use crate::base::{Foreign, Mark, PerSide, Secret, Timestamp};

/// Which language a dialogue is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// SMTP and submission (RFC 5321, RFC 6409).
    Smtp,
    /// LMTP (RFC 2033).
    Lmtp,
    /// IMAP (RFC 3501, RFC 9051).
    Imap,
    /// POP3 (RFC 1939, RFC 2449).
    Pop3,
    /// ManageSieve (RFC 5804).
    Sieve,
}

/// All that was said in clear on one connection (before TLS, or all of it).
#[derive(Clone, Default)]
pub struct Dialogue {
    /// The language, once known by port or by what was said.
    pub language: Option<Language>,
    /// First byte of the server's greeting.
    pub greeting_started: Option<Mark>,
    /// The greeting itself, when its last line was seen: also `exchanges[0]`.
    pub greeted: bool,
    /// Exchanges in order: the greeting (no command) first. Bounded by `limits::EXCHANGES`: the first half and the
    /// latest half are kept.
    pub exchanges: Vec<Exchange>,
    /// How many exchanges were left out of the middle.
    pub omitted: u64,
    /// What the server offered, in the order of first mention, upper case, with parameters (`SIZE 1000`, `AUTH=PLAIN`,
    /// `SASL PLAIN LOGIN`): EHLO keywords, CAPABILITY, CAPA, Sieve capabilities, from the latest listing before TLS.
    pub capabilities: Vec<Foreign>,
    /// Mechanisms offered for authentication in the latest listing.
    pub mechanisms: Vec<Mechanism>,
    /// The POP3 greeting carried a timestamp: APOP may be used (RFC 1939 7).
    pub apop_offered: bool,
    /// Software named by greeting, EHLO reply or ID: `Postfix`, `Dovecot`, `Exim`, `Exchange`, `Gmail` …
    pub software: Option<Foreign>,
    /// Name that the server gives itself in the greeting or the EHLO reply.
    pub server_name: Option<Foreign>,
    /// Name in EHLO, HELO or LHLO.
    pub client_name: Option<Foreign>,
    /// Account of the latest login attempt, when visible.
    pub user: Option<Foreign>,
    /// Password or token of the latest login attempt, when visible.
    pub secret: Option<Secret>,
    /// The latest STARTTLS or STLS command.
    pub starttls_asked: Option<Mark>,
    /// STARTTLS or STLS was asked for, and the reply invited to go on (then bytes are TLS).
    pub starttls_accepted: Option<Mark>,
    /// IMAP COMPRESS was accepted (RFC 4978), or a SASL security layer began (RFC 4422 3.7): nothing that follows can be read.
    pub opaque: Option<Mark>,
    /// A PROXY protocol preface (v1 or v2) was skipped.
    pub proxy_preface: Option<Mark>,
    /// How many bytes of the client it took.
    pub proxy_length: u32,
    /// Login succeeded (SMTP 235, IMAP OK or PREAUTH, POP3 +OK to PASS/AUTH/APOP, Sieve OK).
    pub authenticated: Option<Mark>,
    /// Messages accepted (250 to the final dot or BDAT LAST) or handed out (RETR, FETCH).
    pub messages: u64,
    /// QUIT or LOGOUT was sent.
    pub quit: Option<Mark>,
    /// The server said goodbye: 221, 421, `* BYE`, `+OK` to QUIT, Sieve BYE, final `-ERR`.
    pub goodbye: Option<Mark>,
    /// An IMAP IDLE (RFC 2177) is open: silence is normal.
    pub idling: bool,
    /// A command of the client is not whole, and nothing keeps the client from going on with it: its literal was asked for, or needs
    /// no asking (IMAP, RFC 9051 4.3).
    pub clients_turn: bool,
    /// The client is inside message data (DATA, BDAT, APPEND literal) that has not ended.
    pub in_data: Option<Mark>,
    /// Message bytes sent so far in the current message.
    pub data_bytes: u64,
    /// Bytes were missing inside the dialogue.
    pub gaps: u32,
    /// Bytes of this side are missing, and it was not understood since. Until the client's next command its lines may be of
    /// a message or a literal whose beginning is missing: what is no command then is none that failed.
    pub gapped: PerSide<bool>,
    /// Strange things, bounded.
    pub oddities: Vec<(Oddity, Mark)>,
    /// The latest time at which each side said something.
    pub last_client: Option<Timestamp>,
    /// The server's, likewise.
    pub last_server: Option<Timestamp>,
}

impl Dialogue {
    /// IMAP, POP3 or ManageSieve.
    pub fn is_mailbox(&self) -> bool {
        matches!(
            self.language,
            Some(Language::Imap | Language::Pop3 | Language::Sieve)
        )
    }

    /// Whether the latest listing has this keyword (`STARTTLS`, `LOGINDISABLED`; case ignored, parameters too).
    pub fn offers(&self, keyword: &str) -> bool {
        self.capabilities.iter().any(|line| {
            let word = line.as_str().split(' ').next().unwrap_or_default();
            word.eq_ignore_ascii_case(keyword)
        })
    }

    /// The server's last word is 354. Nothing is owed an answer then but the message (RFC 5321 4.1.1.4): the next reply is that, whatever
    /// is missing of it.
    pub(super) fn awaits_message(&self) -> bool {
        let last = self.exchanges.last().and_then(|last| last.reply.as_ref());
        last.is_some_and(|reply| reply.code == Some(354))
    }

    /// Where the list came that offers STARTTLS or STLS.
    pub fn starttls_offer(&self) -> Option<Mark> {
        if !self.offers("STARTTLS") && !self.offers("STLS") {
            return None;
        }
        let listed = self.exchanges.iter().find_map(|exchange| {
            let command = exchange.command.as_ref()?;
            let lists = matches!(command.verb, Verb::Ehlo | Verb::Lhlo | Verb::Capability);
            let reply = exchange.reply.as_ref()?;
            (lists && reply.status == Status::Positive).then_some(reply.at)
        });
        listed.or_else(|| Some(self.exchanges.first()?.reply.as_ref()?.at))
    }
}

/// A command with its reply. The greeting is an exchange without a command.
#[derive(Clone)]
pub struct Exchange {
    /// What the client asked; `None` for the greeting and for unsolicited words (421, `* BYE`).
    pub command: Option<Command>,
    /// What the server answered, once its last line was seen. Intermediate replies (354, 334, `+`) are exchanges
    /// of their own: the lines that follow them are [`Verb::Data`] or [`Verb::AuthStep`].
    pub reply: Option<Reply>,
    /// The phase in which it happened.
    pub phase: Phase,
    /// Bytes are missing before the reply that may have held this command's reply, or the command that this reply
    /// answers: whether the two belong together is not known (replies come in the order of commands, RFC 2920 3.1). Or
    /// the words of a refusal are missing: what it is for is not known.
    pub unsure: bool,
}

/// Where in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The server's first words.
    Greeting,
    /// EHLO, HELO, LHLO, CAPABILITY, CAPA.
    Capabilities,
    /// STARTTLS, STLS.
    Starttls,
    /// AUTH, LOGIN, AUTHENTICATE, USER, PASS, APOP and their steps.
    Auth,
    /// MAIL … final dot; or any command on a mailbox.
    Session,
    /// QUIT, LOGOUT.
    Quit,
}

/// A command line of the client.
#[derive(Clone)]
pub struct Command {
    /// First byte of it.
    pub at: Mark,
    /// Last byte of it (for message data: the final dot or last chunk).
    pub done: Mark,
    /// What it asks.
    pub verb: Verb,
    /// The line as it may be shown: secrets are `***`. Message data is not kept: `<data>`.
    pub text: Foreign,
    /// The secret that was masked in this line, if any.
    pub secret: Option<Secret>,
    /// Bytes of message data (for [`Verb::Data`]).
    pub bytes: u64,
}

impl Command {
    /// Whether it is a part of a message with more to come (`BDAT` without `LAST`, RFC 3030 2): what ends in a dot is not kept.
    pub fn is_chunk(&self) -> bool {
        self.verb == Verb::Data && self.text.as_str() != "<data>"
    }
}

/// What a command asks, across the protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// LHLO.
    Lhlo,
    /// CAPABILITY (IMAP, Sieve) or CAPA.
    Capability,
    /// STARTTLS or STLS.
    Starttls,
    /// AUTH or AUTHENTICATE, with its mechanism.
    Auth(Mechanism),
    /// A line of an authentication exchange (base64).
    AuthStep,
    /// IMAP LOGIN.
    Login,
    /// POP3 USER.
    User,
    /// POP3 PASS.
    Pass,
    /// POP3 APOP.
    Apop,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    DataStart,
    /// The message itself up to the final dot, or one BDAT chunk.
    Data,
    /// The last BDAT chunk (LAST).
    DataLast,
    /// IMAP SELECT or EXAMINE.
    Select,
    /// IMAP IDLE.
    Idle,
    /// IMAP COMPRESS.
    Compress,
    /// IMAP or POP3 retrieval (FETCH, UID FETCH, RETR, TOP).
    Retrieve,
    /// IMAP ID.
    Id,
    /// NOOP or RSET.
    Noop,
    /// QUIT or LOGOUT.
    Quit,
    /// XCLIENT, XFORWARD, XEXCH50 … any other known command.
    Other,
    /// No command of this protocol.
    Unknown,
    /// Masked by a device: only `X` characters.
    Masked,
}

/// Authentication mechanisms (IANA SASL registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// LOGIN.
    Login,
    /// CRAM-MD5 (RFC 2195).
    CramMd5,
    /// DIGEST-MD5 (RFC 6331).
    DigestMd5,
    /// SCRAM in any hash, with or without channel binding (RFC 5802, RFC 7677).
    Scram,
    /// XOAUTH2.
    Xoauth2,
    /// OAUTHBEARER (RFC 7628).
    OauthBearer,
    /// GSSAPI (RFC 4752) or GS2.
    Gssapi,
    /// NTLM.
    Ntlm,
    /// EXTERNAL (RFC 4422).
    External,
    /// Any other name, or none given.
    Other,
}

/// A reply of the server, all its lines.
#[derive(Clone, Debug)]
pub struct Reply {
    /// First byte.
    pub at: Mark,
    /// Last byte of the last line.
    pub done: Mark,
    /// What it says about the command.
    pub status: Status,
    /// SMTP reply code (RFC 5321 4.2).
    pub code: Option<u16>,
    /// Enhanced status code (RFC 3463).
    pub enhanced: Option<Enhanced>,
    /// IMAP, POP3 or Sieve response code without brackets: `AUTHENTICATIONFAILED`, `SYS/TEMP`, `IN-USE`; upper case.
    pub response_code: Option<Foreign>,
    /// The words after codes; lines joined by a space; bounded.
    pub text: Foreign,
    /// The whole first line as it was, for transcripts.
    pub line: Foreign,
    /// Number of lines.
    pub lines: u32,
    /// Times of the first bytes of the first and the last line differ by this many lines' pauses of ≥ 200 ms
    /// (pacing: tarpit, postscreen teaser).
    pub pauses: u32,
    /// SASL error JSON decoded from a 334 or `+` (XOAUTH2, OAUTHBEARER: RFC 7628 3.2.2).
    pub sasl_error: Option<Foreign>,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// 2xx, OK, +OK, PREAUTH.
    Positive,
    /// 3xx, `+` continuation.
    Intermediate,
    /// 4xx.
    Transient,
    /// 5xx, NO, -ERR.
    Negative,
    /// IMAP BAD: the command was not understood.
    Bad,
    /// BYE, or 421: the server ends the session.
    Bye,
    /// Not a reply of this protocol.
    Garbage,
}

/// Class, subject and detail (RFC 3463 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u16,
    /// Subject.
    pub subject: u16,
    /// Detail.
    pub detail: u16,
}

/// What a family of words in a reply means. See `replies` for the table and its sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The family.
    pub family: Family,
    /// Who is the source of this reading: program and file, or RFC section.
    pub origin: &'static str,
    /// Whether the words (not only the number) say so.
    pub by_text: bool,
}

/// Families of negative replies: what the server wants to say. One per `mail.*` and `auth.*` code that a reply can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // each is the code of the same name in the catalogue, where its page says what it means
pub enum Family {
    GreetingRejected,
    Blocklisted,
    DomainUnauthenticated,
    RdnsRequired,
    TooManyConnections,
    ProxyProtocol,
    StarttlsRefused,
    StarttlsRequired,
    ClientCertificateRequired,
    HeloRejected,
    SenderRejected,
    RecipientRejected,
    RelayDenied,
    MessageTooLarge,
    MailboxFull,
    ContentRejected,
    Greylisted,
    RateLimited,
    MailboxBusy,
    IdleTimeout,
    ServiceUnavailable,
    ProtocolError,
    Temporary,
    Rejected,
    CredentialsRejected,
    TokenRejected,
    AuthRequired,
    PasswordExpired,
    AppPasswordRequired,
    OauthRequired,
    TooManyAttempts,
    AccountDisabled,
    ProtocolDisabled,
    WebLoginRequired,
    MechanismUnsupported,
    NeedsTls,
    AuthServerFailure,
}

/// Seen and strange, without opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// The greeting or a reply consists of `2`, `0`, `*` and blanks only (Postfix's PIX predicate).
    MaskedBanner,
    /// An EHLO keyword consists of `X` characters ending in `X` or `A`.
    MaskedKeyword,
    /// The client spoke before the greeting was complete.
    EarlyTalker,
    /// Clear text went on after STARTTLS was accepted (a decrypted capture).
    ClearAfterStarttls,
    /// A line longer than `limits::LINE`.
    LongLine,
    /// The server spoke without being asked.
    Unsolicited,
    /// HTTP was spoken.
    Http,
    /// SSH was spoken.
    Ssh,
    /// A mail protocol other than the port's was spoken.
    OtherMailProtocol,
    /// Nothing that mxray knows was spoken.
    NotMail,
}
