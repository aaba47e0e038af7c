//! Errors as data: a stable code, whose fault it is, whether to try again, and words.
//!
//! Every code that the outbox can give stands in [`CODES`] (those of the HL7 reader in `hl7::PROBLEMS`);
//! docs/errors.md is generated from both. No message ever carries content of an HL7 message or of an answer.

use std::fmt;

use crate::hl7::{self, Hl7Problem};

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The program that called: its message, options or configuration.
    Caller,
    /// The machine: disk, permissions, another process.
    Host,
    /// This package: a defect worth a report.
    Outbox,
}

impl Fault {
    /// The word in the documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Host => "host",
            Self::Outbox => "outbox",
        }
    }
}

/// One row of the table of codes.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// The stable code, as `error.code` in JavaScript.
    pub code: &'static str,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether the same call can succeed later without a change by the caller.
    pub retry: bool,
    /// What happened.
    pub meaning: &'static str,
    /// What to do; `error.hint` in JavaScript.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($name:ident, $fault:ident, $retry:literal, $meaning:literal, $remedy:literal;)+) => {
        /// The codes as constants, so that a misspelt one does not compile.
        pub mod code {
            $(#[doc = $meaning] pub const $name: &str = stringify!($name);)+
        }
        /// Every code with its meaning and remedy, in the order of a message's way.
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo { code: code::$name, fault: Fault::$fault, retry: $retry, meaning: $meaning, remedy: $remedy },)+
        ];
    };
}

