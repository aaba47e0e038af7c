//! A credential that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};

use super::Environment;
use crate::error::{OutboxError, code};

/// A bearer token or password. Written as itself or, better, as a reference to the environment: `env:MALAFFI_API_KEY`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the transport.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces a reference to the environment by what it refers to.
    pub(super) fn resolve(&self, key: &str, environment: &Environment) -> Result<Self, OutboxError> {
        let Some(name) = self.0.strip_prefix("env:") else { return Ok(self.clone()) };
        match environment.get(name) {
            Some(value) if !value.is_empty() => Ok(Self(value.to_owned())),
            _ => Err(OutboxError::new(
                code::ERR_CONFIG,
                format!("`{key}` refers to the environment variable {name}, which is not set"),
            )),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
