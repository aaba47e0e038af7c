//! Dates and times as HL7 writes them: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]` (HL7 2.5.1, 2.A.22).

/// What is wrong with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    /// Written as ISO 8601 does, with `T`, `-`, `:` or `Z`.
    Iso,
    /// Not a time at all.
    Malformed,
    /// A time that no calendar or clock has.
    Impossible,
}

/// What a time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) fault: Option<TimeFault>,
    /// Minutes east of Greenwich, if it says so; of an ISO text too.
    pub(super) offset: Option<i32>,
}

impl Time {
    pub(super) fn read(text: &[u8]) -> Self {
        if let Some(time) = Self::read_hl7(text) {
            return time;
        }
        let is_iso = text.len() >= 8
            && text.iter().all(|byte| byte.is_ascii_digit() || b"TtZz:+-. ".contains(byte))
            && is_digits(&text[..4])
            && (text.iter().any(|byte| b"TtZz: ".contains(byte)) || memchr::memchr_iter(b'-', text).count() == 2);
        if is_iso {
            return Self { fault: Some(TimeFault::Iso), offset: iso_offset(text) };
        }
        Self { fault: Some(TimeFault::Malformed), offset: None }
    }

    /// `None` when the form is another.
    fn read_hl7(text: &[u8]) -> Option<Self> {
        let sign = text.iter().position(|byte| matches!(byte, b'+' | b'-'));
        let (clock, zone) = text.split_at(sign.unwrap_or(text.len()));
        let (digits, fraction) = match clock.iter().position(|&byte| byte == b'.') {
            Some(point) => (&clock[..point], Some(&clock[point + 1..])),
            None => (clock, None),
        };
        let has_form = matches!(digits.len(), 4 | 6 | 8 | 10 | 12 | 14) && is_digits(digits);
        let has_fraction = fraction
            .is_none_or(|fraction| digits.len() == 14 && matches!(fraction.len(), 1..=4) && is_digits(fraction));
        let has_zone = zone.is_empty() || zone.len() == 5 && is_digits(&zone[1..]);
        if !has_form || !has_fraction || !has_zone {
            return None;
        }
        let offset = (!zone.is_empty()).then(|| offset(zone[0], number(&zone[1..3]), number(&zone[3..])));
        let is_real =
            is_possible(digits) && offset.is_none_or(|minutes| minutes.abs() <= 14 * 60 && minutes % 60 % 15 == 0);
        Some(Self { fault: (!is_real).then_some(TimeFault::Impossible), offset })
    }
}

fn is_digits(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_digit)
}

fn number(digits: &[u8]) -> i32 {
    digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

fn offset(sign: u8, hours: i32, minutes: i32) -> i32 {
    let minutes = hours * 60 + minutes;
    if sign == b'-' { -minutes } else { minutes }
}

/// Whether the parts given, as pairs of digits behind the year, are in the calendar and on the clock.
fn is_possible(digits: &[u8]) -> bool {
    let year = number(&digits[..4]);
    let part = |n: usize| digits.get(n..n + 2).map(number);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match part(4) {
        Some(2) if is_leap => 29,
        Some(2) => 28,
        Some(4 | 6 | 9 | 11) => 30,
        _ => 31,
    };
    let within = |n: usize, least: i32, most: i32| part(n).is_none_or(|part| (least..=most).contains(&part));
    within(4, 1, 12) && within(6, 1, days) && within(8, 0, 23) && within(10, 0, 59) && within(12, 0, 59)
}

/// The offset at the end of an ISO text: `Z`, `+04:00` or `+0400`, behind a time of day.
fn iso_offset(text: &[u8]) -> Option<i32> {
    if let Some(b'Z' | b'z') = text.last() {
        return Some(0);
    }
    let day_ends = text.iter().position(|byte| matches!(byte, b'T' | b't' | b' '))?;
    let zone = &text[day_ends..];
    let zone = &zone[zone.iter().position(|byte| matches!(byte, b'+' | b'-'))?..];
    match *zone {
        [sign, a, b, b':', c, d] | [sign, a, b, c, d] if is_digits(&[a, b, c, d]) => {
            Some(offset(sign, number(&[a, b]), number(&[c, d])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<TimeFault>, Option<i32>) {
        let time = Time::read(text.as_bytes());
        (time.fault, time.offset)
    }

    #[test]
    fn the_forms_of_the_standard_are_read_with_their_offset() {
        for text in
            ["2026", "202601", "20260131", "2026013109", "202601310945", "20260131094500", "20260131094500.1234"]
        {
            assert_eq!(read(text), (None, None), "{text}");
            assert_eq!(read(&format!("{text}+0400")), (None, Some(240)), "{text}");
        }
        assert_eq!(read("20240229-0330"), (None, Some(-210)));
    }

    #[test]
    fn iso_text_is_told_from_nonsense() {
        assert_eq!(read("20260131T094500"), (Some(TimeFault::Iso), None));
        assert_eq!(read("20260131T094500Z"), (Some(TimeFault::Iso), Some(0)));
        assert_eq!(read("2026-01-31T09:45:00+04:00"), (Some(TimeFault::Iso), Some(240)));
        assert_eq!(read("2026-01-31T09:45:00.123-0330"), (Some(TimeFault::Iso), Some(-210)));
        assert_eq!(read("2026-01-31"), (Some(TimeFault::Iso), None));
        assert_eq!(read("2026-01-31 09:45"), (Some(TimeFault::Iso), None));
        for text in
            ["31/01/2026", "yesterday", "20260", "202601310945001", "20260131.5", "20260131094500.", "Z", "-", ".", "+"]
        {
            assert_eq!(read(text), (Some(TimeFault::Malformed), None), "{text}");
        }
    }

    #[test]
    fn no_calendar_has_these() {
        for text in
            ["20260230", "20250229", "19000229", "20261301", "20260100", "2026013124", "202601310960", "20260131094560"]
        {
            assert_eq!(read(text).0, Some(TimeFault::Impossible), "{text}");
        }
        for text in ["20260131094500+1500", "20260131094500+0407", "20260131094500+9999"] {
            assert_eq!(read(text).0, Some(TimeFault::Impossible), "{text}");
        }
    }
}