codes! {
    ERR_CONFIG, Caller, false, "A configuration value is wrong, missing or unknown; the message names the key.",
        "Correct the named key. docs/configuration.md lists every key, its unit and its default.";
    ERR_CONFIG_FILE, Caller, false, "The configuration file cannot be read or is not JSON.",
        "Check the path in HL7_OUTBOX_CONFIG and the file's syntax and permissions.";
    ERR_ALREADY_STARTED, Caller, false, "The outbox of this process was started before with another configuration.",
        "Start it once, or call stopOutbox() first. For a second file use the Outbox class.";
    ERR_STOPPED, Caller, false, "The outbox was stopped.", "Call startOutbox() to open it again.";
    ERR_BUILD_PHASE, Caller, false, "The outbox was called during `next build`.",
        "Make the route dynamic (export const dynamic = 'force-dynamic') so that it does not run at build time.";
    ERR_UNSUPPORTED_RUNTIME, Caller, false, "The outbox was called in a runtime without native addons, such as Edge or a browser.",
        "Set `export const runtime = 'nodejs'` in the route and call the outbox on the server only.";
    ERR_PLATFORM_UNSUPPORTED, Host, false, "No prebuilt binary exists for this platform.",
        "Build from source with Rust (npm run build), or run on one of the platforms that the message lists.";
    ERR_BINARY_MISSING, Host, false, "The native binary for this platform is not installed.",
        "Reinstall without --omit=optional on this operating system, or wrap the Next.js configuration in withHl7Outbox().";
    ERR_PATH_RELATIVE, Caller, false, "The outbox path is relative, or missing, in production.",
        "Set `path` or HL7_OUTBOX_PATH to an absolute path outside the deployment folder.";
    ERR_PATH_DIRECTORY, Host, false, "The directory of the outbox file is missing or is not a directory.",
        "Create the directory and give the application's user the right to write in it.";
    ERR_PATH_PERMISSION, Host, false, "The outbox file or its directory cannot be read or written.",
        "Give the application's user read and write permission on the directory and on the file with its -wal, -shm, .lock, .dispatcher, .queue and .epoch companions.";
    ERR_PATH_LINK, Caller, false, "The outbox file or a companion is a symbolic or a hard link: two names would lead to one file without knowing of each other's locks.",
        "Point `path` at the file itself, in a directory that only the application writes to.";
    ERR_PATH_NETWORK, Host, false, "The directory is on a network file system, which keeps neither locks nor flushes reliably.",
        "Put the outbox on a local disk of the host that runs the application.";
    ERR_SECOND_COPY, Caller, false, "Another copy of hl7-outbox in this process has the file open. Two SQLite libraries on one file in one process lose data.",
        "Load the package once: look for two installed versions, or a bundled copy beside node_modules (withHl7Outbox keeps it out of the bundle).";
    ERR_FORKED, Caller, false, "This process was forked from the one that opened the outbox, and has none of its threads. Nothing was stored.",
        "Open the outbox in the process that uses it. `child_process` and `cluster` of Node.js start programs anew and are not concerned.";
    ERR_NOT_AN_OUTBOX, Caller, false, "The file exists, and it is not an outbox file. It was not touched.",
        "Point `path` at another file; the outbox never takes over a file that it did not create.";
    ERR_SCHEMA_NEWER, Caller, false, "The file was written by a newer version of hl7-outbox that this one may not share it with.",
        "Install at least the version that the message names.";
    ERR_FILE_DAMAGED, Host, false, "The file is damaged. It was not changed.",
        "Stop the application, keep a copy of the file with its -wal companion, and restore a backup.";
    ERR_IN_USE, Host, true, "A process has the outbox open, or it is open here. Nothing was changed.",
        "Stop the processes that use the outbox (the message names them if it can), then repeat the command.";
    ERR_BACKUP_EXISTS, Caller, false, "The name for the backup is taken. Nothing was written.",
        "Choose another name, or allow that the file is replaced (`replace: true`, `--force`).";
    ERR_BACKUP_FAILED, Host, true, "The backup could not be made, or did not pass its check. Nothing was left under its name, and the outbox goes on.",
        "See the message: make room or set the directory's rights; if the copy did not pass its check, run `hl7-outbox doctor --full`.";
    ERR_BACKUP_UNFIT, Caller, false, "The file is no sound backup that could be put in the outbox's place. Nothing was changed.",
        "Restore another backup; `hl7-outbox doctor --full --path BACKUP` says more about this one.";
    ERR_RESTORE_UNFINISHED, Host, false, "A restore of this outbox began and did not end. Its file may be missing, so nobody may open it.",
        "Run `hl7-outbox restore` again, with the same backup or another one.";
    ERR_BODY_DAMAGED, Host, false, "The bytes of this message are not those that were stored: they changed on disk. They are neither shown nor sent.",
        "Look for the cause (disk, memory, another program that writes the file). Replace the message by one made anew (replaceMessage), or cancel it.";
    ERR_OPTION, Caller, false, "An argument or option has the wrong type or value; the message names it.",
        "Correct the named argument. Nothing was stored.";
    ERR_MESSAGE_ID, Caller, false, "The message id is not one that enqueueHl7 gave.", "Pass the `id` of an Enqueued or a Message.";
    ERR_CURSOR, Caller, false, "The cursor is not one that this function gave.", "Pass `nextCursor` unchanged, or start without a cursor.";
    ERR_CURSOR_EXPIRED, Caller, false, "Changes after that cursor are no longer kept; `error.cursor` is the oldest place that is.",
        "Go on from `error.cursor`, and compare your copy with listMessages: what lies between is not told again.";
    ERR_UNKNOWN_DESTINATION, Caller, false, "No destination of that name is configured.",
        "Use a configured name, or add the destination to the configuration.";
    ERR_DESTINATION_REQUIRED, Caller, false, "Several destinations are configured and none is the default.",
        "Pass `destination`, or set `defaultDestination`.";
    ERR_PROCESSING_ID, Caller, false, "MSH-11 is not among the destination's `processingIds`: test data for production, or the reverse.",
        "Send it to the destination meant for it, or correct MSH-11.";
    ERR_CHECK_FAILED, Caller, false, "The message was to be checked before it is stored (`check`), and the check found an error. Nothing was stored.",
        "Call checkHl7() on the message: it lists every finding, with its place and what to do.";
    ERR_CONTROL_ID_CONFLICT, Caller, false, "Another message with the same MSH-10 and other bytes is already stored for this destination.",
        "Give every message its own MSH-10; repeat a message only byte for byte.";
    ERR_QUEUE_FULL, Host, true, "The limit `pendingMessages` is reached.",
        "See why messages are not leaving (getHealth), or raise limits.pendingMessages.";
    ERR_INTAKE_FULL, Host, true, "The limit `intakeBytes` is reached: too many bytes wait for the disk.",
        "Wait for earlier calls to resolve, then repeat; or raise limits.intakeBytes.";
    ERR_ENQUEUE_TIMEOUT, Host, true, "The message did not commit within `enqueueTimeoutMs`. Its fate is unknown.",
        "Repeat the same bytes: MSH-10 makes that safe. Check the disk and other processes on the file.";
    ERR_STORE_BUSY, Host, true, "Another process held the file's write lock for too long. Nothing was stored.",
        "Repeat the call; look for a process that keeps the file locked.";
    ERR_DISK_FULL, Host, true, "The disk is full. Nothing was stored.", "Free space on the file system of the outbox.";
    ERR_WAL_FULL, Host, true, "The write-ahead log has grown to the limit `walBytes`, because something reads the file for too long. Nothing was stored.",
        "End what keeps the file open in a read transaction (a shell, a backup tool that is not ours); stored messages leave meanwhile. Or raise limits.walBytes.";
    ERR_QUERY_TIMEOUT, Host, true, "The question took longer than a second and was ended, because a long read keeps the write-ahead log from being folded back.",
        "Narrow the filter (ids, status, destination), or ask again when the machine is less busy.";
    ERR_STORE_FAILED, Host, false, "The disk failed, and the outbox takes nothing more, so as not to promise what it cannot keep.",
        "Check the disk and the system log, then restart the application.";
    ERR_COMMAND_ENDED, Caller, false, "The command was ended by its caller (`signal`) before it was through. `error.count` messages are changed.",
        "Repeat the command to go on with the others.";
    ERR_COMMANDS_FULL, Caller, true, "Too many commands on many messages wait for one another. Nothing was changed.",
        "Await one before the next is given.";
    ERR_IN_FLIGHT, Caller, true, "The message is being sent right now.", "Repeat the command when the attempt has ended.";
    ERR_STATE, Caller, false, "The message is in a state that the command does not apply to.", "See docs/states.md for what applies to which state.";
    ERR_CONTENT_REMOVED, Caller, false, "The message's content is no longer kept (`retention.bodiesMs`), so it cannot be sent again.",
        "Make the message anew from the record that it was made of, with an MSH-10 of its own.";
    ERR_REFUSAL, Caller, false, "There is no such group of refusals: it emptied, or the id is not one that listRefusals gave.",
        "Ask listRefusals anew, and pass the `id` of one of its groups.";
    ERR_REFUSAL_CHANGED, Caller, false, "The group of refusals changed after it was looked at: another person was first, or another message was refused. Nothing was changed.",
        "Look at it again (listRefusals), and repeat the change if it is still meant.";
    OVERTAKEN, Caller, false, "Later messages of its lane were already delivered; sending it now would put old data over new.",
        "Look at the later messages first; pass `allowOvertaken: true` to send it all the same.";
    ERR_PANIC, Outbox, false, "A defect inside hl7-outbox. The process lives; stored messages are safe.",
        "Report it with the version and the code; restart the application.";
}

