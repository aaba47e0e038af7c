//! The `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

/// The longest rest that a receiver can ask for. A wrong clock or a slip (milliseconds for seconds) must not silence a
/// destination for a day.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);
/// The shortest: a zero or a date gone by must not become a tight loop.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// `None` when the header is neither seconds nor a date.
pub(super) fn read(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim();
    let asked = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number is a very long time, not nonsense.
        header.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        httpdate::parse_http_date(header).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn seconds_and_dates_are_read_and_kept_within_bounds() {
        let cases = [
            ("120", 120),
            (" 5 ", 5),
            ("0", 1),
            ("99999999", 3600),
            ("99999999999999999999999999", 3600),
            ("Thu, 01 Jan 1970 00:17:40 GMT", 60),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 1),
            ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
        ];
        for (header, seconds) in cases {
            assert_eq!(read(header, at(1000)), Some(Duration::from_secs(seconds)), "{header}");
        }
        for nonsense in ["", " ", "soon", "-5", "1.5", "\u{663}"] {
            assert_eq!(read(nonsense, at(1000)), None, "{nonsense}");
        }
    }
}
