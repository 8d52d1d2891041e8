//! Refused chains: what was sent in another order, beside too much, or not seen whole, and what an alert says of each.

use std::net::Ipv6Addr;

use super::*;
use crate::flow::Vantage;

/// Code, confidence, and what fits as well.
type Heard = (Code, f32, Vec<Code>);

fn heard_at(tls: &TlsFacts, vantage: Vantage) -> Option<Heard> {
    let tcp = TcpFacts { vantage, ..tcp() };
    let (dialogue, context) = (Dialogue::default(), Context::default());
    let decision = decided(
        Service::Imaps,
        TlsMode::Implicit,
        &tcp,
        Some(tls),
        left(4),
        &dialogue,
        &context,
    );
    let claim = decision.cause?;
    let others = claim.alternatives.iter().map(|other| other.code).collect();
    Some((claim.code, claim.confidence, others))
}

fn heard(tls: &TlsFacts) -> Heard {
    heard_at(tls, Vantage::Middle).expect("a cause")
}

fn refused(number: u8, chain: Vec<Certificate>) -> TlsFacts {
    let mut tls = begun(0x0303, chain);
    tls.alerts = vec![alert(Side::Client, number)];
    tls
}

/// A leaf, and above it what `issuers` says: the place of each one's issuer; `None` is a root.
fn sent(issuers: &[Option<usize>]) -> Vec<Certificate> {
    issuers
        .iter()
        .map(|issued_by| Certificate {
            issued_by: *issued_by,
            ..certificate(1, 200, "mail.example.org", issued_by.is_none())
        })
        .collect()
}

#[test]
fn the_issuer_is_looked_for_among_all_that_was_sent() {
    for whole in [
        sent(&[Some(1), Some(2), None]),
        sent(&[Some(2), None, Some(1)]),
        sent(&[Some(2), None, Some(3), None]),
    ] {
        let (code, sure, _) = heard(&refused(48, whole));
        assert_eq!((code, sure), (Code::TlsCertUntrusted, 0.95));
    }
    // The leaf's issuer is not among them.
    let missing = sent(&[Some(9), Some(2), None]);
    let (code, _, others) = heard(&refused(48, missing));
    assert_eq!(code, Code::TlsCertIncompleteChain);
    assert!(others.contains(&Code::TlsCertUntrusted));
    // A ring ends.
    let ring = sent(&[Some(1), Some(2), Some(1)]);
    assert_eq!(heard(&refused(48, ring)).0, Code::TlsCertUntrusted);
}

#[test]
fn a_leaf_alone_may_have_a_root_above_it() {
    let mut alone = sent(&[Some(9)]);
    let (code, sure, others) = heard(&refused(48, alone.clone()));
    assert_eq!((code, sure), (Code::TlsCertIncompleteChain, 0.6));
    assert!(others.contains(&Code::TlsCertUntrusted));
    alone[0].issuer_located = true;
    assert_eq!(heard(&refused(48, alone)).1, 0.83);
}

#[test]
fn of_a_chain_not_seen_whole_nothing_is_missing() {
    let mut tls = refused(48, sent(&[Some(9)]));
    tls.certificates_cut = true;
    let (code, sure, others) = heard(&tls);
    assert_eq!(code, Code::TlsCertUntrusted);
    assert!(sure <= 0.6 && others.contains(&Code::TlsCertIncompleteChain));
    // What vouches for itself needs no more.
    let mut tls = refused(48, sent(&[None]));
    tls.certificates_cut = true;
    assert_eq!(heard(&tls).0, Code::TlsCertSelfSigned);
}

#[test]
fn the_name_of_its_issuer_is_no_signature() {
    let mut chain = sent(&[Some(1), None]);
    chain[0].self_issued = true;
    assert_eq!(heard(&refused(48, chain.clone())).0, Code::TlsCertUntrusted);
    assert_eq!(heard(&refused(46, chain)).0, Code::TlsCertRejected);
    assert_eq!(
        heard(&refused(46, sent(&[None]))).0,
        Code::TlsCertSelfSigned
    );
}

#[test]
fn expired_by_the_client_alone() {
    let rooted = refused(45, sent(&[Some(1), None]));
    assert_eq!(
        (heard(&rooted).0, heard(&rooted).1),
        (Code::TlsClientClock, 0.85)
    );
    // The root, which was not sent, may be what is over; beside the client its clock mostly is the capture's.
    let unrooted = refused(45, sent(&[Some(1), Some(9)]));
    for (tls, vantage) in [
        (&unrooted, Vantage::Middle),
        (&unrooted, Vantage::Client),
        (&rooted, Vantage::Client),
    ] {
        let (code, sure, others) = heard_at(tls, vantage).expect("a cause");
        assert!(code == Code::TlsClientClock && sure <= 0.5);
        assert!(others.contains(&Code::TlsClientRoots));
    }
}

