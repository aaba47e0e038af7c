//! Whose turn it is to write, among the processes of one file.
//!
//! SQLite's write lock goes to whoever happens to ask when it is free: by lot, one of many may wait for long. So those that
//! wait stand in a queue, in `<path>.queue`: each has a place there with a ticket, and only the lowest ticket asks for the lock.
//! Whoever has written for the length of a turn stands at the end when others wait.
//!
//! All of it is hints: SQLite's lock alone decides who writes, and a queue that is lost, torn or wrong costs fairness and
//! nothing else. Who waits shows that it lives by a number that it changes every few milliseconds; who was killed or stopped
//! is passed over. No clock is shared and no lock is held.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use outbox_core::error::{OutboxError, code};
use rusqlite::Connection;

use crate::connection::{BUSY_MAX, without_waiting};
use crate::error::Failure;
use crate::path::{beside, open_lock};

/// The companion's ending.
pub(crate) const ENDING: &str = ".queue";

/// Writers that can stand in the queue; others ask as if there were none.
const PLACES: usize = 64;
/// A place: its owner, its ticket (none: it does not wait), and the sign of its life.
const NUMBERS: usize = 3;
const PLACE_BYTES: usize = NUMBERS * size_of::<u64>();
const TABLE_BYTES: usize = PLACES * PLACE_BYTES;

/// Who has the lock may begin again for so long, although others wait. Handing on costs more than going on: the next one
/// sleeps, and has to read anew what was written meanwhile.
const TURN: Duration = Duration::from_millis(2);
/// How often who waits shows that it lives, and after how long without a sign it is passed over.
const SIGN_EVERY: Duration = Duration::from_millis(2);
const GONE_AFTER: Duration = Duration::from_millis(20);
/// Sleeps of who is next, and of the others for each one before them.
const NEXT_NAP_US: u64 = 120;
const NAP_US: u64 = 300;
const NAP_US_MAX: u64 = 3_000;

/// What stands in a place.
#[derive(Clone, Copy, Default)]
struct Place {
    owner: u64,
    ticket: u64,
    sign: u64,
}

/// A sign of life, and when it was first seen.
#[derive(Clone, Copy)]
struct Seen {
    owner: u64,
    sign: u64,
    at: Instant,
}

/// One writer's view of the queue.
pub(crate) struct Queue {
    /// None when there is no queue: the lock goes by lot.
    table: Option<File>,
    owner: u64,
    number: usize,
    sign: u64,
    signed: Instant,
    seen: [Seen; PLACES],
    /// When the present turn began.
    turn: Option<Instant>,
}

impl Queue {
    /// Opens or creates the queue of the outbox at `path`.
    pub(crate) fn open(path: &Path) -> Self {
        let table = open_lock(&beside(path, ENDING)).ok().and_then(|file| {
            if file.metadata().ok()?.len() < TABLE_BYTES as u64 {
                // Written, not only made long: later writes need no room on the disk.
                write_at(&file, &[0; TABLE_BYTES], 0).ok()?;
            }
            Some(file)
        });
        if table.is_none() {
            tracing::warn!("the queue of writers cannot be used; the write lock goes by lot");
        }
        let now = Instant::now();
        Self {
            table,
            owner: fastrand::u64(1..),
            number: fastrand::usize(..PLACES),
            sign: 0,
            signed: now,
            seen: [Seen { owner: 0, sign: 0, at: now }; PLACES],
            turn: None,
        }
    }

    /// Begins a transaction that writes, when it is this writer's turn.
    pub(crate) fn begin(&mut self, connection: &Connection) -> Result<(), Failure> {
        let goes_on = self.turn.is_some_and(|began| began.elapsed() < TURN);
        if (goes_on || !self.others_wait()) && try_begin(connection)? {
            if !goes_on {
                self.turn = Some(Instant::now());
            }
            return Ok(());
        }
        let begun = self.wait(connection);
        self.write(0);
        self.turn = begun.is_ok().then(Instant::now);
        begun
    }

