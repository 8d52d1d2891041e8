//! Writes pcapng: the packets that mxray saw or sent itself, with comments beside them.
//!
//! It exists so that evidence can be opened in Wireshark without a warning and replayed by mxray
//! without a loss: nanosecond times, one section, any number of interfaces. It refuses to rewrite,
//! mask or drop packets; whoever hands them over decides that.
//!
//! Source: draft-ietf-opsawg-pcapng, sections 4.1 (SHB), 4.2 (IDB), 4.3 (EPB), 4.6 (ISB), 4.7 (DSB), 3.5.1
//! (custom options).

use std::io::{self, Write};

use crate::base::Timestamp;

/// The Private Enterprise Number under which mxray's custom options stand.
///
/// 32473 is reserved for examples and documentation (RFC 5612), so it collides with nobody's
/// registered number; the option's text, [`CONTROL_MARK`], says whose it is.
pub const ENTERPRISE_NUMBER: u32 = 32_473;

/// The text of the custom option that marks a packet as one of mxray's own control packets.
pub const CONTROL_MARK: &str = "mxray:control";

/// What a custom block of mxray's measurements begins with.
pub const MEASURED_MARK: &str = "mxray:measured\n";

/// The beginning of the custom option of interface statistics that says that the file holds all that came until their
/// time; the number of its frames follows.
pub(super) const WATCHED_MARK: &str = "mxray:watched frames=";

/// The most bytes of one packet: what Wireshark reads of ordinary link types.
pub const MAX_FRAME: usize = 262_144;

/// The most bytes of one comment; longer ones are cut at a character. An option holds 65,535.
pub const MAX_COMMENT: usize = 32_768;

pub(super) const SECTION_HEADER: u32 = 0x0A0D_0D0A;
pub(super) const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
pub(super) const INTERFACE_STATISTICS: u32 = 5;
pub(super) const ENHANCED_PACKET: u32 = 6;
pub(super) const DECRYPTION_SECRETS: u32 = 10;
/// Custom block that other tools may copy (draft 4.8).
pub(super) const CUSTOM: u32 = 0x0BAD;
/// `secrets_type` of a TLS key log: "TLSK".
pub(super) const TLS_KEY_LOG: u32 = 0x544C_534B;
/// `opt_comment`.
const OPT_DROPCOUNT: u16 = 4;
const OPT_COMMENT: u16 = 1;
/// `opt_custom` with a UTF-8 string that may be copied by other tools.
pub(super) const OPT_CUSTOM_TEXT: u16 = 2988;

/// A pcapng file in the making. Every packet is one write; wrap a file in a `BufWriter`.
pub struct PcapngWriter<W: Write> {
    out: W,
    /// The block being built; kept so that nothing is allocated per packet.
    block: Vec<u8>,
    interfaces: u32,
    /// Of the next packet's interface.
    lost: u64,
}

