//! What the byte stream of one connection is: mail in clear, TLS, a tunnel before it, or none of these.
//!
//! It exists so that floor 2 hands over bytes without knowing any protocol, and decoders never see
//! bytes that are not theirs: prefaces (PROXY, SOCKS5, CONNECT) are taken off, the decoder is swapped
//! at the exact byte where TLS begins, streams on unknown ports are recognised or refused. It refuses to
//! guess: mail on an unknown port is claimed when it is unmistakable or both sides speak it.

mod layers;
mod preface;
mod recognise;

#[cfg(test)]
mod tests;

pub use preface::{Tunnel, TunnelKind};

use crate::base::{Mark, PerSide, Side};
use crate::proto::mail::{self, Dialogue, Language, Oddity};
use crate::proto::tls::{self, Piece, Shared, TlsFacts};
use crate::proto::{Service, TlsMode};
use preface::{Preface, Taken};
use recognise::{Recogniser, Verdict};

/// How the bytes of one side are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Nothing was said yet, or STARTTLS was just accepted: the first byte decides.
    Undecided,
    /// Mail in clear.
    Clear,
    /// TLS records.
    Tls,
    /// Nothing that can be read (compressed, or in a security layer).
    Opaque,
}

/// The byte stream of one connection.
pub struct Session {
    service: Option<Service>,
    decoder: mail::Decoder,
    tls: Option<Box<tls::Decoder>>,
    layer: PerSide<Layer>,
    preface: Preface,
    recogniser: Option<Box<Recogniser>>,
    foreign: Option<(Oddity, Mark)>,
    /// Bytes were missing before the first one of this side.
    headless: PerSide<bool>,
    tls_from_start: Option<Mark>,
    clear_on_tls_port: PerSide<Option<Mark>>,
    known_port: bool,
    shared: Shared,
    /// What is inside TLS can no longer be followed.
    shut: bool,
}

/// What a session turned out to be.
pub struct SessionFacts<'a> {
    /// The service: by port, else by what is spoken; by speech also where that contradicts the port.
    pub service: Option<Service>,
    /// How it is encrypted, or was meant to be.
    pub tls_mode: TlsMode,
    /// What was said in clear.
    pub dialogue: &'a Dialogue,
    /// TLS, if any was seen or expected.
    pub tls: Option<&'a TlsFacts>,
    /// It is mail, by port or by speech.
    pub mail: bool,
    /// On an unknown port: what it is instead, and where that became certain.
    pub foreign: Option<(Oddity, Mark)>,
    /// A SOCKS5 or CONNECT tunnel was built before the mail dialogue.
    pub tunnel: Option<Tunnel>,
    /// The client's first byte was a TLS record on a port where clear text comes first.
    pub tls_on_clear_port: Option<Mark>,
    /// First byte in clear on a port of implicit TLS, by side.
    pub clear_on_tls_port: PerSide<Option<Mark>>,
}

impl std::fmt::Debug for Session {
    /// The service only: the rest may hold what nobody is to read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// For a connection to a port of that service; `None`: find out by listening.
    pub fn new(port_service: Option<Service>) -> Session {
        Session::with(port_service, Shared::default())
    }

    /// The same, which reads inside TLS where the log has the keys.
    pub fn with(port_service: Option<Service>, shared: Shared) -> Session {
        let port_service = port_service.filter(|service| *service != Service::Other);
        let recogniser = match port_service {
            Some(_) => None,
            None => Some(Box::default()),
        };
        Session {
            service: port_service,
            decoder: decoder_for(port_service),
            tls: None,
            layer: PerSide {
                client: Layer::Undecided,
                server: Layer::Undecided,
            },
            preface: Preface::new(),
            recogniser,
            foreign: None,
            headless: PerSide::default(),
            tls_from_start: None,
            clear_on_tls_port: PerSide::default(),
            known_port: port_service.is_some(),
            shared,
            shut: false,
        }
    }

    /// Nothing was said for a while: gives back memory that holds nothing.
    pub fn rest(&mut self) {
        self.decoder.rest();
    }

    /// Bytes of a side, each once and in stream order, of one frame. Never panics.
    pub fn data(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        let mut bytes = bytes;
        while !bytes.is_empty() && self.preface.is_active() {
            match self.preface.take(side, mark, bytes) {
                Taken::Used(used) => bytes = bytes.get(used..).unwrap_or_default(),
                Taken::No(held) => {
                    for (at, byte) in held {
                        self.inner(Side::Client, at, &[byte]);
                    }
                }
                Taken::Waits => {
                    self.decoder.heard(side, mark);
                    return;
                }
                Taken::Passes => break,
            }
            self.note_preface();
        }
        self.inner(side, mark, bytes);
    }

