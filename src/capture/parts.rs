//! Rotated parts of one recording that were not named in the order in which they were made.
//!
//! `tcpdump -C` calls them `x.pcap`, `x.pcap1` … `x.pcap10`, which a shell and a folder put before `x.pcap2`; in a ring (`-W`) the first name
//! comes round again. What their frames say is the order. Whether they are parts at all is for who reads them: see [`super::abut`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::inputs::Input;
use super::open_error::OpenError;
use super::reader::CaptureReader;
use crate::base::Timestamp;

/// The inputs with those files of one folder in the order of their first frames whose names differ by nothing but digits. They share the
/// places that they had; everything else keeps its own.
pub fn in_order(mut inputs: Vec<Result<Input, OpenError>>) -> Vec<Result<Input, OpenError>> {
    let mut series: BTreeMap<(&Path, Vec<u8>), Vec<usize>> = BTreeMap::new();
    for (place, input) in inputs.iter().enumerate() {
        if let Ok(Input::Path(path)) = input
            && let (Some(folder), Some(name)) = (path.parent(), path.file_name())
        {
            let places = series.entry((folder, without_digits(name))).or_default();
            places.push(place);
        }
    }
    let several = series.into_values().filter(|places| places.len() > 1);
    let several: Vec<Vec<usize>> = several.collect();
    for places in several {
        let input = |place: &usize| inputs.get(*place)?.as_ref().ok().cloned();
        let mut begun: Vec<(usize, Timestamp, Input)> = places
            .iter()
            .filter_map(|place| {
                let input = input(place)?;
                Some((*place, begins(&input)?, input))
            })
            .collect();
        let free: Vec<usize> = begun.iter().map(|(place, ..)| *place).collect();
        begun.sort_by_key(|(_, time, _)| *time);
        for (place, (_, _, part)) in free.into_iter().zip(begun) {
            if let Some(input) = inputs.get_mut(place) {
                *input = Ok(part);
            }
        }
    }
    inputs
}

fn without_digits(name: &OsStr) -> Vec<u8> {
    let bytes = name.as_bytes().iter().copied();
    bytes.filter(|byte| !byte.is_ascii_digit()).collect()
}

/// The time of the first frame; none of a pipe, which gives it only once.
fn begins(input: &Input) -> Option<Timestamp> {
    match input {
        Input::Path(path) if path.is_file() => Some(CaptureReader::open(input).ok()?.peek()?.time),
        _ => None,
    }
}
