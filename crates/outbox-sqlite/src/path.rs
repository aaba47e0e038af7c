//! What a path must be before anything is opened there.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};

/// A sweep of another process may hold our lock file for a moment.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// `<path><ending>`.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Where a file is.
pub(crate) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses links and network file systems. A file that does not exist yet is no link.
pub(crate) fn check_place(path: &Path) -> Result<(), OutboxError> {
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        if fs::symlink_metadata(&file).is_ok_and(|metadata| is_link(&metadata)) {
            return Err(OutboxError::plain(code::ERR_PATH_LINK));
        }
    }
    if is_network(directory(path)) {
        return Err(OutboxError::plain(code::ERR_PATH_NETWORK));
    }
    Ok(())
}

#[cfg(unix)]
fn is_link(metadata: &fs::Metadata) -> bool {
    metadata.is_symlink() || metadata.is_file() && std::os::unix::fs::MetadataExt::nlink(metadata) > 1
}

#[cfg(not(unix))]
fn is_link(metadata: &fs::Metadata) -> bool {
    metadata.is_symlink()
}

/// Whether the kernel says that a directory is on another machine; by the magic numbers of statfs(2): NFS, SMB, CIFS, SMB2,
/// AFS, 9P.
#[cfg(target_os = "linux")]
pub(crate) fn is_network(directory: &Path) -> bool {
    const FAR: [u32; 6] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x0102_1997];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the field's width and sign differ between platforms; the numbers fit into 32 bits"
    )]
    let kind = |found: rustix::fs::StatFs| found.f_type as u32;
    rustix::fs::statfs(directory).is_ok_and(|found| FAR.contains(&kind(found)))
}

/// A UNC path names another machine.
#[cfg(windows)]
pub(crate) fn is_network(directory: &Path) -> bool {
    use std::path::{Component, Prefix};
    let whole = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    matches!(
        whole.components().next(),
        Some(Component::Prefix(prefix)) if matches!(prefix.kind(), Prefix::UNC(..) | Prefix::VerbatimUNC(..))
    )
}

#[cfg(not(any(target_os = "linux", windows)))]
pub(crate) fn is_network(_directory: &Path) -> bool {
    false
}

/// Held while this copy of the library has the file open. Another copy in the same process, which shares neither our memory
/// nor our SQLite, meets the lock of this process's number.
pub(crate) struct OneCopy {
    lock: Option<File>,
    path: PathBuf,
}

impl OneCopy {
    pub(crate) fn take(outbox: &Path) -> Result<Self, OutboxError> {
        outbox_core::fault!("store-copy-lock", outbox_core::faults::refused);
        sweep(outbox);
        let path = beside(outbox, &own_ending());
        let lock = open_lock(&path)?;
        let began = Instant::now();
        while lock.try_lock().is_err() {
            if began.elapsed() > PATIENCE {
                return Err(OutboxError::plain(code::ERR_SECOND_COPY));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { lock: Some(lock), path })
    }
}

impl Drop for OneCopy {
    fn drop(&mut self) {
        // Closed before it is removed: Windows does not remove an open file.
        drop(self.lock.take());
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) const ENDING: &str = ".process-";

/// What the mark of this process ends with: its number, and in a container the namespace in which it has that number. The
/// applications of two containers with one volume are both number 1.
fn own_ending() -> String {
    let pid = std::process::id();
    numbered_by().map_or_else(|| format!("{ENDING}{pid}"), |namespace| format!("{ENDING}{pid}-{namespace}"))
}

#[cfg(target_os = "linux")]
fn numbered_by() -> Option<u64> {
    /// The namespace that a machine starts with (`PROC_PID_INIT_INO` of the kernel).
    const FIRST: u64 = 0xEFFF_FFFC;
    let namespace = std::os::unix::fs::MetadataExt::ino(&fs::metadata("/proc/self/ns/pid").ok()?);
    (namespace != FIRST).then_some(namespace)
}

#[cfg(not(target_os = "linux"))]
fn numbered_by() -> Option<u64> {
    None
}

/// Removes what processes left that were killed. The lock of a living one is held.
fn sweep(outbox: &Path) {
    let Some(name) = outbox.file_name().and_then(|name| name.to_str()) else { return };
    let prefix = format!("{name}{ENDING}");
    let own = format!("{name}{}", own_ending());
    for entry in fs::read_dir(directory(outbox)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_other = name.to_str().is_some_and(|name| name.starts_with(&prefix) && name != own);
        if is_other && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Opens or creates a file that is locked or read by several processes.
pub(crate) fn open_lock(path: &Path) -> Result<File, OutboxError> {
    let mut options = OpenOptions::new();
    // Never truncated: another process may be reading it.
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|_| OutboxError::plain(code::ERR_PATH_PERMISSION))
}
