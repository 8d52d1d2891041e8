//! What may stand before the first word of a mail dialogue: PROXY protocol, SOCKS5, HTTP CONNECT.
//!
//! It exists so that a dialogue behind a load balancer or through a proxy is read like any other. It
//! takes exactly the preface's bytes and hands everything else back. A tunnel is believed only when the
//! proxy answers as one; sources: haproxy `doc/proxy-protocol.txt`, RFC 1928, RFC 1929, RFC 9110 9.3.6.

use crate::base::{Mark, Side};

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// A version 1 header is at most this long.
const V1_MAX: usize = 107;
/// A CONNECT request or its answer is looked at up to this length.
const CONNECT_MAX: usize = 2_048;

/// Which kind of tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelKind {
    /// SOCKS version 5 (RFC 1928).
    Socks5,
    /// HTTP CONNECT.
    Connect,
}

/// A tunnel that was asked for before the mail dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Its kind.
    pub kind: TunnelKind,
    /// First byte of the request.
    pub at: Mark,
    /// The port at the far end, when it could be read.
    pub port: Option<u16>,
    /// Whether the proxy built it; `None` while it has not answered.
    pub accepted: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    ProxyV1,
    ProxyV2,
    ProxySkip(u64),
    SocksHello,
    SocksMethod,
    SocksLogin,
    SocksLoginReply,
    SocksRequest,
    SocksReply,
    ConnectRequest,
    ConnectReply,
    Done,
}

/// What became of some bytes.
pub(super) enum Taken {
    /// So many belonged to the preface (maybe 0: then ask again or look at `is_active`).
    Used(usize),
    /// There is no preface; these bytes of the client were held and go first.
    No(Vec<(Mark, u8)>),
    /// Not this side's turn within a tunnel's handshake: out of place and dropped.
    Waits,
    /// The server speaks while a PROXY header may still come or is under way: its bytes are the dialogue's.
    Passes,
}

/// Watches the beginning of a connection.
pub(super) struct Preface {
    stage: Stage,
    held: Vec<(Mark, u8)>,
    bytes: Vec<u8>,
    proxy: Option<(Mark, u32)>,
    tunnel: Option<Tunnel>,
    /// The server spoke first: then only a PROXY header that crossed its greeting is a preface.
    greeted: bool,
}

impl Preface {
    pub fn new() -> Preface {
        Preface {
            stage: Stage::Start,
            held: Vec::new(),
            bytes: Vec::new(),
            proxy: None,
            tunnel: None,
            greeted: false,
        }
    }

    /// Whether a preface is still possible or under way.
    pub fn is_active(&self) -> bool {
        self.stage != Stage::Done
    }

    /// First byte of a PROXY header that was complete, and its length.
    pub fn proxy(&self) -> Option<(Mark, u32)> {
        self.proxy
    }

    /// The tunnel, if one was asked for.
    pub fn tunnel(&self) -> Option<Tunnel> {
        self.tunnel
    }

    /// Bytes are missing: no preface is followed any further. What was held goes to the dialogue.
    pub fn abandon(&mut self) -> Vec<(Mark, u8)> {
        self.stage = Stage::Done;
        self.bytes = Vec::new();
        std::mem::take(&mut self.held)
    }

    /// Bytes of the client are missing. Where they are the rest of a PROXY header, it was one all the same; else as
    /// [`Preface::abandon`].
    pub fn cut(&mut self) -> Vec<(Mark, u8)> {
        let header = self.stage == Stage::ProxyV1 && self.bytes.starts_with(V1);
        match self.held.first() {
            Some((at, _)) if header => {
                self.proxied(*at, Stage::Done, 0);
                Vec::new()
            }
            _ => self.abandon(),
        }
    }