    /// Bytes of a side that never came, or were cut by the snap length. `len` 0 before any data: the capture began in the
    /// middle of the connection.
    pub fn gap(&mut self, side: Side, mark: Mark, len: u64) {
        let held = match side {
            Side::Client => self.preface.cut(),
            Side::Server => self.preface.abandon(),
        };
        self.note_preface();
        for (at, byte) in held {
            self.inner(Side::Client, at, &[byte]);
        }
        if let Some(recogniser) = self.recogniser.as_mut() {
            recogniser.gap(side, mark, len);
        }
        match self.layer[side] {
            Layer::Undecided => {
                self.headless[side] = true;
                if self.expects_tls() {
                    self.tls_decoder().gap(side, mark, len);
                } else {
                    self.decoder.gap(side, mark, len);
                }
            }
            Layer::Clear => self.decoder.gap(side, mark, len),
            Layer::Tls => {
                self.tls_decoder().gap(side, mark, len);
                self.inside();
            }
            Layer::Opaque => {}
        }
    }

    /// Hands what the TLS decoder read inside on to the mail decoder.
    fn inside(&mut self) {
        while let Some(piece) = self.tls.as_mut().and_then(|tls| tls.inside()) {
            match piece {
                Piece::Text(side, mark, text) => self.decrypted(side, mark, &text),
                Piece::Gap(side, mark, len) => self.missing(side, mark, len),
                Piece::Lost(mark) => {
                    // From here on neither side's silence means anything.
                    self.missing(Side::Client, mark, 1);
                    self.missing(Side::Server, mark, 1);
                    self.shut = true;
                }
            }
        }
    }

    fn missing(&mut self, side: Side, mark: Mark, len: u64) {
        if self.recogniser.is_none() && self.foreign.is_none() && !self.shut {
            self.decoder.gap(side, mark, len);
        }
    }

    /// Plain text that was inside TLS, where the keys are known: read like a dialogue in clear.
    fn decrypted(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        if self.recogniser.is_some() || self.foreign.is_some() || self.shut {
            return;
        }
        if self.decoder.is_over(side) && self.decoder.dialogue().opaque.is_none() {
            self.decoder.resume_clear();
        }
        self.decoder.data(side, mark, bytes);
    }

