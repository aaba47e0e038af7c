//! What an operator does to the file as a whole, and to the configuration without it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{Env, PromiseRaw, Result};
use napi_derive::napi;
use outbox_core::alert::{Post, test_alert};
use outbox_core::clock::{Clock, SystemClock, Timestamp};
use outbox_core::config::{Destination, Settings, WebhookSettings};
use outbox_core::error::OutboxError;
use outbox_core::outbox::file_name;
use outbox_core::store::Done;
use outbox_sqlite::Check;
use outbox_transport::{Probe, probe};
use serde::Serialize;

use crate::handle::{self, Source};
use crate::runtime::runtime;
use crate::settle::Settlement;
use crate::{convert, port};

/// Works on a thread of its own: a file is read or written from one end to the other.
pub(crate) fn apart<T: Send + 'static>(
    done: Done<T>,
    work: impl FnOnce() -> std::result::Result<T, OutboxError> + Send + 'static,
) {
    // A thread that cannot be started drops `done`, which rejects.
    let _ = std::thread::Builder::new().name(String::from("hl7-tool")).spawn(move || done(work()));
}

fn promised<T: Serialize + Send + 'static>(
    env: &Env,
    work: impl FnOnce() -> std::result::Result<T, OutboxError> + Send + 'static,
) -> Result<PromiseRaw<'_, ()>> {
    let (ticket, promise) = port::promise(env)?;
    let done: Done<T> = Box::new(move |result| {
        ticket.settle(result.map(|value| Settlement::json(&value)));
    });
    apart(done, work);
    Ok(promise)
}

/// Copies an outbox that need not be open here; JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn backup_file(env: &Env, path: String, to: String, replace: bool) -> Result<PromiseRaw<'_, ()>> {
    promised(env, move || outbox_sqlite::backup(Path::new(&path), Path::new(&to), replace))
}

/// Puts a backup in an outbox's place; JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn restore_file(env: &Env, from: String, path: String) -> Result<PromiseRaw<'_, ()>> {
    promised(env, move || outbox_sqlite::restore(Path::new(&from), Path::new(&path)))
}

/// Looks at a file and changes nothing; JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn inspect_file(env: &Env, path: String, full: bool) -> Result<PromiseRaw<'_, ()>> {
    let check = if full { Check::Full } else { Check::Quick };
    promised(env, move || outbox_sqlite::inspect(Path::new(&path), check))
}

/// A configuration, resolved.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resolved {
    path: PathBuf,
    destinations: Vec<Way>,
    /// Webhooks of alerts, named by their places; `None`: no alerts are configured.
    webhooks: Option<Vec<Way>>,
}

/// A destination as it was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    name: String,
    enabled: bool,
    /// What is wrong with its set-up.
    error: Option<Wrong>,
    client_certificate_expires_at: Option<Timestamp>,
    ways: Vec<Reached>,
}

#[derive(Serialize)]
struct Wrong {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
}

/// One address of a destination, and whether it was reached.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reached {
    whom: &'static str,
    address: String,
    fault: Option<&'static str>,
    took_ms: u128,
    certificate_expires_at: Option<Timestamp>,
}

/// Resolves a configuration with the changes that the file holds (`patches`, JSON by name), and tries each destination without
/// a message, within `timeout_ms`; without one, none is tried. JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn probe_destinations(
    env: &Env,
    config_json: Option<String>,
    environment_json: String,
    working_directory: String,
    patches: String,
    timeout_ms: Option<u32>,
) -> Result<PromiseRaw<'_, ()>> {
    promised(env, move || {
        let patches: BTreeMap<String, String> = convert::parse(&patches)?;
        let settings = handle::settings(Source {
            json: config_json,
            environment: convert::environment(&environment_json),
            working_directory: PathBuf::from(working_directory),
        })?;
        let limit = timeout_ms.map(|ms| Duration::from_millis(u64::from(ms)));
        let all = settings.destinations.keys().map(|name| (name.clone(), tried(&settings, name, patches.get(name))));
        let all: Vec<_> = all.collect();
        let destinations = runtime()?.block_on(reach_all(all, limit));
        let webhooks = match &settings.alerts {
            None => None,
            Some(alerts) => {
                let all = alerts.webhooks.iter().map(|webhook| (webhook.destination.name.to_string(), hooked(webhook)));
                Some(runtime()?.block_on(reach_all(all.collect(), limit)))
            }
        };
        Ok(Resolved { path: settings.path.clone(), destinations, webhooks })
    })
}

