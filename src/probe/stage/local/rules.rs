//! Rules of this host's own firewall that would drop what we send: read as nft prints them, never changed.
//!
//! Only rules that say no more than protocol, ports, addresses and device are understood; what says more is passed over,
//! because it may not be about us. A rule is named beside the measurement that packets never left, not instead of it.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};

use serde_json::Value;

/// A ruleset's text at the most.
const TEXT: usize = 8 << 20;

/// What is looked for: a packet to that server.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The server.
    pub to: SocketAddr,
    /// Our address.
    pub from: IpAddr,
    /// The device that it leaves by.
    pub device: &'a str,
}

/// A ruleset as it was when it was read.
#[derive(Clone, Debug, Default)]
pub struct Rules(Value);

impl Rules {
    /// Reads it, while that is permitted; `None` where it is not, or there is no nft.
    pub fn read() -> Option<Rules> {
        let output = Command::new("nft")
            .args(["-j", "list", "ruleset"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success() && output.stdout.len() <= TEXT)?;
        serde_json::from_slice(&output.stdout).ok().map(Rules)
    }

    /// The rule that keeps packets to a server on this host, in words; `None` where none is seen.
    pub fn blocking(&self, wanted: Wanted<'_>) -> Option<String> {
        of(&self.0, wanted)
    }
}

fn of(rules: &Value, wanted: Wanted<'_>) -> Option<String> {
    let entries = rules["nftables"].as_array()?;
    let chains = entries
        .iter()
        .filter_map(|entry| entry.get("chain"))
        .filter(|chain| matches!(chain["hook"].as_str(), Some("output" | "postrouting")))
        .filter(|chain| fits_family(&chain["family"], wanted.to));
    for chain in chains {
        let of_chain = |rule: &&Value| {
            ["family", "table"]
                .iter()
                .all(|key| rule[*key] == chain[*key])
                && rule["chain"] == chain["name"]
        };
        let place = format!(
            "chain {} of table {} {}",
            chain["name"].as_str().unwrap_or("?"),
            chain["family"].as_str().unwrap_or("?"),
            chain["table"].as_str().unwrap_or("?")
        );
        let mut through = false;
        for rule in entries
            .iter()
            .filter_map(|entry| entry.get("rule"))
            .filter(of_chain)
        {
            match verdict(rule, wanted) {
                Some("accept") => {
                    through = true;
                    break;
                }
                Some(word) => {
                    let handle = rule["handle"].as_u64().unwrap_or(0);
                    return Some(format!("rule {handle} in {place}: {word}"));
                }
                None => {}
            }
        }
        if !through && chain["policy"] == "drop" {
            return Some(format!("the policy of {place}: drop"));
        }
    }
    None
}

fn fits_family(family: &Value, to: SocketAddr) -> bool {
    match family.as_str() {
        Some("inet") => true,
        Some("ip") => to.is_ipv4(),
        Some("ip6") => to.is_ipv6(),
        _ => false,
    }
}

/// What a rule does with the packet; `None` where it is not about it, or says what is not understood here.
fn verdict(rule: &Value, wanted: Wanted<'_>) -> Option<&'static str> {
    for step in rule["expr"].as_array()? {
        let (name, value) = step.as_object()?.iter().next()?;
        match name.as_str() {
            "match" if matches(value, wanted)? => {}
            "match" => return None,
            "counter" | "log" | "comment" => {}
            "drop" => return Some("drop"),
            "reject" => return Some("reject"),
            "accept" => return Some("accept"),
            _ => return None,
        }
    }
    None
}

/// Whether a match holds; `None` where it is not understood.
fn matches(value: &Value, wanted: Wanted<'_>) -> Option<bool> {
    let left = &value["left"];
    let right = &value["right"];
    let holds = if let Some(payload) = left.get("payload") {
        let field = (payload["protocol"].as_str()?, payload["field"].as_str()?);
        match field {
            (protocol, "dport") if protocol == wanted.protocol || protocol == "th" => {
                among(right, &|one| {
                    one.as_u64().map(|port| port == u64::from(wanted.to.port()))
                })?
            }
            ("ip" | "ip6", "daddr") => among(right, &|one| covers(one, wanted.to.ip()))?,
            ("ip" | "ip6", "saddr") => among(right, &|one| covers(one, wanted.from))?,
            ("ip", "protocol") | ("ip6", "nexthdr") => among(right, &|one| {
                one.as_str().map(|name| name == wanted.protocol)
            })?,
            // A port of ours is any of many; another protocol is none.
            ("tcp" | "udp", _) if field.0 != wanted.protocol => false,
            _ => return None,
        }
    } else if let Some(meta) = left.get("meta") {
        match meta["key"].as_str()? {
            "l4proto" => among(right, &|one| {
                one.as_str().map(|name| name == wanted.protocol)
            })?,
            "oifname" | "oif" => {
                among(right, &|one| one.as_str().map(|name| name == wanted.device))?
            }
            "nfproto" => among(right, &|one| {
                one.as_str()
                    .map(|name| name == if wanted.to.is_ipv4() { "ipv4" } else { "ipv6" })
            })?,
            _ => return None,
        }
    } else if let Some(track) = left.get("ct") {
        // A SYN begins a connection, and so does a question.
        match track["key"].as_str()? {
            "state" => among(right, &|one| one.as_str().map(|name| name == "new"))?,
            _ => return None,
        }
    } else {
        return None;
    };
    match value["op"].as_str()? {
        "==" | "in" => Some(holds),
        "!=" => Some(!holds),
        _ => None,
    }
}

/// Whether one of a value, a list, a set or a range holds.
fn among(value: &Value, holds: &dyn Fn(&Value) -> Option<bool>) -> Option<bool> {
    if let Some(list) = value.as_array().or_else(|| value["set"].as_array()) {
        for one in list {
            if among(one, holds)? {
                return Some(true);
            }
        }
        return Some(false);
    }
    if let Some(range) = value["range"].as_array() {
        let [low, high] = range.as_slice() else {
            return None;
        };
        let (low, high) = (low.as_u64()?, high.as_u64()?);
        // Only ports are asked for in ranges here: a few are tried.
        return (low..=high.min(low + 65_535))
            .map(|port| holds(&Value::from(port)))
            .find(|held| *held != Some(false))
            .unwrap_or(Some(false));
    }
    holds(value)
}

/// Whether an address or a prefix covers another address.
fn covers(value: &Value, address: IpAddr) -> Option<bool> {
    if let Some(text) = value.as_str() {
        return Some(text.parse::<IpAddr>().ok()? == address);
    }
    let prefix = value.get("prefix")?;
    let net: IpAddr = prefix["addr"].as_str()?.parse().ok()?;
    let length = u32::try_from(prefix["len"].as_u64()?).ok()?;
    Some(match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let mask = u32::MAX
                .checked_shl(32u32.checked_sub(length)?)
                .unwrap_or(0);
            u32::from(net) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let mask = u128::MAX
                .checked_shl(128u32.checked_sub(length)?)
                .unwrap_or(0);
            u128::from(net) & mask == u128::from(address) & mask
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Wanted, of};

    fn ruleset(policy: &str, rules: &[Value]) -> Value {
        let mut all = vec![
            json!({"chain": {"family": "inet", "table": "filter", "name": "out", "hook": "output", "policy": policy}}),
        ];
        for (at, expr) in rules.iter().enumerate() {
            all.push(json!({"rule": {"family": "inet", "table": "filter", "chain": "out", "handle": at + 4, "expr": expr}}));
        }
        json!({ "nftables": all })
    }

    fn found(rules: &Value) -> Option<String> {
        of(
            rules,
            Wanted {
                protocol: "tcp",
                to: "192.0.2.10:25".parse().unwrap(),
                from: "10.0.0.5".parse().unwrap(),
                device: "eth0",
            },
        )
    }

    fn port(right: &Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}})
    }

    #[test]
    fn a_rule_for_the_port_is_named() {
        let rules = ruleset(
            "accept",
            &[json!([port(&json!(25)), {"counter": null}, {"drop": null}])],
        );
        assert_eq!(
            found(&rules).as_deref(),
            Some("rule 4 in chain out of table inet filter: drop")
        );
        let set = ruleset(
            "accept",
            &[json!([port(&json!({"set": [25, 465]})), {"reject": {"type": "tcp reset"}}])],
        );
        assert!(found(&set).is_some_and(|text| text.ends_with("reject")));
        let range = ruleset(
            "accept",
            &[json!([port(&json!({"range": [20, 30]})), {"drop": null}])],
        );
        assert!(found(&range).is_some());
    }

    #[test]
    fn rules_about_others_are_not() {
        assert_eq!(
            found(&ruleset(
                "accept",
                &[json!([port(&json!(587)), {"drop": null}])]
            )),
            None
        );
        let user =
            json!({"match": {"op": "==", "left": {"meta": {"key": "skuid"}}, "right": 1000}});
        assert_eq!(
            found(&ruleset(
                "accept",
                &[json!([user, port(&json!(25)), {"drop": null}])]
            )),
            None
        );
        let net = json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"prefix": {"addr": "198.51.100.0", "len": 24}}}});
        assert_eq!(
            found(&ruleset("accept", &[json!([net, {"drop": null}])])),
            None
        );
    }

    #[test]
    fn a_rule_for_questions_is_none_for_connections() {
        let asks = json!({"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 53}});
        let rules = ruleset("accept", &[json!([asks, {"drop": null}])]);
        let of_protocol = |protocol, to: &str| {
            let (to, from) = (to.parse().unwrap(), "10.0.0.5".parse().unwrap());
            let device = "eth0";
            of(
                &rules,
                Wanted {
                    protocol,
                    to,
                    from,
                    device,
                },
            )
        };
        let named = of_protocol("udp", "192.0.2.53:53");
        assert!(named.is_some_and(|text| text.ends_with("drop")));
        assert_eq!(of_protocol("tcp", "192.0.2.53:53"), None);
        assert_eq!(of_protocol("udp", "192.0.2.53:853"), None);
    }

    #[test]
    fn a_policy_counts_where_nothing_accepts_before() {
        assert!(found(&ruleset("drop", &[])).is_some_and(|text| text.starts_with("the policy")));
        assert_eq!(
            found(&ruleset(
                "drop",
                &[json!([port(&json!(25)), {"accept": null}])]
            )),
            None
        );
    }
}
