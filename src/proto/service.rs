//! Which mail service a connection is for, and how it is meant to be encrypted.

/// The service of a connection, spelt in reports as [`Service::name`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Port 25 (and 2525): mail transfer.
    Smtp,
    /// Port 587 (RFC 6409).
    Submission,
    /// Port 465, implicit TLS (RFC 8314 3.3).
    Submissions,
    /// Port 143 (RFC 9051).
    Imap,
    /// Port 993, implicit TLS.
    Imaps,
    /// Port 110 (RFC 1939).
    Pop3,
    /// Port 995, implicit TLS.
    Pop3s,
    /// Port 4190, ManageSieve (RFC 5804).
    Sieve,
    /// Port 24, LMTP (RFC 2033).
    Lmtp,
    /// Not mail.
    Other,
}

impl Service {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            Service::Smtp => "smtp",
            Service::Submission => "submission",
            Service::Submissions => "submissions",
            Service::Imap => "imap",
            Service::Imaps => "imaps",
            Service::Pop3 => "pop3",
            Service::Pop3s => "pop3s",
            Service::Sieve => "sieve",
            Service::Lmtp => "lmtp",
            Service::Other => "other",
        }
    }

    /// The service of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Service> {
        Some(match name {
            "smtp" => Service::Smtp,
            "submission" => Service::Submission,
            "submissions" | "smtps" => Service::Submissions,
            "imap" => Service::Imap,
            "imaps" => Service::Imaps,
            "pop3" => Service::Pop3,
            "pop3s" => Service::Pop3s,
            "sieve" | "managesieve" => Service::Sieve,
            "lmtp" => Service::Lmtp,
            "other" => Service::Other,
            _ => return None,
        })
    }

    /// The service that IANA (and, for 2525, custom) assigns to a TCP port.
    pub fn of_port(port: u16) -> Option<Service> {
        Some(match port {
            25 | 2525 => Service::Smtp,
            587 => Service::Submission,
            465 => Service::Submissions,
            143 => Service::Imap,
            993 => Service::Imaps,
            110 => Service::Pop3,
            995 => Service::Pop3s,
            4190 => Service::Sieve,
            24 => Service::Lmtp,
            _ => return None,
        })
    }

    /// Whether TLS starts with the first byte (RFC 8314).
    pub fn implicit_tls(self) -> bool {
        matches!(self, Service::Submissions | Service::Imaps | Service::Pop3s)
    }
}

/// How a connection is, or is meant to be, encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// TLS from the first byte.
    Implicit,
    /// Plain first, then STARTTLS or STLS was asked for.
    Starttls,
    /// No TLS was asked for.
    Plain,
}

impl TlsMode {
    /// The report's spelling.
    pub fn name(self) -> &'static str {
        match self {
            TlsMode::Implicit => "implicit",
            TlsMode::Starttls => "starttls",
            TlsMode::Plain => "plain",
        }
    }
}
