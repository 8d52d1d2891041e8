//! TCP options that do not survive a device.

use serde::Deserialize;

use super::super::packet::{Packet, flag};
use super::{Fate, Fault, Here};

/// TCP options by name (IANA, TCP Option Kind Numbers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpOption {
    /// Kind 2.
    Mss,
    /// Kind 3.
    WindowScale,
    /// Kind 4.
    Sack,
    /// Kind 8.
    Timestamps,
    /// Kind 30.
    Mptcp,
    /// Kind 34.
    FastOpen,
}

impl TcpOption {
    fn kind(self) -> u8 {
        match self {
            TcpOption::Mss => 2,
            TcpOption::WindowScale => 3,
            TcpOption::Sack => 4,
            TcpOption::Timestamps => 8,
            TcpOption::Mptcp => 30,
            TcpOption::FastOpen => 34,
        }
    }
}

/// Calls `each` with the kind and the bytes of every option; what is malformed ends the walk.
pub fn walk(options: &mut [u8], mut each: impl FnMut(u8, &mut [u8])) {
    let mut at = 0;
    while let Some(kind) = options.get(at).copied() {
        let length = match kind {
            0 => return,
            1 => 1,
            _ => options.get(at + 1).copied().map_or(0, usize::from),
        };
        let Some(option) = options.get_mut(at..at + length).filter(|o| !o.is_empty()) else {
            return;
        };
        each(kind, option);
        at += length;
    }
}

fn is_opening(packet: &Packet) -> bool {
    packet.segment().is_some_and(|s| s.flags & flag::SYN != 0)
}

/// Options become NOPs.
pub struct StripOptions {
    kinds: Vec<u8>,
}

impl StripOptions {
    /// These options.
    pub fn new(options: Vec<TcpOption>) -> StripOptions {
        StripOptions {
            kinds: options.into_iter().map(TcpOption::kind).collect(),
        }
    }
}

impl Fault for StripOptions {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit && is_opening(packet) {
            walk(packet.options_mut(), |kind, option| {
                if self.kinds.contains(&kind) {
                    option.fill(1);
                }
            });
            packet.seal();
        }
        Fate::On
    }
}

/// The MSS is lowered.
pub struct ClampMss {
    mss: u16,
}

impl ClampMss {
    /// To so many bytes.
    pub fn new(mss: u16) -> ClampMss {
        ClampMss { mss }
    }
}

impl Fault for ClampMss {
    fn packet(&mut self, packet: &mut Packet, here: &mut Here<'_>) -> Fate {
        if here.hit && is_opening(packet) {
            walk(packet.options_mut(), |kind, option| {
                if let (2, [_, _, high, low]) = (kind, option) {
                    let mss = u16::from_be_bytes([*high, *low]).min(self.mss);
                    [*high, *low] = mss.to_be_bytes();
                }
            });
            packet.seal();
        }
        Fate::On
    }
}
