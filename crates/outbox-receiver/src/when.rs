//! Points in time: kept as microseconds since 1970, written as the reader needs them.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::Offset;

/// Microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 3339 in UTC, for JSON. Always with six decimals, so that the texts sort as the moments do.
pub(crate) fn rfc3339(us: i64) -> String {
    format!("{:.6}", Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// HL7 DTM with its zone: `20300102030405+0000`.
pub(crate) fn push_dtm(out: &mut Vec<u8>, us: i64) {
    let at = Offset::UTC.to_datetime(Timestamp::from_microsecond(us).unwrap_or(Timestamp::UNIX_EPOCH));
    let (date, time) = (at.date(), at.time());
    let whole = [date.month(), date.day(), time.hour(), time.minute(), time.second()];
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{:04}", date.year());
    for part in whole {
        let _ = write!(out, "{part:02}");
    }
    out.extend_from_slice(b"+0000");
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_ways_of_writing_tell_the_same_moment() {
        let us = 1_893_553_445_000_006;
        let mut dtm = Vec::new();
        super::push_dtm(&mut dtm, us);
        assert_eq!(dtm, b"20300102030405+0000");
        assert_eq!(super::rfc3339(us), "2030-01-02T03:04:05.000006Z");
    }

    #[test]
    fn texts_sort_as_the_moments_do() {
        let texts: Vec<String> =
            [1_893_553_445_123_000, 1_893_553_445_123_456, 1_893_553_445_124_000].map(super::rfc3339).into();
        assert!(texts.is_sorted(), "{texts:?}");
    }
}
