//! What the tests share: a capture in, its records out.

use std::path::{Path, PathBuf};

use mxray::capture::{CaptureReader, Input};
use mxray::engine::record::Record;
use mxray::engine::{Config, Engine, Input as Frame, SourceEnd};

/// Replays one capture file through the engine.
pub fn replay(path: &Path) -> Result<Vec<Record>, String> {
    replay_with(path, Config::default())
}

/// The same with settings.
pub fn replay_with(path: &Path, config: Config) -> Result<Vec<Record>, String> {
    let mut reader = CaptureReader::open(&Input::Path(path.to_owned())).map_err(|error| error.to_string())?;
    let mut engine = Engine::new(config);
    let mut records = Vec::new();
    let source = engine.open_source("file", reader.name().clone(), None);
    while let Some(frame) = reader.next_frame() {
        let frame = Frame {
            source,
            number: frame.number,
            link_type: frame.link_type,
            time: frame.time,
            data: frame.data,
            original_len: frame.original_len,
            control: frame.control,
        };
        engine.frame(&frame, &mut |record| records.push(record));
    }
    let summary = reader.summary();
    let end = SourceEnd { dropped: summary.dropped, damage: summary.damage.map(|damage| damage.to_string()) };
    engine.close_source(source, end, &mut |record| records.push(record));
    engine.finish(&mut |record| records.push(record));
    Ok(records)
}

/// Every file below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
