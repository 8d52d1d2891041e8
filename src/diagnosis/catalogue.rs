//! The catalogue: every code, once.
//!
//! A code is `stage.cause` and is the contract between packets, reports, `mxray explain`, tests and
//! users' scripts. One line here registers it; its page lies under `rules/` by the path in the last
//! column. The catalogue knows no rule.

use std::fmt;

/// Whose department a cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Path, firewall, DNS transport.
    Network,
    /// The server or its configuration.
    Service,
    /// The server refuses on purpose.
    Policy,
    /// Settings, credentials, client software.
    Client,
    /// No cause: `ok`, `unknown` and what the evidence cannot show.
    None,
}

impl Class {
    /// The report's spelling; `None` is null there.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Class::Network => Some("network"),
            Class::Service => Some("service"),
            Class::Policy => Some("policy"),
            Class::Client => Some("client"),
            Class::None => None,
        }
    }
}

macro_rules! catalogue {
    ($($variant:ident $code:literal $class:ident $page:literal;)*) => {
        /// A code of the catalogue. What each means says its page: `mxray explain CODE`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // each has a page of its own, which a test demands
        pub enum Code { $($variant,)* }

        impl Code {
            /// Every code, in the order of the stages.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code as users write it.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// Its class.
            pub fn class(self) -> Class {
                match self { $(Code::$variant => Class::$class,)* }
            }

            /// Its page, Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Code::$variant => include_str!(concat!("rules/", $page, ".md")),)* }
            }
        }
    };
}

