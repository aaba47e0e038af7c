//! Who sends: one dispatcher per outbox, elected by a lock that the operating system frees at its holder's death.

use crate::clock::Timestamp;
use crate::error::OutboxError;

/// What the present dispatcher said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its process id.
    pub pid: u32,
    /// Its host name.
    pub host: String,
    /// Since when it leads.
    pub since: Timestamp,
    /// When it last said so.
    pub beat: Timestamp,
}

/// Standing for the lead.
pub trait Election: Send + Sync + 'static {
    /// Takes the lead if it is free, without waiting.
    fn try_lead(&self, now: Timestamp) -> Result<Option<Box<dyn Leadership>>, OutboxError>;
    /// The present dispatcher; `None` when the lead is free.
    fn leader(&self) -> Option<Leader>;
    /// Becomes the one reader of the changes under a name, among all processes, without waiting; `None` when there is one.
    fn try_read_as(&self, consumer: &str) -> Result<Option<Reading>, OutboxError>;
    /// The name of this machine, for people.
    fn host(&self) -> String;
}

/// The right to read under a name; dropping it frees the name.
pub type Reading = Box<dyn Send>;

/// The lead; dropping it frees it.
pub trait Leadership: Send {
    /// Says "still here", for health in other processes. Nobody takes over for want of a beat: only a freed lock does.
    fn beat(&mut self, now: Timestamp);
}
