//! Connections that wait for the next message.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

/// How often idle connections are looked at: one that its peer has closed must not stay half open until somebody needs it.
const LOOK: Duration = Duration::from_secs(1);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection that can wait.
pub(crate) trait Idle: Send + 'static {
    /// Whether nothing has come since the last answer: neither the peer's end nor bytes that nobody asked for.
    fn is_quiet(&mut self) -> bool;

    /// Says goodbye, as far as the peer lets it.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The idle connections to one destination.
pub(crate) struct Pool<C> {
    kept: Mutex<Kept<C>>,
    most: usize,
    /// An idle connection is closed after this: before the receiver does it, for a close that crosses a message leaves its
    /// fate unknown.
    idle: Duration,
}

struct Kept<C> {
    /// In the order in which they fell idle.
    links: Vec<(C, Instant)>,
    /// Somebody waits to close them.
    is_watched: bool,
}

impl<C: Idle> Pool<C> {
    pub(crate) fn new(most: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self { kept: Mutex::new(Kept { links: Vec::new(), is_watched: false }), most, idle })
    }

    fn kept(&self) -> MutexGuard<'_, Kept<C>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection used last, if it is still good.
    pub(crate) fn take(&self) -> Option<C> {
        outbox_core::fault!("pool-take");
        loop {
            let (mut link, since) = self.kept().links.pop()?;
            if since.elapsed() < self.idle && link.is_quiet() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next message.
    pub(crate) fn put(self: &Arc<Self>, link: C) {
        outbox_core::fault!("pool-put");
        let mut kept = self.kept();
        if kept.links.len() >= self.most {
            return;
        }
        kept.links.push((link, Instant::now()));
        if !kept.is_watched {
            kept.is_watched = true;
            tokio::spawn(watch(Arc::downgrade(self), self.idle));
        }
    }

    /// Takes out what has been idle too long, and drops what its peer has closed or spoken on; answers when to ask again.
    fn expire(&self) -> (Vec<C>, Option<Instant>) {
        let mut kept = self.kept();
        kept.links.retain_mut(|(link, _)| link.is_quiet());
        let alive = kept.links.iter().position(|(_, since)| since.elapsed() < self.idle).unwrap_or(kept.links.len());
        let expired = kept.links.drain(..alive).map(|(link, _)| link).collect();
        let next = kept.links.first().map(|(_, since)| (*since + self.idle).min(Instant::now() + LOOK));
        kept.is_watched = next.is_some();
        (expired, next)
    }
}

/// Closes idle connections in time, and ends when there are none.
async fn watch<C: Idle>(pool: Weak<Pool<C>>, idle: Duration) {
    let mut next = Some(Instant::now() + idle.min(LOOK));
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
