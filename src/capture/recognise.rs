//! Tells by its first bytes what an input is: a capture, something compressed, or what else.
//!
//! It exists so that a wrong file gets its name said at once. It never looks at a file's extension
//! and never at more than [`HEAD`] bytes.
//!
//! Source of the magic numbers: the pcap and pcapng drafts, RFC 1952, RFC 8878, the LZ4 frame format, and
//! the formats that `editcap -F` and Wireshark's wiretap name.

use super::open_error::OpenErrorKind;

/// How many first bytes are looked at to tell text from binary.
pub(super) const HEAD: usize = 4096;

/// How a capture is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
    /// The LZ4 frame format, one frame or several.
    Lz4,
}

impl Compression {
    /// `"gzip"`, `"zstd"` or `"lz4"`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }
}

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recognised {
    Pcap,
    Pcapng,
    Compressed(Compression),
    /// Not read here; why, in words.
    Other(OpenErrorKind, String),
}

/// Magic numbers of pcap as they stand in the file, either byte order.
pub(super) const PCAP_MICROSECONDS: u32 = 0xA1B2_C3D4;
pub(super) const PCAP_NANOSECONDS: u32 = 0xA1B2_3C4D;
/// Alexey Kuznetzov's format of old Red Hat and SUSE systems.
pub(super) const PCAP_MODIFIED: u32 = 0xA1B2_CD34;
pub(super) const PCAP_MAGICS: [u32; 3] = [PCAP_MICROSECONDS, PCAP_NANOSECONDS, PCAP_MODIFIED];

/// Whether four first bytes are enough to know; a pipe gives them before it gives more.
pub(super) fn by_magic(head: &[u8]) -> Option<Recognised> {
    let first: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
    if PCAP_MAGICS.contains(&little) || PCAP_MAGICS.contains(&big) {
        return Some(Recognised::Pcap);
    }
    match little {
        0x0A0D_0D0A => Some(Recognised::Pcapng),
        0xFD2F_B528 | 0x184D_2A50..=0x184D_2A5F => Some(Recognised::Compressed(Compression::Zstd)),
        0x184D_2204 | 0x184C_2102 => Some(Recognised::Compressed(Compression::Lz4)),
        _ if first.starts_with(&[0x1F, 0x8B, 8]) => Some(Recognised::Compressed(Compression::Gzip)),
        _ => None,
    }
}

/// What an input is whose first bytes these are (all of it, when it is shorter than [`HEAD`]).
pub(super) fn recognise(head: &[u8]) -> Recognised {
    if let Some(known) = by_magic(head) {
        return known;
    }
    if head.is_empty() {
        return Recognised::Other(
            OpenErrorKind::Empty,
            "is empty: nothing was captured into it".into(),
        );
    }
    if let Some((what, advice)) = other_format(head) {
        return Recognised::Other(
            OpenErrorKind::OtherFormat,
            format!("is {what}, which mxray does not read: {advice}"),
        );
    }
    if let Some(what) = text(head) {
        return Recognised::Other(OpenErrorKind::Text, what);
    }
    if head.len() < 4 {
        let what = format!(
            "is cut off in its header: {} bytes are no capture",
            head.len()
        );
        return Recognised::Other(OpenErrorKind::HeaderCut, what);
    }
    let mut hex = String::new();
    for byte in head.iter().take(4) {
        hex.push_str(&format!(" {byte:02x}"));
    }
    let what =
        format!("is no capture that mxray knows (it begins with{hex}): give it pcap or pcapng");
    Recognised::Other(OpenErrorKind::Unknown, what)
}

const CONVERT: &str = "convert it with `editcap -F pcapng IN OUT`";
const UNPACK: &str = "unpack it first";

/// First bytes of formats that are known by name and not read here, with what helps.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"snoop\0\0\0", "a snoop capture (RFC 1761)", CONVERT),
    (b"RTSS", "a Microsoft Network Monitor 1 capture", CONVERT),
    (b"GMBU", "a Microsoft Network Monitor 2 capture", CONVERT),
    (b"TRSNIFF data", "a Sniffer (DOS) capture", CONVERT),
    (b"XCP\0", "a NetXray or Sniffer (Windows) capture", CONVERT),
    (b"VL\0\0", "an old NetXray capture", CONVERT),
    (
        b"btsnoop\0",
        "a Bluetooth btsnoop capture",
        "it holds no network traffic",
    ),
    (b"iptrace 1.0", "an AIX iptrace capture", CONVERT),
    (b"iptrace 2.0", "an AIX iptrace capture", CONVERT),
    (b"TR\0d", "an HP-UX nettl trace", CONVERT),
    (b"\x05VNF", "a Visual Networks capture", CONVERT),
    (
        b"\x00\x00\x02\x00\x12\x05\x00\x10",
        "a Tektronix K12 capture",
        CONVERT,
    ),
    (b"\xAA\xAA\xAA\xAA", "a 5View capture", CONVERT),
    (
        b"ObserverPktBufferVersion=",
        "a Network Instruments Observer capture",
        CONVERT,
    ),
    (b"EyeSDN", "an EyeSDN trace", CONVERT),
    (b"\x7Fver", "an OmniPeek capture", CONVERT),
    (b"\xAC\x01\x00\x1C", "an IXIA lcap capture", CONVERT),
    (b"\xAB\x01\x00\x1C", "an IXIA lcap capture", CONVERT),
    (b"\x1C\x00\x01\xAC", "an IXIA lcap capture", CONVERT),
    (b"\x1C\x00\x01\xAB", "an IXIA lcap capture", CONVERT),
    (b"\xA1\xB2\x34\xCD", "a Navtel capture", CONVERT),
    (b"\xCD\x34\xB2\xA1", "a Navtel capture", CONVERT),
    (
        b"\xFD7zXZ\0",
        "compressed with xz",
        "unpack it first with `xz -d`",
    ),
    (
        b"BZh",
        "compressed with bzip2",
        "unpack it first with `bzip2 -d`",
    ),
    (
        b"\x1F\x9D",
        "compressed with compress",
        "unpack it first with `gzip -d`",
    ),
    (b"PK\x03\x04", "a ZIP archive", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "a 7-Zip archive", UNPACK),
    (b"Rar!\x1A\x07", "a RAR archive", UNPACK),
];

