//! The socket of a session: bytes in clear or within TLS, with every wait bounded and every end told apart.
//!
//! It moves bytes for [`super::driver`] and decides nothing. FIN, RST, silence and a broken TLS are four different things here,
//! because they are four different verdicts later.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::base::Timestamp;
use crate::probe::retold::Teller;
use crate::probe::tls::client::{Client, Failure, failure};
use crate::probe::{Context, Opened};

/// A write that does not get into the kernel's buffer for so long is silence.
const WRITE: Duration = Duration::from_secs(30);
/// After our FIN the server's is waited for so long, so that nothing of its last words meets a closed socket.
const LINGER: Duration = Duration::from_millis(500);
/// First bytes of the server that are kept to say what it spoke instead of TLS.
const FIRST: usize = 256;

/// What came.
pub enum Got {
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nothing, in time.
    Silence,
    /// FIN.
    Closed,
    /// RST.
    Reset,
    /// The run ends.
    Stop,
    /// TLS is broken.
    Broken(Failure),
}

/// What ends a wait besides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The deadline and Ctrl-C.
    Deadline,
    /// Ctrl-C alone: a greeting may outlast a deadline that gives it its time.
    User,
}

/// The socket.
pub struct Wire {
    stream: TcpStream,
    tls: Option<Box<Client>>,
    first: Vec<u8>,
    /// Where nothing is captured.
    teller: Option<Teller>,
    /// What was written, as it left, where the connection is to be handed over.
    said: Option<Vec<u8>>,
}

fn until(context: &Context, end: Timestamp) -> Duration {
    Duration::from_nanos(u64::try_from(end.since(context.now())).unwrap_or(0))
}

impl Wire {
    /// Over an open connection.
    pub fn new(stream: TcpStream) -> Wire {
        // A command is a segment, at once: pacing is the server's business.
        let _ = stream.set_nodelay(true);
        Wire {
            stream,
            tls: None,
            first: Vec::new(),
            teller: None,
            said: None,
        }
    }

    /// Keeps what is written, as it leaves: duplicates of it are sent.
    pub fn keeping(self) -> Wire {
        Wire {
            said: Some(Vec::new()),
            ..self
        }
    }

    /// The bytes with which these words would leave, and what was written before; nothing of it is sent. The connection is
    /// bare from now on: whoever takes it writes those bytes or none.
    pub fn handed(mut self, words: &[u8]) -> io::Result<(TcpStream, Vec<u8>, Vec<u8>)> {
        let mut next = Vec::new();
        match &mut self.tls {
            Some(tls) => {
                tls.connection.writer().write_all(words)?;
                while tls.connection.wants_write() {
                    if tls.connection.write_tls(&mut next)? == 0 {
                        break;
                    }
                }
            }
            None => next.extend_from_slice(words),
        }
        Ok((self.stream, next, self.said.unwrap_or_default()))
    }

    /// Over a connection whose bytes are retold, where nothing is captured.
    pub(in crate::probe) fn told(opened: Opened) -> Wire {
        Wire {
            teller: opened.teller,
            ..Wire::new(opened.stream)
        }
    }

    /// Whether TCP has acknowledged all that was sent (tcp(7), SIOCOUTQ: bytes not yet acknowledged).
    pub fn is_acknowledged(&self) -> bool {
        is_acknowledged(&self.stream)
    }

    /// Whether bytes came in answer to a ClientHello.
    pub fn hello_answered(&self) -> bool {
        self.tls.is_some() && !self.first.is_empty()
    }

    /// The bare connection, as it is.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// The TLS connection, once there is one.
    pub fn tls(&self) -> Option<&Client> {
        self.tls.as_deref()
    }

