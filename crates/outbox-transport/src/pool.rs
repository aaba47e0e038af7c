//! Connections that wait for the next message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::link::Link;

/// An idle connection is closed after this: before the five seconds after which many servers do it, for a close that
/// crosses a request leaves the request's fate unknown.
const IDLE: Duration = Duration::from_secs(3);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// The idle connections to one destination.
pub(crate) struct Pool {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    /// In the order in which they fell idle.
    links: Vec<(Link, Instant)>,
    /// Somebody waits to close them.
    is_watched: bool,
}

impl Pool {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::default(), most })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, if it is still good.
    pub(crate) fn take(&self) -> Option<Link> {
        loop {
            let (mut link, since) = self.kept().links.pop()?;
            if since.elapsed() < IDLE && link.is_quiet() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next message.
    pub(crate) fn put(self: &Arc<Self>, link: Link) {
        let mut kept = self.kept();
        if kept.links.len() >= self.most {
            return;
        }
        kept.links.push((link, Instant::now()));
        if !kept.is_watched {
            kept.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Takes out what has been idle too long; answers when to ask again.
    fn expire(&self) -> (Vec<Link>, Option<Instant>) {
        let mut kept = self.kept();
        let alive = kept.links.iter().position(|(_, since)| since.elapsed() < IDLE).unwrap_or(kept.links.len());
        let expired = kept.links.drain(..alive).map(|(link, _)| link).collect();
        let next = kept.links.first().map(|(_, since)| *since + IDLE);
        kept.is_watched = next.is_some();
        (expired, next)
    }
}

/// Closes idle connections in time, and ends when there are none.
async fn watch(pool: Weak<Pool>) {
    let mut next = Some(Instant::now() + IDLE);
    while let Some(at) = next {
        sleep_until(at).await;
        let Some(pool) = pool.upgrade() else { return };
        let (expired, later) = pool.expire();
        drop(pool);
        for link in expired {
            // A peer that does not answer the goodbye is left.
            let _ = timeout(GOODBYE, link.close()).await;
        }
        next = later;
    }
}
