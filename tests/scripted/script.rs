//! The scripts: a conversation and what must be said about it, on one screen.
//!
//! ```text
//! == name                     a case begins
//! port 587                    the server's port (before the connection opens)
//! expect failed CODE|CODE [at=WHERE] [class=…] [below=0.9] [above=0.5] [stage=…] [service=…] [frame=LABEL]
//! finding CODE · no-finding CODE · or CODE (an alternative of the verdict) · not CODE (anywhere in this connection)
//! weaker CODE (what may be said with less to see)
//! causes CODE,CODE · causes none · attempts N · only NAME,… (manners) · never NAME,… (manners)
//! open · conn [client=IP:PORT] [server=IP:PORT] · use N
//! C: text · S: text           a line, CRLF added; escapes \r \n \xNN; `C:~` adds no CRLF
//! C:! text                    sent, never acknowledged; `C:? text` sent, not in the capture; `C:?! text` both
//! C tls hello 1.3 + ccs       records
//! C again · C ack · C fin · C fin! · C rst · C rst bare · C rst all (acknowledges all that was said) · C keepalive · C keepalive!
//! C rst soon (half a millisecond after what came last) · neighbour N (what the server sends comes from another MAC address)
//! syn · synack · ack · refuse · icmp TYPE CODE [mtu=N] [from=IP] · window C N
//! wait 5s · wait 200ms · others · rtt 50ms · horizon 60s
//! dns NAME TYPE RCODE ANSWER,ANSWER · dns NAME TYPE silent
//! ```
//! A statement may end in `@label`; `ttl=`, `id=`, `label=`, `win=`, `seq+=N` change a header; `syn join`, `synack join`: a further path (MPTCP);
//! `synack seq+=N` acknowledges N more than was sent.

/// What one connection must be called.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    pub outcome: String,
    pub codes: Vec<String>,
    pub terms: Vec<(String, String)>,
    pub findings: Vec<String>,
    pub no_findings: Vec<String>,
    pub alternatives: Vec<String>,
    pub not: Vec<String>,
    pub weaker: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Case {
    pub name: String,
    pub expects: Vec<Expect>,
    pub causes: Option<Vec<String>>,
    pub attempts: Option<Vec<String>>,
    pub lookups: Vec<String>,
    pub only: Vec<String>,
    pub never: Vec<String>,
    pub steps: Vec<String>,
}

pub fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case {
                name: name.to_owned(),
                ..Case::default()
            });
            continue;
        }
        let case = cases.last_mut().expect("a case begins with ==");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let list = || {
            rest.split([',', ' '])
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        match word {
            "expect" => {
                let mut words = rest.split_whitespace();
                let outcome = words.next().unwrap_or("").to_owned();
                let codes = words
                    .next()
                    .unwrap_or("")
                    .split('|')
                    .map(str::to_owned)
                    .collect();
                let terms = words
                    .filter_map(|word| word.split_once('='))
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect();
                case.expects.push(Expect {
                    outcome,
                    codes,
                    terms,
                    ..Expect::default()
                });
            }
            "finding" | "no-finding" | "or" | "not" | "weaker" => {
                let expect = case.expects.last_mut().expect("after an expect");
                match word {
                    "finding" => expect.findings.push(rest.to_owned()),
                    "no-finding" => expect.no_findings.push(rest.to_owned()),
                    "weaker" => expect.weaker.push(rest.to_owned()),
                    "or" => expect.alternatives.push(rest.to_owned()),
                    _ => expect.not.push(rest.to_owned()),
                }
            }
            "causes" => {
                case.causes = Some(if rest == "none" { Vec::new() } else { list() });
            }
            "attempts" => {
                case.attempts = Some(rest.split(',').map(|a| a.trim().to_owned()).collect());
            }
            "lookup" => case.lookups.push(rest.to_owned()),
            "only" => case.only = list(),
            "never" => case.never = list(),
            _ => case.steps.push(line.to_owned()),
        }
    }
    cases
}

/// What most conversations share.
pub fn usual(step: &str) -> Option<&'static str> {
    Some(match step {
        "greet" => {
            r"open
            S: 220 mx.example.test ESMTP ready
            C: EHLO client.example.test
            S: 250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME"
        }
        "mail" => {
            r"C: MAIL FROM:<a@example.test>
            S: 250 2.1.0 Ok"
        }
        "rcpt" => {
            r"C: RCPT TO:<b@example.test>
            S: 250 2.1.5 Ok"
        }
        "data" => {
            r"C: DATA
            S: 354 go ahead
            C: Subject: x\r\n\r\nhello\r\n."
        }
        "bye" => {
            r"C: QUIT
            S: 221 2.0.0 Bye
            S fin
            C fin"
        }
        "imap" => {
            r"open
            S: * OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN] ready."
        }
        "pop" => {
            r"open
            S: +OK ready."
        }
        "close" => {
            r"C fin
            S fin"
        }
        _ => return None,
    })
}