    fn wait(&mut self, connection: &Connection) -> Result<(), Failure> {
        let began = Instant::now();
        let mut ticket = self.stand();
        loop {
            let ahead = self.ahead(&mut ticket);
            if ahead == 0 && try_begin(connection)? {
                return Ok(());
            }
            if began.elapsed() >= BUSY_MAX {
                return Err(OutboxError::plain(code::ERR_STORE_BUSY).into());
            }
            if self.signed.elapsed() >= SIGN_EVERY {
                self.write(ticket);
            }
            let longest = if ahead == 0 { NEXT_NAP_US } else { (NAP_US * ahead).min(NAP_US_MAX) };
            std::thread::sleep(Duration::from_micros(fastrand::u64(longest / 2..=longest)));
        }
    }

    fn others_wait(&mut self) -> bool {
        let places = self.look();
        (0..PLACES).any(|n| self.waits(n, &places[n]))
    }

    /// Takes the next ticket, in this writer's own place or in a free one.
    fn stand(&mut self) -> u64 {
        let places = self.look();
        if places[self.number].owner != self.owner {
            let from = self.number;
            let mut around = (0..PLACES).map(|n| (from + n) % PLACES);
            // One that nobody has, or whose owner does not wait. Should it come back, it finds itself another.
            self.number = around
                .clone()
                .find(|n| places[*n].owner == 0)
                .or_else(|| around.find(|n| !self.waits(*n, &places[*n])))
                .unwrap_or(from);
        }
        let latest = places.iter().map(|place| place.ticket).filter(|ticket| *ticket < u64::MAX).max().unwrap_or(0);
        let ticket = latest + 1;
        self.write(ticket);
        ticket
    }

    /// How many stand before this writer. One whose place was taken stands again.
    fn ahead(&mut self, ticket: &mut u64) -> u64 {
        let places = self.look();
        if self.table.is_some() && places[self.number].owner != self.owner {
            *ticket = self.stand();
        }
        let own = (*ticket, self.number);
        let before = (0..PLACES).filter(|n| (places[*n].ticket, *n) < own && self.waits(*n, &places[*n]));
        before.count() as u64
    }

    /// Whether somebody else waits there, by all that was seen of it.
    fn waits(&self, n: usize, place: &Place) -> bool {
        place.ticket != 0 && place.owner != self.owner && self.seen[n].at.elapsed() < GONE_AFTER
    }

    /// Reads the places and remembers the signs of life.
    fn look(&mut self) -> [Place; PLACES] {
        let places = self.read();
        for (seen, place) in self.seen.iter_mut().zip(&places) {
            if (seen.owner, seen.sign) != (place.owner, place.sign) {
                *seen = Seen { owner: place.owner, sign: place.sign, at: Instant::now() };
            }
        }
        places
    }

    fn read(&self) -> [Place; PLACES] {
        let mut places = [Place::default(); PLACES];
        let mut bytes = [0; TABLE_BYTES];
        if self.table.as_ref().is_some_and(|table| read_at(table, &mut bytes).is_ok_and(|read| read == TABLE_BYTES)) {
            for (place, bytes) in places.iter_mut().zip(bytes.chunks_exact(PLACE_BYTES)) {
                let mut numbers = bytes.chunks_exact(size_of::<u64>()).map(|bytes| {
                    let mut number = [0; size_of::<u64>()];
                    number.copy_from_slice(bytes);
                    u64::from_le_bytes(number)
                });
                let mut next = || numbers.next().unwrap_or(0);
                *place = Place { owner: next(), ticket: next(), sign: next() };
            }
        }
        places
    }