impl<W: Write> PcapngWriter<W> {
    /// Starts the file: writes the section header, `shb_userappl` "mxray VERSION".
    pub fn new(out: W) -> io::Result<PcapngWriter<W>> {
        let mut writer = PcapngWriter {
            out,
            block: Vec::with_capacity(4096),
            interfaces: 0,
            lost: 0,
        };
        writer.begin(SECTION_HEADER);
        writer.u32(BYTE_ORDER_MAGIC);
        writer.u16(1);
        writer.u16(0);
        // Section length −1: not known, the file is written as a stream.
        writer.block.extend_from_slice(&[0xFF; 8]);
        writer.option(4, concat!("mxray ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.end_of_options();
        writer.end()?;
        Ok(writer)
    }

    /// Adds an interface and gives its number. `link_type` is a LINKTYPE_ value as tcpdump.org lists
    /// them; `snaplen` in bytes, 0 for no limit. Times of its packets have a resolution of 1 ns.
    pub fn interface(&mut self, name: &str, link_type: u16, snaplen: u32) -> io::Result<u32> {
        self.begin(INTERFACE_DESCRIPTION);
        self.u16(link_type);
        self.u16(0);
        self.u32(snaplen);
        if !name.is_empty() {
            self.option(2, cut(name, 255).as_bytes());
        }
        self.option(9, &[9]);
        self.end_of_options();
        self.end()?;
        let number = self.interfaces;
        self.interfaces = self.interfaces.saturating_add(1);
        Ok(number)
    }

    /// Writes a packet of an interface that was added before. `original_len` is its length on the wire;
    /// a time before 1970 becomes 1970, as the format has no other.
    ///
    /// Fails with `InvalidInput` for an interface that was never added and for more than
    /// [`MAX_FRAME`] bytes; the file stays whole then.
    pub fn packet(
        &mut self,
        interface: u32,
        time: Timestamp,
        data: &[u8],
        original_len: u32,
        comment: Option<&str>,
    ) -> io::Result<()> {
        self.enhanced_packet(interface, time, data, original_len, comment, &[])
    }

    /// So many packets of the next one's interface were lost before it: it says so (`epb_dropcount`, draft 4.3).
    pub fn lost_before(&mut self, count: u64) {
        self.lost = count;
    }

    /// Writes a packet that mxray sent or caused only as a control measurement (another port, a limited
    /// TTL): like [`PcapngWriter::packet`], with a mark that a replay knows ([`CONTROL_MARK`]).
    pub fn packet_control(
        &mut self,
        interface: u32,
        time: Timestamp,
        data: &[u8],
        original_len: u32,
        comment: Option<&str>,
    ) -> io::Result<()> {
        let mut mark = Vec::with_capacity(4 + CONTROL_MARK.len());
        mark.extend_from_slice(&ENTERPRISE_NUMBER.to_le_bytes());
        mark.extend_from_slice(CONTROL_MARK.as_bytes());
        let comment = comment.unwrap_or("mxray: control packet");
        self.enhanced_packet(interface, time, data, original_len, Some(comment), &mark)
    }

    /// Writes what an interface's driver counted up to `time`: packets received, and packets that were
    /// dropped before the capture saw them.
    pub fn statistics(
        &mut self,
        interface: u32,
        time: Timestamp,
        received: u64,
        dropped: u64,
    ) -> io::Result<()> {
        self.interface_statistics(interface, time, [received, dropped], None)
    }

    /// The same at the end of a live capture of mxray's own, with the statement that the wire was watched until `time` and
    /// nothing came but the `frames` of this file: a silence at the end of it is a silence. Only valid with that many
    /// frames, so a part cut out of the file does not inherit it.
    pub fn statistics_watched(
        &mut self,
        interface: u32,
        time: Timestamp,
        received: u64,
        dropped: u64,
        frames: u64,
    ) -> io::Result<()> {
        self.interface_statistics(interface, time, [received, dropped], Some(frames))
    }

    /// An Interface Statistics Block; with the number of frames of a capture that was watched until `time`.
    fn interface_statistics(
        &mut self,
        interface: u32,
        time: Timestamp,
        [received, dropped]: [u64; 2],
        watched: Option<u64>,
    ) -> io::Result<()> {
        self.known(interface)?;
        self.begin(INTERFACE_STATISTICS);
        self.u32(interface);
        self.time(time);
        if watched.is_some() {
            // isb_endtime
            self.u16(3);
            self.u16(8);
            self.time(time);
        }
        self.option(4, &received.to_le_bytes());
        self.option(5, &dropped.to_le_bytes());
        if let Some(frames) = watched {
            let mut mark = Vec::with_capacity(4 + WATCHED_MARK.len() + 20);
            mark.extend_from_slice(&ENTERPRISE_NUMBER.to_le_bytes());
            mark.extend_from_slice(WATCHED_MARK.as_bytes());
            mark.extend_from_slice(frames.to_string().as_bytes());
            self.option(OPT_CUSTOM_TEXT, &mark);
        }
        self.end_of_options();
        self.end()
    }

    /// Writes lines of a TLS key log (SSLKEYLOGFILE format), for the packets that follow.
    pub fn key_log(&mut self, text: &[u8]) -> io::Result<()> {
        let len = u32::try_from(text.len())
            .ok()
            .filter(|len| *len <= 1 << 20)
            .ok_or_else(|| refuse("a key log of more than 1 MiB"))?;
        self.begin(DECRYPTION_SECRETS);
        self.u32(TLS_KEY_LOG);
        self.u32(len);
        self.padded(text);
        self.end()
    }

    /// Writes a measurement of mxray's own as a custom block: text that a replay reads back. Wireshark counts the block
    /// as a frame.
    pub fn measured(&mut self, text: &str) -> io::Result<()> {
        self.begin(CUSTOM);
        self.u32(ENTERPRISE_NUMBER);
        // Custom data has no length of its own: it ends with the padding, which no text holds.
        let mut data = Vec::with_capacity(MEASURED_MARK.len() + text.len());
        data.extend_from_slice(MEASURED_MARK.as_bytes());
        data.extend_from_slice(text.as_bytes());
        self.padded(&data);
        self.end()
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Flushes and gives the writer back.
    pub fn into_inner(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn enhanced_packet(
        &mut self,
        interface: u32,
        time: Timestamp,
        data: &[u8],
        original_len: u32,
        comment: Option<&str>,
        control: &[u8],
    ) -> io::Result<()> {
        self.known(interface)?;
        let captured = u32::try_from(data.len())
            .ok()
            .filter(|_| data.len() <= MAX_FRAME)
            .ok_or_else(|| refuse("a packet of more than 262,144 bytes"))?;
        self.begin(ENHANCED_PACKET);
        self.u32(interface);
        self.time(time);
        self.u32(captured);
        self.u32(original_len);
        self.padded(data);
        let lost = std::mem::take(&mut self.lost);
        if let Some(comment) = comment {
            self.option(OPT_COMMENT, cut(comment, MAX_COMMENT).as_bytes());
        }
        if lost > 0 {
            self.option(OPT_DROPCOUNT, &lost.to_le_bytes());
        }
        if !control.is_empty() {
            self.option(OPT_CUSTOM_TEXT, control);
        }
        if comment.is_some() || lost > 0 || !control.is_empty() {
            self.end_of_options();
        }
        self.end()
    }

    fn known(&self, interface: u32) -> io::Result<()> {
        if interface < self.interfaces {
            Ok(())
        } else {
            Err(refuse("a packet of an interface that was not added"))
        }
    }

    /// A time as two words, the upper half first, whatever the byte order (draft 4.3).
    fn time(&mut self, time: Timestamp) {
        let nanoseconds = u64::try_from(time.0).unwrap_or(0);
        self.u32((nanoseconds >> 32) as u32);
        self.u32((nanoseconds & 0xFFFF_FFFF) as u32);
    }

    fn begin(&mut self, block_type: u32) {
        self.block.clear();
        self.u32(block_type);
        self.u32(0);
    }

    /// Puts the length at both ends and writes the block.
    fn end(&mut self) -> io::Result<()> {
        let total = u32::try_from(self.block.len() + 4)
            .map_err(|_| refuse("a block of more than 4 GiB"))?;
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&total.to_le_bytes());
        }
        self.u32(total);
        self.out.write_all(&self.block)
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        // Callers bound what they pass; an option's length is 16 bits.
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.u16(code);
        self.u16(value.len() as u16);
        self.padded(value);
    }

    fn end_of_options(&mut self) {
        self.u32(0);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        let padding = bytes.len().wrapping_neg() & 3;
        self.block.extend_from_slice(&[0; 3][..padding]);
    }

    fn u16(&mut self, value: u16) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.block.extend_from_slice(&value.to_le_bytes());
    }
}

fn refuse(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("pcapng cannot hold {what}"),
    )
}

