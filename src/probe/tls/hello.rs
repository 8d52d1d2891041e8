//! ClientHellos of our own making, for what rustls will not say.
//!
//! They exist to be sent on control connections and never finished: to learn which version, name, size or split is refused or
//! swallowed (field B7, C8). Everything of a hello is chosen by [`Shape`], the random is handed in. It refuses to
//! hold keys: the key shares are well-formed points of nobody (or random lattices), good for a ServerHello and no further.

/// What a hello looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The highest version offered.
    pub highest: Highest,
    /// The lowest; only a hello of TLS 1.3 can say it (RFC 8446 4.2.1), below that the server may choose any.
    pub lowest: Highest,
    /// The server's name (RFC 6066 3); `None` leaves the extension out.
    pub name: Option<String>,
    /// Offers X25519MLKEM768 with its share (1,216 bytes).
    pub post_quantum: bool,
    /// Padded with zeros (RFC 7685) until the handshake message has this many bytes.
    pub padded_to: Option<usize>,
    /// The suites; empty: the usual ones of the versions.
    pub suites: Vec<u16>,
    /// The groups; empty: those of every current client.
    pub groups: Vec<u16>,
    /// Sends key shares; without them a server of TLS 1.3 asks for one by a HelloRetryRequest, which names its group.
    pub shares: bool,
}

/// The highest version of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Highest {
    /// TLS 1.0 (RFC 2246).
    Tls10,
    /// TLS 1.1 (RFC 4346).
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl Highest {
    /// All, the oldest first.
    pub const ALL: [Highest; 4] = [
        Highest::Tls10,
        Highest::Tls11,
        Highest::Tls12,
        Highest::Tls13,
    ];

    /// The version on the wire.
    pub fn number(self) -> u16 {
        match self {
            Highest::Tls10 => 0x0301,
            Highest::Tls11 => 0x0302,
            Highest::Tls12 => 0x0303,
            Highest::Tls13 => 0x0304,
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Highest::Tls10 => "TLS 1.0",
            Highest::Tls11 => "TLS 1.1",
            Highest::Tls12 => "TLS 1.2",
            Highest::Tls13 => "TLS 1.3",
        }
    }
}

impl Shape {
    /// A small hello of that version with that name.
    pub fn small(highest: Highest, name: Option<&str>) -> Shape {
        Shape {
            highest,
            lowest: match highest {
                Highest::Tls13 => Highest::Tls12,
                _ => Highest::Tls10,
            },
            name: name.map(str::to_owned),
            post_quantum: false,
            padded_to: None,
            suites: Vec::new(),
            groups: Vec::new(),
            shares: true,
        }
    }

    /// Of that version alone.
    pub fn only(version: Highest, name: Option<&str>) -> Shape {
        Shape {
            lowest: version,
            ..Shape::small(version, name)
        }
    }

    /// All that any client has offered in twenty years: who takes nothing of this speaks no TLS that anybody can.
    pub fn wide(name: Option<&str>) -> Shape {
        Shape {
            lowest: Highest::Tls10,
            groups: ALL_GROUPS.to_vec(),
            ..Shape::small(Highest::Tls13, name)
        }
    }
}

/// Suites of TLS 1.3.
pub const SUITES_13: &[u16] = &[0x1301, 0x1302, 0x1303];
/// Suites up to TLS 1.2: (EC)DHE and RSA with AES-GCM, ChaCha20, AES-CBC, 3DES; what servers of twenty years know.
pub const SUITES_12: &[u16] = &[
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0x009E, 0x009F, 0xCCAA, 0xC023, 0xC027, 0xC024,
    0xC028, 0xC009, 0xC013, 0xC00A, 0xC014, 0x0067, 0x006B, 0x0033, 0x0039, 0x009C, 0x009D, 0x003C,
    0x003D, 0x002F, 0x0035, 0x000A, 0x0005,
];
/// Suites of ours that no client of today lacks (RFC 9325 4.2): ECDHE with AES-GCM or ChaCha20, and those of TLS 1.3.
pub fn is_current_suite(suite: u16) -> bool {
    matches!(
        suite,
        0x1301..=0x1303 | 0xC02B | 0xC02C | 0xC02F | 0xC030 | 0xCCA8 | 0xCCA9
    )
}
/// Signature algorithms (RFC 8446 4.2.3), the old ones with SHA-1 behind.
const SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203,
    0x0201,
];
/// X25519MLKEM768.
pub const HYBRID: u16 = 0x11EC;
/// x25519, secp256r1, secp384r1.
pub const GROUPS: &[u16] = &[0x001D, 0x0017, 0x0018];
/// These, secp521r1, x448, and ffdhe2048, ffdhe3072, ffdhe4096 (RFC 7919).
pub const ALL_GROUPS: &[u16] = &[
    0x001D, 0x0017, 0x0018, 0x0019, 0x001E, 0x0100, 0x0101, 0x0102,
];
/// Length of an ML-KEM-768 encapsulation key (FIPS 203 table 3).
const LATTICE: usize = 1_184;

