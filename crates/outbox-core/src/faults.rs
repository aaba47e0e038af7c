//! Faults on demand, for the rigs: named points at which the program fails as it is told. They exist only with the cargo
//! feature `faults`; without it both macros are nothing, and so is this module.
//!
//! What happens at a point is said in the words of the crate `fail` (`3*off->1*return(panic)`: at the fourth passage, once),
//! in the environment (`FAILPOINTS=commit-before=return(error);…`) or by [`set`]. The ways to fail are
//!
//! | | |
//! |---|---|
//! | `return(error)` | the failure of the layer itself; some take others: `return(full)` |
//! | `return(panic)` | a panic |
//! | `return(kill)` | the process ends at once, as after SIGKILL |
//! | `return(delay 200)` | the thread sleeps so many milliseconds |
//!
//! Each is told on the standard error stream before it happens, for the rigs to see that it did.

/// A point at which a fault can be asked for; the second argument makes the early return of an error from its way.
#[cfg(not(feature = "faults"))]
#[macro_export]
macro_rules! fault {
    ($($given:tt)*) => {};
}

/// Wrong behaviour on demand: what a rig must find. Never anything but a plant of a rig.
#[cfg(not(feature = "faults"))]
#[macro_export]
macro_rules! plant {
    ($($given:tt)*) => {};
}

/// A point at which a fault can be asked for; the second argument makes the early return of an error from its way.
#[cfg(feature = "faults")]
#[macro_export]
macro_rules! fault {
    ($name:literal) => {
        let _ = $crate::faults::meet($name, false);
    };
    ($name:literal, $instead:expr) => {
        if let Some(way) = $crate::faults::meet($name, true) {
            return ($instead)(way.as_str());
        }
    };
}

/// Wrong behaviour on demand: what a rig must find. Never anything but a plant of a rig.
#[cfg(feature = "faults")]
#[macro_export]
macro_rules! plant {
    ($name:literal, $wrong:block) => {
        if $crate::faults::is_planted($name) $wrong
    };
}

#[cfg(feature = "faults")]
pub use self::build::{is_planted, meet, refused, set};

#[cfg(feature = "faults")]
mod build {
    use std::io::Write as _;
    use std::sync::Once;
    use std::time::Duration;

    use crate::error::{OutboxError, code};

    /// A string that only a build with faults has.
    const MARK: &str = "hl7-outbox fault build";

    static READY: Once = Once::new();

    /// Reads the environment, once.
    fn ready() {
        // Never torn down: points are met until the process ends.
        READY.call_once(|| std::mem::forget(fail::FailScenario::setup()));
    }

    /// Asks what is to happen here, and does it; answers the way of an error that the caller is to make.
    ///
    /// # Panics
    ///
    /// When it is asked to.
    pub fn meet(name: &str, can_err: bool) -> Option<String> {
        let way = asked(name)?;
        tell(name, &way);
        match way.as_str() {
            "panic" => panic!("planted at {name}"),
            "kill" => std::process::abort(),
            _ => {}
        }
        if let Some(milliseconds) = way.strip_prefix("delay ").and_then(|number| number.parse().ok()) {
            std::thread::sleep(Duration::from_millis(milliseconds));
            return None;
        }
        assert!(can_err, "the point {name} cannot fail by `{way}`");
        Some(way)
    }

    /// Whether a rig planted this.
    pub fn is_planted(name: &str) -> bool {
        asked(name).is_some_and(|_| {
            tell(name, "planted");
            true
        })
    }

    /// The failure of a layer that has no other of its own.
    pub fn refused<T>(way: &str) -> Result<T, OutboxError> {
        Err(OutboxError::plain(if way == "busy" { code::ERR_STORE_BUSY } else { code::ERR_STORE_FAILED }))
    }

    /// Says what is to happen at a point from now on.
    pub fn set(name: &str, actions: &str) -> Result<(), String> {
        ready();
        fail::cfg(name, actions)
    }

    fn asked(name: &str) -> Option<String> {
        ready();
        fail::fail_point!(name, |way| Some(way.unwrap_or_else(|| String::from("error"))));
        None
    }

    fn tell(name: &str, way: &str) {
        // In one piece, so that no other line comes between. Where nobody listens, nobody needs to hear.
        let line = format!("{MARK}: {name} {way}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
