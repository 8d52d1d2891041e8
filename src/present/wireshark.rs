//! Display filters that show the same packets in Wireshark.
//!
//! They name addresses, ports and frames, never a stream's number: that depends on what else is in the file.

use super::block::Look;

/// Frames named in one filter.
const FRAMES: usize = 24;

fn field(ip: &str) -> &'static str {
    if ip.contains(':') {
        "ipv6.addr"
    } else {
        "ip.addr"
    }
}

/// The packets of a TCP connection, and the frames that are evidence.
pub(super) fn tcp(client: (&str, u16), server: (&str, u16), frames: &[u64]) -> Look {
    let field = field(client.0);
    Look {
        filter: format!(
            "{field}=={} && {field}=={} && tcp.port=={} && tcp.port=={}",
            client.0, server.0, client.1, server.1
        ),
        frames: numbers(frames),
    }
}

/// The packets of a look-up.
pub(super) fn dns(client: &str, resolver: &str, name: &str, frames: &[u64]) -> Look {
    let field = field(client);
    // A name with a quote or a backslash cannot stand in a filter; the addresses find it as well.
    let name = name.trim_end_matches('.');
    let plain = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let question = if plain {
        format!("dns.qry.name==\"{name}\"")
    } else {
        "dns".to_owned()
    };
    Look {
        filter: format!("{field}=={client} && {field}=={resolver} && {question}"),
        frames: numbers(frames),
    }
}

fn numbers(frames: &[u64]) -> Option<String> {
    let mut frames = frames.to_vec();
    frames.sort_unstable();
    frames.dedup();
    if frames.is_empty() {
        return None;
    }
    let list: Vec<String> = frames.iter().take(FRAMES).map(u64::to_string).collect();
    Some(format!("frame.number in {{{}}}", list.join(", ")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_filter_names_both_ends_and_the_frames_once() {
        let look = super::tcp(("10.0.0.5", 51234), ("192.0.2.10", 25), &[5, 1, 5, 3]);
        assert_eq!(
            look.filter,
            "ip.addr==10.0.0.5 && ip.addr==192.0.2.10 && tcp.port==51234 && tcp.port==25"
        );
        assert_eq!(look.frames.as_deref(), Some("frame.number in {1, 3, 5}"));
        let look = super::dns("2001:db8::5", "2001:db8::53", "a\"b", &[]);
        assert_eq!(
            look.filter,
            "ipv6.addr==2001:db8::5 && ipv6.addr==2001:db8::53 && dns"
        );
        assert_eq!(look.frames, None);
    }
}
