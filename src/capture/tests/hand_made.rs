//! Captures made byte by byte, in either byte order. They test the reading of files; as packets they
//! mean nothing.

/// Writes numbers in one byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endian {
    Little,
    Big,
}

pub(super) const BOTH: [Endian; 2] = [Endian::Little, Endian::Big];

impl Endian {
    pub(super) fn u16(self, value: u16) -> [u8; 2] {
        if self == Endian::Little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    }
    pub(super) fn u32(self, value: u32) -> [u8; 4] {
        if self == Endian::Little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    }
    pub(super) fn u64(self, value: u64) -> [u8; 8] {
        if self == Endian::Little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        }
    }
    pub(super) fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    // pcap

    pub(super) fn pcap_header(self, magic: u32, version: (u16, u16), link_type: u32) -> Vec<u8> {
        let mut out = self.u32(magic).to_vec();
        out.extend(self.u16(version.0));
        out.extend(self.u16(version.1));
        out.extend(self.words(&[0, 0, 65_535, link_type]));
        out
    }
    pub(super) fn pcap_record(
        self,
        seconds: u32,
        fraction: u32,
        data: &[u8],
        original: u32,
    ) -> Vec<u8> {
        let mut out = self.words(&[seconds, fraction, data.len() as u32, original]);
        out.extend(data);
        out
    }
    /// Three packets of 5, 0 and 60 bytes.
    pub(super) fn pcap(self, magic: u32) -> Vec<u8> {
        let mut out = self.pcap_header(magic, (2, 4), 1);
        out.extend(self.pcap_record(1_700_000_000, 1, b"first", 5));
        out.extend(self.pcap_record(1_700_000_000, 2, b"", 60));
        out.extend(self.pcap_record(u32::MAX, 999_999, &[7; 60], 1500));
        out
    }

    // pcapng

    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().div_ceil(4) * 4;
        let len = self.u32(padded as u32 + 12);
        let mut out = self.u32(kind).to_vec();
        out.extend(len);
        out.extend(body);
        out.resize(8 + padded, 0);
        out.extend(len);
        out
    }
    pub(super) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut out = self.u16(code).to_vec();
        out.extend(self.u16(value.len() as u16));
        out.extend(value);
        out.resize(out.len().div_ceil(4) * 4, 0);
        out
    }
    pub(super) fn section(self, major: u16) -> Vec<u8> {
        let mut body = self.u32(0x1A2B_3C4D).to_vec();
        body.extend(self.u16(major));
        body.extend(self.u16(0));
        body.extend([0xFF; 8]);
        self.block(0x0A0D_0D0A, &body)
    }
    pub(super) fn interface(self, link_type: u16, snaplen: u32, options: &[Vec<u8>]) -> Vec<u8> {
        let mut body = self.u16(link_type).to_vec();
        body.extend([0, 0]);
        body.extend(self.u32(snaplen));
        for option in options {
            body.extend(option);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }
    pub(super) fn enhanced(
        self,
        interface: u32,
        stamp: u64,
        data: &[u8],
        original: u32,
        options: &[Vec<u8>],
    ) -> Vec<u8> {
        let (high, low) = ((stamp >> 32) as u32, stamp as u32);
        let mut body = self.words(&[interface, high, low, data.len() as u32, original]);
        body.extend(data);
        body.resize(body.len().div_ceil(4) * 4, 0);
        for option in options {
            body.extend(option);
        }
        self.block(6, &body)
    }
    pub(super) fn obsolete(self, interface: u16, drops: u16, stamp: u64, data: &[u8]) -> Vec<u8> {
        let mut body = self.u16(interface).to_vec();
        body.extend(self.u16(drops));
        let len = data.len() as u32;
        body.extend(self.words(&[(stamp >> 32) as u32, stamp as u32, len, len]));
        body.extend(data);
        self.block(2, &body)
    }
    pub(super) fn simple(self, original: u32, data: &[u8]) -> Vec<u8> {
        let mut body = self.u32(original).to_vec();
        body.extend(data);
        self.block(3, &body)
    }
    pub(super) fn statistics(self, interface: u32, dropped: u64, by_system: u64) -> Vec<u8> {
        let mut body = self.words(&[interface, 0, 0]);
        body.extend(self.option(5, &self.u64(dropped)));
        body.extend(self.option(7, &self.u64(by_system)));
        self.block(5, &body)
    }

    /// One section with every block type: microseconds on interface 0 (snap length 8), nanoseconds on 1.
    /// Five packets.
    pub(super) fn every_block(self) -> Vec<u8> {
        let comment = self.option(1, b"a comment");
        let mut secrets = self.words(&[0x544C_534B, 11]);
        secrets.extend(b"CLIENT_RAND");
        [
            self.section(1),
            self.interface(1, 8, &[self.option(2, b"eth0")]),
            self.interface(
                101,
                0,
                &[
                    self.option(2, b"tun0"),
                    self.option(9, &[9]),
                    self.option(14, &self.u64(10)),
                ],
            ),
            self.block(10, &secrets),
            self.enhanced(
                0,
                1_700_000_000_000_001,
                b"first",
                5,
                &[comment, self.option(4, &self.u64(3))],
            ),
            self.block(4, &[0; 8]),
            self.simple(1500, b"12345678"),
            self.block(0x0BAD, b"\0\0\0\x01custom"),
            self.block(0x4000_0BAD, b"\0\0\0\x01custom"),
            self.obsolete(1, 2, 1_700_000_000_000_000_009, b"third"),
            self.block(0x7654_3210, &[9; 40]),
            self.enhanced(1, 1_700_000_000_000_000_010, b"", 60, &[]),
            self.enhanced(0, 1_700_000_001_000_000, &[1; 33], 33, &[]),
            self.statistics(0, 20, 2),
        ]
        .concat()
    }
}