/// Collects bytes with lengths in front.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn u16(&mut self, value: u16) {
        self.0.extend(value.to_be_bytes());
    }

    fn list(&mut self, values: &[u16]) {
        self.vec16(|out| values.iter().for_each(|value| out.u16(*value)));
    }

    /// A vector with two bytes of length.
    fn vec16(&mut self, fill: impl FnOnce(&mut Out)) {
        let mut inner = Out::default();
        fill(&mut inner);
        self.u16(u16::try_from(inner.0.len()).unwrap_or(u16::MAX));
        self.0.extend(inner.0);
    }

    fn extension(&mut self, kind: u16, fill: impl FnOnce(&mut Out)) {
        self.u16(kind);
        self.vec16(fill);
    }
}

/// The whole record or records: what goes out in one write. `random` fills the client random, the session id and the key
/// shares; it is stretched where more is needed.
pub fn craft(shape: &Shape, random: &[u8; 32]) -> Vec<u8> {
    records(
        &message(shape, random),
        shape.highest,
        usize::from(u16::MAX >> 2),
    )
}

/// The same handshake message in records of at most `limit` bytes (RFC 8446 5.1 allows the split).
pub fn craft_in_records(shape: &Shape, random: &[u8; 32], limit: usize) -> Vec<u8> {
    records(&message(shape, random), shape.highest, limit.max(1))
}

fn records(message: &[u8], highest: Highest, limit: usize) -> Vec<u8> {
    let mut out = Out::default();
    // RFC 8446 5.1: the record version of an initial ClientHello is 0x0301 for compatibility.
    let version = highest.number().min(0x0301);
    for piece in message.chunks(limit) {
        out.0.push(22);
        out.u16(version);
        out.u16(u16::try_from(piece.len()).unwrap_or(u16::MAX));
        out.0.extend_from_slice(piece);
    }
    out.0
}

fn message(shape: &Shape, random: &[u8; 32]) -> Vec<u8> {
    let mut body = body(shape, random, None);
    if let Some(target) = shape.padded_to {
        // Four bytes of the message's header and four of the extension's.
        let bare = body.len().saturating_add(8);
        if bare < target {
            body = self::body(shape, random, Some(target.saturating_sub(bare)));
        }
    }
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut message = vec![1];
    message.extend(length.iter().skip(1));
    message.extend(body);
    message
}

fn body(shape: &Shape, random: &[u8; 32], padding: Option<usize>) -> Vec<u8> {
    let tls13 = shape.highest == Highest::Tls13;
    let mut out = Out::default();
    out.u16(shape.highest.number().min(0x0303));
    out.0.extend(random);
    // RFC 8446 D.4: a session id of 32 bytes looks like TLS 1.2 to devices on the way.
    match tls13 {
        true => {
            out.0.push(32);
            out.0.extend(random.iter().rev());
        }
        false => out.0.push(0),
    }
    let mut suites = shape.suites.clone();
    if suites.is_empty() {
        if tls13 {
            suites.extend(SUITES_13);
        }
        if shape.lowest < Highest::Tls13 {
            suites.extend(SUITES_12);
        }
    }
    out.list(&suites);
    out.0.extend([1, 0]);
    out.vec16(|out| extensions(out, shape, random, padding));
    out.0
}

fn extensions(out: &mut Out, shape: &Shape, random: &[u8; 32], padding: Option<usize>) {
    let tls13 = shape.highest == Highest::Tls13;
    if let Some(name) = &shape.name {
        out.extension(0, |out| {
            out.vec16(|out| {
                out.0.push(0);
                out.vec16(|out| out.0.extend(name.bytes()));
            });
        });
    }
    // extended_master_secret (RFC 7627), renegotiation_info (RFC 5746), ec_point_formats (RFC 8422).
    out.extension(23, |_| {});
    out.extension(0xFF01, |out| out.0.push(0));
    let mut groups = match shape.groups.is_empty() {
        true => GROUPS.to_vec(),
        false => shape.groups.clone(),
    };
    if shape.post_quantum && !groups.contains(&HYBRID) {
        groups.insert(0, HYBRID);
    }
    out.extension(10, |out| out.list(&groups));
    out.extension(11, |out| out.0.extend([1, 0]));
    if shape.highest >= Highest::Tls12 {
        out.extension(13, |out| out.list(SCHEMES));
    }
    if tls13 {
        let versions: Vec<u16> = Highest::ALL
            .into_iter()
            .rev()
            .filter(|version| *version >= shape.lowest)
            .map(Highest::number)
            .collect();
        out.extension(43, |out| {
            out.0
                .push(u8::try_from(versions.len().saturating_mul(2)).unwrap_or(u8::MAX));
            versions.iter().for_each(|version| out.u16(*version));
        });
        out.extension(45, |out| out.0.extend([1, 1]));
        out.extension(51, |out| {
            out.vec16(|out| {
                if !shape.shares {
                    return;
                }
                // Any 32 bytes are an X25519 point (RFC 7748 5).
                if shape.post_quantum {
                    out.u16(HYBRID);
                    out.vec16(|out| {
                        out.0.extend(lattice(random));
                        out.0.extend(random);
                    });
                }
                out.u16(0x001D);
                out.vec16(|out| out.0.extend(random));
            });
        });
    }
    if let Some(length) = padding {
        out.extension(21, |out| out.0.resize(length, 0));
    }
}

