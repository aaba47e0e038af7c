//! Handing alerts over: one at a time for each webhook, again after growing pauses, until it is taken or too old.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Notice, NoticeEnd};
use crate::clock::{Clock, Timestamp};
use crate::config::{Settings, WebhookSettings};
use crate::error::{OutboxError, code};
use crate::store::{Done, Store};

/// Pauses after attempts in vain; the last one repeats until the alert is too old.
const PAUSES_S: [u64; 9] = [1, 5, 15, 30, 60, 120, 300, 600, 900];
/// Share of a pause that chance may add, so that many alerts do not come at once.
const JITTER: f64 = 0.2;
/// Whoever hands a notice over has so long beyond its deadline to say how that ended. Then another process does it again.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// How long a callback may take; one that takes longer is called again.
pub(crate) const CALLBACK_LEASE: Duration = Duration::from_secs(120);
/// Most notices handed over in a row before the file is looked at again.
const ROW_MAX: usize = 100;

/// An alert on its way to a webhook.
#[derive(Clone, Debug)]
pub struct Post {
    /// The alert's id, the same in every attempt.
    pub id: String,
    /// When this attempt is made; it is signed too.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}

/// The pending end of an attempt; the error is a code.
pub type Posting = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A way to one webhook. It signs, follows nothing, and keeps within the webhook's deadline.
pub trait Webhook: Send + Sync {
    /// Makes one attempt.
    fn post(&self, post: Post) -> Posting;
}

/// How the way to a webhook is made; fails when its key or its certificates cannot be used.
pub type ConnectWebhook = Arc<dyn Fn(&WebhookSettings) -> Result<Arc<dyn Webhook>, OutboxError> + Send + Sync>;

/// The application's own function that hears alerts, in whichever environments of this process.
pub trait Callback: Send + Sync {
    /// Whether there is one.
    fn listens(&self) -> bool;
    /// There are alerts to be claimed. It must be quick.
    fn ring(&self);
}

/// A webhook and the way there.
pub(crate) struct Lane {
    pub(crate) settings: WebhookSettings,
    pub(crate) way: Arc<dyn Webhook>,
}

impl Lane {
    /// The ways to all webhooks; a wrong key or certificate is told at the start.
    pub(crate) fn all(settings: &Settings, connect: &ConnectWebhook) -> Result<Vec<Arc<Self>>, OutboxError> {
        let webhooks = settings.alerts.iter().flat_map(|alerts| &alerts.webhooks);
        let lane = |settings: &WebhookSettings| {
            let way = connect(settings)?;
            Ok(Arc::new(Self { settings: settings.clone(), way }))
        };
        webhooks.map(lane).collect()
    }
}

/// How long until the next attempt.
pub(crate) fn pause_after(tries: u32) -> Duration {
    let n = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX).min(PAUSES_S.len() - 1);
    Duration::from_secs(PAUSES_S[n]).mul_f64(1.0 + JITTER * fastrand::f64())
}

/// Hands over what is due for one webhook.
pub(super) async fn hand_over(store: Arc<dyn Store>, clock: Arc<dyn Clock>, lane: Arc<Lane>) {
    let lease = lane.settings.destination.total_timeout + LEASE_MARGIN;
    for _ in 0..ROW_MAX {
        let target = lane.settings.target.clone();
        let Ok(Some(notice)) = asked(|done| store.claim_notice(target, lease, done)).await else { return };
        let Notice { n, tries, id, body } = notice;
        let error = lane.way.post(Post { id, at: clock.now(), body }).await.err();
        if let Some(code) = error.as_deref().filter(|_| tries == 1) {
            tracing::warn!(name = %lane.settings.host, code, "an alert was not taken; it is tried again");
        }
        let end = NoticeEnd { n, tries, error, again: pause_after(tries) };
        if asked(|done| store.end_notice(end, done)).await.is_err() {
            return;
        }
    }
}

/// Waits for one operation of the store, in a task.
async fn asked<T: Send + 'static>(operation: impl FnOnce(Done<T>)) -> Result<T, OutboxError> {
    let (tell, told) = oneshot::channel();
    operation(Box::new(move |result| drop(tell.send(result))));
    told.await.unwrap_or_else(|_| Err(OutboxError::plain(code::ERR_STORE_FAILED)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_quarter_of_an_hour_and_stay_there() {
        let seconds = |tries| pause_after(tries).as_secs_f64();
        for (tries, least) in [(1, 1.0), (2, 5.0), (4, 30.0), (9, 900.0), (10, 900.0), (u32::MAX, 900.0)] {
            let pause = seconds(tries);
            assert!((least..=least * 1.2).contains(&pause), "{tries}: {pause}");
        }
    }
}