catalogue! {
    Ok                           "ok"                             None     "ok";
    Unknown                      "unknown"                        None     "unknown";
    DnsTimeout                   "dns.timeout"                    Network  "dns/timeout";
    DnsBlocked                   "dns.blocked"                    Network  "dns/blocked";
    DnsPortClosed                "dns.port-closed"                Client   "dns/port_closed";
    DnsServfail                  "dns.servfail"                   Service  "dns/servfail";
    DnsBogus                     "dns.bogus"                      Service  "dns/bogus";
    DnsRefused                   "dns.refused"                    Service  "dns/refused";
    DnsFiltered                  "dns.filtered"                   Policy   "dns/filtered";
    DnsNxdomain                  "dns.nxdomain"                   Client   "dns/nxdomain";
    DnsNoAddress                 "dns.no-address"                 Service  "dns/no_address";
    DnsNoMx                      "dns.no-mx"                      Service  "dns/no_mx";
    DnsNullMx                    "dns.null-mx"                    Policy   "dns/null_mx";
    DnsMxUnresolvable            "dns.mx-unresolvable"            Service  "dns/mx_unresolvable";
    DnsTruncatedNoTcp            "dns.truncated-no-tcp"           Network  "dns/truncated_no_tcp";
    DnsLargeDropped              "dns.large-dropped"              Network  "dns/large_dropped";
    DnsTypeDropped               "dns.type-dropped"               Network  "dns/type_dropped";
    DnsSlow                      "dns.slow"                       Network  "dns/slow";
    DnsInconsistent              "dns.inconsistent"               Service  "dns/inconsistent";
    DnsForged                    "dns.forged"                     Network  "dns/forged";
    DnsPrivateAddress            "dns.private-address"            Network  "dns/private_address";
    DnsError                     "dns.error"                      Service  "dns/error";
    DnsBadResponse               "dns.bad-response"               Service  "dns/bad_response";
    RouteNone                    "route.none"                     Network  "route/none";
    RouteNeighborUnresolved      "route.neighbor-unresolved"      Network  "route/neighbor_unresolved";
    RouteDuplicateAddress        "route.duplicate-address"        Network  "route/duplicate_address";
    RouteUnreachable             "route.unreachable"              Network  "route/unreachable";
    RouteLoop                    "route.loop"                     Network  "route/loop";
    TcpDropped                   "tcp.dropped"                    Network  "tcp/dropped";
    TcpRefused                   "tcp.refused"                    Service  "tcp/refused";
    TcpResetByPath               "tcp.reset-by-path"              Network  "tcp/reset_by_path";
    TcpProhibited                "tcp.prohibited"                 Network  "tcp/prohibited";
    TcpRateLimited               "tcp.rate-limited"               Network  "tcp/rate_limited";
    TcpIntercepted               "tcp.intercepted"                Network  "tcp/intercepted";
    TcpOptionsStripped           "tcp.options-stripped"           Network  "tcp/options_stripped";
    TcpOptionDropped             "tcp.option-dropped"             Network  "tcp/option_dropped";
    TcpWrongReplyAddress         "tcp.wrong-reply-address"        Network  "tcp/wrong_reply_address";
    TcpListenOverflow            "tcp.listen-overflow"            Service  "tcp/listen_overflow";
    TcpSynackLost                "tcp.synack-lost"                Network  "tcp/synack_lost";
    TcpResetBeforeGreeting       "tcp.reset-before-greeting"      Service  "tcp/reset_before_greeting";
    TcpClosedBeforeGreeting      "tcp.closed-before-greeting"     Service  "tcp/closed_before_greeting";
    TcpResetMidstream            "tcp.reset-midstream"            Service  "tcp/reset_midstream";
    TcpClosedMidstream           "tcp.closed-midstream"           Service  "tcp/closed_midstream";
    TcpResetMidstreamByPath      "tcp.reset-midstream-by-path"    Network  "tcp/reset_midstream_by_path";
    TcpClientReset               "tcp.client-reset"               Client   "tcp/client_reset";
    TcpClientVanished            "tcp.client-vanished"            Client   "tcp/client_vanished";
    TcpStalled                   "tcp.stalled"                    Network  "tcp/stalled";
    TcpIdleDropped               "tcp.idle-dropped"               Network  "tcp/idle_dropped";
    TcpZeroWindow                "tcp.zero-window"                Service  "tcp/zero_window";
    PathMtuBlackhole             "path.mtu-blackhole"             Network  "path/mtu_blackhole";
    PathLoss                     "path.loss"                      Network  "path/loss";
    PathSplit                    "path.split"                     Network  "path/split";
    PathSlow                     "path.slow"                      Network  "path/slow";
    TlsOnPlaintextPort           "tls.on-plaintext-port"          Client   "tls/on_plaintext_port";
    TlsPlaintextOnTlsPort        "tls.plaintext-on-tls-port"      Client   "tls/plaintext_on_tls_port";
    TlsMutualWait                "tls.mutual-wait"                Client   "tls/mutual_wait";
    TlsVersion                   "tls.version"                    Service  "tls/version";
    TlsCipher                    "tls.cipher"                     Service  "tls/cipher";
    TlsNoReply                   "tls.no-reply"                   Service  "tls/no_reply";
    TlsHelloDropped              "tls.hello-dropped"              Network  "tls/hello_dropped";
    TlsResetOnHello              "tls.reset-on-hello"             Service  "tls/reset_on_hello";
    TlsNameUnrecognized          "tls.name-unrecognized"          Service  "tls/name_unrecognized";
    TlsCertExpired               "tls.cert-expired"               Service  "tls/cert_expired";
    TlsCertNotYetValid           "tls.cert-not-yet-valid"         Service  "tls/cert_not_yet_valid";
    TlsCertSelfSigned            "tls.cert-self-signed"           Service  "tls/cert_self_signed";
    TlsCertUntrusted             "tls.cert-untrusted"             Service  "tls/cert_untrusted";
    TlsCertIncompleteChain       "tls.cert-incomplete-chain"      Service  "tls/cert_incomplete_chain";
    TlsCertWrongName             "tls.cert-wrong-name"            Service  "tls/cert_wrong_name";
    TlsCertWeak                  "tls.cert-weak"                  Service  "tls/cert_weak";
    TlsCertRevoked               "tls.cert-revoked"               Service  "tls/cert_revoked";
    TlsClientClock               "tls.client-clock"               Client   "tls/client_clock";
    TlsClientRoots               "tls.client-roots"               Client   "tls/client_roots";
    TlsCertRejected              "tls.cert-rejected"              Service  "tls/cert_rejected";
    TlsClientCertRequired        "tls.client-cert-required"       Client   "tls/client_cert_required";
    TlsDaneMismatch              "tls.dane-mismatch"              Service  "tls/dane_mismatch";
    TlsStsMismatch               "tls.sts-mismatch"               Service  "tls/sts_mismatch";
    TlsIntercepted               "tls.intercepted"                Network  "tls/intercepted";
    TlsAlert                     "tls.alert"                      Service  "tls/alert";
    MailNoGreeting               "mail.no-greeting"               Service  "mail/no_greeting";
    MailGreetingSlow             "mail.greeting-slow"             Policy   "mail/greeting_slow";
    MailSlowAnswer               "mail.slow-answer"               Service  "mail/slow_answer";
    MailGreetingRejected         "mail.greeting-rejected"         Policy   "mail/greeting_rejected";
    MailBlocklisted              "mail.blocklisted"               Policy   "mail/blocklisted";
    MailDomainUnauthenticated    "mail.domain-unauthenticated"    Policy   "mail/domain_unauthenticated";
    MailRdnsRequired             "mail.rdns-required"             Policy   "mail/rdns_required";
    MailTooManyConnections       "mail.too-many-connections"      Policy   "mail/too_many_connections";
    MailNotMail                  "mail.not-mail"                  Service  "mail/not_mail";
    MailProxyProtocol            "mail.proxy-protocol"            Service  "mail/proxy_protocol";
    MailBannerMasked             "mail.banner-masked"             Network  "mail/banner_masked";
    MailStarttlsMissing          "mail.starttls-missing"          Service  "mail/starttls_missing";
    MailStarttlsStripped         "mail.starttls-stripped"         Network  "mail/starttls_stripped";
    MailStarttlsRefused          "mail.starttls-refused"          Service  "mail/starttls_refused";
    MailStarttlsRequired         "mail.starttls-required"         Client   "mail/starttls_required";
    MailHeloRejected             "mail.helo-rejected"             Policy   "mail/helo_rejected";
    MailSenderRejected           "mail.sender-rejected"           Policy   "mail/sender_rejected";
    MailRecipientRejected        "mail.recipient-rejected"        Policy   "mail/recipient_rejected";
    MailRelayDenied              "mail.relay-denied"              Policy   "mail/relay_denied";
    MailMessageTooLarge          "mail.message-too-large"         Policy   "mail/message_too_large";
    MailMailboxFull              "mail.mailbox-full"              Policy   "mail/mailbox_full";
    MailContentRejected          "mail.content-rejected"          Policy   "mail/content_rejected";
    MailGreylisted               "mail.greylisted"                Policy   "mail/greylisted";
    MailRateLimited              "mail.rate-limited"              Policy   "mail/rate_limited";
    MailMailboxBusy              "mail.mailbox-busy"              Client   "mail/mailbox_busy";
    MailIdleTimeout              "mail.idle-timeout"              Client   "mail/idle_timeout";
    MailServiceUnavailable       "mail.service-unavailable"       Service  "mail/service_unavailable";
    MailCommandTimeout           "mail.command-timeout"           Service  "mail/command_timeout";
    MailProtocolError            "mail.protocol-error"            Client   "mail/protocol_error";
    MailTemporary                "mail.temporary"                 Service  "mail/temporary";
    MailRejected                 "mail.rejected"                  Policy   "mail/rejected";
    AuthCredentialsRejected      "auth.credentials-rejected"      Client   "auth/credentials_rejected";
    AuthTokenRejected            "auth.token-rejected"            Client   "auth/token_rejected";
    AuthRequired                 "auth.required"                  Client   "auth/required";
    AuthPasswordExpired          "auth.password-expired"          Client   "auth/password_expired";
    AuthAppPasswordRequired      "auth.app-password-required"     Client   "auth/app_password_required";
    AuthOauthRequired            "auth.oauth-required"            Client   "auth/oauth_required";
    AuthTooManyAttempts          "auth.too-many-attempts"         Policy   "auth/too_many_attempts";
    AuthAccountDisabled          "auth.account-disabled"          Policy   "auth/account_disabled";
    AuthProtocolDisabled         "auth.protocol-disabled"         Policy   "auth/protocol_disabled";
    AuthWebLoginRequired         "auth.web-login-required"        Policy   "auth/web_login_required";
    AuthMechanismUnsupported     "auth.mechanism-unsupported"     Client   "auth/mechanism_unsupported";
    AuthNeedsTls                 "auth.needs-tls"                 Client   "auth/needs_tls";
    AuthServerFailure            "auth.server-failure"            Service  "auth/server_failure";
    SettingsHostnameTypo         "settings.hostname-typo"         Client   "settings/hostname_typo";
    SettingsWrongPort            "settings.wrong-port"            Client   "settings/wrong_port";
    SettingsWrongEncryption      "settings.wrong-encryption"      Client   "settings/wrong_encryption";
    CaptureOneWay                "capture.one-way"                None     "capture/one_way";
    CaptureMidStream             "capture.mid-stream"             None     "capture/mid_stream";
    CaptureSnaplen               "capture.snaplen"                None     "capture/snaplen";
    CaptureDropped               "capture.dropped"                None     "capture/dropped";
    CaptureDuplicates            "capture.duplicates"             None     "capture/duplicates";
    CaptureDisorder              "capture.disorder"               None     "capture/disorder";
    CaptureDamaged               "capture.damaged"                None     "capture/damaged";
    CaptureLimit                 "capture.limit"                  None     "capture/limit";
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// The part before the dot, or the whole name.
    pub fn stage(self) -> &'static str {
        let name = self.name();
        name.split_once('.').map_or(name, |(stage, _)| stage)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