    /// Offers bytes.
    pub fn take(&mut self, side: Side, mark: Mark, bytes: &[u8]) -> Taken {
        let Some(&first) = bytes.first() else {
            return Taken::Used(0);
        };
        match (self.stage, side) {
            (Stage::Done, _) => Taken::Used(0),
            (Stage::Start, Side::Client) => {
                self.stage = match first {
                    b'P' => Stage::ProxyV1,
                    b'\r' => Stage::ProxyV2,
                    5 if !self.greeted => Stage::SocksHello,
                    b'C' if !self.greeted => Stage::ConnectRequest,
                    _ => Stage::Done,
                };
                Taken::Used(0)
            }
            // A server that speaks first is no proxy; a PROXY header may still be under way.
            (
                Stage::Start | Stage::ProxyV1 | Stage::ProxyV2 | Stage::ProxySkip(_),
                Side::Server,
            ) => {
                self.greeted = true;
                Taken::Passes
            }
            (Stage::ProxySkip(left), Side::Client) => {
                let step = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left.saturating_sub(step as u64);
                self.stage = if left == 0 {
                    Stage::Done
                } else {
                    Stage::ProxySkip(left)
                };
                Taken::Used(step)
            }
            (
                Stage::ProxyV1
                | Stage::ProxyV2
                | Stage::SocksHello
                | Stage::SocksLogin
                | Stage::SocksRequest
                | Stage::ConnectRequest,
                Side::Client,
            ) => self.client_byte(mark, first),
            (
                Stage::SocksMethod
                | Stage::SocksLoginReply
                | Stage::SocksReply
                | Stage::ConnectReply,
                Side::Server,
            ) => self.server_byte(first),
            (Stage::SocksMethod | Stage::ConnectReply, Side::Client) => self.refuse(),
            (_, Side::Server) => self.refuse(),
            (_, Side::Client) => Taken::Waits,
        }
    }

    /// No preface after all.
    fn refuse(&mut self) -> Taken {
        self.tunnel = None;
        Taken::No(self.abandon())
    }

    /// The same, at a byte of the client that was looked at: it is still to come.
    fn refuse_byte(&mut self) -> Taken {
        self.held.pop();
        self.refuse()
    }

    fn client_byte(&mut self, mark: Mark, byte: u8) -> Taken {
        self.held.push((mark, byte));
        self.bytes.push(byte);
        let length = self.bytes.len();
        let at = self.held.first().map_or(mark, |(at, _)| *at);
        let get = |i: usize| self.bytes.get(i).copied();
        match self.stage {
            Stage::ProxyV1 => {
                if !matches(&self.bytes, V1) || length > V1_MAX {
                    return self.refuse_byte();
                }
                if byte == b'\n' {
                    self.proxied(at, Stage::Done, 0);
                }
            }
            Stage::ProxyV2 => {
                if !matches(&self.bytes, V2) {
                    return self.refuse_byte();
                }
                if let (Some(high), Some(low)) = (get(14), get(15)) {
                    let left = u16::from_be_bytes([high, low]);
                    let next = if left == 0 {
                        Stage::Done
                    } else {
                        Stage::ProxySkip(u64::from(left))
                    };
                    self.proxied(at, next, left);
                }
            }
            Stage::SocksHello => {
                if get(1) == Some(0) {
                    return self.refuse_byte();
                }
                let whole = get(1).is_some_and(|n| length >= usize::from(n).saturating_add(2));
                if whole {
                    self.tunnel = Some(Tunnel {
                        kind: TunnelKind::Socks5,
                        at,
                        port: None,
                        accepted: None,
                    });
                    self.next(Stage::SocksMethod);
                }
            }
            Stage::SocksLogin => {
                let user = get(1).map_or(0, usize::from);
                let password = get(user.saturating_add(2)).map(usize::from);
                let whole =
                    password.is_some_and(|n| length >= user.saturating_add(n).saturating_add(3));
                if length > 1 && whole {
                    self.next(Stage::SocksLoginReply);
                }
            }
            Stage::SocksRequest => {
                if let Some(whole) = address_end(&self.bytes)
                    && length >= whole
                {
                    let port = match (get(whole.saturating_sub(2)), get(whole.saturating_sub(1))) {
                        (Some(high), Some(low)) => Some(u16::from_be_bytes([high, low])),
                        _ => None,
                    };
                    if let Some(tunnel) = self.tunnel.as_mut() {
                        tunnel.port = port;
                    }
                    self.next(Stage::SocksReply);
                }
            }
            _ => {
                if !matches(&self.bytes, b"CONNECT ") || length > CONNECT_MAX {
                    return self.refuse_byte();
                }
                if self.bytes.ends_with(b"\r\n\r\n") || self.bytes.ends_with(b"\n\n") {
                    let port = connect_port(&self.bytes);
                    self.tunnel = Some(Tunnel {
                        kind: TunnelKind::Connect,
                        at,
                        port,
                        accepted: None,
                    });
                    let held = std::mem::take(&mut self.held);
                    self.next(Stage::ConnectReply);
                    self.held = held; // a mail server that is asked to CONNECT answers in SMTP
                }
            }
        }
        Taken::Used(1)
    }

