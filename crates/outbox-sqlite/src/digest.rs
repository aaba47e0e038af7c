//! Keyed digests: what recognises a body and a lane without showing either.

use outbox_core::message::LaneKey;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Failure;

/// Bytes of a lane's hash: enough that two patients never share one (2^64 lanes to an even chance).
pub(crate) const LANE_BYTES: usize = 16;

/// The two keys of a file.
pub(crate) struct Digests {
    body: hmac::Key,
    lane: hmac::Key,
}

impl Digests {
    /// Reads the keys from the file, or makes them with it.
    pub(crate) fn of(connection: &Connection) -> Result<Self, Failure> {
        Ok(Self { body: key(connection, "body_digest_key")?, lane: key(connection, "lane_digest_key")? })
    }

    /// The digest of a message's bytes.
    pub(crate) fn body(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.body, bytes).as_ref());
        digest
    }

    /// Whether bytes are those that `digest` was made of.
    pub(crate) fn is_body(&self, bytes: &[u8], digest: &[u8]) -> bool {
        hmac::verify(&self.body, bytes, digest).is_ok()
    }

    /// The hash of a lane: the same key at two destinations makes two lanes.
    pub(crate) fn lane(&self, destination: &str, key: &LaneKey) -> [u8; LANE_BYTES] {
        let mut context = hmac::Context::with_key(&self.lane);
        context.update(destination.as_bytes());
        // No destination's name contains this byte, so no two pairs run together.
        context.update(&[0]);
        context.update(key.reveal());
        let mut hash = [0; LANE_BYTES];
        hash.copy_from_slice(&context.sign().as_ref()[..LANE_BYTES]);
        hash
    }
}

fn key(connection: &Connection, name: &str) -> Result<hmac::Key, Failure> {
    let read = || {
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [name], |row| row.get::<_, Vec<u8>>(0)).optional()
    };
    if let Some(stored) = read()? {
        return Ok(hmac::Key::new(hmac::HMAC_SHA256, &stored));
    }
    let mut fresh = [0_u8; 32];
    SystemRandom::new().fill(&mut fresh).map_err(|_| {
        outbox_core::error::OutboxError::new(outbox_core::error::code::ERR_PANIC, "the system gives no random bytes")
    })?;
    // Two processes may open a new file at once: the first key stays.
    connection.execute("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![name, fresh])?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &read()?.unwrap_or_default()))
}
