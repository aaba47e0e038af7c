//! Commands on many messages: part by part, a commit each, with other work in between.
//!
//! A reader looks for the next messages, the writer changes them, and so on: so the writer never searches, and whatever else
//! it is asked for comes between two parts. Nothing of a command is on disk but what it has changed, and its record: cut short
//! by whatever means, it has changed the messages up to some place of its walk, and the same command again changes the rest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};
use outbox_core::event::Observer;
use outbox_core::status::{Changed, Unchanged};
use outbox_core::store::{By, Command, Course, Done};

use crate::read::Readers;
use crate::walk::{Meant, Walk};
use crate::write::{Begun, LISTED_MAX, Part, Probed, WriterHandle, meant};

/// Commands on many messages that wait for those before them.
const WAITING_MAX: usize = 64;
/// How long a reader looks for messages in one question: others have questions too.
const LOOK_TIME_MAX: Duration = Duration::from_millis(50);
/// From a commit to the next part: longer than the steps (a millisecond) in which another process looks whether the write lock is
/// free, so that it finds it free.
const SEAM_TIME: Duration = Duration::from_millis(2);

/// How large the parts of a command are.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Most messages of one commit. A command that means no more is one commit.
    pub messages: usize,
    /// A part ends after so long all the same.
    pub time: Duration,
}

impl Default for Parts {
    fn default() -> Self {
        Self { messages: 250, time: Duration::from_millis(10) }
    }
}

/// Carries out commands.
pub(crate) struct Commands {
    pub(crate) readers: Arc<Readers>,
    pub(crate) writer: WriterHandle,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) parts: Parts,
    /// Of those on many messages one at a time is carried out, in the order in which they came. `None`: none is.
    line: Mutex<Option<VecDeque<Bulk>>>,
}

impl Commands {
    pub(crate) fn new(
        readers: Arc<Readers>,
        writer: WriterHandle,
        observer: Option<Arc<dyn Observer>>,
        parts: Parts,
    ) -> Arc<Self> {
        Arc::new(Self { readers, writer, observer, parts, line: Mutex::new(None) })
    }

    /// Carries a command out.
    pub(crate) fn command(self: &Arc<Self>, command: Command, by: By, course: Arc<Course>, done: Done<Changed>) {
        let (commands, given) = (Arc::clone(self), command.clone());
        self.writer.command(
            given,
            by,
            self.parts,
            Box::new(move |begun| match begun {
                Err(error) => done(Err(error)),
                Ok(Begun::Whole(changed)) => {
                    course.add(changed.count);
                    done(Ok(changed));
                }
                Ok(Begun::Large { walk, action, missing }) => match meant(&command) {
                    None => done(Err(OutboxError::plain(code::ERR_PANIC))),
                    Some(meant) => Bulk {
                        commands: Arc::clone(&commands),
                        walk: Some(walk),
                        order: Arc::new((command, meant)),
                        action,
                        missing,
                        course,
                        changed: Changed::default(),
                        probed: Arc::default(),
                        committed: Instant::now(),
                        done: Some(done),
                        is_begun: false,
                    }
                    .enter(),
                },
            }),
        );
    }

    /// The next one's turn.
    fn leave(&self) {
        let next = {
            let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            let next = line.as_mut().and_then(VecDeque::pop_front);
            if next.is_none() {
                *line = None;
            }
            next
        };
        if let Some(next) = next {
            next.begin();
        }
    }
}

/// One command on many messages, on its way.
struct Bulk {
    commands: Arc<Commands>,
    order: Arc<(Command, Meant)>,
    /// With a reader while it looks.
    walk: Option<Box<Walk>>,
    action: i64,
    missing: Vec<Unchanged>,
    course: Arc<Course>,
    changed: Changed,
    probed: Arc<Probed>,
    /// When its last part was.
    committed: Instant,
    done: Option<Done<Changed>>,
    /// It is its turn in the line.
    is_begun: bool,
}

impl Bulk {
    fn enter(mut self) {
        let commands = Arc::clone(&self.commands);
        let mut line = commands.line.lock().unwrap_or_else(PoisonError::into_inner);
        match line.as_mut() {
            None => {
                *line = Some(VecDeque::new());
                drop(line);
                self.begin();
            }
            Some(waiting) if waiting.len() < WAITING_MAX => waiting.push_back(self),
            Some(_) => {
                drop(line);
                self.tell(Err(OutboxError::plain(code::ERR_COMMANDS_FULL)));
            }
        }
    }