    fn server_byte(&mut self, byte: u8) -> Taken {
        self.bytes.push(byte);
        let length = self.bytes.len();
        let get = |i: usize| self.bytes.get(i).copied();
        match self.stage {
            Stage::SocksMethod => match (get(0), get(1)) {
                (Some(5), None) => {}
                (Some(5), Some(0)) => self.next(Stage::SocksRequest),
                (Some(5), Some(2)) => self.next(Stage::SocksLogin),
                (Some(5), Some(_)) => self.end(false),
                _ => return self.refuse(),
            },
            Stage::SocksLoginReply => {
                if length >= 2 {
                    if get(1) == Some(0) {
                        self.next(Stage::SocksRequest);
                    } else {
                        self.end(false);
                    }
                }
            }
            Stage::SocksReply => {
                if address_end(&self.bytes).is_some_and(|whole| length >= whole) {
                    let accepted = get(1) == Some(0);
                    self.end(accepted);
                }
            }
            _ => {
                if !matches(&self.bytes, b"HTTP/") {
                    // What was read of the answer is at most four bytes of "HTTP/" that it shares.
                    return self.refuse();
                }
                let whole = self.bytes.ends_with(b"\r\n\r\n") || self.bytes.ends_with(b"\n\n");
                if whole || length > CONNECT_MAX {
                    let accepted = self
                        .bytes
                        .split(|b| *b == b' ')
                        .nth(1)
                        .is_some_and(|c| c.starts_with(b"2"));
                    self.end(accepted);
                }
            }
        }
        Taken::Used(1)
    }

    /// A PROXY header that begins at `at`, of which `left` bytes are still to come.
    fn proxied(&mut self, at: Mark, next: Stage, left: u16) {
        let so_far = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.proxy = Some((at, so_far.saturating_add(u32::from(left))));
        self.next(next);
    }

    fn next(&mut self, stage: Stage) {
        self.stage = stage;
        self.held = Vec::new();
        self.bytes.clear();
    }

    fn end(&mut self, accepted: bool) {
        if let Some(tunnel) = self.tunnel.as_mut() {
            tunnel.accepted = Some(accepted);
        }
        self.next(Stage::Done);
    }
}

/// Whether the two agree as far as both go.
fn matches(bytes: &[u8], expected: &[u8]) -> bool {
    bytes.iter().zip(expected).all(|(a, b)| a == b)
}

/// Length of a SOCKS5 request or reply with its address (RFC 1928 4), once it can be told.
fn address_end(bytes: &[u8]) -> Option<usize> {
    match bytes.get(3)? {
        1 => Some(10),
        4 => Some(22),
        3 => Some(usize::from(*bytes.get(4)?).saturating_add(7)),
        _ => Some(10),
    }
}

fn connect_port(request: &[u8]) -> Option<u16> {
    let target = request.split(|b| *b == b' ').nth(1)?;
    let port = target.rsplit(|b| *b == b':').next()?;
    std::str::from_utf8(port).ok()?.parse().ok()
}
