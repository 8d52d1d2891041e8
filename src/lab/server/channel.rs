//! A TCP connection with or without TLS, as lines and bytes, for servers and clients alike.
//!
//! The socket does not block; every wait has a deadline and hears the bell ([`Stop`]). How a
//! connection ended is a type, because the lab prints it. It refuses to retry anything.

use super::spec::{Cut, Then};
use super::stop::{Stop, Woken};
use rustls::Connection;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A line of the peer is looked at up to this many bytes; a longer one ends the connection.
const LINE: usize = 1 << 20;

/// Why a dialogue is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer sent FIN (or close_notify).
    Closed,
    /// The peer sent RST.
    Reset,
    /// Nothing came in time.
    Patience,
    /// The run is over.
    Stopped,
    /// The scenario says so.
    Scripted(Then),
    /// It is finished.
    Done,
    /// TLS failed: rustls's words, with the alert where there was one.
    Tls(String),
    /// The system's words.
    Io(String),
    /// The peer refused or said something unexpected.
    Refused(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Closed => f.write_str("the peer closed the connection"),
            End::Reset => f.write_str("connection reset by peer"),
            End::Patience => f.write_str("timed out"),
            End::Stopped => f.write_str("the run was stopped"),
            End::Scripted(_) => f.write_str("ended by the scenario"),
            End::Done => f.write_str("done"),
            End::Tls(text) => write!(f, "TLS: {text}"),
            End::Io(text) | End::Refused(text) => f.write_str(text),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Channel {
    socket: TcpStream,
    tls: Option<Box<Connection>>,
    input: Vec<u8>,
    stop: Arc<Stop>,
    patience: Duration,
    sent: u64,
    cut: Option<Cut>,
    slow: Option<usize>,
    close_notify: bool,
}

impl Channel {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// When the socket refuses to be non-blocking.
    pub fn new(socket: TcpStream, stop: Arc<Stop>, patience: Duration) -> io::Result<Channel> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Channel {
            socket,
            tls: None,
            input: Vec::new(),
            stop,
            patience,
            sent: 0,
            cut: None,
            slow: None,
            close_notify: true,
        })
    }

    /// Ends the connection after so many sent bytes.
    pub fn cut_after(&mut self, cut: Option<Cut>) {
        self.cut = cut;
    }

    /// Reads only so many bytes every 100 ms from now on.
    pub fn read_slowly(&mut self, bytes: usize) {
        self.slow = Some(bytes.max(1));
    }

    /// Leaves out close_notify at the end.
    pub fn without_close_notify(&mut self) {
        self.close_notify = false;
    }

    /// How long one answer may take.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Whether TLS is on.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// The bell that this connection hears.
    pub fn stop(&self) -> &Arc<Stop> {
        &self.stop
    }

    /// The own end.
    pub fn local(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()
    }

    /// The peer's end.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    /// The TLS connection, for questions about what was agreed.
    pub fn tls(&self) -> Option<&Connection> {
        self.tls.as_deref()
    }

    /// Bytes straight from the socket, at least one.
    pub fn read_raw(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<usize, End> {
        let room = match self.slow {
            Some(bytes) => {
                if !self.stop.pass(Duration::from_millis(100)) {
                    return Err(End::Stopped);
                }
                bytes.min(buffer.len())
            }
            None => buffer.len(),
        };
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.stop.readable(&self.socket, Some(deadline)) {
                        Ok(Woken::Ready) => {}
                        Ok(Woken::TimeOver) => return Err(End::Patience),
                        Ok(Woken::Stopped) => return Err(End::Stopped),
                        Err(error) => return Err(End::Io(error.to_string())),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(End::Reset);
                }
                Err(error) => return Err(End::Io(error.to_string())),
            }
        }
    }

    /// Bytes straight to the socket, all of them.
    pub fn write_raw(&mut self, bytes: &[u8]) -> Result<(), End> {
        let allowed = match self.cut {
            Some(cut) => {
                usize::try_from(cut.after_bytes.saturating_sub(self.sent)).unwrap_or(usize::MAX)
            }
            None => usize::MAX,
        };
        let mut left = bytes.get(..allowed).unwrap_or(bytes);
        let deadline = Instant::now() + self.patience;
        while !left.is_empty() {
            match self.socket.write(left) {
                Ok(count) => {
                    left = left.get(count..).unwrap_or_default();
                    self.sent = self.sent.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.stop.writable(&self.socket, Some(deadline)) {
                        Ok(Woken::Ready) => {}
                        Ok(Woken::TimeOver) => return Err(End::Patience),
                        Ok(Woken::Stopped) => return Err(End::Stopped),
                        Err(error) => return Err(End::Io(error.to_string())),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                    ) =>
                {
                    return Err(End::Reset);
                }
                Err(error) => return Err(End::Io(error.to_string())),
            }
        }
        match self.cut {
            Some(cut) if bytes.len() >= allowed => Err(End::Scripted(cut.then)),
            _ => Ok(()),
        }
    }

    /// Sends through TLS when it is on.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), End> {
        if self.tls.is_none() {
            return self.write_raw(bytes);
        }
        for piece in bytes.chunks(16_000) {
            if let Some(tls) = &mut self.tls {
                tls.writer()
                    .write_all(piece)
                    .map_err(|error| End::Io(error.to_string()))?;
            }
            self.flush_tls()?;
        }
        Ok(())
    }

    /// Everything that TLS has to say.
    fn flush_tls(&mut self) -> Result<(), End> {
        let mut out = Vec::new();
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut out)
                    .map_err(|error| End::Io(error.to_string()))?;
            }
        }
        if out.is_empty() {
            Ok(())
        } else {
            self.write_raw(&out)
        }
    }

    /// Feeds received bytes to TLS; says an alert if they are bad.
    fn feed_tls(&mut self, mut bytes: &[u8]) -> Result<(), End> {
        while !bytes.is_empty() {
            let Some(tls) = &mut self.tls else {
                return Ok(());
            };
            tls.read_tls(&mut bytes)
                .map_err(|error| End::Io(error.to_string()))?;
            if let Err(error) = tls.process_new_packets() {
                let _ = self.flush_tls();
                return Err(End::Tls(error.to_string()));
            }
            self.take_plaintext()?;
        }
        Ok(())
    }

    fn take_plaintext(&mut self) -> Result<(), End> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        let mut piece = [0; 4096];
        loop {
            match tls.reader().read(&mut piece) {
                Ok(0) => return Err(End::Closed),
                Ok(count) => self
                    .input
                    .extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(_) => return Ok(()),
            }
        }
    }

    /// Turns TLS on: `connection` has seen `received` (nothing, on the client's side) and does the rest here.
    pub fn start_tls(&mut self, connection: Connection) -> Result<(), End> {
        self.input.clear();
        self.tls = Some(Box::new(connection));
        let deadline = Instant::now() + self.patience;
        loop {
            self.flush_tls()?;
            if !self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
                return Ok(());
            }
            let mut buffer = [0; 8192];
            let count = self.read_raw(&mut buffer, deadline)?;
            self.feed_tls(buffer.get(..count).unwrap_or_default())?;
        }
    }

    /// Reads on until there is more input.
    fn fill(&mut self, deadline: Instant) -> Result<(), End> {
        let mut buffer = [0; 8192];
        let before = self.input.len();
        while self.input.len() == before {
            let count = self.read_raw(&mut buffer, deadline)?;
            let bytes = buffer.get(..count).unwrap_or_default();
            if self.tls.is_some() {
                let outcome = self.feed_tls(bytes);
                if self.input.len() > before {
                    return Ok(());
                }
                outcome?;
                self.flush_tls()?;
            } else {
                self.input.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> Result<String, End> {
        let deadline = Instant::now() + self.patience;
        let mut seen = 0;
        loop {
            let fresh = self.input.get(seen..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|&byte| byte == b'\n') {
                let rest = self
                    .input
                    .split_off(seen.saturating_add(at).saturating_add(1));
                let mut line = std::mem::replace(&mut self.input, rest);
                while matches!(line.last(), Some(b'\n' | b'\r')) {
                    line.pop();
                }
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            seen = self.input.len();
            if seen > LINE {
                return Err(End::Refused("a line without an end".to_owned()));
            }
            self.fill(deadline)?;
        }
    }

    /// The next `count` bytes.
    pub fn exact(&mut self, count: usize) -> Result<Vec<u8>, End> {
        let deadline = Instant::now() + self.patience;
        while self.input.len() < count {
            self.fill(deadline)?;
        }
        let rest = self.input.split_off(count);
        Ok(std::mem::replace(&mut self.input, rest))
    }

    /// Whatever has come or comes next, at least one byte.
    pub fn some(&mut self) -> Result<Vec<u8>, End> {
        if self.input.is_empty() {
            self.fill(Instant::now() + self.patience)?;
        }
        Ok(std::mem::take(&mut self.input))
    }

    /// Reads and forgets until the peer ends the connection or the time is over.
    pub fn discard(&mut self, time: Duration) -> End {
        let deadline = Instant::now() + time;
        let mut buffer = [0; 8192];
        loop {
            if let Err(end) = self.read_raw(&mut buffer, deadline) {
                return end;
            }
        }
    }

    /// close_notify (if TLS is on) and FIN; the socket still reads.
    pub fn half_close(&mut self) {
        if self.close_notify {
            // Nobody says close_notify in the middle of a handshake.
            if let Some(tls) = self.tls.as_mut().filter(|tls| !tls.is_handshaking()) {
                tls.send_close_notify();
            }
            let _ = self.flush_tls();
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// A polite end: FIN, then what the peer still says is read, so that nothing draws a RST.
    pub fn close(mut self) {
        self.half_close();
        self.discard(Duration::from_secs(2));
    }

    /// `close(2)` as servers do it: FIN, or RST by the kernel if unread bytes are left.
    pub fn hang_up(mut self) {
        self.half_close();
    }

    /// RST.
    pub fn reset(self) {
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }
}