/// A webhook as it was found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// Its place in the configuration.
    n: usize,
    host: String,
    /// Why it did not take the alert; a code.
    error: Option<String>,
    took_ms: u128,
}

/// Resolves a configuration and sends a test alert to each of its webhooks, each within its own time. JSON.
#[napi(catch_unwind, ts_return_type = "Promise<string>")]
pub fn test_alerts(
    env: &Env,
    config_json: Option<String>,
    environment_json: String,
    working_directory: String,
    host: String,
) -> Result<PromiseRaw<'_, ()>> {
    promised(env, move || {
        let settings = handle::settings(Source {
            json: config_json,
            environment: convert::environment(&environment_json),
            working_directory: PathBuf::from(working_directory),
        })?;
        let webhooks = settings.alerts.as_ref().map(|alerts| alerts.webhooks.clone()).unwrap_or_default();
        let ways =
            webhooks.iter().map(outbox_transport::connect_webhook).collect::<std::result::Result<Vec<_>, _>>()?;
        let now = SystemClock.now();
        let alert = test_alert(&file_name(&settings.path), host, now);
        let body = serde_json::to_string(&alert).unwrap_or_default();
        let tested = webhooks.into_iter().zip(ways).enumerate().map(|(n, (webhook, way))| {
            let post = Post { id: alert.id.clone(), at: now, body: body.clone() };
            async move {
                let began = Instant::now();
                let error = way.post(post).await.err();
                Tested { n, host: webhook.host, error, took_ms: began.elapsed().as_millis() }
            }
        });
        // All at once: one that does not answer takes its whole time.
        let runtime = runtime()?;
        let tasks: Vec<_> = tested.map(|one| runtime.spawn(one)).collect();
        Ok(runtime.block_on(async {
            let mut all = Vec::with_capacity(tasks.len());
            for task in tasks {
                all.extend(task.await.ok());
            }
            all
        }))
    })
}

type Tried = std::result::Result<(Destination, Probe), OutboxError>;

fn tried(settings: &Settings, name: &str, patch: Option<&String>) -> Tried {
    let destination = settings.resolver.destination(name, patch.map(String::as_str))?;
    let probe = probe(&destination)?;
    Ok((destination, probe))
}

/// A webhook is reached as a destination is; its key and headers are looked at too.
fn hooked(webhook: &WebhookSettings) -> Tried {
    outbox_transport::connect_webhook(webhook)?;
    let probe = probe(&webhook.destination).map_err(|error| webhook.blame(error))?;
    Ok((Destination::clone(&webhook.destination), probe))
}

/// All at once: one that does not answer takes its whole time.
async fn reach_all(all: Vec<(String, Tried)>, limit: Option<Duration>) -> Vec<Way> {
    let tasks: Vec<_> = all.into_iter().map(|(name, tried)| tokio::spawn(reach(name, tried, limit))).collect();
    let mut ways = Vec::with_capacity(tasks.len());
    for task in tasks {
        if let Ok(way) = task.await {
            ways.push(way);
        }
    }
    ways
}

async fn reach(name: String, tried: Tried, limit: Option<Duration>) -> Way {
    let mut way = Way { name, enabled: true, error: None, client_certificate_expires_at: None, ways: Vec::new() };
    let (destination, probe) = match tried {
        Ok(tried) => tried,
        Err(error) => {
            way.error = Some(Wrong { code: error.code, hint: error.hint(), message: error.message });
            return way;
        }
    };
    way.enabled = destination.enabled;
    way.client_certificate_expires_at = probe.client_certificate_expires_at();
    let Some(limit) = limit.filter(|_| destination.enabled) else { return way };
    way.ways = probe
        .run(limit)
        .await
        .into_iter()
        .map(|seen| Reached {
            whom: seen.whom,
            address: seen.address,
            fault: seen.fault,
            took_ms: seen.took.as_millis(),
            certificate_expires_at: seen.certificate_expires_at,
        })
        .collect();
    way
}
