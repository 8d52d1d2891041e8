//! A place in a DNS message: numbers, bytes and names from there on (RFC 1035 4.1).
//!
//! It exists because names are most of what there is to read, and a look-up's judgement needs each of them as text at the
//! most: no label is copied twice, and a name that nobody reads costs no memory. Compression is followed only backwards and
//! never into what was followed before (RFC 1035 4.1.4), a bounded number of times. What ends early is told from what is wrong.

use arrayvec::ArrayVec;

use crate::base::Foreign;

/// Bytes of a name, its lengths and the root's included (RFC 1035 2.3.4).
const NAME: usize = 255;
/// Characters of a name as text at the most: four for each byte.
const TEXT: usize = 4 * NAME;
/// Pointers followed in one name: as many as it can have labels.
const POINTERS: usize = 127;

/// Why reading ended before the message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end.
    Short,
    /// The bytes are wrong.
    Wrong(&'static str),
}

const MALFORMED: Stop = Stop::Wrong("a name is malformed");

/// Where in a message, which pointers lead into.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At that place of a message; beyond its end there is nothing to read.
    pub fn new(message: &'a [u8], at: usize) -> Reader<'a> {
        Reader { message, at }
    }

    /// Where it is.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are still to come.
    pub fn left(&self) -> usize {
        self.message.len().saturating_sub(self.at)
    }

    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Stop> {
        let end = self.at.checked_add(length).ok_or(Stop::Short)?;
        let taken = self.message.get(self.at..end).ok_or(Stop::Short)?;
        self.at = end;
        Ok(taken)
    }

    /// An array of bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let array = self
            .message
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .ok_or(Stop::Short)?;
        self.at = self.at.saturating_add(N);
        Ok(*array)
    }

    /// A number of two bytes.
    pub fn number(&mut self) -> Result<u16, Stop> {
        self.array().map(u16::from_be_bytes)
    }

    /// Whether a name begins here that is nothing but a pointer to that place.
    pub fn points_to(&self, place: u8) -> bool {
        let rest = self.message.get(self.at..).unwrap_or_default();
        rest.starts_with(&[0xC0, place])
    }

    /// A name that nobody needs.
    pub fn skip_name(&mut self) -> Result<(), Stop> {
        self.labels(|_| ())
    }

    /// A name in lower case, without the final dot; escapes as in a zone file (RFC 1035 5.1).
    pub fn name(&mut self) -> Result<Foreign, Stop> {
        let here = self.at;
        let mut text = ArrayVec::<u8, NAME>::new();
        let mut dots = 0_u8;
        self.labels(|label| {
            let _ = text.try_extend_from_slice(label);
            let _ = text.try_push(b'.');
            dots = dots.wrapping_add(1);
        })?;
        // Nearly all names are plain. Without a branch per byte, so that it is seen of many at once.
        let (mut plain, mut seen) = (true, 0_u8);
        for byte in &mut text {
            plain &= (0x21..=0x7E).contains(byte) & (*byte != b'\\');
            seen = seen.wrapping_add(u8::from(*byte == b'.'));
            *byte = byte.to_ascii_lowercase();
        }
        if !plain || seen != dots {
            return Reader::new(self.message, here).escaped();
        }
        text.pop();
        Ok(Foreign::bounded(&text, TEXT))
    }

    /// The same for a name of any bytes.
    #[cold]
    fn escaped(&mut self) -> Result<Foreign, Stop> {
        let mut text = ArrayVec::<u8, TEXT>::new();
        self.labels(|label| {
            if !text.is_empty() {
                let _ = text.try_push(b'.');
            }
            escape(&mut text, label);
        })?;
        text.make_ascii_lowercase();
        Ok(Foreign::bounded(&text, TEXT))
    }

    /// The labels of a name, one after the other.
    fn labels(&mut self, mut each: impl FnMut(&'a [u8])) -> Result<(), Stop> {
        let mut here = self.at;
        let mut start = here;
        let mut behind = None;
        let mut bound = usize::MAX;
        let mut length = 1_usize;
        let mut pointers = 0_usize;
        loop {
            // What a pointer leads to ends before the place that led there.
            if here >= bound {
                return Err(MALFORMED);
            }
            let next = here.saturating_add(1);
            match *self.message.get(here).ok_or(Stop::Short)? {
                0 => {
                    self.at = behind.unwrap_or(next);
                    return Ok(());
                }
                size @ 1..=63 => {
                    let end = next.saturating_add(usize::from(size));
                    let label = self.message.get(next..end).ok_or(Stop::Short)?;
                    length = length.saturating_add(label.len()).saturating_add(1);
                    if length > NAME {
                        return Err(MALFORMED);
                    }
                    each(label);
                    here = end;
                }
                high @ 0xC0.. => {
                    let low = *self.message.get(next).ok_or(Stop::Short)?;
                    let place = usize::from(u16::from_be_bytes([high & 0x3F, low]));
                    pointers = pointers.saturating_add(1);
                    if place >= start || pointers > POINTERS {
                        return Err(MALFORMED);
                    }
                    behind.get_or_insert(next.saturating_add(1));
                    bound = start;
                    start = place;
                    here = place;
                }
                _ => return Err(MALFORMED),
            }
        }
    }
}