    /// Away from the writer's thread first.
    fn begin(mut self) {
        self.is_begun = true;
        let readers = Arc::clone(&self.commands.readers);
        readers.ask(
            |_| Ok(()),
            Box::new(move |asked| match asked {
                Ok(()) => {
                    self.at_seam();
                    self.look(Vec::new());
                }
                Err(error) => self.end(Err(error)),
            }),
        );
    }

    fn at_seam(&self) {
        if let Some(observer) = &self.commands.observer {
            observer.at_seam();
        }
    }

    /// Looks for the messages of the next part, behind those that were found already.
    fn look(mut self, mut found: Vec<i64>) {
        let Some(mut walk) = self.walk.take() else { return self.end(Err(OutboxError::plain(code::ERR_PANIC))) };
        let (readers, most) = (Arc::clone(&self.commands.readers), self.commands.parts.messages);
        readers.ask(
            move |connection| {
                walk.look(connection, &mut found, most, LOOK_TIME_MAX)?;
                Ok((walk, found))
            },
            Box::new(move |looked: Result<(Box<Walk>, Vec<i64>), OutboxError>| match looked {
                Err(error) => self.end(Err(error)),
                Ok((walk, found)) => {
                    let is_through = walk.is_through();
                    self.walk = Some(walk);
                    if self.course.is_ended() {
                        self.end(Err(OutboxError::plain(code::ERR_COMMAND_ENDED)));
                    } else if found.len() >= most || is_through && !found.is_empty() {
                        self.change(found);
                    } else if is_through {
                        self.end(Ok(()));
                    } else {
                        self.look(found);
                    }
                }
            }),
        );
    }

    /// Changes these messages. On a reader's thread, which may wait.
    fn change(mut self, found: Vec<i64>) {
        if let Some(rest) = SEAM_TIME.checked_sub(self.committed.elapsed()) {
            std::thread::sleep(rest);
        }
        outbox_core::fault!("bulk-seam", |way: &str| self.end(outbox_core::faults::refused(way)));
        self.at_seam();
        let (commands, order, action) = (Arc::clone(&self.commands), Arc::clone(&self.order), self.action);
        let seqs = Arc::new(found);
        let given = Arc::clone(&seqs);
        let probed = Arc::clone(&self.probed);
        commands.writer.part(
            order,
            action,
            given,
            commands.parts.time,
            probed,
            Box::new(move |part: Result<Part, OutboxError>| match part {
                Err(error) => self.end(Err(error)),
                Ok(part) => {
                    Arc::make_mut(&mut self.probed).extend(part.probed);
                    self.add(part.changed);
                    self.committed = Instant::now();
                    self.look(seqs[part.handled..].to_vec());
                }
            }),
        );
    }

    fn add(&mut self, part: Changed) {
        self.course.add(part.count);
        self.changed.count += part.count;
        let room = LISTED_MAX - self.changed.changed.len();
        self.changed.changed.extend(part.changed.into_iter().take(room));
        let room = LISTED_MAX - self.changed.unchanged.len();
        self.changed.unchanged.extend(part.unchanged.into_iter().take(room));
    }

    fn end(mut self, ended: Result<(), OutboxError>) {
        self.tell(ended);
    }

    /// Tells the caller, once.
    fn tell(&mut self, ended: Result<(), OutboxError>) {
        let Some(done) = self.done.take() else { return };
        let count = self.changed.count;
        let result = ended.map_err(|error| error.after(count)).map(|()| {
            let mut changed = std::mem::take(&mut self.changed);
            let room = LISTED_MAX - changed.unchanged.len();
            changed.unchanged.extend(std::mem::take(&mut self.missing).into_iter().take(room));
            changed
        });
        // What follows at the caller's is the caller's: the next command has its turn all the same.
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("a panic in what followed a command; what it changed stands");
        }
        if self.is_begun {
            self.commands.leave();
        }
    }
}

/// Lost in a panic on the way: its caller hears of that, and the next command has its turn.
impl Drop for Bulk {
    fn drop(&mut self) {
        self.tell(Err(OutboxError::plain(code::ERR_PANIC)));
    }
}
