//! Of several look-ups that failed, the one that the others follow from.

use super::*;

#[test]
fn an_address_is_missing_only_where_the_mx_is_known() {
    let address = ("example.net", RecordType::A);
    let none = || asked(0, 53, 8_000, "dns.no-address", address);
    // Judged later, since nobody answered it.
    let mx = |host, name| asked(1, host, 0, "dns.type-dropped", (name, RecordType::MX));
    let (seen, causes) = judged_with(vec![none(), mx(53, "example.net")], Vec::new());
    assert_eq!((seen[0].0, seen[0].1), ("failed", "dns.type-dropped"));
    assert_eq!(causes, ["dns.type-dropped"]);
    // The near misses: the resolver that denies the address was not asked; another name's MX.
    for other in [mx(54, "example.net"), mx(53, "example.org")] {
        let (_, causes) = judged_with(vec![none(), other], Vec::new());
        assert_eq!(causes, ["dns.no-address"]);
    }
}