/// Looks a code up in both tables.
pub fn remedy_of(code: &str) -> Option<&'static str> {
    CODES
        .iter()
        .find(|info| info.code == code)
        .map(|info| info.remedy)
        .or_else(|| hl7::PROBLEMS.iter().find(|problem| problem.0 == code).map(|problem| problem.2))
}

/// What every fallible public operation fails with.
#[derive(Clone, Debug, thiserror::Error)]
pub struct OutboxError {
    /// The stable code; see [`CODES`].
    pub code: &'static str,
    /// What is wrong and where. Free of patient data by construction: it is built from names, numbers and positions.
    pub message: String,
    /// The segment, for a refused HL7 message.
    pub segment: Option<String>,
    /// The field's number, for a refused HL7 message.
    pub field: Option<u16>,
    /// The byte offset, for a refused HL7 message.
    pub position: Option<usize>,
    /// Where to go on, when a cursor is too old.
    pub cursor: Option<Box<str>>,
    /// How many messages a command had changed when it was cut short; at least so many are durable.
    pub count: Option<u64>,
}

impl OutboxError {
    /// An error with words of its own.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), segment: None, field: None, position: None, cursor: None, count: None }
    }

    /// An error that says no more than its code does.
    pub fn plain(code: &'static str) -> Self {
        let meaning = CODES.iter().find(|info| info.code == code).map_or(code, |info| info.meaning);
        Self::new(code, meaning)
    }

    /// The same error, saying which message of a batch it is about.
    #[must_use]
    pub fn in_batch(mut self, place: Option<usize>) -> Self {
        if let Some(place) = place {
            self.message = format!("message {place} of the batch: {}", self.message);
        }
        self
    }

    /// The same error, saying how far the command had come that it cut short.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.count = Some(count);
        self.message = format!(
            "{}. The command was cut short: {count} messages are changed and on disk. Repeat it to go on with the others.",
            self.message.trim_end_matches('.')
        );
        self
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        remedy_of(self.code)
    }
}

impl fmt::Display for OutboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Hl7Problem> for OutboxError {
    fn from(problem: Hl7Problem) -> Self {
        Self {
            code: problem.code(),
            message: problem.to_string(),
            segment: problem.segment().map(str::to_owned),
            field: problem.field(),
            position: Some(problem.position()),
            cursor: None,
            count: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_and_has_words() {
        for (n, info) in CODES.iter().enumerate() {
            assert!(CODES[..n].iter().all(|other| other.code != info.code), "{} twice", info.code);
            assert!(!info.meaning.is_empty() && !info.remedy.is_empty());
        }
    }
}
