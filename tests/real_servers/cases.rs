//! The cases: what stands at the far end, who talks to it, and what is true.

use mxray::lab::server::spec::CertificateKind;

use super::ground::Wanted;

/// One case.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Seconds that its rule is.
    pub takes: u32,
    /// The far end.
    pub at: Wanted,
    /// The clients' command lines, one after the other.
    pub clients: &'static [&'static str],
    /// Path and truth, as a scenario has them.
    pub scenario: &'static str,
}

const NOTHING: Wanted = Wanted {
    servers: "",
    rules: "",
    certificate: CertificateKind::Valid,
    dovecot: "",
};
const POSTFIX: Wanted = Wanted {
    servers: "postfix",
    ..NOTHING
};
const DOVECOT: Wanted = Wanted {
    servers: "dovecot",
    ..NOTHING
};
const BOTH: Wanted = Wanted {
    servers: "dovecot postfix",
    ..NOTHING
};
const UNBOUND: Wanted = Wanted {
    servers: "unbound",
    ..NOTHING
};

const fn dovecot_with(certificate: CertificateKind) -> Wanted {
    Wanted {
        certificate,
        ..DOVECOT
    }
}

const fn behind(rules: &'static str) -> Wanted {
    Wanted { rules, ..BOTH }
}

const fn case(
    name: &'static str,
    at: Wanted,
    clients: &'static [&'static str],
    scenario: &'static str,
) -> Case {
    Case {
        name,
        takes: 0,
        at,
        clients,
        scenario,
    }
}

const fn slow(takes: u32, case: Case) -> Case {
    Case { takes, ..case }
}

/// Port 25 is postscreen.
const TO_PORT_24: Wanted = behind(
    "table ip t { chain pre { type nat hook prerouting priority -100; tcp dport 25 redirect to :24; }; }",
);
/// Port 25 is a server without TLS.
const TO_PORT_26: Wanted = behind(
    "table ip t { chain pre { type nat hook prerouting priority -100; tcp dport 25 redirect to :26; }; }",
);
/// Port 25 greylists.
const TO_PORT_27: Wanted = behind(
    "table ip t { chain pre { type nat hook prerouting priority -100; tcp dport 25 redirect to :27; }; }",
);

const HEALTHY: &str =
    "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\n";

