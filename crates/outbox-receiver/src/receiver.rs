//! The handle of a running receiver.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::behaviour::Behaviour;
use crate::conduct::Conduct;
use crate::config::ReceiverConfig;
use crate::desk::Desk;
use crate::error::{BehaviourError, ReceiverError};
use crate::listener::{Command, Listener};
use crate::received::{Page, Received, Transport};
use crate::stats::Stats;
use crate::tls;

/// A receiver that is running on the tokio runtime it was started on. Dropping it ends it, without waiting for the end.
pub struct Receiver {
    desk: Arc<Desk>,
    http: Option<Door>,
    mllp: Option<Door>,
}

impl fmt::Debug for Receiver {
    // Neither the token nor what was received belongs into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("http", &self.http_addr())
            .field("mllp", &self.mllp_addr())
            .finish_non_exhaustive()
    }
}

/// A listener at work.
struct Door {
    addr: SocketAddr,
    /// Closing this channel ends the listener.
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Binds the addresses and begins to serve.
    ///
    /// # Errors
    /// When there is no address, an address is taken, the certificate is unusable or the behaviour contradicts itself.
    #[expect(clippy::unused_async, reason = "callers must be on a runtime, and a later version may wait for something")]
    pub async fn start(config: ReceiverConfig) -> Result<Self, ReceiverError> {
        config.behaviour.check()?;
        if config.http.is_none() && config.mllp.is_none() {
            return Err(ReceiverError::NoAddress);
        }
        let acceptor = |alpn| config.tls.as_ref().map(|tls| tls::acceptor(tls, alpn)).transpose();
        let (https, mllps) = (acceptor(Some(b"http/1.1"))?, acceptor(None)?);
        let desk = Arc::new(Desk::new(&config, Conduct::new(config.behaviour.clone())));
        let bind = |addr: Option<SocketAddr>, transport, tls| {
            let bound = addr.map(|addr| {
                let (commands, orders) = mpsc::channel(8);
                let bound = Listener::bind(addr, transport, tls, Arc::clone(&desk), orders);
                bound.map(|bound| (commands, bound))
            });
            bound.transpose()
        };
        // Both are bound before either serves: a receiver that did not start has served nobody.
        let http = bind(config.http, Transport::Http, https)?;
        let mllp = bind(config.mllp, Transport::Mllp, mllps)?;
        let open = |(commands, (listener, socket)): (_, (Listener, _))| Door {
            addr: listener.addr(),
            commands,
            task: tokio::spawn(listener.run(socket)),
        };
        Ok(Self { http: http.map(open), mllp: mllp.map(open), desk })
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|door| door.addr)
    }

    /// Where MLLP is served.
    pub fn mllp_addr(&self) -> Option<SocketAddr> {
        self.mllp.as_ref().map(|door| door.addr)
    }

    /// Behaves otherwise from the next message on; counters of rules and the clock of outages start anew.
    ///
    /// # Errors
    /// When the behaviour contradicts itself; the old one stays in force.
    pub fn set_behaviour(&self, behaviour: Behaviour) -> Result<(), BehaviourError> {
        behaviour.check()?;
        self.desk.conduct.send_replace(Arc::new(Conduct::new(behaviour)));
        Ok(())
    }

    /// The behaviour in force.
    pub fn behaviour(&self) -> Behaviour {
        self.desk.conduct().behaviour.clone()
    }

    /// Everything that is kept, oldest first; what the keep policy let go is missing.
    pub fn received(&self) -> Vec<Received> {
        self.desk.kept().all()
    }

    /// At most `limit` messages with a number above `after`.
    pub fn received_page(&self, after: u64, limit: usize) -> Page {
        self.desk.kept().page(after, limit)
    }

    /// The bytes of one message, if it is still kept.
    pub fn received_body(&self, seq: u64) -> Option<Bytes> {
        self.desk.kept().body(seq)
    }

    /// How many messages arrived since the start or the last clearing.
    pub fn total(&self) -> u64 {
        self.desk.kept().total()
    }

    /// Every control id that was seen, with the number of its arrivals, in no order; also with `keep: "counts"`.
    pub fn control_ids(&self) -> Vec<(String, u32)> {
        self.desk.kept().control_ids()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.desk.stats()
    }

    /// Forgets everything received; numbers begin at 1 again.
    pub fn clear(&self) {
        self.desk.kept().clear();
    }

    /// Resolves when so many messages have arrived; put your own timeout around it.
    pub async fn until_total(&self, total: u64) {
        self.desk.until_total(total).await;
    }

    /// Cuts all connections, refuses new ones for so long, and resolves when the same ports listen again.
    ///
    /// # Errors
    /// When the receiver's runtime is shutting down.
    pub async fn restart(&self, down_for: Duration) -> Result<(), ReceiverError> {
        let mut pending = Vec::new();
        for door in self.doors() {
            let (listening, heard) = oneshot::channel();
            let order = Command::Restart { down_for, listening };
            door.commands.send(order).await.map_err(|_| ReceiverError::Stopped)?;
            pending.push(heard);
        }
        for heard in pending {
            heard.await.map_err(|_| ReceiverError::Stopped)?;
        }
        Ok(())
    }

    /// Closes the listeners and all connections, and resolves when they are closed.
    pub async fn stop(mut self) {
        for door in [self.http.take(), self.mllp.take()].into_iter().flatten() {
            let Door { commands, task, .. } = door;
            drop(commands);
            // It can fail only with the runtime's own end.
            let _ = task.await;
        }
    }

    fn doors(&self) -> impl Iterator<Item = &Door> {
        self.http.iter().chain(&self.mllp)
    }
}
