//! Unpacking in a thread of its own, a few blocks ahead of who reads.
//!
//! It exists so that a packed capture is diagnosed while it is unpacked, and takes as long as the slower of the two. What arrives is
//! handed on at once, in order, an error behind the bytes that stand before it. It holds a fixed number of blocks, whatever the stream
//! expands to, and it ends with its reader.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// Bytes of a block.
const BLOCK: usize = 256 << 10;
/// Blocks that are full and wait at the most.
const BLOCKS: usize = 4;

/// What was unpacked, or why nothing more is.
type Unpacked = io::Result<Block>;

/// Bytes, of which the first `len` count.
struct Block {
    bytes: Vec<u8>,
    len: usize,
}

/// The reading end.
pub(super) struct Ahead {
    arriving: Receiver<Unpacked>,
    empty: Sender<Vec<u8>>,
    block: Block,
    /// How much of the block was read.
    read: usize,
    /// The end came, or an error.
    ended: bool,
}

impl Ahead {
    /// Reads `input` in a thread of its own.
    pub(super) fn of(input: Box<dyn Read + Send>) -> io::Result<Ahead> {
        let (unpacked, arriving) = sync_channel(BLOCKS);
        let (empty, emptied) = channel();
        thread::Builder::new()
            .name("unpack".to_owned())
            .spawn(move || unpack(input, &unpacked, &emptied))?;
        Ok(Ahead {
            arriving,
            empty,
            block: Block {
                bytes: Vec::new(),
                len: 0,
            },
            read: 0,
            ended: false,
        })
    }
}

/// Reads until the end, an error, or until nobody listens.
fn unpack(
    mut input: Box<dyn Read + Send>,
    unpacked: &SyncSender<Unpacked>,
    emptied: &Receiver<Vec<u8>>,
) {
    loop {
        let mut bytes = emptied.try_recv().unwrap_or_else(|_| vec![0; BLOCK]);
        let (block, last) = match input.read(&mut bytes) {
            Ok(len) => (Ok(Block { bytes, len }), len == 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => (Err(error), true),
        };
        if unpacked.send(block).is_err() || last {
            return;
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.block.len {
            if self.ended {
                return Ok(0);
            }
            let lost = |_| io::Error::other("it was not unpacked to its end");
            let next = self.arriving.recv().map_err(lost).flatten();
            self.ended = next.as_ref().map_or(true, |block| block.len == 0);
            let done = std::mem::replace(&mut self.block, next?);
            self.read = 0;
            if !done.bytes.is_empty() {
                // Who unpacks may be at its end already.
                let _ = self.empty.send(done.bytes);
            }
        }
        let here = self.block.bytes.get(self.read..self.block.len);
        let here = here.unwrap_or_default();
        let len = here.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..len), here.get(..len)) {
            to.copy_from_slice(from);
        }
        self.read = self.read.saturating_add(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::{Ahead, BLOCK, BLOCKS};
    use std::io::{self, Read};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, channel};

    /// Gives what it is sent, then fails.
    struct Sent(Receiver<&'static [u8]>);
    impl Read for Sent {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let bytes = self.0.recv().map_err(|_| io::Error::other("broken"))?;
            out[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        }
    }

    #[test]
    fn what_arrives_is_there_at_once_and_an_error_comes_behind_it() {
        let (send, sent) = channel();
        let mut ahead = Ahead::of(Box::new(Sent(sent))).unwrap();
        let mut out = [0; 3];
        for _ in 0..2 {
            send.send(b"hello".as_slice()).unwrap();
            assert_eq!(ahead.read(&mut out).unwrap(), 3);
            assert_eq!(ahead.read(&mut out).unwrap(), 2);
        }
        send.send(b"bye").unwrap();
        drop(send);
        assert_eq!(ahead.read(&mut out).unwrap(), 3);
        assert_eq!(&out, b"bye");
        assert_eq!(ahead.read(&mut out).unwrap_err().to_string(), "broken");
        assert_eq!(ahead.read(&mut out).unwrap(), 0);
    }

    /// Gives bytes for ever, and counts them.
    struct Endless(Arc<AtomicUsize>);
    impl Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(out.len(), Ordering::SeqCst);
            Ok(out.len())
        }
    }
    impl Drop for Endless {
        fn drop(&mut self) {
            self.0.store(usize::MAX, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_goes_ahead_by_few_blocks_and_ends_with_its_reader() {
        let given = Arc::new(AtomicUsize::new(0));
        let mut ahead = Ahead::of(Box::new(Endless(Arc::clone(&given)))).unwrap();
        let mut read = 0;
        let mut out = vec![0; BLOCK];
        for _ in 0..100 {
            read += ahead.read(&mut out).unwrap();
            // Those that wait, the one that is read, and the one that is being filled.
            assert!(given.load(Ordering::SeqCst) - read <= (BLOCKS + 2) * BLOCK);
        }
        drop(ahead);
        while given.load(Ordering::SeqCst) != usize::MAX {
            std::thread::yield_now();
        }
    }
}