/// All cases.
pub const CASES: &[Case] = &[
    // What works.
    case(
        "submission_with_starttls_and_login_works",
        BOTH,
        &[
            "swaks --server 192.0.2.10 --port 587 --from a@example.org --to user@example.net --tls --auth PLAIN --auth-user user@example.net --auth-password secret",
        ],
        HEALTHY,
    ),
    case(
        "submissions_with_login_works",
        BOTH,
        &[
            "swaks --server 192.0.2.10 --port 465 --from a@example.org --to user@example.net --tls-on-connect --auth LOGIN --auth-user user@example.net --auth-password secret",
        ],
        HEALTHY,
    ),
    case(
        "smtp_in_clear_works",
        POSTFIX,
        &["swaks --server 192.0.2.10 --from a@example.org --to user@example.net"],
        HEALTHY,
    ),
    case(
        "smtp_over_ipv6_works",
        POSTFIX,
        &["swaks --server 2001:db8:5::10 --from a@example.org --to user@example.net --tls"],
        HEALTHY,
    ),
    case(
        "imaps_and_imap_work",
        DOVECOT,
        &[
            "curl -sS --cacert @DIR@/roots.pem --resolve mail.example.net:993:192.0.2.10 imaps://mail.example.net/ -u user@example.net:secret",
            "curl -sS --tls-max 1.2 --cacert @DIR@/roots.pem --resolve mail.example.net:993:192.0.2.10 imaps://mail.example.net/ -u user@example.net:secret",
            "curl -sS --cacert @DIR@/roots.pem --ssl-reqd --resolve mail.example.net:143:192.0.2.10 imap://mail.example.net/ -u user@example.net:secret",
            "curl -sS imap://192.0.2.10/ -u user@example.net:secret",
        ],
        "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\ncount = 4\n",
    ),
    case(
        "pop3_and_pop3s_work",
        DOVECOT,
        &[
            "curl -sS pop3://192.0.2.10/ -u user@example.net:secret",
            "curl -sS -k pop3s://192.0.2.10/ -u user@example.net:secret",
        ],
        "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\ncount = 2\n",
    ),
    case(
        "fetchmail_empties_a_mailbox_over_pop3_and_imap",
        DOVECOT,
        &[
            "fetchmail --fetchmailrc - --nosyslog --pidfile @DIR@/pid --idfile @DIR@/ids <<< poll one via 192.0.2.10 protocol pop3 user \"user@example.net\" there with password \"secret\" is \"root\" here options sslproto \"auto\" no sslcertck keep mda \"/bin/true\"\\npoll two via 192.0.2.10 protocol imap user \"user@example.net\" there with password \"secret\" is \"root\" here options sslproto \"auto\" no sslcertck keep mda \"/bin/true\"\\n",
        ],
        "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\ncount = 2\n",
    ),
    case(
        "managesieve_with_starttls_works",
        DOVECOT,
        &["openssl s_client -quiet -starttls sieve -connect 192.0.2.10:4190 <<< LOGOUT\\r\\n"],
        HEALTHY,
    ),
    case(
        "a_small_mss_is_no_fault",
        behind(
            "table inet t { chain out { type filter hook output priority 0; tcp flags syn tcp option maxseg size set 536; }; }",
        ),
        &[
            "swaks --server 192.0.2.10 --from a@example.org --to user@example.net --attach @/usr/bin/env",
        ],
        "[truth]\nroot_causes = []\nnever = [\"path.loss\", \"path.mtu-blackhole\", \"tcp.stalled\"]\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\n",
    ),
    // What the servers refuse.
    case(
        "a_wrong_password_at_submission",
        BOTH,
        &[
            "swaks --server 192.0.2.10 --port 587 --from a@example.org --to user@example.net --auth PLAIN --auth-user user@example.net --auth-password wrong",
        ],
        "[truth]\nroot_causes = [\"auth.credentials-rejected\"]\n[[truth.connection]]\nservice = \"submission\"\noutcome = \"failed\"\ncode = \"auth.credentials-rejected\"\nwhere = \"client\"\n",
    ),
    case(
        "a_wrong_password_at_imap",
        DOVECOT,
        &["curl -sS imap://192.0.2.10/ -u user@example.net:wrong"],
        "[truth]\nroot_causes = [\"auth.credentials-rejected\"]\n[[truth.connection]]\nservice = \"imap\"\noutcome = \"failed\"\ncode = \"auth.credentials-rejected\"\nwhere = \"client\"\n",
    ),
    case(
        "a_wrong_password_at_pop3",
        DOVECOT,
        &["curl -sS pop3://192.0.2.10/ -u user@example.net:wrong"],
        "[truth]\nroot_causes = [\"auth.credentials-rejected\"]\n[[truth.connection]]\nservice = \"pop3\"\noutcome = \"failed\"\ncode = \"auth.credentials-rejected\"\nwhere = \"client\"\n",
    ),
    case(
        "an_unknown_recipient",
        POSTFIX,
        &["swaks --server 192.0.2.10 --from a@example.org --to nobody@example.net"],
        "[truth]\nroot_causes = [\"mail.recipient-rejected\"]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"mail.recipient-rejected\"\n",
    ),
    case(
        "the_login_service_is_down",
        POSTFIX,
        &["swaks --server 192.0.2.10 --port 587 --from a@example.org --to user@example.net"],
        // smtpd cannot reach Dovecot's login service and ends before its greeting.
        "[truth]\n[[truth.connection]]\nservice = \"submission\"\noutcome = \"failed\"\ncode = \"tcp.closed-before-greeting\"\nwhere = \"server\"\ndeath = \"server-fin\"\n",
    ),
    case(
        "relay_denied",
        POSTFIX,
        &["swaks --server 192.0.2.10 --from a@example.org --to user@elsewhere.example"],
        "[truth]\nroot_causes = [\"mail.relay-denied\"]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"mail.relay-denied\"\n",
    ),
    case(
        "greylisted",
        TO_PORT_27,
        &["swaks --server 192.0.2.10 --from a@example.org --to user@example.net"],
        "[truth]\nroot_causes = [\"mail.greylisted\"]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"mail.greylisted\"\n",
    ),
    slow(
        6,
        case(
            "postscreen_lets_wait",
            TO_PORT_24,
            &["swaks --server 192.0.2.10 --from a@example.org --to user@example.net"],
            "[truth]\n[[truth.connection]]\noutcome = \"degraded\"\ncode = \"mail.greeting-slow\"\nwhere = \"server\"\n",
        ),
    ),
    case(
        "starttls_is_not_offered_and_the_client_leaves",
        TO_PORT_26,
        &["swaks --server 192.0.2.10 --from a@example.org --to user@example.net --tls"],
        "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\nintent = \"check\"\n",
    ),
    case(
        "starttls_is_not_offered_and_the_client_insists",
        TO_PORT_26,
        &["openssl s_client -brief -starttls smtp -connect 192.0.2.10:25"],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"mail.starttls-missing\"\n",
    ),
    // What nftables does.
    slow(
        5,
        case(
            "nft_drops",
            behind(
                "table inet t { chain in { type filter hook input priority 0; tcp dport 25 drop; }; }",
            ),
            &[
                "swaks --server 192.0.2.10 --port 587 --quit-after EHLO",
                "curl -sS --connect-timeout 5 smtp://192.0.2.10",
            ],
            "[truth]\nroot_causes = [\"tcp.dropped\"]\n[[truth.connection]]\nport = 25\noutcome = \"failed\"\ncode = \"tcp.dropped\"\nwhere = \"network\"\ndeath = \"last-syn\"\n[[truth.connection]]\nport = 587\ncode = \"ok\"\n",
        ),
    ),
    slow(
        5,
        case(
            "nft_drops_over_ipv6",
            behind(
                "table ip6 t { chain in { type filter hook input priority 0; tcp dport 993 drop; }; }",
            ),
            &[
                "swaks --server 2001:db8:5::10 --port 587 --quit-after EHLO",
                "curl -sS -k --connect-timeout 5 imaps://[2001:db8:5::10]",
                "curl -sS -k imaps://192.0.2.10 -u user@example.net:secret",
            ],
            "[truth]\nroot_causes = [\"tcp.dropped\"]\n[[truth.connection]]\nport = 993\nserver = \"2001:db8:5::10\"\noutcome = \"failed\"\ncode = \"tcp.dropped\"\nwhere = \"network\"\ndeath = \"last-syn\"\n[[truth.connection]]\ncode = \"ok\"\ncount = 2\n",
        ),
    ),
    case(
        "nft_rejects_over_ipv6_with_a_reset",
        behind(
            "table ip6 t { chain in { type filter hook input priority 0; tcp dport 143 reject with tcp reset; }; }",
        ),
        &["curl -sS imap://[2001:db8:5::10]"],
        "[truth]\nnever = [\"tcp.reset-by-path\"]\n[[truth.connection]]\nservice = \"imap\"\noutcome = \"failed\"\ncode = \"tcp.refused\"\ndeath = \"rst\"\n",
    ),
    case(
        "submission_over_ipv6_works",
        BOTH,
        &[
            "swaks --server 2001:db8:5::10 --port 587 --from a@example.org --to user@example.net --tls --auth PLAIN --auth-user user@example.net --auth-password secret",
        ],
        HEALTHY,
    ),
    case(
        "a_wrong_password_over_ipv6",
        DOVECOT,
        &["curl -sS imap://[2001:db8:5::10]/ -u user@example.net:wrong"],
        "[truth]\nroot_causes = [\"auth.credentials-rejected\"]\n[[truth.connection]]\nservice = \"imap\"\noutcome = \"failed\"\ncode = \"auth.credentials-rejected\"\nwhere = \"client\"\n",
    ),
    case(
        "expired_over_ipv6",
        dovecot_with(CertificateKind::Expired),
        &[
            "openssl s_client -brief -tls1_3 -connect [2001:db8:5::10]:993 -servername mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-expired\"\n",
    ),
    case(
        "nft_rejects_with_a_reset",
        behind(
            "table inet t { chain in { type filter hook input priority 0; tcp dport 25 reject with tcp reset; }; }",
        ),
        &[
            "swaks --server 192.0.2.10 --port 587 --quit-after EHLO",
            "curl -sS smtp://192.0.2.10",
        ],
        "[truth]\nnever = [\"tcp.reset-by-path\"]\n[[truth.connection]]\nport = 25\noutcome = \"failed\"\ncode = \"tcp.refused\"\ndeath = \"rst\"\n[[truth.connection]]\nport = 587\ncode = \"ok\"\n",
    ),
    case(
        "nft_rejects_as_prohibited",
        behind(
            "table inet t { chain in { type filter hook input priority 0; tcp dport 25 reject with icmpx type admin-prohibited; }; }",
        ),
        &[
            "curl -sS smtp://192.0.2.10",
            "curl -sS smtp://[2001:db8:5::10]",
        ],
        "[truth]\n[[truth.connection]]\nport = 25\noutcome = \"failed\"\ncode = \"tcp.prohibited\"\ndeath = \"icmp\"\ncount = 2\n",
    ),
    case(
        "nft_rejects_plainly",
        behind(
            "table inet t { chain in { type filter hook input priority 0; tcp dport 25 reject; }; }",
        ),
        &[
            "curl -sS smtp://192.0.2.10",
            "curl -sS smtp://[2001:db8:5::10]",
        ],
        "[truth]\n[[truth.connection]]\nport = 25\noutcome = \"failed\"\ncode = \"tcp.prohibited\"\ndeath = \"icmp\"\ncount = 2\n",
    ),
    case(
        "nothing_listens",
        POSTFIX,
        &[
            "curl -sS imap://192.0.2.10",
            "curl -sS imap://[2001:db8:5::10]",
        ],
        "[truth]\nnever = [\"tcp.reset-by-path\"]\n[[truth.connection]]\nservice = \"imap\"\noutcome = \"failed\"\ncode = \"tcp.refused\"\nwhere = \"server\"\ndeath = \"rst\"\ncount = 2\n",
    ),
    // Unbound.
    case(
        "mx_then_mail_works",
        Wanted {
            servers: "unbound postfix",
            ..NOTHING
        },
        &["swaks --from a@example.org --to user@example.net"],
        "[truth]\nroot_causes = []\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\n[[truth.lookup]]\noutcome = \"healthy\"\ncode = \"ok\"\n",
    ),
    case(
        "the_name_does_not_exist",
        UNBOUND,
        &["curl -sS imap://imap.example.net"],
        "[truth]\nroot_causes = [\"dns.nxdomain\"]\n[[truth.lookup]]\nname = \"imap.example.net\"\noutcome = \"failed\"\ncode = \"dns.nxdomain\"\ndeath = \"answer\"\n",
    ),
    slow(
        10,
        case(
            "the_resolver_fails",
            UNBOUND,
            &["curl -sS imap://mail.broken.example"],
            "[truth]\nroot_causes = [\"dns.servfail\"]\n[[truth.lookup]]\nname = \"mail.broken.example\"\noutcome = \"failed\"\ncode = \"dns.servfail\"\n",
        ),
    ),
    case(
        "the_resolver_refuses",
        UNBOUND,
        &["curl -sS imap://mail.refused.example"],
        "[truth]\nroot_causes = [\"dns.refused\"]\n[[truth.lookup]]\nname = \"mail.refused.example\"\noutcome = \"failed\"\ncode = \"dns.refused\"\n",
    ),
    slow(
        12,
        case(
            "nft_drops_dns",
            Wanted {
                rules: "table inet t { chain in { type filter hook input priority 0; udp dport 53 drop; }; }",
                servers: "unbound dovecot",
                ..NOTHING
            },
            &[
                "curl -sS imap://mail.example.net",
                "curl -sS imap://192.0.2.10 -u user@example.net:secret",
            ],
            "[truth]\nroot_causes = [\"dns.timeout\"]\n[[truth.lookup]]\nname = \"mail.example.net\"\noutcome = \"failed\"\ncode = \"dns.timeout\"\ndeath = \"last-query\"\n[[truth.connection]]\noutcome = \"healthy\"\ncode = \"ok\"\n",
        ),
    ),
    // Certificates, with a client that sends clear alerts.
    case(
        "expired_tls12",
        dovecot_with(CertificateKind::Expired),
        &[
            "openssl s_client -brief -tls1_2 -connect 192.0.2.10:993 -servername mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-expired\"\nwhere = \"server\"\n",
    ),
    case(
        "expired_tls13",
        dovecot_with(CertificateKind::Expired),
        &[
            "openssl s_client -brief -tls1_3 -connect 192.0.2.10:993 -servername mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-expired\"\n",
    ),
    case(
        "expired_starttls",
        Wanted {
            certificate: CertificateKind::Expired,
            ..BOTH
        },
        &[
            "curl -sS --tls-max 1.2 --ssl-reqd --cacert @DIR@/roots.pem --resolve mail.example.net:587:192.0.2.10 smtp://mail.example.net:587",
        ],
        "[truth]\n[[truth.connection]]\nservice = \"submission\"\noutcome = \"failed\"\ncode = \"tls.cert-expired\"\nwhere = \"server\"\n",
    ),
    case(
        "self_signed_tls12",
        dovecot_with(CertificateKind::SelfSigned),
        &[
            "openssl s_client -brief -tls1_2 -connect 192.0.2.10:993 -servername mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-self-signed\"\nwhere = \"server\"\n",
    ),
    case(
        "self_signed_tls13",
        dovecot_with(CertificateKind::SelfSigned),
        &[
            "curl -sS --tlsv1.3 --cacert @DIR@/roots.pem --resolve mail.example.net:993:192.0.2.10 imaps://mail.example.net",
        ],
        // The chain is not visible: alert 48 says no more than that the client does not know its issuer.
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-untrusted\"\nor = [\"tls.cert-self-signed\", \"tls.cert-incomplete-chain\", \"tls.cert-rejected\"]\n",
    ),
    case(
        "wrong_name_tls12",
        dovecot_with(CertificateKind::WrongName),
        &[
            "openssl s_client -brief -tls1_2 -connect 192.0.2.10:993 -servername mail.example.net -verify_hostname mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-wrong-name\"\nwhere = \"server\"\n",
    ),
    case(
        "wrong_name_tls13",
        dovecot_with(CertificateKind::WrongName),
        &[
            "openssl s_client -brief -tls1_3 -connect 192.0.2.10:993 -servername mail.example.net -verify_hostname mail.example.net -CAfile @DIR@/roots.pem -verify_return_error",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.cert-rejected\"\nor = [\"tls.cert-wrong-name\"]\n",
    ),
    // The wrong kind of port.
    case(
        "tls_to_a_plaintext_port",
        BOTH,
        &[
            "openssl s_client -brief -connect 192.0.2.10:143",
            "openssl s_client -brief -connect 192.0.2.10:587",
        ],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.on-plaintext-port\"\nwhere = \"client\"\ncount = 2\n",
    ),
    case(
        "plaintext_to_a_tls_port",
        DOVECOT,
        &["curl -sS telnet://192.0.2.10:993 <<< a1\\040CAPABILITY\\r\\n"],
        "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.plaintext-on-tls-port\"\nwhere = \"client\"\n",
    ),
    slow(
        7,
        case(
            "both_wait_at_a_tls_port",
            DOVECOT,
            &["curl -sS --max-time 7 imap://192.0.2.10:993"],
            "[truth]\n[[truth.connection]]\noutcome = \"failed\"\ncode = \"tls.mutual-wait\"\nwhere = \"client\"\n",
        ),
    ),
];
