//! JSON out of records, written straight into a buffer.
//!
//! It writes byte for byte what `serde_json` writes. That looks at every byte of every string and key by itself, which took a
//! tenth of a replay; nearly all text has nothing to escape, so here a string is looked at as a whole and copied as a whole.
//! Keys of structs are field names of this crate and are copied as they are. It refuses what no record has: maps whose keys are no
//! strings, and enums and structs without field names that hold several values.

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    Serializer,
};
use std::fmt::{Display, Write as _};

use serde_json::{Error, Result};

use super::buffer::Buffer;

/// Appends `value` as JSON.
pub(super) fn write(out: &mut Buffer, value: &(impl Serialize + ?Sized)) -> Result<()> {
    value.serialize(Pieces { out })
}

/// Why a value is refused.
const NO_RECORD: &str = "no record has such a value";

/// Where the pieces go.
struct Pieces<'a> {
    out: &'a mut Buffer,
}

/// A list or an object in the making.
struct Open<'a> {
    out: &'a mut Buffer,
    first: bool,
    /// What ends it.
    end: &'static [u8],
}

impl<'a> Pieces<'a> {
    fn open(self, begin: u8, end: &'static [u8]) -> Open<'a> {
        self.out.push(begin);
        Open {
            out: self.out,
            first: true,
            end,
        }
    }
}

impl Open<'_> {
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<()> {
        self.comma();
        write(self.out, value)
    }

    fn field(&mut self, key: &'static str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        debug_assert!(plain(key.as_bytes()));
        self.comma();
        self.out.push(b'"');
        self.out.extend(key.as_bytes());
        self.out.extend(b"\":");
        write(self.out, value)
    }

    fn close(self) -> Result<()> {
        self.out.extend(self.end);
        Ok(())
    }
}

/// Whether nothing has to be escaped. Without a branch per byte, so that it is done by many at once.
fn plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |plain, byte| {
        plain & (*byte >= 0x20) & (*byte != b'"') & (*byte != b'\\')
    })
}

fn text(out: &mut Buffer, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

fn escaped(out: &mut Buffer, text: &str) {
    let mut rest = text.as_bytes();
    if plain(rest) {
        return out.extend(rest);
    }
    while let Some(at) = rest
        .iter()
        .position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
    {
        let (before, after) = rest.split_at(at);
        out.extend(before);
        let Some((byte, after)) = after.split_first() else {
            break;
        };
        rest = after;
        match byte {
            b'"' => out.extend(b"\\\""),
            b'\\' => out.extend(b"\\\\"),
            0x08 => out.extend(b"\\b"),
            0x09 => out.extend(b"\\t"),
            0x0A => out.extend(b"\\n"),
            0x0C => out.extend(b"\\f"),
            0x0D => out.extend(b"\\r"),
            other => {
                let digit = |value: u8| match value & 0xF {
                    low @ 0..=9 => b'0' + low,
                    low => b'a' + (low - 10),
                };
                out.extend(b"\\u00");
                out.push(digit(other >> 4));
                out.push(digit(*other));
            }
        }
    }
    out.extend(rest);
}

/// Text that is formatted straight into a string of JSON.
struct Formatted<'a>(&'a mut Buffer);

impl std::fmt::Write for Formatted<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
}

/// A number's decimal digits.
fn number(out: &mut Buffer, value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend(&digits[at..]);
}

impl<'a> Serializer for Pieces<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Open<'a>;
    type SerializeTuple = Open<'a>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Open<'a>;
    type SerializeStruct = Open<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    fn serialize_bool(self, value: bool) -> Result<()> {
        self.out.extend(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<()> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i16(self, value: i16) -> Result<()> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i32(self, value: i32) -> Result<()> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i64(self, value: i64) -> Result<()> {
        if value < 0 {
            self.out.push(b'-');
        }
        number(self.out, value.unsigned_abs());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<()> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u16(self, value: u16) -> Result<()> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u32(self, value: u32) -> Result<()> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u64(self, value: u64) -> Result<()> {
        number(self.out, value);
        Ok(())
    }

    /// Few and hard to write: the library's.
    fn serialize_f32(self, value: f32) -> Result<()> {
        serde_json::to_writer(self.out, &value)
    }

    fn serialize_f64(self, value: f64) -> Result<()> {
        serde_json::to_writer(self.out, &value)
    }

    fn serialize_char(self, value: char) -> Result<()> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<()> {
        text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<()> {
        let mut list = self.open(b'[', b"]");
        for byte in value {
            list.item(byte)?;
        }
        list.close()
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.out.extend(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<()> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<()> {
        let mut object = self.open(b'{', b"}");
        object.field(variant, value)?;
        object.close()
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'a>> {
        Ok(self.open(b'[', b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'a>> {
        Ok(self.open(b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Impossible<(), Error>> {
        Err(Error::custom(NO_RECORD))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Error>> {
        Err(Error::custom(NO_RECORD))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'a>> {
        Ok(self.open(b'{', b"}"))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'a>> {
        Ok(self.open(b'{', b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Impossible<(), Error>> {
        Err(Error::custom(NO_RECORD))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<()> {
        self.out.push(b'"');
        write!(Formatted(self.out), "{value}").map_err(Error::custom)?;
        self.out.push(b'"');
        Ok(())
    }
}

impl SerializeSeq for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.item(value)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl SerializeTuple for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.item(value)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl SerializeMap for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.comma();
        let from = self.out.len();
        write(self.out, key)?;
        match self.out.get(from) {
            Some(b'"') => Ok(()),
            _ => Err(Error::custom("a key is no string")),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.out.push(b':');
        write(self.out, value)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

impl SerializeStruct for Open<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<()> {
        self.field(key, value)
    }

    fn end(self) -> Result<()> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{Buffer, write};

    #[derive(Serialize)]
    enum Kind {
        Unit,
        New(i64),
    }

    #[derive(Serialize)]
    #[serde(tag = "record", rename_all = "lowercase")]
    enum Tagged {
        One(Inner),
    }

    #[derive(Serialize)]
    struct Inner {
        text: String,
        list: Vec<Kind>,
        map: BTreeMap<String, u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<u8>,
        tuple: (bool, f32, f64, Option<()>, char),
    }

    fn of(value: &(impl Serialize + ?Sized)) -> String {
        let mut out = Buffer::default();
        write(&mut out, value).unwrap();
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn as_the_library_writes_it() {
        let inner = Inner {
            text: (0..0x200).filter_map(char::from_u32).collect(),
            list: vec![Kind::Unit, Kind::New(i64::MIN)],
            map: [("a\"b".to_owned(), u64::MAX), (String::new(), 0)].into(),
            left_out: None,
            tuple: (true, 0.5, 1e300, None, '"'),
        };
        let value = Tagged::One(inner);
        assert_eq!(of(&value), serde_json::to_string(&value).unwrap());
        for length in 0..70 {
            let text = "x".repeat(length) + "\\";
            assert_eq!(of(&text), serde_json::to_string(&text).unwrap());
        }
        assert_eq!(of(&f64::NAN), "null");
    }

    #[test]
    fn a_key_that_is_no_string_is_refused() {
        let map: BTreeMap<u8, u8> = [(1, 2)].into();
        assert!(write(&mut Buffer::default(), &map).is_err());
    }
}
