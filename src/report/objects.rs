//! Which member of a record stands where in its JSON.
//!
//! The same as what `serde` derives for it, which a test holds over every record of every capture; see `pieces` for why it stands here once
//! more.

use super::buffer::Buffer;
use super::pieces::{Json, Members, key, member, objects};
use crate::engine::record::{
    AlternativeInfo, AtInfo, AttemptRecord, CertificateInfo, CodeOnly, ConnectionRecord,
    EndpointInfo, EvidenceInfo, FindingRecord, HelloInfo, HopInfo, Line, LookupRecord, LossInfo,
    MailInfo, MtuInfo, Pair, PathRecord, PerSideCount, PerSideMss, Record, RootCause, SourceRecord,
    Summary, TcpInfo, TlsInfo, TlsTaken, VerdictInfo,
};

objects! {
    ConnectionRecord {
        id, attempt, source, role, client, server, service, tls_mode, intent, started, ended, stage, reached, outcome, verdict, findings, tcp,
        tls, mail, compare;
        without stream
    }
    TcpInfo { rtt_ms, segments, retransmitted, mss }
    PerSideCount { client, server }
    PerSideMss { client, server }
    TlsInfo { version, cipher, sni, alpn, ja4, certificates }
    CertificateInfo { subject, issuer, not_before, not_after }
    MailInfo { software, capabilities, user, transcript }
    Line { frame, from, text; without time }
    VerdictInfo {
        code, class, confidence, is_final: "final", at, frame, time, summary, evidence, advice, alternatives
    }
    AtInfo { place: "where", address, hop, after_hop }
    EvidenceInfo { source, frame, text; without time }
    AlternativeInfo { code, confidence, told_apart_by }
    CodeOnly { code }
    LookupRecord {
        id, attempt, client, resolver, transport, name, kind: "type", rcode, answers, tries, rtt_ms, outcome, verdict, findings, source, frames;
        without started
    }
    AttemptRecord { id, client, service, target, outcome, verdict, connections, lookups }
    RootCause { code, class, at, connections, lookups, text, advice; without attempts }
    Summary { attempts, connections, healthy, degraded, failed, incomplete, other, checks, by_code, root_causes }
    PathRecord { target, port, hops, mtu, loss, tls }
    TlsTaken { versions, unknown_versions, suites, groups, without_name, hellos, left }
    HelloInfo { hello, answer, passes }
    HopInfo { ttl, address, rtt_ms, loss, sent, answered }
    MtuInfo { forward, backward, blackhole_after_hop }
    LossInfo { rate, low, high, sent }
}

impl Json for Record {
    fn json(&self, out: &mut Buffer) {
        let of = |out: &mut Buffer, kind: &'static str, record: &dyn Members| {
            out.piece(b"{\"record\":");
            kind.json(out);
            out.push(b',');
            record.members(out);
            out.push(b'}');
        };
        match self {
            Record::Source(record) => of(out, "source", record),
            Record::Lookup(record) => of(out, "lookup", record),
            Record::Connection(record) => of(out, "connection", &**record),
            Record::Attempt(record) => of(out, "attempt", record),
            Record::Finding(record) => of(out, "finding", record),
            Record::Path(record) => of(out, "path", record),
            Record::Summary(record) => of(out, "summary", record),
        }
    }
}

impl Json for EndpointInfo {
    fn json(&self, out: &mut Buffer) {
        let EndpointInfo { ip, port, name } = self;
        member!(out, "{\"ip\":", ip);
        member!(out, ",\"port\":", port);
        if let Pair::Name(name) = name {
            member!(out, ",\"name\":", name);
        }
        out.push(b'}');
    }
}

impl Members for SourceRecord {
    fn members(&self, out: &mut Buffer) {
        let SourceRecord {
            id,
            kind,
            name,
            format,
            packets,
            bytes,
            first,
            last,
            dropped,
            damage,
            notes,
        } = self;
        member!(out, "\"id\":", id);
        member!(out, ",\"kind\":", kind);
        member!(out, ",\"name\":", name);
        member!(out, ",\"format\":", format);
        member!(out, ",\"packets\":", packets);
        member!(out, ",\"bytes\":", bytes);
        member!(out, ",\"first\":", first);
        member!(out, ",\"last\":", last);
        member!(out, ",\"dropped\":", dropped);
        member!(out, ",\"damage\":", damage);
        if !notes.is_empty() {
            member!(out, ",\"notes\":", notes);
        }
    }
}

impl Members for FindingRecord {
    fn members(&self, out: &mut Buffer) {
        let FindingRecord { source, verdict } = self;
        member!(out, "\"source\":", source);
        out.push(b',');
        verdict.members(out);
    }
}

impl Json for SourceRecord {
    fn json(&self, out: &mut Buffer) {
        out.push(b'{');
        self.members(out);
        out.push(b'}');
    }
}

impl Json for FindingRecord {
    fn json(&self, out: &mut Buffer) {
        out.push(b'{');
        self.members(out);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_the_library_writes_them() {
        let hop = HopInfo {
            ttl: 3,
            address: None,
            rtt_ms: Some(0.125),
            loss: Some(0.0),
            sent: 20,
            answered: 19,
        };
        let mtu = MtuInfo {
            forward: Some(1_500),
            backward: None,
            blackhole_after_hop: Some(2),
        };
        let loss = LossInfo {
            rate: 1.0 / 3.0,
            low: 0.1,
            high: 0.5,
            sent: 60,
        };
        let hello = HelloInfo {
            hello: "one record".to_owned(),
            answer: "\"nothing\"".to_owned(),
            passes: false,
        };
        let tls = TlsTaken {
            versions: vec!["TLS 1.2".to_owned(), "TLS 1.3".to_owned()],
            hellos: vec![hello],
            left: Some(String::new()),
            ..TlsTaken::default()
        };
        let path = PathRecord {
            target: "192.0.2.1".to_owned(),
            port: Some(25),
            hops: vec![hop.clone(), hop],
            mtu: Some(mtu),
            loss: Some(loss),
            tls: Some(tls),
        };
        for record in [PathRecord::default(), path].map(Record::Path) {
            let mut out = Buffer::default();
            record.json(&mut out);
            let derived = serde_json::to_vec(&record).unwrap();
            assert_eq!(
                String::from_utf8_lossy(&out),
                String::from_utf8_lossy(&derived)
            );
        }
    }
}
