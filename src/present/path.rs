//! Paths that a probe walked, as tables: a line per hop, a column per port, so that where a failing port parts from a working
//! one can be seen.

use std::collections::BTreeSet;

use crate::engine::record::{HopInfo, PathRecord, TlsTaken};

/// The paths to one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathTable {
    /// The address.
    pub target: String,
    /// Heads of the columns: `port 25`, `ping`.
    pub columns: Vec<String>,
    /// Hops, nearest first.
    pub rows: Vec<PathRow>,
    /// Loss and sizes, a sentence for each path that was measured.
    pub notes: Vec<String>,
}

/// One distance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRow {
    /// The distance.
    pub hop: String,
    /// Who answers there; `–` when nobody does.
    pub address: String,
    /// For each column what came back: `✓ 5/5 1.2 ms`, `✗ 0/5`, or nothing.
    pub cells: Vec<String>,
}

/// One table for each address, in the order of the paths.
pub fn path_tables(paths: &[PathRecord]) -> Vec<PathTable> {
    let mut targets: Vec<&str> = Vec::new();
    for path in paths {
        if !targets.contains(&path.target.as_str()) {
            targets.push(&path.target);
        }
    }
    let of = |target: &str| paths.iter().filter(|path| path.target == target).collect();
    targets
        .into_iter()
        .map(|target| table(target, of(target)))
        .filter(|table| !table.rows.is_empty() || !table.notes.is_empty())
        .collect()
}

fn name(path: &PathRecord) -> String {
    path.port
        .map_or_else(|| "ping".to_owned(), |port| format!("port {port}"))
}

fn table(target: &str, paths: Vec<&PathRecord>) -> PathTable {
    let walked: Vec<&&PathRecord> = paths.iter().filter(|path| !path.hops.is_empty()).collect();
    let distances: BTreeSet<u8> = walked
        .iter()
        .flat_map(|path| &path.hops)
        .map(|hop| hop.ttl)
        .collect();
    let rows = distances
        .into_iter()
        .map(|ttl| {
            let at = |path: &PathRecord| path.hops.iter().find(|hop| hop.ttl == ttl).cloned();
            let hops: Vec<Option<HopInfo>> = walked.iter().map(|path| at(path)).collect();
            let heard = hops.iter().flatten().find_map(|hop| hop.address.clone());
            let end = hops
                .iter()
                .flatten()
                .any(|hop| hop.address.is_none() && hop.answered > 0);
            PathRow {
                hop: ttl.to_string(),
                address: heard.unwrap_or_else(|| {
                    if end {
                        target.to_owned()
                    } else {
                        "–".to_owned()
                    }
                }),
                cells: hops.iter().map(cell).collect(),
            }
        })
        .collect();
    PathTable {
        target: target.to_owned(),
        columns: walked.iter().map(|path| name(path)).collect(),
        rows,
        notes: paths
            .iter()
            .flat_map(|path| note(path).into_iter().chain(tls_notes(path)))
            .collect(),
    }
}

fn cell(hop: &Option<HopInfo>) -> String {
    match hop {
        None => String::new(),
        Some(hop) if hop.answered == 0 => format!("✗ 0/{}", hop.sent),
        Some(hop) => {
            let mark = if hop.answered < hop.sent { "~" } else { "✓" };
            let rtt = hop
                .rtt_ms
                .map_or_else(String::new, |rtt| format!(" {rtt:.1} ms"));
            format!("{mark} {}/{}{rtt}", hop.answered, hop.sent)
        }
    }
}

fn note(path: &PathRecord) -> Option<String> {
    let mut said = Vec::new();
    if let Some(loss) = &path.loss {
        said.push(format!(
            "loss {:.1} % of {} (95 %: {:.1} to {:.1} %)",
            loss.rate * 100.0,
            loss.sent,
            loss.low * 100.0,
            loss.high * 100.0
        ));
    }
    if let Some(mtu) = &path.mtu {
        if let Some(bytes) = mtu.forward {
            said.push(format!("packets of {bytes} bytes get there"));
        }
        if let Some(bytes) = mtu.backward {
            said.push(format!("of {bytes} come back"));
        }
        if let Some(hop) = mtu.blackhole_after_hop {
            said.push(format!("larger ones vanish after hop {hop}"));
        }
    }
    (!said.is_empty()).then(|| format!("{}: {}", name(path), said.join(", ")))
}

