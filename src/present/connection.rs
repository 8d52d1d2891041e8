//! A connection in words.

use super::block::{
    Block, Exchange, alternatives, evidence, findings, frames, headline, span, sureness,
};
use super::clock::Clock;
use super::endpoint::endpoint;
use super::ladder::rungs;
use super::wireshark;
use crate::engine::record::ConnectionRecord;

/// Says what there is to say of a connection.
pub fn connection(record: &ConnectionRecord, clock: &Clock) -> Block {
    let server = endpoint(&record.server.ip, record.server.port);
    let target = match record.server.name.known() {
        Some(name) => format!("{name}:{}", record.server.port),
        None => server.clone(),
    };
    Block {
        id: format!("connection {}", record.id),
        outcome: record.outcome,
        code: record.verdict.code,
        class: record.verdict.class,
        target,
        title: headline(&record.verdict),
        client: endpoint(&record.client.ip, record.client.port),
        server,
        when: span(clock, record.started.0, record.ended.0),
        notes: notes(record),
        rungs: rungs(record),
        summary: record.verdict.summary.clone(),
        evidence: evidence(&record.verdict, record.started.0),
        findings: findings(&record.findings),
        sure: sureness(&record.verdict),
        alternatives: alternatives(&record.verdict),
        advice: record.verdict.advice.clone(),
        look: wireshark::tcp(
            (&record.client.ip, record.client.port),
            (&record.server.ip, record.server.port),
            &frames(&record.verdict, record.source),
        ),
        transcript: transcript(record),
    }
}

fn notes(record: &ConnectionRecord) -> Vec<String> {
    let mut notes = vec![match record.tls_mode {
        "starttls" => format!("{} with STARTTLS", record.service),
        "implicit" => format!("{} in TLS", record.service),
        _ => record.service.to_owned(),
    }];
    if record.intent == Some("check") {
        notes.push("a check".to_owned());
    }
    if record.role == "control" {
        notes.push("a control".to_owned());
    }
    if let Some(rtt) = record.tcp.rtt_ms {
        notes.push(format!("RTT {rtt} ms"));
    }
    if let Some(tls) = &record.tls {
        notes.extend(tls.version.clone());
        if let Some(leaf) = tls.certificates.first() {
            notes.push(format!("certificate {}", leaf.subject));
        }
    }
    if let Some(mail) = &record.mail {
        notes.extend(mail.software.as_ref().map(ToString::to_string));
        if let Some(user) = mail.user.as_ref().filter(|user| !user.is_empty()) {
            notes.push(format!("user {user}"));
        }
    }
    notes
}

fn transcript(record: &ConnectionRecord) -> Vec<Exchange> {
    let Some(mail) = &record.mail else {
        return Vec::new();
    };
    mail.transcript
        .iter()
        .map(|line| Exchange {
            frame: format!("#{}", line.frame),
            from: line.from,
            text: line.text.to_string(),
        })
        .collect()
}
