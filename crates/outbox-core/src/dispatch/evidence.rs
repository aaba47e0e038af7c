//! What the dispatcher has seen of a destination, for alerts. What the file says of it is no evidence: a new dispatcher begins
//! with `ok`, because a breaker forgets.

use std::sync::{Mutex, PoisonError};

use crate::status::DestinationState;

/// What was seen since this process took the lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing was tried yet.
    #[default]
    Unknown,
    /// The latest attempt that says anything speaks for it.
    Works,
    /// It rests.
    Rests {
        /// How.
        state: DestinationState,
        /// The code of the attempt that made it rest.
        code: Option<String>,
    },
}

/// The evidence of one destination, shared by its driver and who decides about alerts.
#[derive(Debug, Default)]
pub(crate) struct Witness(Mutex<Evidence>);

impl Witness {
    pub(crate) fn says(&self, evidence: Evidence) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = evidence;
    }

    pub(crate) fn evidence(&self) -> Evidence {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
