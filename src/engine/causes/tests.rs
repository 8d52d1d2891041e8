//! What is one cause, what is several, and which explains which.

use super::*;

fn verdict(code: &'static str, address: Option<&str>) -> VerdictInfo {
    VerdictInfo::plain(code, "network", address)
}

#[test]
fn words_are_kept_until_a_cause_has_them() {
    let mut causes = Causes::default();
    let client = IpAddr::from([10, 0, 0, 5]);
    let worded = |causes: &Causes, verdict: &VerdictInfo, server: &str| {
        !causes.blame(verdict, client, server).summary().is_empty()
    };
    let known = verdict("tcp.refused", Some("192.0.2.1"));
    assert!(worded(&causes, &known, "198.51.100.1:25"));
    lose(&mut causes, &known, "198.51.100.1:25", true, 1);
    assert!(
        !worded(&causes, &known, "198.51.100.2:25"),
        "the same device"
    );
    assert!(worded(&causes, &known, "198.51.100.2:587"), "another port");
    let silence = verdict("tcp.dropped", None);
    lose(&mut causes, &silence, "198.51.100.1:25", true, 2);
    assert!(worded(&causes, &silence, "198.51.100.1:25"));
}

fn lose(causes: &mut Causes, verdict: &VerdictInfo, server: &str, failed: bool, id: u64) {
    causes.add(&Loss {
        attempt: Some(id),
        verdict: &Blame::from(verdict),
        failed,
        client: Some(IpAddr::from([10, 0, 0, 5])),
        server,
        connections: &[id],
        lookups: &[],
    });
}

#[test]
fn what_stands_for_itself_counts_as_an_attempt_only_as_long_as_none_met_it() {
    let setting = verdict("settings.wrong-port", None);
    let mut causes = Causes::default();
    causes.add_finding(&setting);
    assert_eq!(causes.list()[0].attempts, 1);
    lose(&mut causes, &setting, "192.0.2.1:25", true, 4);
    assert_eq!(causes.list()[0].attempts, 1);
    lose(&mut causes, &setting, "192.0.2.1:25", true, 5);
    causes.add_finding(&setting);
    assert_eq!(causes.list()[0].attempts, 2);
}

#[test]
fn one_firewall_before_many_servers_is_one_cause() {
    let mut causes = Causes::default();
    let rejects = verdict("tcp.prohibited", Some("203.0.113.2"));
    for id in 0..40 {
        lose(&mut causes, &rejects, &format!("192.0.2.{id}:25"), true, id);
    }
    let list = causes.list();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].connections, (0..40).collect::<Vec<_>>());
}

#[test]
fn a_split_path_explains_the_silence_of_its_server_alone() {
    let drops = verdict("tcp.dropped", None);
    let mut causes = Causes::default();
    let server = SocketAddr::from(([192, 0, 2, 1], 25));
    causes.explain(
        Who::Anybody,
        server,
        &verdict("path.split", Some("203.0.113.3")),
    );
    lose(&mut causes, &drops, "192.0.2.1:25", true, 4);
    lose(&mut causes, &drops, "192.0.2.11:25", true, 5);
    causes.settle_silences();
    let list = causes.list();
    let told: Vec<_> = list
        .iter()
        .map(|cause| (cause.code, &*cause.connections))
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.contains(&("path.split", &[4])), "{told:?}");
    assert!(told.contains(&("tcp.dropped", &[5])), "{told:?}");
}

#[test]
fn what_one_client_met_explains_no_other_silence() {
    let drops = verdict("tcp.dropped", None);
    let mut causes = Causes::default();
    lose(&mut causes, &drops, "192.0.2.1:25", true, 4);
    let server = SocketAddr::from(([192, 0, 2, 1], 25));
    let (met, other) = ([10, 0, 0, 5], [10, 0, 0, 6]);
    let split = verdict("path.split", None);
    causes.explain(Who::Client(other.into(), vec![]), server, &split);
    causes.settle_silences();
    assert_eq!(causes.list().len(), 2);
    causes.explain(Who::Client(met.into(), vec![]), server, &split);
    causes.settle_silences();
    let list = causes.list();
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0].code, list[0].attempts), ("path.split", 1));
    assert_eq!(list[0].connections, [4]);
}

#[test]
fn a_limit_explains_the_resets_of_its_connections_alone() {
    let server = SocketAddr::from(([192, 0, 2, 1], 25));
    let limit = verdict("tcp.rate-limited", None);
    let listed = |numbers: Vec<u64>| {
        let mut causes = Causes::default();
        let refused = verdict("tcp.refused", Some("192.0.2.1"));
        lose(&mut causes, &refused, "192.0.2.1:25", true, 4);
        lose(&mut causes, &refused, "192.0.2.1:25", true, 5);
        let met = Who::Client([10, 0, 0, 5].into(), numbers);
        causes.explain(met, server, &limit);
        causes.settle_silences();
        causes
            .list()
            .iter()
            .map(|cause| cause.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(vec![4, 5]), ["tcp.rate-limited"]);
    assert_eq!(
        listed(vec![4]).len(),
        2,
        "another client was refused as well"
    );
}

#[test]
fn silence_of_three_servers_is_one_cause_unless_a_fourth_answers() {
    let drops = verdict("tcp.dropped", None);
    let silent = |causes: &mut Causes| {
        for id in 0..3 {
            lose(causes, &drops, &format!("192.0.2.{id}:25"), true, id);
        }
    };
    let mut causes = Causes::default();
    silent(&mut causes);
    assert_eq!(causes.list().len(), 1);
    causes.worked(IpAddr::from([10, 0, 0, 6]), 25);
    causes.worked(IpAddr::from([10, 0, 0, 5]), 587);
    assert_eq!(causes.list().len(), 1, "another client, another port");
    causes.worked(IpAddr::from([10, 0, 0, 5]), 25);
    assert_eq!(causes.list().len(), 3);
}

#[test]
fn what_failed_stands_before_what_was_only_slow() {
    let mut causes = Causes::default();
    for id in 0..3 {
        lose(
            &mut causes,
            &verdict("dns.slow", None),
            "192.0.2.53",
            false,
            id,
        );
    }
    lose(
        &mut causes,
        &verdict("tcp.dropped", None),
        "192.0.2.1:25",
        true,
        3,
    );
    let codes: Vec<_> = causes.list().iter().map(|cause| cause.code).collect();
    assert_eq!(codes, ["tcp.dropped", "dns.slow"]);
}