/// One label as text.
fn escape(text: &mut ArrayVec<u8, TEXT>, label: &[u8]) {
    for &byte in label {
        let _ = match byte {
            b'.' | b'\\' => text.try_extend_from_slice(&[b'\\', byte]),
            0x21..=0x7E => text.try_extend_from_slice(&[byte]),
            _ => {
                let digits = [byte / 100, byte / 10 % 10, byte % 10];
                let [a, b, c] = digits.map(|digit| b'0'.saturating_add(digit));
                text.try_extend_from_slice(&[b'\\', a, b, c])
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::Name;
    use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};
    use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

    use super::{Reader, Stop};

    /// What hickory-proto makes of the same bytes: the name's labels, and where it goes on.
    fn expected(bytes: &[u8], at: usize) -> Result<(Vec<Vec<u8>>, usize), bool> {
        let mut decoder = BinDecoder::new(bytes).clone(u16::try_from(at).unwrap());
        match Name::read(&mut decoder) {
            Ok(name) => {
                let labels = name.iter().map(<[u8]>::to_vec).collect();
                Ok((labels, decoder.index()))
            }
            Err(DecodeError::InsufficientBytes) => Err(true),
            Err(_) => Err(false),
        }
    }

    /// Bytes of which many are lengths, ends and pointers.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            3 => 0..8_u8,
            1 => any::<u8>(),
            2 => prop_oneof![0xC0..=0xC1_u8, 0xFF..=0xFF_u8, 63..=64_u8],
        ];
        prop::collection::vec(byte, 1..400)
    }

    proptest! {
        #[test]
        fn names_are_those_of_hickory(bytes in message(), at in 0..400_usize) {
            let at = at % bytes.len();
            let mut reader = Reader::new(&bytes, at);
            let mut labels = Vec::new();
            let read = reader.labels(|label| labels.push(label.to_vec()));
            let read = match read {
                Ok(()) => Ok((labels, reader.at())),
                Err(stop) => Err(stop == Stop::Short),
            };
            assert_eq!(read, expected(&bytes, at));
        }
    }

    #[test]
    fn a_name_is_as_long_as_it_may_be() {
        for (last, fits) in [(61, true), (62, false)] {
            let mut whole = [[63; 64]; 3].concat();
            whole.extend(vec![last; usize::from(last) + 1]);
            whole.push(0);
            let name = Reader::new(&whole, 0).name();
            assert_eq!(name.is_ok(), fits);
            assert_eq!(expected(&whole, 0).is_ok(), fits);
            assert!(name.is_err() || name.is_ok_and(|name| name.as_str().len() == 253));
        }
    }

    #[test]
    fn odd_bytes_are_escaped_as_in_a_zone_file() {
        let mut reader = Reader::new(b"\x07A.\\ \0\x7f\xff\x01b\0", 0);
        let name = reader.name().unwrap();
        assert_eq!(name.as_str(), r"a\.\\\032\000\127\255.b");
        assert_eq!(reader.left(), 0);
    }

    #[test]
    fn a_chain_of_pointers_ends() {
        let mut bytes = vec![0, 0];
        for place in 0..200_u8 {
            bytes.extend([0xC0 | place >> 7, place << 1]);
        }
        assert!(Reader::new(&bytes, 2 * 127).name().is_ok());
        assert!(Reader::new(&bytes, 2 * 128).name().is_err());
    }
}
