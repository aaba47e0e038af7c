//! Configuration that may be written short: `"aa"` for `{"type":"aa"}`, `25` for `{"minMs":25,"maxMs":25}`.
//!
//! An untagged enum would do, but its errors do not name the wrong key; this keeps the errors of the long form.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};

/// A type with a long form (an object) and a short one.
pub(crate) trait Shorthand: for<'de> Deserialize<'de> {
    /// For the error message: what may stand here.
    const EXPECTING: &'static str;
    /// The key that a bare word stands for.
    const WORD: Option<&'static str>;
    /// The keys that a bare number stands for.
    const NUMBER: &'static [&'static str];
}

/// For `#[serde(deserialize_with)]`.
pub(crate) fn short_or_long<'de, T: Shorthand, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Short(PhantomData))
}

/// The same where the value may be missing or null.
pub(crate) fn optional<'de, T: Shorthand, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    struct Maybe<T>(PhantomData<T>);
    impl<'de, T: Shorthand> Visitor<'de> for Maybe<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTING)
        }
        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            short_or_long(from).map(Some)
        }
    }
    from.deserialize_option(Maybe(PhantomData))
}

struct Short<T>(PhantomData<T>);

impl<'de, T: Shorthand> Visitor<'de> for Short<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTING)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        let Some(key) = T::WORD else { return Err(E::invalid_type(Unexpected::Str(word), &self)) };
        T::deserialize(MapDeserializer::new(std::iter::once((key, word))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        if T::NUMBER.is_empty() {
            return Err(E::invalid_type(Unexpected::Unsigned(number), &self));
        }
        T::deserialize(MapDeserializer::new(T::NUMBER.iter().map(|key| (*key, number))))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}
