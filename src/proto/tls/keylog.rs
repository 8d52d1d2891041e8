//! Key log text (SSLKEYLOGFILE, RFC 9850): the secrets of TLS sessions, by client random.
//!
//! It exists so that who has the keys may look inside. One log is shared by all decoders of an
//! engine and may grow while they run: a capture file brings its secrets block by block. It keeps
//! secrets in memory only, prints none (no `Debug`), and refuses what is not a whole line.

use std::sync::{Arc, RwLock};

use arrayvec::ArrayVec;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Sessions kept; later ones are refused and counted.
const SESSIONS: usize = 262_144;
/// The longest secret: the master secret, or an output of SHA-384.
const LONGEST: usize = 48;

/// The random of a ClientHello (RFC 8446 4.1.2), by which a log names a session.
pub(super) type Random = [u8; 32];
/// A secret of a session.
pub(super) type Bytes = ArrayVec<u8, LONGEST>;

/// What is known of one session.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// `CLIENT_RANDOM`: the master secret up to TLS 1.2.
    pub(super) master: Option<Bytes>,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`, `SERVER_…` (TLS 1.3).
    pub(super) client_handshake: Option<Bytes>,
    pub(super) server_handshake: Option<Bytes>,
    /// `CLIENT_TRAFFIC_SECRET_0`, `SERVER_…` (TLS 1.3).
    pub(super) client_traffic: Option<Bytes>,
    pub(super) server_traffic: Option<Bytes>,
}

#[derive(Clone, Default)]
struct Sessions {
    known: HashMap<Random, Secrets, foldhash::fast::RandomState>,
    refused: u64,
}

/// A key log; clones share it.
#[derive(Clone, Default)]
pub struct KeyLog(Arc<RwLock<Sessions>>);

impl KeyLog {
    /// Adds the lines of a text. Comments, unknown labels and broken lines are passed over; a line
    /// that names a session again replaces what was known. Returns how many secrets were taken.
    pub fn add(&self, text: &[u8]) -> usize {
        let Ok(mut sessions) = self.0.write() else {
            return 0;
        };
        let mut taken = 0usize;
        for line in text.split(|&byte| byte == b'\n') {
            if sessions.line(line).is_some() {
                taken = taken.saturating_add(1);
            }
        }
        taken
    }

    /// A log of its own that knows the same.
    pub fn copy(&self) -> KeyLog {
        let known = self.0.read().map(|sessions| sessions.clone());
        KeyLog(Arc::new(RwLock::new(known.unwrap_or_default())))
    }

    /// Sessions of which at least one secret is known.
    pub fn sessions(&self) -> usize {
        self.0.read().map_or(0, |sessions| sessions.known.len())
    }

    /// Secrets refused because the bound on sessions was hit.
    pub fn refused(&self) -> u64 {
        self.0.read().map_or(0, |sessions| sessions.refused)
    }

    pub(super) fn secrets(&self, random: &Random) -> Option<Secrets> {
        self.0.read().ok()?.known.get(random).cloned()
    }
}

impl Sessions {
    /// `LABEL random secret`, in hexadecimal, apart by a space.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line
            .trim_ascii()
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
        let place: fn(&mut Secrets) -> &mut Option<Bytes> = match label {
            b"CLIENT_RANDOM" => |secrets| &mut secrets.master,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => |secrets| &mut secrets.client_handshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => |secrets| &mut secrets.server_handshake,
            b"CLIENT_TRAFFIC_SECRET_0" => |secrets| &mut secrets.client_traffic,
            b"SERVER_TRAFFIC_SECRET_0" => |secrets| &mut secrets.server_traffic,
            _ => return None,
        };
        let random: ArrayVec<u8, 32> = hexadecimal(random)?;
        let random = random.into_inner().ok()?;
        let secret: Bytes = hexadecimal(secret)?;
        if !matches!(secret.len(), 32 | 48) {
            return None;
        }
        let full = self.known.len() >= SESSIONS;
        match self.known.entry(random) {
            Entry::Occupied(mut known) => *place(known.get_mut()) = Some(secret),
            Entry::Vacant(_) if full => {
                self.refused = self.refused.saturating_add(1);
                return None;
            }
            Entry::Vacant(fresh) => *place(fresh.insert(Secrets::default())) = Some(secret),
        }
        Some(())
    }
}

fn hexadecimal<const N: usize>(text: &[u8]) -> Option<ArrayVec<u8, N>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = ArrayVec::new();
    for &[high, low] in pairs {
        let byte = digit(high)? << 4 | digit(low)?;
        bytes.try_push(u8::try_from(byte).ok()?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::KeyLog;

    #[test]
    fn only_whole_lines_are_taken() {
        let log = KeyLog::default();
        let (random, secret) = ("ab".repeat(32), "CD".repeat(48));
        let text = format!(
            "# a comment\r\nCLIENT_RANDOM {random} {secret}\r\nCLIENT_RANDOM {random} abc\n\
             EXPORTER_SECRET {random} {secret}\nSERVER_TRAFFIC_SECRET_0 {random}\n\
             CLIENT_RANDOM {} {secret}\nSERVER_TRAFFIC_SECRET_0 {random} {}",
            "ab".repeat(33),
            "01".repeat(32),
        );
        assert_eq!(log.add(text.as_bytes()), 2);
        let known = log.secrets(&[0xAB; 32]).expect("the session is known");
        assert_eq!(known.master.as_deref(), Some(&[0xCD; 48][..]));
        assert_eq!(known.server_traffic.as_deref(), Some(&[1; 32][..]));
        assert!(known.client_traffic.is_none());
        assert!(log.secrets(&[0; 32]).is_none());
        assert_eq!(log.sessions(), 1);
    }
}
