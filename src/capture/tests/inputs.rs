//! Files, folders, FIFOs, and everything that is no capture.

use std::fs;
use std::io::Write;
use std::process::Command;

use super::hand_made::Endian;
use super::read;
use crate::capture::{CaptureReader, Input, OpenErrorKind, expand};

#[test]
fn a_folder_means_its_captures_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("b/empty")).unwrap();
    fs::write(at("b/2.pcapng"), Endian::Big.every_block()).unwrap();
    fs::write(at("b/1"), Endian::Big.pcap(0xA1B2_C3D4)).unwrap();
    fs::write(at("a.pcap"), Endian::Little.pcap(0xA1B2_C3D4)).unwrap();
    fs::write(at("README.md"), "notes\n").unwrap();
    fs::write(at("nothing.pcap"), "").unwrap();
    std::os::unix::fs::symlink(folder.path(), at("b/circle")).unwrap();
    let inputs: Vec<Input> = expand(&[folder.path().as_os_str(), "-".as_ref()])
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let expected = ["a.pcap", "b/1", "b/2.pcapng"].map(|name| Input::Path(at(name)));
    assert_eq!(inputs[..3], expected);
    assert_eq!(inputs[3..], [Input::Stdin]);
    let error = expand(&[at("b/empty")]).remove(0).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::NoCaptures);
    fs::write(at("b/empty/note"), "text").unwrap();
    let error = expand(&[at("b/empty")]).remove(0).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is a folder without a capture in it: its only file is none"),
        "{error}"
    );
}

#[test]
fn what_is_no_capture_gets_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.pcap");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        CaptureReader::open(&Input::Path(path.clone()))
            .err()
            .unwrap()
    };
    let cases: [(&[u8], OpenErrorKind, &str); 9] = [
        (b"", OpenErrorKind::Empty, "is empty"),
        (
            b"Dear all,\nthe firewall\n",
            OpenErrorKind::Text,
            "is text, not a capture",
        ),
        (
            &Endian::Big.pcap(0xA1B2_C3D4)[..20],
            OpenErrorKind::HeaderCut,
            "is cut off in its header",
        ),
        (
            &Endian::Big.every_block()[..20],
            OpenErrorKind::HeaderCut,
            "is cut off in its header",
        ),
        (
            &Endian::Big.section(7),
            OpenErrorKind::Unsupported,
            "pcapng of version 7.0",
        ),
        (
            &Endian::Big.pcap_header(0xA1B2_C3D4, (1, 2), 1),
            OpenErrorKind::Unsupported,
            "pcap of version 1.2",
        ),
        (
            b"snoop\0\0\0\0\0\0\x02",
            OpenErrorKind::OtherFormat,
            "editcap -F pcapng",
        ),
        (
            b"\x7FELF\x02\x01\x01\0",
            OpenErrorKind::Unknown,
            "7f 45 4c 46",
        ),
        (
            b"\x0A\x0D\x0D\x0A\x1C\0\0\0\xFF\xFF\xFF\xFF\0\0\0\0",
            OpenErrorKind::HeaderCut,
            "damaged in its header",
        ),
    ];
    for (bytes, kind, text) in cases {
        let error = error(bytes);
        assert_eq!(error.kind(), kind, "{error}");
        let sentence = error.to_string();
        assert!(
            sentence.starts_with(path.to_str().unwrap()) && sentence.contains(text),
            "{sentence}"
        );
        assert!(!sentence.contains('\n'));
    }
    let missing = CaptureReader::open(&Input::Path("/nowhere/at/all".into()))
        .err()
        .unwrap();
    assert_eq!(
        missing.to_string(),
        "/nowhere/at/all: no such file or folder"
    );
    let device = CaptureReader::open(&Input::Path("/dev/zero".into()))
        .err()
        .unwrap();
    assert_eq!(device.kind(), OpenErrorKind::Unknown);
}

#[test]
fn the_frames_of_a_file_are_found_again_in_its_map() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.pcapng");
    fs::write(&path, Endian::Little.every_block()).unwrap();
    let mut reader = CaptureReader::open(&Input::Path(path)).unwrap();
    let map = reader.mapping().unwrap();
    let mut seen = 0;
    while let Some(peeked) = reader
        .peek()
        .map(|frame| (frame.number, frame.data.to_vec()))
    {
        let frame = reader.next_frame().unwrap();
        assert_eq!((frame.number, frame.data), (peeked.0, peeked.1.as_slice()));
        let mapped = map.get(frame.position, frame.data.len()).unwrap();
        assert_eq!(mapped, frame.data);
        seen += 1;
    }
    assert_eq!(seen, 5);
    assert!(map.get(u64::MAX, 1).is_none());
}

#[test]
fn a_pipe_gives_its_first_frame_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let (go_on, wait) = std::sync::mpsc::channel();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
            let bytes = Endian::Little.pcap(0xA1B2_C3D4);
            pipe.write_all(&bytes[..45]).unwrap();
            // The reader must have the first frame (24 + 16 + 5 bytes) before the rest is written.
            wait.recv().unwrap();
            pipe.write_all(&bytes[45..]).unwrap();
        }
    });
    let mut reader = CaptureReader::open(&Input::Path(path)).unwrap();
    assert_eq!(reader.next_frame().unwrap().data, b"first");
    go_on.send(()).unwrap();
    let (frames, summary) = read(reader);
    assert_eq!(
        (frames.len(), summary.packets, summary.kind.name()),
        (2, 3, "pipe")
    );
    writer.join().unwrap();
}
