//! One address: open, or refusing because of an outage or a restart; and the connections that came in by it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::conduct::Conduct;
use crate::desk::Desk;
use crate::error::ReceiverError;
use crate::received::Transport;
use crate::socket::{Socket, Stream};
use crate::{http, mllp};

/// Connections that the kernel holds ready for us.
const BACKLOG: u32 = 1_024;

/// Between two tries to get our own port back, should another process have taken it in an outage.
const REBIND: Duration = Duration::from_millis(20);

/// What a listener is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Refuse for so long, then listen again and say so.
    Restart { down_for: Duration, listening: oneshot::Sender<()> },
}

/// Serves one address until its command channel closes.
pub(crate) struct Listener {
    addr: SocketAddr,
    transport: Transport,
    tls: Option<TlsAcceptor>,
    desk: Arc<Desk>,
    conduct: watch::Receiver<Arc<Conduct>>,
    commands: mpsc::Receiver<Command>,
    /// A restart in progress: until when, and who waits for its end.
    restart: Option<Instant>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// Why a phase of the listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Other,
    Stop,
}

impl Listener {
    /// Takes the address. What is returned has to be run.
    pub(crate) fn bind(
        addr: SocketAddr,
        transport: Transport,
        tls: Option<TlsAcceptor>,
        desk: Arc<Desk>,
        commands: mpsc::Receiver<Command>,
    ) -> Result<(Self, TcpListener), ReceiverError> {
        let failed = |source| ReceiverError::Listen { addr, source };
        let socket = reserve(addr).and_then(|socket| socket.listen(BACKLOG)).map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        let conduct = desk.conduct.subscribe();
        Ok((Self { addr, transport, tls, desk, conduct, commands, restart: None, waiting: Vec::new() }, socket))
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) async fn run(mut self, socket: TcpListener) {
        let mut open = Some(socket);
        loop {
            let turn = match open.take() {
                Some(socket) => self.serve(socket).await,
                None => self.refuse(&mut open).await,
            };
            if turn == Turn::Stop {
                return;
            }
        }
    }

    /// Whether to refuse now, and when to ask again.
    fn away(&mut self) -> (bool, Option<Instant>) {
        let now = Instant::now();
        self.restart = self.restart.filter(|end| *end > now);
        let (out, changes) = self.conduct.borrow_and_update().refusing();
        (out || self.restart.is_some(), self.restart.into_iter().chain(changes).min())
    }

    /// Accepts until it is time to refuse; then the listener is closed and its connections are cut.
    async fn serve(&mut self, socket: TcpListener) -> Turn {
        for waiting in self.waiting.drain(..) {
            // Who asked may have stopped waiting.
            let _ = waiting.send(());
        }
        let severed = Arc::new(AtomicBool::new(false));
        let mut connections = JoinSet::new();
        let turn = loop {
            let (away, until) = self.away();
            if away {
                break Turn::Other;
            }
            let room = connections.len() < self.desk.limits.connections_max;
            tokio::select! {
                accepted = socket.accept(), if room => match accepted {
                    Ok((tcp, peer)) => self.welcome(&mut connections, tcp, peer, &severed),
                    // Out of descriptors, usually: wait for connections to end instead of spinning.
                    Err(_) => sleep(REBIND).await,
                },
                Some(_ended) = connections.join_next() => {}
                () = at(until) => {}
                _changed = self.conduct.changed() => {}
                command = self.commands.recv() => match command {
                    // Even a restart without a pause closes the listener.
                    Some(command) => {
                        self.obey(command);
                        break Turn::Other;
                    }
                    None => break Turn::Stop,
                },
            }
        };
        drop(socket);
        // A stopped receiver says goodbye with FIN; an outage is not polite.
        severed.store(turn == Turn::Other, Ordering::Relaxed);
        connections.shutdown().await;
        turn
    }

    /// Keeps the port without listening on it, so that connections are refused and nobody else gets it; then listens.
    async fn refuse(&mut self, open: &mut Option<TcpListener>) -> Turn {
        let mut reserved = reserve(self.addr);
        loop {
            let (away, until) = self.away();
            let until = if away {
                until
            } else {
                match reserved.and_then(|socket| socket.listen(BACKLOG)) {
                    Ok(socket) => {
                        *open = Some(socket);
                        return Turn::Other;
                    }
                    // Somebody has the port: until they leave, we are away.
                    Err(error) => reserved = Err(error),
                }
                Instant::now().checked_add(REBIND)
            };
            tokio::select! {
                () = at(until) => {}
                _changed = self.conduct.changed() => {}
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Turn::Stop,
                },
            }
            if reserved.is_err() {
                reserved = reserve(self.addr);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let Command::Restart { down_for, listening } = command;
        self.restart = self.restart.max(Instant::now().checked_add(down_for));
        self.waiting.push(listening);
    }

    fn welcome(&self, connections: &mut JoinSet<()>, tcp: TcpStream, peer: SocketAddr, severed: &Arc<AtomicBool>) {
        let desk = Arc::clone(&self.desk);
        let number = desk.next_connection();
        let (tls, transport) = (self.tls.clone(), self.transport);
        // An answer is one write and must not wait for the peer's delayed ACK. Where it fails, the peer has gone.
        let _ = tcp.set_nodelay(true);
        let socket = Socket::new(tcp, Arc::clone(severed));
        connections.spawn(async move {
            let stream = match tls {
                None => Stream::Plain(socket),
                Some(tls) => match timeout(desk.idle(), tls.accept(socket)).await {
                    Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                    // The peer knows from the alert; there is no message to account for.
                    Ok(Err(_)) | Err(_) => return,
                },
            };
            match transport {
                Transport::Http => http::serve(stream, desk, number, peer).await,
                Transport::Mllp => mllp::serve(stream, desk, number).await,
            }
        });
    }
}

/// A socket that holds the address but does not listen yet.
fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // On Unix this lets the port be taken again while old connections linger. On Windows that needs no option, and
    // this one would let two processes share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
