//! The ways a connection ends that hyper would not think of.

use bytes::Bytes;

/// Travels through hyper as the error of the service, and is carried out when the connection comes back from it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Parting {
    /// FIN, without an answer.
    #[error("the behaviour closes this connection")]
    Close,
    /// RST, without an answer.
    #[error("the behaviour resets this connection")]
    Reset,
    /// These bytes, which are no HTTP, then FIN.
    #[error("the behaviour answers with garbage")]
    LastWords(Bytes),
}

impl Parting {
    pub(crate) fn close(reset: bool) -> Self {
        if reset { Self::Reset } else { Self::Close }
    }
}