/// The longest start of a text that has at most `max` bytes and ends at a character.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{MAX_FRAME, PcapngWriter};
    use crate::base::Timestamp;

    /// An ARP request; enough for a dissector to be content.
    const ARP: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0,
        0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];

    fn sample() -> Vec<u8> {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        let inside = writer.interface("inside", 1, 262_144).unwrap();
        let outside = writer.interface("outside", 1, 0).unwrap();
        writer.key_log(b"CLIENT_RANDOM 00 11\n").unwrap();
        let start = Timestamp(1_700_000_000_123_456_789);
        writer.packet(inside, start, &ARP, 42, None).unwrap();
        writer
            .packet(outside, start.plus(1), &ARP[..41], 42, Some("héllo"))
            .unwrap();
        writer
            .packet_control(outside, start.plus(2), &ARP, 42, Some("port 443"))
            .unwrap();
        writer.statistics(inside, start.plus(3), 10, 2).unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_leaves_the_file_whole() {
        let mut writer = PcapngWriter::new(Vec::new()).unwrap();
        assert!(writer.packet(0, Timestamp(0), &ARP, 42, None).is_err());
        writer.interface("eth0", 1, 0).unwrap();
        let before = writer.out.len();
        assert!(
            writer
                .packet(0, Timestamp(0), &vec![0; MAX_FRAME + 1], 1, None)
                .is_err()
        );
        assert_eq!(writer.out.len(), before);
    }

    #[test]
    fn blocks_are_aligned_and_carry_their_length_twice() {
        let bytes = sample();
        let mut at = 0;
        let mut blocks = 0;
        while at < bytes.len() {
            let len = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
            assert_eq!(len % 4, 0);
            assert_eq!(bytes[at + 4..at + 8], bytes[at + len - 4..at + len]);
            at += len;
            blocks += 1;
        }
        assert_eq!(blocks, 8);
    }

    #[test]
    fn tshark_opens_it_without_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written.pcapng");
        std::fs::write(&path, sample()).unwrap();
        let fields = [
            "frame.time_epoch",
            "frame.len",
            "frame.cap_len",
            "frame.interface_name",
            "frame.comment",
        ];
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(&path).args(["-T", "fields"]);
        for field in fields {
            tshark.args(["-e", field]);
        }
        let Ok(output) = tshark.output() else {
            eprintln!("SKIPPED: tshark is not installed");
            return;
        };
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let complaints: Vec<&str> = errors
            .lines()
            .filter(|line| !line.contains("as user \"root\""))
            .collect();
        assert_eq!(complaints, Vec::<&str>::new());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "1700000000.123456789\t42\t42\tinside\t",
                "1700000000.123456790\t42\t41\toutside\théllo",
                "1700000000.123456791\t42\t42\toutside\tport 443",
            ]
        );
    }

    #[test]
    fn what_was_lost_is_told_with_the_next_packet() {
        let mut writer = PcapngWriter::new(Vec::new()).expect("memory");
        let (inside, outside) = (
            writer.interface("lan", 1, 0).expect("memory"),
            writer.interface("wan", 1, 0).expect("memory"),
        );
        let mut packet = |interface, lost| {
            writer.lost_before(lost);
            writer
                .packet(interface, Timestamp(1), &[0; 60], 60, None)
                .expect("memory");
        };
        packet(inside, 0);
        packet(inside, 5);
        packet(outside, 2);
        packet(outside, 0);
        let file = std::io::Cursor::new(writer.into_inner().expect("memory"));
        let mut reader =
            crate::capture::CaptureReader::from_reader("lost", Box::new(file)).expect("a capture");
        while reader.next_frame().is_some() {}
        assert_eq!(reader.summary().dropped, 7);
    }
}