/// What TLS passes, a line for each thing that was asked.
fn tls_notes(path: &PathRecord) -> Vec<String> {
    let Some(tls) = &path.tls else {
        return Vec::new();
    };
    let name = name(path);
    let mut lines = vec![format!("{name}: takes {}", versions(tls))];
    if !tls.suites.is_empty() {
        lines.push(format!("{name}: suites {}", tls.suites.join(", ")));
    }
    if !tls.groups.is_empty() {
        lines.push(format!("{name}: groups {}", tls.groups.join(", ")));
    }
    if let Some(answer) = &tls.without_name {
        lines.push(format!("{name}: a hello without a server name is {answer}"));
    }
    let (pass, die): (Vec<_>, Vec<_>) = tls.hellos.iter().partition(|hello| hello.passes);
    if !pass.is_empty() {
        let which: Vec<&str> = pass.iter().map(|hello| hello.hello.as_str()).collect();
        lines.push(format!("{name}: hellos that pass: {}", which.join("; ")));
    }
    lines.extend(
        die.iter()
            .map(|hello| format!("{name}: a hello {} got {}", hello.hello, hello.answer)),
    );
    lines.extend(
        tls.left
            .iter()
            .map(|why| format!("{name}: TLS was not asked to the end: {why}")),
    );
    lines
}

fn versions(tls: &TlsTaken) -> String {
    let mut said = match tls.versions.is_empty() {
        true => "no version of TLS".to_owned(),
        false => tls.versions.join(", "),
    };
    let old = |version: &&String| matches!(version.as_str(), "TLS 1.0" | "TLS 1.1");
    if tls.versions.iter().any(|version| old(&version)) {
        said.push_str(" (1.0 and 1.1 are no longer to be used, RFC 8996)");
    }
    for unknown in &tls.unknown_versions {
        said.push_str(&format!("; {unknown}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::path_tables;
    use crate::engine::record::{HopInfo, LossInfo, MtuInfo, PathRecord};

    fn hop(ttl: u8, address: Option<&str>, answered: u32) -> HopInfo {
        HopInfo {
            ttl,
            address: address.map(str::to_owned),
            rtt_ms: (answered > 0).then_some(1.25),
            loss: None,
            sent: 5,
            answered,
        }
    }

    #[test]
    fn where_two_ports_part_can_be_seen() {
        let path = |port, hops| PathRecord {
            target: "192.0.2.10".to_owned(),
            port,
            hops,
            mtu: Some(MtuInfo {
                forward: Some(1_400),
                backward: None,
                blackhole_after_hop: Some(2),
            })
            .filter(|_| port.is_some()),
            loss: Some(LossInfo {
                rate: 0.1,
                low: 0.05,
                high: 0.2,
                sent: 60,
            })
            .filter(|_| port.is_some()),
            tls: None,
        };
        let tables = path_tables(&[
            path(Some(25), vec![hop(1, Some("10.0.0.1"), 5), hop(2, None, 0)]),
            path(None, vec![hop(1, Some("10.0.0.1"), 4), hop(2, None, 5)]),
        ]);
        let [table] = tables.as_slice() else {
            panic!("{tables:?}")
        };
        assert_eq!(table.columns, ["port 25", "ping"]);
        assert_eq!(table.rows[0].cells, ["✓ 5/5 1.2 ms", "~ 4/5 1.2 ms"]);
        assert_eq!(
            (
                table.rows[1].address.as_str(),
                table.rows[1].cells[0].as_str()
            ),
            ("192.0.2.10", "✗ 0/5")
        );
        assert_eq!(
            table.notes,
            [
                "port 25: loss 10.0 % of 60 (95 %: 5.0 to 20.0 %), packets of 1400 bytes get there, larger ones vanish after hop 2"
            ]
        );
    }
}