/// A table of replies: stage, reply, codes; each line is a conversation of its own.
pub fn replies(text: &str) -> Vec<Case> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t').filter(|field| !field.is_empty());
            let mut next = || fields.next().unwrap_or_else(|| panic!("{line}: three fields")).trim();
            let (stage, reply, codes) = (next(), next(), next());
            let (port, before): (u16, &str) = match stage {
                "greeting" => (25, "open"),
                "ehlo" => (25, r"open\nS: 220 mx ready\nC: EHLO client.example.test"),
                "starttls" => (25, r"open\nS: 220 mx ready\nC: EHLO client.example.test\nS: 250-mx\x0d\x0a250 STARTTLS\nC: STARTTLS"),
                "mail" => (25, r"greet\nC: MAIL FROM:<a@example.test>"),
                "rcpt" => (25, r"greet\nmail\nC: RCPT TO:<b@example.test>"),
                "data" => (25, r"greet\nmail\nrcpt\nC: DATA"),
                "dot" => (25, r"greet\nmail\nrcpt\ndata"),
                "auth" => (587, r"greet\nC: AUTH PLAIN AGEAYg=="),
                "auth-login" => (587, r"greet\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YQ==\nS: 334 UGFzc3dvcmQ6\nC: Yg=="),
                "xoauth2" => (587, r"greet\nC: AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ=="),
                "mail587" => (587, r"greet\nC: MAIL FROM:<a@example.test>"),
                "rcpt587" => (587, r"greet\nmail\nC: RCPT TO:<b@example.test>"),
                "imap-greeting" => (143, "open"),
                "imap-login" => (143, r#"imap\nC: a1 LOGIN "a" "b""#),
                "imap-auth" => (143, r"imap\nC: a1 AUTHENTICATE PLAIN\nS: +\nC: AGEAYg=="),
                "imap-oauth" => (143, r"imap\nC: a1 AUTHENTICATE XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ=="),
                "imap-select" => (143, r#"imap\nC: a1 LOGIN "a" "b"\nS: a1 OK logged in\nC: a1 SELECT INBOX"#),
                "imap-append" => (143, r#"imap\nC: a1 LOGIN "a" "b"\nS: a1 OK logged in\nC: a1 APPEND INBOX {5}\nS: + OK\nC: hello"#),
                "pop-greeting" => (110, "open"),
                "pop-pass" => (110, r"pop\nC: USER a\nS: +OK\nC: PASS b"),
                "pop-user" => (110, r"pop\nC: USER a"),
                "sieve-auth" => (4190, r#"open\nS: "IMPLEMENTATION" "Dovecot Pigeonhole"\x0d\x0a"SASL" "PLAIN"\x0d\x0a"SIEVE" "fileinto"\x0d\x0aOK "Dovecot ready."\nC: AUTHENTICATE "PLAIN" "AGEAYg==""#),
                "sieve-put" => (4190, r#"open\nS: "IMPLEMENTATION" "x"\x0d\x0a"SASL" "PLAIN"\x0d\x0aOK "ready."\nC: AUTHENTICATE "PLAIN" "AGEAYg=="\nS: OK "in"\nC: PUTSCRIPT "x" {5+}\x0d\x0akeep;"#),
                other => panic!("{other}: no such stage"),
            };
            let mut steps = vec![format!("port {port}")];
            for step in before.split(r"\n") {
                match usual(step) {
                    Some(more) => steps.extend(more.lines().map(|s| s.trim().to_owned())),
                    None => steps.push(step.to_owned()),
                }
            }
            steps.push(format!("S: {reply} @reply"));
            if reply.starts_with("421") || reply.starts_with("* BYE") || stage.ends_with("greeting") {
                steps.extend(["S fin".to_owned(), "C fin".to_owned()]);
            } else {
                let bye = match port {
                    143 => "C: a9 LOGOUT",
                    4190 => "C: LOGOUT",
                    _ => "C: QUIT",
                };
                steps.extend([bye.to_owned(), "C fin".to_owned(), "S fin".to_owned()]);
            }
            let mut words = codes.split_whitespace();
            let codes = words.next().unwrap_or_default().split('|').map(str::to_owned).collect();
            let mut terms: Vec<(String, String)> = words
                .filter_map(|word| word.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            terms.push(("frame".to_owned(), "reply".to_owned()));
            let expect = Expect { outcome: "failed".to_owned(), codes, terms, ..Expect::default() };
            Case {
                name: format!("{stage}: {reply}"),
                expects: vec![expect],
                steps,
                ..Case::default()
            }
        })
        .collect()
}
