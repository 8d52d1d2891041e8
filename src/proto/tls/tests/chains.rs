//! Chains as servers send them: in any order, with more than is needed, and with a piece that was not captured.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use super::super::certificate::{chain, is_cut};
use super::super::{Certificate, same_authority};
use super::{client_hello, extension, mark, message, play, record, server_hello};
use crate::base::Side;
use crate::proto::tls::Decoder;

fn named(common: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![common.to_owned()]).expect("a name");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    params
}

fn authority(common: &str) -> CertificateParams {
    let mut params = named(common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Leaf, intermediate and root.
struct Sent {
    leaf: Vec<u8>,
    middle: Vec<u8>,
    /// The intermediate once more: the same name and key, another certificate.
    renewed: Vec<u8>,
    root: Vec<u8>,
}

fn sent() -> Sent {
    let key = || KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(authority("root.test"), key()).expect("a root");
    let middle_key = key();
    let again = KeyPair::from_pem(&middle_key.serialize_pem()).expect("the same key");
    let renewed = authority("middle.test")
        .signed_by(&again, &root)
        .expect("an intermediate");
    let middle = CertifiedIssuer::signed_by(authority("middle.test"), middle_key, &root)
        .expect("an intermediate");
    let leaf = named("mail.test")
        .signed_by(&key(), &middle)
        .expect("a leaf");
    Sent {
        leaf: leaf.der().to_vec(),
        middle: middle.der().to_vec(),
        renewed: renewed.der().to_vec(),
        root: root.der().to_vec(),
    }
}

fn u24(length: usize) -> [u8; 3] {
    [(length >> 16) as u8, (length >> 8) as u8, length as u8]
}

fn body(certificates: &[&Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = certificates
        .iter()
        .flat_map(|der| [&u24(der.len())[..], der.as_slice()].concat())
        .collect();
    [&u24(list.len())[..], &list].concat()
}

fn issuers(chain: &[Certificate]) -> Vec<Option<usize>> {
    chain.iter().map(|one| one.issued_by).collect()
}

#[test]
fn an_issuer_is_found_wherever_it_was_sent() {
    let (sent, other) = (sent(), sent());
    let read = |list: &[&Vec<u8>]| issuers(&chain(&body(list)));
    assert_eq!(
        read(&[&sent.leaf, &sent.middle, &sent.root]),
        [Some(1), Some(2), None]
    );
    assert_eq!(
        read(&[&sent.leaf, &sent.root, &sent.middle]),
        [Some(2), None, Some(1)]
    );
    // An authority of the same name with another key has not signed it.
    assert_eq!(
        read(&[&sent.leaf, &other.root, &sent.middle, &sent.root]),
        [Some(2), None, Some(3), None]
    );
    assert_eq!(read(&[&sent.leaf, &other.middle]), [None, None]);
    assert_eq!(read(&[&sent.leaf]), [None]);
}

#[test]
fn a_renewed_copy_is_of_the_same_authority() {
    let (sent, other) = (sent(), sent());
    let chain = chain(&body(&[&sent.middle, &sent.renewed, &other.middle]));
    let [one, renewed, stranger] = chain.as_slice() else {
        panic!("three certificates");
    };
    assert!(same_authority(one, renewed));
    assert!(!same_authority(one, stranger));
}

#[test]
fn a_name_that_is_its_issuer_s_signs_nothing() {
    let key = || KeyPair::generate().expect("a key");
    let root = CertifiedIssuer::self_signed(authority("mail.test"), key()).expect("a root");
    let leaf = named("mail.test").signed_by(&key(), &root).expect("a leaf");
    let chain = chain(&body(&[&leaf.der().to_vec(), &root.der().to_vec()]));
    let leaf = chain.first().expect("a leaf");
    assert!(leaf.self_issued && !leaf.self_signed);
    assert_eq!(leaf.issued_by, Some(1));
}

#[test]
fn a_chain_that_was_not_sent_whole_is_known() {
    let sent = sent();
    let whole = body(&[&sent.leaf, &sent.middle]);
    assert!(!is_cut(&whole, 2));
    // Cut in the second certificate, and between the two.
    let at = 3 + 3 + sent.leaf.len();
    for end in [at, at + 50, whole.len() - 1] {
        let part = whole.get(..end).expect("there");
        assert_eq!(chain(part).len(), 1);
        assert!(is_cut(part, 1), "{end}");
    }
    // DER that nobody can read.
    let odd = body(&[&sent.leaf, &vec![1, 2, 3]]);
    assert!(is_cut(&odd, chain(&odd).len()));
}

#[test]
fn a_hole_in_the_message_cuts_the_chain() {
    let sent = sent();
    let turns = [
        (Side::Client, client_hello()),
        (Side::Server, server_hello(false)),
    ];
    let certificates = record(
        22,
        &message(11, &body(&[&sent.leaf, &sent.middle, &sent.root])),
    );
    let mut whole = turns.to_vec();
    whole.push((Side::Server, certificates.clone()));
    let facts = play(&whole, 10_000);
    assert_eq!(
        (facts.certificates.len(), facts.certificates_cut),
        (3, false)
    );
    let mut decoder = Decoder::new();
    for (number, (side, bytes)) in turns.iter().enumerate() {
        decoder.data(*side, mark(number as u64 + 1), bytes);
    }
    let hole = sent.leaf.len() + 100..sent.leaf.len() + 300;
    decoder.data(
        Side::Server,
        mark(3),
        certificates.get(..hole.start).expect("there"),
    );
    decoder.gap(Side::Server, mark(4), hole.len() as u64);
    decoder.data(
        Side::Server,
        mark(4),
        certificates.get(hole.end..).expect("there"),
    );
    let facts = decoder.facts();
    assert_eq!(
        (facts.certificates.len(), facts.certificates_cut),
        (1, true)
    );
}

#[test]
fn purpose_is_read() {
    let key = KeyPair::generate().expect("a key");
    let mut params = named("mail.test");
    let made = |params: &CertificateParams| {
        let der = params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .to_vec();
        crate::proto::tls::certificate(&der).expect("readable")
    };
    assert!(made(&params).for_servers);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert!(!made(&params).for_servers);
    params
        .extended_key_usages
        .push(ExtendedKeyUsagePurpose::ServerAuth);
    assert!(made(&params).for_servers && !made(&params).issuer_located);
}

#[test]
fn secure_renegotiation_by_extension_or_suite() {
    let hello = |suites: &[u8], extensions: &[Vec<u8>]| {
        let body = super::hello_body(suites, extensions);
        let facts = play(&[(Side::Client, record(22, &message(1, &body)))], 10_000);
        facts.client_hello.expect("a hello").secure_renegotiation
    };
    assert!(hello(&[0xC0, 0x2F, 0x00, 0xFF], &[]));
    assert!(hello(&[0xC0, 0x2F], &[extension(0xFF01, &[0])]));
    assert!(!hello(&[0xC0, 0x2F], &[]));
    let facts = play(&[(Side::Server, server_hello(false))], 10_000);
    assert!(!facts.server_hello.expect("a hello").secure_renegotiation);
}
