//! The stand-in receiver, for tests of those who use the package.

use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{Env, PromiseRaw, Result};
use napi_derive::napi;
use outbox_core::error::{OutboxError, code};
use outbox_receiver::{Receiver, ReceiverConfig};

use crate::convert::parse;
use crate::port;
use crate::runtime::runtime;
use crate::settle::Settlement;

/// A running stand-in receiver.
#[napi]
pub struct NativeReceiver {
    running: Arc<Mutex<Option<Receiver>>>,
}

/// Where it listens.
#[derive(serde::Serialize)]
struct Addresses {
    http: Option<String>,
    mllp: Option<String>,
}

#[napi]
impl NativeReceiver {
    /// A receiver that is not started yet.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self { running: Arc::default() }
    }

    /// Starts it; resolves with its addresses as JSON when it listens.
    #[napi(catch_unwind, ts_return_type = "Promise<string>")]
    pub fn start<'env>(&self, env: &'env Env, config: String) -> Result<PromiseRaw<'env, ()>> {
        let (ticket, promise) = port::promise(env)?;
        let running = Arc::clone(&self.running);
        let start = runtime().and_then(|runtime| Ok((runtime, parse::<ReceiverConfig>(&config)?)));
        match start {
            Err(error) => drop(ticket.settle(Err(error))),
            Ok((runtime, config)) => drop(runtime.spawn(async move {
                ticket.settle(match Receiver::start(config).await {
                    Err(error) => {
                        Err(OutboxError::new(code::ERR_OPTION, format!("the receiver cannot start: {error}")))
                    }
                    Ok(receiver) => {
                        let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
                        let addresses =
                            Addresses { http: text(receiver.http_addr()), mllp: text(receiver.mllp_addr()) };
                        *running.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
                        Ok(Settlement::json(&addresses))
                    }
                });
            })),
        }
        Ok(promise)
    }

    /// Stops it; resolves when its sockets are closed.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn stop<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let (ticket, promise) = port::promise(env)?;
        let receiver = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (runtime(), receiver) {
            (Ok(runtime), Some(receiver)) => drop(runtime.spawn(async move {
                receiver.stop().await;
                ticket.settle(Ok(Settlement::Nothing));
            })),
            _ => drop(ticket.settle(Ok(Settlement::Nothing))),
        }
        Ok(promise)
    }
}