#[test]
fn a_fitting_common_name_is_no_wrong_name() {
    let mut chain = sent(&[Some(1), None]);
    chain[0].names = Vec::new();
    chain[0].common_name = Some(Foreign::from("mail.example.org"));
    for number in [42, 43, 46] {
        let (code, _, _) = heard(&refused(number, chain.clone()));
        assert_eq!(code, Code::TlsCertRejected, "{number}");
    }
    assert!(
        heard(&refused(42, chain.clone()))
            .2
            .contains(&Code::TlsCertWrongName)
    );
    chain[0].common_name = Some(Foreign::from("www.example.org"));
    assert_eq!(heard(&refused(42, chain)).0, Code::TlsCertWrongName);
}

#[test]
fn an_address_of_the_certificate_fits_an_address_that_was_asked_for() {
    let mut chain = sent(&[Some(1), None]);
    chain[0].names = Vec::new();
    chain[0].addresses = vec![[192, 0, 2, 10].into(), Ipv6Addr::LOCALHOST.into()];
    for (asked, fits) in [
        ("192.0.2.10", true),
        ("0:0::1", true),
        ("192.0.2.11", false),
        ("mail.example.org", false),
    ] {
        let mut tls = refused(42, chain.clone());
        tls.client_hello.as_mut().expect("one").sni = Some(Foreign::from(asked));
        let code = match fits {
            true => Code::TlsCertRejected,
            false => Code::TlsCertWrongName,
        };
        assert_eq!(heard(&tls).0, code, "{asked}");
    }
}

#[test]
fn unsupported_is_purpose_and_key() {
    let mut chain = sent(&[Some(1), None]);
    chain[0].names = vec![Foreign::from("www.example.org")];
    assert_eq!(heard(&refused(43, chain.clone())).0, Code::TlsCertRejected);
    assert_eq!(heard(&refused(42, chain.clone())).0, Code::TlsCertWrongName);
    chain[0].for_servers = false;
    assert_eq!(heard(&refused(43, chain.clone())).0, Code::TlsCertRejected);
    chain[0].for_servers = true;
    chain[0].names = vec![Foreign::from("mail.example.org")];
    chain[0].weak = true;
    assert_eq!(heard(&refused(43, chain)).0, Code::TlsCertWeak);
}

#[test]
fn an_old_copy_beside_the_renewed_one_is_no_fault() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let named = rcgen::CertificateParams::new(vec!["middle.test".to_owned()]).expect("a name");
    let der: Box<[u8]> = named.self_signed(&key).expect("one").der().to_vec().into();
    let mut chain = sent(&[Some(1), Some(9), Some(9)]);
    for link in &mut chain[1..] {
        link.der = der.clone();
    }
    chain[2].not_after = Timestamp((EPOCH + 50) * DAY * SECOND);
    assert_eq!(heard(&refused(42, chain.clone())).0, Code::TlsCertRejected);
    assert_eq!(heard(&refused(45, chain.clone())).0, Code::TlsClientClock);
    // Alone it is.
    chain.remove(1);
    assert_eq!(heard(&refused(42, chain.clone())).0, Code::TlsCertExpired);
    assert_eq!(heard(&refused(45, chain)).0, Code::TlsCertExpired);
}

#[test]
fn a_server_without_secure_renegotiation() {
    let mut tls = refused(40, sound());
    assert_eq!(heard(&tls).0, Code::TlsCipher);
    if let Some(hello) = &mut tls.server_hello {
        hello.secure_renegotiation = false;
    }
    assert_eq!(heard(&tls).0, Code::TlsAlert);
    // A short key is the plainer reason, and who sent its own key exchange took the rest.
    let mut short = tls.clone();
    short.dh_bits = Some(1_024);
    assert_eq!(heard(&short).0, Code::TlsCipher);
    tls.change_cipher_spec[Side::Client] = Some(mark(3));
    assert_eq!(heard(&tls).0, Code::TlsCipher);
}

#[test]
fn alerts_of_the_server_behind_its_hello() {
    let mut tls = begun(0x0303, sound());
    tls.alerts = vec![alert(Side::Server, 70)];
    assert_eq!(heard(&tls).0, Code::TlsAlert);
    tls.server_hello = None;
    assert_eq!(heard(&tls).0, Code::TlsVersion);
    let mut tls = begun(0x0303, sound());
    tls.alerts = vec![alert(Side::Server, 50)];
    assert_eq!(heard(&tls).0, Code::TlsAlert);
    tls.empty_client_certificate = Some(mark(3));
    assert_eq!(heard(&tls).0, Code::TlsClientCertRequired);
}
