//! A row in sentences: what the tabs of the screen show, for who hears it. No sign stands alone for a word.

use crate::base::Side;
use crate::present::{self, Clock, Fate, PathTable, Sender, Step, duration, place, title};
use crate::tui::model::{Detail, Key, Row, Subject};

fn number(row: &Row) -> String {
    match row.key {
        Key::Connection(id) => id.to_string(),
        Key::Lookup(id) => format!("d{id}"),
    }
}

/// One sentence.
pub fn short(row: &Row) -> String {
    let verdict = row.verdict();
    let what = match verdict.code {
        "ok" => String::new(),
        code => format!(": {code}, {}", title(code)),
    };
    let place = place(&verdict.at).map_or_else(String::new, |place| format!(", {place}"));
    format!(
        "{} {}, {} from {}{what}{place}",
        number(row),
        row.state(),
        row.target(),
        row.client_ip()
    )
}

/// Everything.
pub fn row(row: &Row, clock: &Clock) -> Vec<String> {
    let block = match &row.subject {
        Subject::Connection(record) => present::connection(record, clock),
        Subject::Lookup(record) => present::lookup(record, clock),
    };
    let mut said = vec![
        short(row),
        block.summary.clone(),
        format!("from {} to {}, {}", block.client, block.server, block.when),
    ];
    if !block.rungs.is_empty() {
        let rungs: Vec<String> = block
            .rungs
            .iter()
            .map(|(stage, mark)| match mark {
                present::Mark::Reached => format!("{stage} reached"),
                present::Mark::Died => format!("died at {stage}"),
                present::Mark::Unseen => format!("{stage} not seen"),
            })
            .collect();
        said.push(rungs.join(", "));
    }
    said.extend(
        block
            .evidence
            .iter()
            .map(|piece| format!("because: {} {} {}", piece.frame, piece.after, piece.text)),
    );
    said.extend(block.advice.iter().map(|advice| format!("do: {advice}")));
    said.push(format!("sure: {}", block.sure));
    said.extend(
        block
            .alternatives
            .iter()
            .map(|other| format!("or: {} {}", other.code, other.text)),
    );
    said.extend(
        block
            .findings
            .iter()
            .map(|finding| format!("also: {} {}", finding.code, finding.text)),
    );
    said.push(format!("Wireshark: {}", block.look.filter));
    said
}

pub fn dialogue(row: &Row) -> Vec<String> {
    let Subject::Connection(record) = &row.subject else {
        return vec!["a look-up has no dialogue".to_owned()];
    };
    let lines = record
        .mail
        .as_ref()
        .map_or(&[][..], |mail| &mail.transcript);
    if lines.is_empty() {
        return vec!["nothing was said in clear".to_owned()];
    }
    lines
        .iter()
        .map(|line| format!("{}: {}", line.from, line.text))
        .collect()
}

fn packet(step: &Step, row: &Row) -> String {
    let who = match step.sender {
        Sender::End(side) => side.name().to_owned(),
        Sender::Path(ip, _) => format!("device {ip}"),
    };
    let again = if step.again { ", again" } else { "" };
    let fate = match step.fate {
        Fate::Unanswered => ", never answered",
        Fate::SentAgain => ", not answered before it was sent again",
        Fate::Stopped => ", refused on the path",
        Fate::Answered | Fate::Unasked => "",
    };
    let after = step.time.since(row.started()) as f64 / 1e9;
    format!(
        "frame {} after {after:.3} s, {who}: {}{again}{fate}",
        step.number, step.label
    )
}

/// Its packets, one sentence each.
pub fn packets(detail: &Detail) -> Vec<String> {
    if detail.steps.is_empty() {
        return vec!["its packets are not kept".to_owned()];
    }
    let mut said: Vec<String> = detail
        .steps
        .iter()
        .map(|step| packet(step, &detail.row))
        .collect();
    if detail.missing {
        said.push("some of its packets are not kept".to_owned());
    }
    said
}

/// TCP in numbers, and what was lost.
pub fn tcp(detail: &Detail) -> Vec<String> {
    let Subject::Connection(record) = &detail.row.subject else {
        return vec!["a look-up over UDP has no TCP".to_owned()];
    };
    let tcp = &record.tcp;
    let side = |name: &str, segments: u64, again: u64, mss: Option<u16>| {
        let mss = mss.map_or("MSS not seen".to_owned(), |mss| format!("MSS {mss}"));
        format!("{name}: {segments} segments, {again} sent again, {mss}")
    };
    let mut said = vec![
        side(
            "client",
            tcp.segments.client,
            tcp.retransmitted.client,
            tcp.mss.client,
        ),
        side(
            "server",
            tcp.segments.server,
            tcp.retransmitted.server,
            tcp.mss.server,
        ),
    ];
    if let Some(rtt) = tcp.rtt_ms {
        let rtt = duration((rtt * 1e6) as i64);
        said.push(format!("handshake round trip {rtt}"));
    }
    for (side, name) in [(Side::Client, "client"), (Side::Server, "server")] {
        let mut windows = detail.steps.iter().filter(|step| {
            step.sender == Sender::End(side)
                && !matches!(step.kind, present::Kind::Reset | present::Kind::Icmp)
        });
        if windows.any(|step| step.window == Some(0)) {
            said.push(format!("{name} announced a window of 0"));
        }
    }
    let lost: Vec<String> = detail
        .steps
        .iter()
        .filter(|step| step.again || matches!(step.fate, Fate::Unanswered | Fate::SentAgain))
        .map(|step| packet(step, &detail.row))
        .collect();
    match (detail.steps.is_empty(), lost.is_empty()) {
        (true, _) => said.push("its packets are not kept".to_owned()),
        (false, true) => said.push("nothing was sent twice, everything was answered".to_owned()),
        (false, false) => said.extend(lost),
    }
    said
}

/// Where the verdict points, what a probe walked, and who sent packets from how far.
pub fn path(detail: &Detail, tables: &[PathTable]) -> Vec<String> {
    let verdict = detail.row.verdict();
    let mut said = Vec::new();
    said.extend(place(&verdict.at).map(|place| format!("{} {place}", verdict.code)));
    for table in tables {
        said.push(format!("a probe walked to {}", table.target));
        for row in &table.rows {
            let cells: Vec<String> = table
                .columns
                .iter()
                .zip(&row.cells)
                .filter_map(|(name, cell)| {
                    let (mark, counts) = cell.split_once(' ')?;
                    let fate = if mark == "✗" { "silent" } else { "answers" };
                    Some(format!("{name} {fate} {counts}"))
                })
                .collect();
            let address = match row.address.as_str() {
                "–" => "unknown",
                address => address,
            };
            said.push(format!("hop {}, {address}: {}", row.hop, cells.join("; ")));
        }
        said.extend(table.notes.iter().cloned());
    }
    said.extend(detail.senders().into_iter().map(|sender| {
        let packets = present::counted(sender.packets, "packet", "packets");
        let hops = present::counted(u64::from(sender.distance), "hop", "hops");
        format!("{}: {hops} away, {packets}, TTL {}", sender.who, sender.ttl)
    }));
    if tables.is_empty() {
        said.push("no probe walked this path: probe measures it".to_owned());
    }
    said
}