fn other_format(head: &[u8]) -> Option<(&'static str, &'static str)> {
    for (magic, what, advice) in OTHERS {
        if head.starts_with(magic) {
            return Some((what, advice));
        }
    }
    if head.get(257..262) == Some(b"ustar".as_slice()) {
        return Some(("a tar archive", UNPACK));
    }
    // ERF has no magic number: 8 bytes time stamp (little endian, seconds above), a type and flags, the record's
    // length, a loss counter, the length on the wire. Two records in a row that agree are taken for one.
    let erf = |at: usize| -> Option<usize> {
        let record = head.get(at..at.checked_add(16)?)?;
        let seconds = u32::from_le_bytes(record.get(4..8)?.try_into().ok()?);
        let kind = record.get(8)? & 0x7F;
        let len = u16::from_be_bytes(record.get(10..12)?.try_into().ok()?);
        let wire = u16::from_be_bytes(record.get(14..16)?.try_into().ok()?);
        let plausible = (1..=27).contains(&kind)
            && seconds > 600_000_000
            && (18..=9234).contains(&len)
            && (1..=9216).contains(&wire);
        plausible.then(|| at.saturating_add(usize::from(len)))
    };
    erf(0)
        .and_then(erf)
        .map(|_| ("an Endace ERF capture", CONVERT))
}

/// What kind of text it is, when it is text.
fn text(head: &[u8]) -> Option<String> {
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Some("is UTF-16 text, not a capture: record packets with `tcpdump -w FILE`".into());
    }
    // A multi-byte character may be cut at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => {
            std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x0C' | '\x1B'))
    {
        return None;
    }
    let listing = text.contains(": Flags [") || text.contains(" IP ") || text.contains(" IP6 ");
    Some(if text.contains("0x0000:") {
        "is text, not a capture: it looks like a listing of `tcpdump -X`; record with `tcpdump -w FILE`, or turn its \
         hex dump into packets with `text2pcap`"
            .into()
    } else if listing {
        "is text, not a capture: it looks like tcpdump's listing; record with `tcpdump -w FILE`"
            .into()
    } else if text.trim_start().starts_with('<') {
        "is text (HTML or XML), not a capture: was a web page saved instead of the file?".into()
    } else {
        "is text, not a capture: record packets with `tcpdump -w FILE`".into()
    })
}

#[cfg(test)]
mod tests {
    use super::{Compression, Recognised, recognise};
    use crate::capture::OpenErrorKind;

    fn other(head: &[u8]) -> (OpenErrorKind, String) {
        match recognise(head) {
            Recognised::Other(kind, text) => (kind, text),
            known => panic!("{known:?}"),
        }
    }

    #[test]
    fn what_is_read_is_known_by_four_bytes() {
        assert_eq!(recognise(&[0xD4, 0xC3, 0xB2, 0xA1]), Recognised::Pcap);
        assert_eq!(recognise(&[0xA1, 0xB2, 0x3C, 0x4D]), Recognised::Pcap);
        assert_eq!(recognise(b"\x0A\x0D\x0D\x0A"), Recognised::Pcapng);
        assert_eq!(
            recognise(b"\x1F\x8B\x08\x00"),
            Recognised::Compressed(Compression::Gzip)
        );
    }

    #[test]
    fn wrong_files_get_their_name() {
        assert_eq!(other(b"").0, OpenErrorKind::Empty);
        assert!(
            other(b"snoop\0\0\0\0\0\0\x02")
                .1
                .contains("editcap -F pcapng IN OUT")
        );
        assert!(
            other(b"12:00 IP 10.0.0.1.25 > 10.0.0.2.1: Flags [S]\n\t0x0000:  4500")
                .1
                .contains("tcpdump -X")
        );
        assert_eq!(other("Grüße\n".as_bytes()).0, OpenErrorKind::Text);
        assert_eq!(other(&"ü".as_bytes()[..1]).0, OpenErrorKind::HeaderCut);
        assert!(other(b"\x00\x13\x37\xFF\x00\x00").1.contains("00 13 37 ff"));
    }
}
