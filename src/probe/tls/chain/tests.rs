//! Chains made for it: what is said of each, and in which order.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};

const NOW: Timestamp = Timestamp(1_790_000_000_000_000_000);

struct Authority {
    root: Vec<u8>,
    middle: CertifiedIssuer<'static, KeyPair>,
}

fn params(name: &str, from_days: i64, to_days: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.distinguished_name.push(DnType::CommonName, name);
    let at = |days: i64| {
        let seconds = NOW.0 / 1_000_000_000 + days * 86_400;
        rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs(u64::try_from(seconds).expect("after 1970"))
    };
    params.not_before = at(from_days);
    params.not_after = at(to_days);
    params
}

fn authority(name: &str) -> Authority {
    let ca = |common: &str| {
        let mut params = params(common, -400, 4_000);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let key = || KeyPair::generate().expect("a key");
    let root =
        CertifiedIssuer::self_signed(ca(&format!("{name}-root.test")), key()).expect("a root");
    let middle = CertifiedIssuer::signed_by(ca(&format!("{name}-middle.test")), key(), &root)
        .expect("an intermediate");
    Authority {
        root: root.der().to_vec(),
        middle,
    }
}

fn leaf(by: &Authority, params: &CertificateParams) -> Vec<u8> {
    let key = KeyPair::generate().expect("a key");
    let signed = params.signed_by(&key, &by.middle).expect("a leaf");
    signed.der().to_vec()
}

fn codes(judged: &Judged) -> Vec<Code> {
    judged.faults.iter().map(|fault| fault.code).collect()
}

fn mail() -> Identity {
    Identity::Name("mail.example.test".into())
}

#[test]
fn a_good_chain_has_no_fault() {
    let by = authority("good");
    let sent = vec![
        leaf(&by, &params("mail.example.test", -10, 80)),
        by.middle.der().to_vec(),
    ];
    let judged = judge(&sent, std::slice::from_ref(&by.root), &mail(), NOW);
    assert!(judged.validates(), "{:?}", judged.faults);
    // In another order, and with the root beside it, it is as good.
    let mixed = vec![sent[0].clone(), by.root.clone(), sent[1].clone()];
    assert!(judge(&mixed, &[by.root], &mail(), NOW).validates());
}

#[test]
fn dates_outrank_the_rest_and_the_rest_is_still_said() {
    let by = authority("dates");
    let sent = vec![
        leaf(&by, &params("other.example.test", -100, -10)),
        by.middle.der().to_vec(),
    ];
    let judged = judge(&sent, std::slice::from_ref(&by.root), &mail(), NOW);
    assert_eq!(
        codes(&judged),
        [Code::TlsCertExpired, Code::TlsCertWrongName]
    );
    let early = vec![
        leaf(&by, &params("mail.example.test", 10, 100)),
        by.middle.der().to_vec(),
    ];
    let judged = judge(&early, &[by.root], &mail(), NOW);
    assert_eq!(codes(&judged), [Code::TlsCertNotYetValid]);
}

#[test]
fn three_ways_to_be_unknown() {
    let (known, stranger) = (authority("known"), authority("stranger"));
    let good = params("mail.example.test", -10, 80);
    let alone = vec![leaf(&known, &good)];
    let judged = judge(&alone, std::slice::from_ref(&known.root), &mail(), NOW);
    assert_eq!(codes(&judged), [Code::TlsCertIncompleteChain]);
    let strange = vec![leaf(&stranger, &good), stranger.middle.der().to_vec()];
    let judged = judge(&strange, std::slice::from_ref(&known.root), &mail(), NOW);
    assert_eq!(codes(&judged), [Code::TlsCertUntrusted]);
    let key = KeyPair::generate().expect("a key");
    let own = good.self_signed(&key).expect("a leaf").der().to_vec();
    let judged = judge(std::slice::from_ref(&own), &[known.root], &mail(), NOW);
    assert_eq!(codes(&judged), [Code::TlsCertSelfSigned]);
    // One that the user trusts by itself is fine.
    assert!(
        judge(
            std::slice::from_ref(&own),
            std::slice::from_ref(&own),
            &mail(),
            NOW
        )
        .validates()
    );
}

#[test]
fn an_authority_as_a_server_is_neither_good_nor_bad() {
    let by = authority("known");
    let mut params = params("mail.example.test", -10, 80);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let sent = vec![leaf(&by, &params), by.middle.der().to_vec()];
    let judged = judge(&sent, std::slice::from_ref(&by.root), &mail(), NOW);
    assert!(judged.faults.is_empty() && judged.unsure.is_some());
    // Its other faults are still said.
    params.not_after = params.not_before;
    let sent = vec![leaf(&by, &params), by.middle.der().to_vec()];
    let judged = judge(&sent, &[by.root], &mail(), NOW);
    assert_eq!(codes(&judged), [Code::TlsCertExpired]);
}

#[test]
fn the_signature_of_a_small_key_is_weak_and_not_wrong() {
    let by = authority("small");
    let good = leaf(&by, &params("mail.example.test", -10, 80));
    let mut chain = read(&[good, by.middle.der().to_vec()]);
    let roots = std::slice::from_ref(&by.root);
    let refused = Err(ChainFault::BadSignature);
    let (wrong, _) = trust(&chain, roots, NOW, &refused);
    assert_eq!(wrong.map(|fault| fault.code), Some(Code::TlsCertUntrusted));
    chain[1] = Certificate {
        key: "RSA",
        key_bits: 1_024,
        weak: true,
        ..chain[1].clone()
    };
    assert!(matches!(
        trust(&chain, roots, NOW, &refused),
        (None, Some(_))
    ));
    assert_eq!(
        strength(&chain).map(|fault| fault.code),
        Some(Code::TlsCertWeak)
    );
    // Weak for its digest alone, its key signs as well as any.
    chain[1].key_bits = 4_096;
    assert!(matches!(
        trust(&chain, roots, NOW, &refused),
        (Some(_), None)
    ));
}

#[test]
fn an_address_is_a_name_only_where_the_certificate_says_so() {
    let by = authority("address");
    let address: IpAddr = "192.0.2.10".parse().expect("an address");
    let mut params = params("mail.example.test", -10, 80);
    let plain = vec![leaf(&by, &params), by.middle.der().to_vec()];
    let who = Identity::Address(address);
    let judged = judge(&plain, std::slice::from_ref(&by.root), &who, NOW);
    assert_eq!(codes(&judged), [Code::TlsCertWrongName]);
    params.subject_alt_names.push(SanType::IpAddress(address));
    let with = vec![leaf(&by, &params), by.middle.der().to_vec()];
    assert!(judge(&with, &[by.root], &who, NOW).validates());
}

#[test]
fn nothing_that_can_be_read_is_no_statement() {
    let judged = judge(&[vec![1, 2, 3]], &[], &mail(), NOW);
    assert!(judged.faults.is_empty() && judged.unsure.is_some() && !judged.validates());
}