/// An encapsulation key of nobody: 768 coefficients of 12 bits below 3,329 (FIPS 203 7.2 demands it of a key) and a seed.
fn lattice(random: &[u8; 32]) -> Vec<u8> {
    let mut state = random
        .iter()
        .fold(0x9E37_79B9_7F4A_7C15_u64, |state, byte| {
            (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
        });
    let mut next = || {
        // SplitMix64: noise, no secret.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u16::try_from((z >> 20) % 3_329).unwrap_or(0)
    };
    let mut key = Vec::with_capacity(LATTICE);
    while key.len() < LATTICE.saturating_sub(32) {
        let [low_a, high_a] = next().to_le_bytes();
        let [low_b, high_b] = next().to_le_bytes();
        key.extend([
            low_a,
            (high_a & 0x0F) | (low_b << 4),
            (low_b >> 4) | (high_b << 4),
        ]);
    }
    key.extend(random);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameRef, Mark, Side, SourceId, Timestamp};
    use crate::proto::tls::{Decoder, looks_like_client_hello, looks_like_record};

    const RANDOM: [u8; 32] = [0x5A; 32];

    fn read(bytes: &[u8]) -> crate::proto::tls::ClientHello {
        let mark = Mark {
            frame: FrameRef::new(SourceId(0), 1),
            time: Timestamp(0),
        };
        let mut decoder = Decoder::new();
        decoder.data(Side::Client, mark, bytes);
        decoder.facts().client_hello.clone().expect("a hello")
    }

    #[test]
    fn our_own_decoder_reads_what_we_meant() {
        let mut shape = Shape::small(Highest::Tls13, Some("mail.example.test"));
        shape.post_quantum = true;
        let bytes = craft(&shape, &RANDOM);
        assert!(looks_like_record(&bytes) && looks_like_client_hello(&bytes));
        let hello = read(&bytes);
        assert_eq!(
            hello.sni.as_ref().map(|n| n.as_str()),
            Some("mail.example.test")
        );
        assert_eq!(hello.max_version.0, 0x0304);
        assert_eq!(hello.min_version.map(|v| v.0), Some(0x0303));
        assert_eq!(hello.key_shares, [0x11EC, 0x001D]);
        assert!(
            hello.post_quantum && hello.length > 1_400,
            "{}",
            hello.length
        );
    }

    #[test]
    fn versions_and_names_are_as_asked() {
        for (highest, number) in [
            (Highest::Tls10, 0x0301),
            (Highest::Tls11, 0x0302),
            (Highest::Tls12, 0x0303),
        ] {
            let hello = read(&craft(&Shape::small(highest, None), &RANDOM));
            assert_eq!(hello.max_version.0, number);
            assert!(hello.sni.is_none() && hello.key_shares.is_empty());
            assert!(hello.length < 300);
        }
        let only = Shape::only(Highest::Tls13, None);
        assert_eq!(
            read(&craft(&only, &RANDOM)).min_version.map(|v| v.0),
            Some(0x0304)
        );
    }

    #[test]
    fn padding_reaches_its_size_and_records_split() {
        let mut shape = Shape::small(Highest::Tls13, Some("mail.example.test"));
        shape.padded_to = Some(1_600);
        assert_eq!(read(&craft(&shape, &RANDOM)).length, 1_600);
        let split = craft_in_records(&shape, &RANDOM, 700);
        assert_eq!(split.len(), 1_600 + 3 * 5);
        assert_eq!(read(&split).length, 1_600);
    }

    #[test]
    fn a_lattice_of_nobody_is_a_valid_key() {
        let key = lattice(&RANDOM);
        assert_eq!(key.len(), LATTICE);
        let key =
            ml_kem::ml_kem_768::EncapsulationKey::new(key.as_slice().try_into().expect("its size"));
        assert!(key.is_ok());
    }
}
