//! What the file system says of a file and of its directory.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use serde::Serialize;

use crate::path::is_network;

/// One file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    bytes: u64,
    is_link: bool,
    /// Names that lead to it; unknown where the system does not say.
    names: Option<u64>,
    /// Its rights and its owner, on Unix.
    mode: Option<u32>,
    uid: Option<u32>,
    readable: bool,
    writable: bool,
}

impl Item {
    pub(super) fn look(path: &Path) -> Option<Self> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let (names, mode, uid) = owned(&metadata);
        let is_file = metadata.is_file();
        Some(Self {
            bytes: metadata.len(),
            is_link: metadata.is_symlink(),
            names,
            mode,
            uid,
            readable: is_file && File::open(path).is_ok(),
            // Opened, and closed again: nothing is written.
            writable: is_file && OpenOptions::new().write(true).open(path).is_ok(),
        })
    }
}

/// Where the file is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    exists: bool,
    is_network: bool,
    /// Whether files can be made in it; unknown where the system does not say.
    writable: Option<bool>,
    mode: Option<u32>,
    uid: Option<u32>,
    free_bytes: Option<u64>,
    total_bytes: Option<u64>,
}

impl Directory {
    pub(super) fn look(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir);
        let (_, mode, uid) = metadata.as_ref().map(owned).unwrap_or_default();
        Self {
            exists: metadata.is_some(),
            is_network: is_network(path),
            writable: writable(path),
            mode,
            uid,
            free_bytes: fs4::available_space(path).ok(),
            total_bytes: fs4::total_space(path).ok(),
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not say")]
fn writable(path: &Path) -> Option<bool> {
    use rustix::fs::{Access, access};
    Some(access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

#[cfg(not(unix))]
fn writable(_path: &Path) -> Option<bool> {
    None
}

/// Names, rights and owner.
type Owned = (Option<u64>, Option<u32>, Option<u32>);

#[cfg(unix)]
fn owned(metadata: &fs::Metadata) -> Owned {
    use std::os::unix::fs::MetadataExt;
    (Some(metadata.nlink()), Some(metadata.mode() & 0o7777), Some(metadata.uid()))
}

#[cfg(not(unix))]
fn owned(_metadata: &fs::Metadata) -> Owned {
    (None, None, None)
}