    /// Waits for bytes.
    pub async fn read(&mut self, context: &Context, end: Timestamp, patience: Patience) -> Got {
        let mut buffer = vec![0u8; 16_384];
        loop {
            if let Some(tls) = &mut self.tls {
                match tls.connection.reader().read(&mut buffer) {
                    Ok(0) => return Got::Closed,
                    Ok(count) => {
                        buffer.truncate(count);
                        return Got::Bytes(buffer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // No close_notify before FIN (RFC 8446 6.1): many servers do so.
                    Err(_) => return Got::Closed,
                }
            }
            match self.raw(context, end, patience, &mut buffer).await {
                Got::Bytes(bytes) if self.tls.is_some() => {
                    if let Err(failure) = self.feed(&bytes).await {
                        return Got::Broken(failure);
                    }
                }
                other => return other,
            }
        }
    }

    /// Bytes of the socket.
    async fn raw(
        &mut self,
        context: &Context,
        end: Timestamp,
        patience: Patience,
        buffer: &mut Vec<u8>,
    ) -> Got {
        buffer.resize(16_384, 0);
        let stop = async {
            match patience {
                Patience::Deadline => context.cancelled().await,
                Patience::User => context.interrupted().await,
            }
        };
        let got = tokio::select! {
            biased;
            read = self.stream.read(buffer) => match read {
                Ok(0) => Got::Closed,
                Ok(count) => Got::Bytes(buffer.get(..count).unwrap_or_default().to_vec()),
                Err(error) => ended(&error),
            },
            () = stop => Got::Stop,
            () = tokio::time::sleep(until(context, end)) => Got::Silence,
        };
        if let Some(teller) = &mut self.teller {
            match &got {
                Got::Bytes(bytes) => teller.received(bytes),
                Got::Closed => teller.closed(false),
                Got::Reset => teller.closed(true),
                Got::Silence | Got::Stop | Got::Broken(_) => teller.silent(self.stream.as_fd()),
            }
        }
        got
    }

    /// Bytes into the kernel.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = tokio::time::timeout(WRITE, self.stream.write_all(bytes)).await;
        if let (Ok(Ok(())), Some(teller)) = (&sent, &mut self.teller) {
            teller.sent(bytes);
        }
        if let Some(said) = &mut self.said {
            said.extend_from_slice(bytes);
        }
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Hands bytes of the socket to TLS, and sends what it says to them.
    async fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let room = FIRST.saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(room));
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        let mut broken = None;
        while !bytes.is_empty() && broken.is_none() {
            match tls.connection.read_tls(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            broken = tls
                .connection
                .process_new_packets()
                .err()
                .map(|error| failure(&error, &self.first));
        }
        // Also an alert, when it is broken.
        let _ = self.flush().await;
        broken.map_or(Ok(()), Err)
    }

    /// Sends what TLS has to send.
    async fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        let mut out = std::mem::take(&mut tls.opening);
        while tls.connection.wants_write() {
            if tls.connection.write_tls(&mut out)? == 0 {
                break;
            }
        }
        if out.is_empty() {
            return Ok(());
        }
        self.send(&out).await
    }

    /// Sends bytes; `None` when they are with the kernel.
    pub async fn write(&mut self, bytes: &[u8]) -> Option<Got> {
        let written = match &mut self.tls {
            Some(tls) => {
                let taken = tls.connection.writer().write_all(bytes);
                match taken {
                    Ok(()) => self.flush().await,
                    Err(error) => Err(error),
                }
            }
            None => self.send(bytes).await,
        };
        written.err().map(|error| ended(&error))
    }

    /// Shakes hands. `end` bounds the wait for the server's first answer, and each wait after it gets as long.
    pub async fn handshake(
        &mut self,
        context: &Context,
        client: Client,
        end: Timestamp,
    ) -> Result<(), Got> {
        let patience = end.since(context.now());
        self.first.clear();
        self.tls = Some(Box::new(client));
        if let Err(error) = self.flush().await {
            return Err(ended(&error));
        }
        let mut end = end;
        let mut buffer = Vec::new();
        while self
            .tls
            .as_ref()
            .is_some_and(|tls| tls.connection.is_handshaking())
        {
            match self
                .raw(context, end, Patience::Deadline, &mut buffer)
                .await
            {
                Got::Bytes(bytes) => self.feed(&bytes).await.map_err(Got::Broken)?,
                other => return Err(other),
            }
            end = context.now().plus(patience);
        }
        Ok(())
    }

    /// Ends it as a client does: close_notify, FIN, and a moment for the server's own.
    pub async fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
        if let Some(teller) = &mut self.teller {
            teller.finished();
        }
        let mut buffer = [0u8; 1_024];
        let _ = tokio::time::timeout(LINGER, async {
            while matches!(self.stream.read(&mut buffer).await, Ok(count) if count > 0) {}
        })
        .await;
    }
}

/// Whether TCP has acknowledged all that was sent (tcp(7), SIOCOUTQ: bytes not yet acknowledged).
pub fn is_acknowledged(stream: &TcpStream) -> bool {
    let mut waiting: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` lives, and the call writes one int, which is ours.
    let asked = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut waiting) };
    asked == 0 && waiting == 0
}

/// How an error of the socket reads.
fn ended(error: &io::Error) -> Got {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Got::Reset,
        io::ErrorKind::TimedOut => Got::Silence,
        _ => Got::Closed,
    }
}