    /// All that is known so far.
    pub fn facts(&self) -> SessionFacts<'_> {
        let dialogue = self.decoder.dialogue();
        let service = match (self.service, dialogue.language) {
            (Some(port), Some(spoken)) if dialogue.greeted && language_of(port) != spoken => {
                Some(service_of(spoken, port))
            }
            (service, _) => service,
        };
        SessionFacts {
            service,
            tls_mode: self.tls_mode(),
            dialogue,
            tls: self.tls.as_deref().map(tls::Decoder::facts),
            mail: self.service.is_some(),
            foreign: self.foreign,
            tunnel: self.preface.tunnel(),
            tls_on_clear_port: self.tls_from_start.filter(|_| !self.implicit()),
            clear_on_tls_port: self.clear_on_tls_port,
        }
    }

    /// False once it is certain that nothing more is to be learned: it is not mail.
    pub fn wants_more(&self) -> bool {
        self.foreign.is_none()
    }

    /// Whether a tunnel or a PROXY header is being read, or may still come, after bytes of the client.
    pub fn in_preface(&self) -> bool {
        self.preface.is_active()
    }

    fn tls_mode(&self) -> TlsMode {
        let dialogue = self.decoder.dialogue();
        let clear = self.clear_on_tls_port;
        if self.implicit() && !(clear.client.is_some() && clear.server.is_some()) {
            TlsMode::Implicit
        } else if dialogue.starttls_asked.is_some() || dialogue.starttls_accepted.is_some() {
            TlsMode::Starttls
        } else if self.tls_from_start.is_some() {
            TlsMode::Implicit
        } else {
            TlsMode::Plain
        }
    }

    fn implicit(&self) -> bool {
        self.service.is_some_and(Service::implicit_tls)
    }

    /// Whether TLS is what must come next on an undecided side.
    fn expects_tls(&self) -> bool {
        self.implicit() || self.decoder.dialogue().starttls_accepted.is_some()
    }

    fn tls_decoder(&mut self) -> &mut tls::Decoder {
        let shared = &self.shared;
        self.tls
            .get_or_insert_with(|| Box::new(tls::Decoder::with(shared)))
    }

    fn note_preface(&mut self) {
        if let Some((at, length)) = self.preface.proxy() {
            self.decoder.proxy_preface(at, length);
        }
        if let Some(tunnel) = self.preface.tunnel()
            && !self.known_port
            && self.service.is_none()
            && let Some(service) = tunnel.port.and_then(Service::of_port)
        {
            self.service = Some(service);
            self.decoder = decoder_for(Some(service));
            self.recogniser = None;
        }
    }

    /// Bytes behind the preface.
    fn inner(&mut self, side: Side, mark: Mark, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let used = match self.layer[side] {
                Layer::Undecided => {
                    self.decide(side, mark, first, rest);
                    0
                }
                Layer::Clear => self.clear(side, mark, rest),
                Layer::Tls => {
                    self.decoder.heard(side, mark);
                    self.tls_decoder().data(side, mark, rest);
                    self.inside();
                    rest.len()
                }
                Layer::Opaque => {
                    self.decoder.heard(side, mark);
                    rest.len()
                }
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Clear text; returns how much of it was.
    fn clear(&mut self, side: Side, mark: Mark, bytes: &[u8]) -> usize {
        if let Some(recogniser) = self.recogniser.as_mut() {
            recogniser.data(side, mark, bytes);
            match recogniser.verdict() {
                Verdict::More => {}
                Verdict::Foreign(oddity) => {
                    self.foreign = Some((oddity, mark));
                    self.recogniser = None;
                }
                Verdict::Mail(language) => self.found(language),
            }
            return bytes.len();
        }
        if self.foreign.is_some() {
            return bytes.len();
        }
        if side == Side::Server && self.rejects_clear(bytes) {
            self.layer[side] = Layer::Tls;
            return 0;
        }
        if self.begins_layer(side, bytes) {
            self.decoder.opaque(mark);
            self.switch(side);
            return 0;
        }
        let used = self.decoder.data(side, mark, bytes);
        // Where TLS was expected, or the other side began it, the TLS decoder has to know of clear text, too.
        if self.clear_on_tls_port[side].is_some() || self.tls_from_start.is_some() {
            let seen = bytes.get(..used).unwrap_or(bytes);
            self.tls_decoder().data(side, mark, seen);
        }
        if used < bytes.len() || self.decoder.is_over(side) {
            self.switch(side);
        }
        used
    }

    /// Mail on an unknown port: what was held back is read now.
    fn found(&mut self, language: Language) {
        let Some(recogniser) = self.recogniser.take() else {
            return;
        };
        let service = service_of(language, Service::Other);
        self.service = Some(service);
        let before = self.decoder.dialogue();
        let (missed, length) = (before.proxy_preface, before.proxy_length);
        self.decoder = mail::Decoder::new(language);
        if let Some(at) = missed {
            self.decoder.proxy_preface(at, length);
        }
        for piece in recogniser.pieces() {
            match piece {
                recognise::Piece::Gap(side, mark, len) => self.decoder.gap(side, mark, len),
                recognise::Piece::Data(side, mark, bytes) => self.inner(side, mark, &bytes),
            }
        }
    }
}

fn decoder_for(service: Option<Service>) -> mail::Decoder {
    match service {
        Some(service) => mail::Decoder::new(language_of(service)),
        None => mail::Decoder::unclaimed(),
    }
}

/// The language that a service speaks.
pub fn language_of(service: Service) -> Language {
    match service {
        Service::Smtp | Service::Submission | Service::Submissions | Service::Other => {
            Language::Smtp
        }
        Service::Imap | Service::Imaps => Language::Imap,
        Service::Pop3 | Service::Pop3s => Language::Pop3,
        Service::Sieve => Language::Sieve,
        Service::Lmtp => Language::Lmtp,
    }
}

/// The service of a language that is spoken; on a port of implicit TLS its variant with TLS.
fn service_of(language: Language, port: Service) -> Service {
    match (language, port.implicit_tls()) {
        (Language::Smtp, false) => Service::Smtp,
        (Language::Smtp, true) => Service::Submissions,
        (Language::Lmtp, _) => Service::Lmtp,
        (Language::Imap, false) => Service::Imap,
        (Language::Imap, true) => Service::Imaps,
        (Language::Pop3, false) => Service::Pop3,
        (Language::Pop3, true) => Service::Pop3s,
        (Language::Sieve, _) => Service::Sieve,
    }
}
