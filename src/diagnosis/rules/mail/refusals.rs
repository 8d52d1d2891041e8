//! What each family of negative replies is in the catalogue: its code, whose setting has to change, what to say and do.
//!
//! How a reply is read into a family is the reply table's business (`proto::mail::replies`); when it is a verdict is
//! `reply`'s. This is only the table between the two.

use crate::diagnosis::{Code, Where};
use crate::proto::mail::Family;

/// A line of the table.
pub struct Refusal {
    /// The code of the catalogue.
    pub code: Code,
    /// Whose setting, server or device has to change.
    pub place: Where,
    /// The sentence, without full stop; the server's words follow.
    pub says: &'static str,
    /// What to do, most useful first.
    pub advice: &'static [&'static str],
}

/// The line of a family.
pub fn refusal(family: Family) -> Refusal {
    use Where::{Client, Server};
    let (code, place, says, advice): (Code, Where, &'static str, &'static [&'static str]) =
        match family {
            Family::GreetingRejected => (
                Code::MailGreetingRejected,
                Server,
                "The server refused the connection in its greeting",
                &[
                    "Read the server's words; a link or an id in them is for its operator",
                    "Senders: wait, or try the next MX",
                ],
            ),
            Family::Blocklisted => (
                Code::MailBlocklisted,
                Client,
                "The client's address is on a blocklist or has a bad reputation",
                &[
                    "Look the address up at the list that the text names, remove the cause, then ask for delisting",
                    "Do not send to port 25 from dial-up or cloud addresses: use a relay",
                ],
            ),
            Family::DomainUnauthenticated => (
                Code::MailDomainUnauthenticated,
                Client,
                "The sender's domain is not authenticated (SPF, DKIM, DMARC)",
                &[
                    "Sending side: publish SPF for this address and sign with DKIM, aligned with the From domain",
                ],
            ),
            Family::RdnsRequired => (
                Code::MailRdnsRequired,
                Client,
                "The client's address has no matching reverse name",
                &[
                    "Whoever owns the client's address block: set a PTR whose name leads back to the address",
                ],
            ),
            Family::TooManyConnections => (
                Code::MailTooManyConnections,
                Client,
                "Too many connections at once",
                &[
                    "Client: fewer connections at once (mail programs: cached connections 1 to 3)",
                    "Server's operator, if the limit is too low: mail_max_userip_connections, smtpd_client_connection_count_limit",
                ],
            ),
            Family::ProxyProtocol => (
                Code::MailProxyProtocol,
                Server,
                "The server and what stands before it disagree about a PROXY header",
                &["Make both sides agree about the PROXY header (load balancer and mail server)"],
            ),
            Family::StarttlsRefused => (
                Code::MailStarttlsRefused,
                Server,
                "The server offers STARTTLS and refuses it",
                &[
                    "Server's operator: look at certificate, key and TLS settings; the log says why TLS did not start",
                ],
            ),
            Family::StarttlsRequired => (
                Code::MailStarttlsRequired,
                Client,
                "The server insists on TLS, and the client did not start it",
                &["Client: switch STARTTLS on, or use a port of implicit TLS (465, 993, 995)"],
            ),
            Family::ClientCertificateRequired => (
                Code::TlsClientCertRequired,
                Client,
                "The server insists on a certificate of the client",
                &[
                    "Give the client its certificate and key, or use a port of the server that does not ask for one",
                    "Server's operator, if not meant: Postfix smtpd_tls_req_ccert = no",
                ],
            ),
            Family::HeloRejected => (
                Code::MailHeloRejected,
                Client,
                "The server refused the name in EHLO or HELO",
                &[
                    "Client: use a full host name that exists in DNS (Postfix smtp_helo_name, myhostname)",
                ],
            ),
            Family::SenderRejected => (
                Code::MailSenderRejected,
                Client,
                "The server refused the sender's address",
                &["Client: use a sender address whose domain exists and that this account may use"],
            ),
            Family::RecipientRejected => (
                Code::MailRecipientRejected,
                Server,
                "The server refused the recipient",
                &[
                    "Check the address; if it is right, the recipient's operator has to create or open the mailbox",
                ],
            ),
            Family::RelayDenied => (
                Code::MailRelayDenied,
                Client,
                "The server does not relay for this client",
                &["Client: log in, on port 587 or 465; or send to the recipient's own MX"],
            ),
            Family::MessageTooLarge => (
                Code::MailMessageTooLarge,
                Client,
                "The message is larger than the server takes",
                &[
                    "Sender: make the message smaller (SIZE in the EHLO answer is the limit), or send a link",
                    "Server's operator, if the limit is too low: message_size_limit",
                ],
            ),
            Family::MailboxFull => (
                Code::MailMailboxFull,
                Server,
                "The mailbox is full",
                &[
                    "The owner of the mailbox has to delete mail, or its operator to raise the quota",
                ],
            ),
            Family::ContentRejected => (
                Code::MailContentRejected,
                Client,
                "The server refused the message for its content",
                &[
                    "Sender: look for the link, attachment or word that the filter disliked",
                    "A false alarm: the recipient's operator has the filter's log",
                ],
            ),
            Family::Greylisted => (
                Code::MailGreylisted,
                Server,
                "The server asks to come back later (greylisting)",
                &[
                    "Sender: nothing, the queue tries again; a sender that never tries again is broken",
                    "Recipient's operator: except known senders",
                ],
            ),
            Family::RateLimited => (
                Code::MailRateLimited,
                Client,
                "The client sent too much in too short a time",
                &[
                    "Sender: slow down (Postfix default_destination_rate_delay); look for a stolen account",
                ],
            ),
            Family::MailboxBusy => (
                Code::MailMailboxBusy,
                Client,
                "Somebody else holds the mailbox, or the client came back too soon",
                &["Close the other program that has the mailbox open, or let it fetch less often"],
            ),
            Family::IdleTimeout => (
                Code::MailIdleTimeout,
                Client,
                "The server ended the connection because the client was silent too long",
                &[
                    "Find out why the client stood still; in the middle of a message suspect lost packets towards the server first",
                ],
            ),
            Family::ServiceUnavailable => (
                Code::MailServiceUnavailable,
                Server,
                "The server says that it is itself in trouble",
                &[
                    "Server's operator: read the log at this time: disk, load, database, back end",
                    "Senders: wait, the queue tries again",
                ],
            ),
            Family::ProtocolError => (
                Code::MailProtocolError,
                Client,
                "The server did not understand the client, or not at this point",
                &[
                    "The client's maker: one command after the other, CRLF as line end, nothing before the greeting",
                    "Look for a firewall with SMTP inspection in between",
                ],
            ),
            Family::Temporary => (
                Code::MailTemporary,
                Server,
                "The server refused for the time being",
                &[
                    "Senders: wait, the queue tries again; if it stays, the server's log has the reason",
                ],
            ),
            Family::Rejected => (
                Code::MailRejected,
                Server,
                "The server refused and gave no reason that is known",
                &["Read the server's words; its operator's log has the reason"],
            ),
            Family::CredentialsRejected => (
                Code::AuthCredentialsRejected,
                Client,
                "The server rejected user name or password",
                &["User: check user name (often the whole address) and password"],
            ),
            Family::TokenRejected => (
                Code::AuthTokenRejected,
                Client,
                "The server rejected the OAuth token",
                &[
                    "User: sign in again, so that the client gets a new token",
                    "Client's maker: check scope, audience and the user name in the token",
                ],
            ),
            Family::AuthRequired => (
                Code::AuthRequired,
                Client,
                "The server wants a login first",
                &["Client: switch on authentication for outgoing mail, port 587 or 465"],
            ),
            Family::PasswordExpired => (
                Code::AuthPasswordExpired,
                Client,
                "The password has expired or has to be changed",
                &["User: change the password at the provider, then in the client"],
            ),
            Family::AppPasswordRequired => (
                Code::AuthAppPasswordRequired,
                Client,
                "The account needs an application-specific password",
                &["User: create an app password in the account's security settings, or use OAuth2"],
            ),
            Family::OauthRequired => (
                Code::AuthOauthRequired,
                Client,
                "The server takes no passwords any more, only OAuth tokens",
                &[
                    "User: a client with modern authentication (method OAuth2); devices that cannot: a relay",
                    "Tenant's administrator: authentication policy, security defaults",
                ],
            ),
            Family::TooManyAttempts => (
                Code::AuthTooManyAttempts,
                Client,
                "The account or address is locked out after too many login attempts",
                &[
                    "User: stop every program with the old password, wait, then log in once with the right one",
                ],
            ),
            Family::AccountDisabled => (
                Code::AuthAccountDisabled,
                Server,
                "The account is disabled",
                &["The account's administrator has to enable it"],
            ),
            Family::ProtocolDisabled => (
                Code::AuthProtocolDisabled,
                Server,
                "This protocol is switched off for the account or its domain",
                &[
                    "The account's administrator (or the owner in the web settings) has to switch the protocol on",
                ],
            ),
            Family::WebLoginRequired => (
                Code::AuthWebLoginRequired,
                Client,
                "The server wants a login by web browser first",
                &["User: log in by browser from the same place and confirm that it was you"],
            ),
            Family::MechanismUnsupported => (
                Code::AuthMechanismUnsupported,
                Client,
                "The server does not support the way in which the client logs in",
                &[
                    "Client: use a method that the server lists (usually a normal password over TLS), on port 587 or 465",
                ],
            ),
            Family::NeedsTls => (
                Code::AuthNeedsTls,
                Client,
                "The client wanted to log in in clear, and the server demands TLS first",
                &[
                    "Client: STARTTLS on 587, 143, 110, or TLS on 465, 993, 995; then change a password that went over the wire in clear",
                ],
            ),
            Family::AuthServerFailure => (
                Code::AuthServerFailure,
                Server,
                "The server could not check the login: its own authentication is in trouble",
                &[
                    "Server's operator: look at the authentication service (Dovecot auth socket, SASL, LDAP, database)",
                ],
            ),
        };
    Refusal {
        code,
        place,
        says,
        advice,
    }
}
