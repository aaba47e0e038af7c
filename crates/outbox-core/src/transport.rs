//! The seam between dispatch and the network: hand one message over, say what was seen.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::acknowledgement::Seen;
use crate::clock::Timestamp;
use crate::hl7::AckCondition;
use crate::message::Body;

/// One message on its way out.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// The exact bytes.
    pub body: Body,
    /// MSH-10, for headers and for matching the answer.
    pub control_id: Arc<str>,
    /// MSH-16: whether an application acknowledgement follows a commit acknowledgement, so that it is worth reading on.
    pub application_ack: Option<AckCondition>,
}

/// What came of handing it over.
#[derive(Debug)]
pub struct Delivery {
    /// What was seen; `acknowledgement::judge` turns it into an outcome.
    pub seen: Seen,
    /// Bytes of the message handed to the network, as far as known.
    pub bytes_sent: u64,
}

/// The pending result of [`Transport::deliver`].
pub type Delivering = Pin<Box<dyn Future<Output = Delivery> + Send>>;

/// A way to one destination. It never follows a redirect, and never sends a message again that anybody can have taken: every
/// such resend is the dispatcher's decision.
pub trait Transport: Send + Sync {
    /// Makes one attempt, within the destination's own deadlines.
    fn deliver(&self, parcel: Parcel) -> Delivering;

    /// When the first certificate of this destination expires: of our client certificate and of the receiver's own, as it
    /// was in the last full handshake of this process. `None` as long as neither is known.
    fn certificate_expires_at(&self) -> Option<Timestamp> {
        None
    }
}