    /// Shows the ticket and a new sign of life.
    fn write(&mut self, ticket: u64) {
        let Some(table) = &self.table else { return };
        self.sign = self.sign.wrapping_add(1);
        self.signed = Instant::now();
        let mut bytes = [0; PLACE_BYTES];
        for (bytes, number) in bytes.chunks_exact_mut(size_of::<u64>()).zip([self.owner, ticket, self.sign]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        // A place that cannot be written is one that the others do not see.
        let _ = write_at(table, &bytes, (self.number * PLACE_BYTES) as u64);
    }
}

impl Drop for Queue {
    /// The place is free for others.
    fn drop(&mut self) {
        let is_own = self.read()[self.number].owner == self.owner;
        if let Some(table) = self.table.as_ref().filter(|_| is_own) {
            let _ = write_at(table, &[0; PLACE_BYTES], (self.number * PLACE_BYTES) as u64);
        }
    }
}

/// Asks for the lock once.
fn try_begin(connection: &Connection) -> Result<bool, Failure> {
    let begun = without_waiting(|| connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]));
    match begun {
        Ok(_) => Ok(true),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, 0)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, 0)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::windows::fs::FileExt::seek_write(file, bytes, at).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::connection::open_writer;

    /// A file that SQLite knows, with its log.
    fn file(directory: &Path) -> std::path::PathBuf {
        let path = directory.join("file.db");
        std::fs::write(&path, "").unwrap();
        let connection = open_writer(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE served (who TEXT)").unwrap();
        path
    }

    #[test]
    fn who_came_first_is_served_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        let holder = open_writer(&path).unwrap();
        let mut looker = Queue::open(&path);
        for _ in 0..5 {
            holder.execute_batch("BEGIN IMMEDIATE").unwrap();
            let served = Arc::new(Mutex::new(Vec::new()));
            let waiters = [1, 2, 3, 4].map(|n| {
                let (path, served) = (path.clone(), Arc::clone(&served));
                let waiter = std::thread::spawn(move || {
                    let connection = open_writer(&path).unwrap();
                    let mut queue = Queue::open(&path);
                    queue.begin(&connection).unwrap();
                    served.lock().unwrap().push(n);
                    connection.execute_batch("COMMIT").unwrap();
                });
                // The next one comes when this one stands.
                while looker.look().iter().filter(|place| place.ticket != 0).count() < n {
                    std::thread::yield_now();
                }
                waiter
            });
            holder.execute_batch("COMMIT").unwrap();
            for waiter in waiters {
                waiter.join().unwrap();
            }
            let mut order = served.lock().unwrap().clone();
            // On a busy machine one may be passed over that got no processor for long; mostly it is as they came.
            let swaps = order.windows(2).filter(|pair| pair[0] > pair[1]).count();
            assert!(swaps <= 1, "{order:?}");
            order.sort_unstable();
            assert_eq!(order, [1, 2, 3, 4]);
        }
        assert!(!looker.others_wait(), "who was served stands no more");
    }

    #[test]
    fn one_that_was_stopped_or_killed_while_it_waited_holds_nobody_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        let mut stopped = Queue::open(&path);
        stopped.stand();
        let connection = open_writer(&path).unwrap();
        let mut queue = Queue::open(&path);
        assert!(queue.others_wait(), "at first it may live");
        let began = Instant::now();
        queue.begin(&connection).unwrap();
        connection.execute_batch("COMMIT").unwrap();
        assert!(began.elapsed() < BUSY_MAX / 2, "{:?}", began.elapsed());
        assert!(!queue.others_wait(), "it is known now");
        // It goes on, and stands where it stood.
        stopped.write(1);
        assert!(queue.others_wait());
    }

    #[test]
    fn a_lock_that_never_comes_free_is_told_and_the_place_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        let holder = open_writer(&path).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        let connection = open_writer(&path).unwrap();
        let failure = Queue::open(&path).begin(&connection).unwrap_err();
        assert_eq!(failure.into_error().code, code::ERR_STORE_BUSY);
        assert!(!Queue::open(&path).others_wait());
    }

    #[test]
    fn without_a_queue_and_with_a_torn_one_the_lock_is_taken_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        let begin = || {
            let connection = open_writer(&path).unwrap();
            Queue::open(&path).begin(&connection).unwrap();
            connection.execute_batch("COMMIT").unwrap();
        };
        let table = beside(&path, ENDING);
        std::fs::write(&table, [0xff; TABLE_BYTES + 5]).unwrap();
        begin();
        std::fs::remove_file(&table).unwrap();
        std::fs::create_dir(&table).unwrap();
        begin();
    }
}
