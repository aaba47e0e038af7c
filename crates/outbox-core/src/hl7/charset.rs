//! The character set that a message declares in MSH-18 (HL7 table 0211).

/// The character sets that a message may declare here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charset {
    /// `UNICODE UTF-8`, and what an empty MSH-18 means to this outbox. (The standard says ASCII; UTF-8 contains it, and a
    /// message with Arabic names and an empty MSH-18 is worth delivering.)
    Utf8,
    /// `ASCII`: seven bits.
    Ascii,
    /// `8859/1` to `8859/16`, by the number of the part; part 12 was never published.
    Iso8859(u8),
}

impl Charset {
    /// Reads MSH-18's first repetition, which names the default set of the message (HL7 2.5.1, 2.15.9.18); the further ones
    /// are reached only through escape sequences, which are ASCII and pass untouched.
    ///
    /// `None` for a name that is not understood. Such a message is refused rather than taken as bytes: in the remaining sets
    /// of the table (GB 18030, BIG-5, UTF-16, ISO IR…) the byte of a delimiter can be half of a character, so that neither
    /// its fields nor its patient could be read safely. Letter case is ignored, and the names of the sets outside HL7
    /// (`UTF-8`, `ISO-8859-6`), which senders often write, count too: the bytes are checked against the set in any case.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if name.is_empty() || is("UNICODE UTF-8") || is("UTF-8") || is("UTF8") {
            return Some(Self::Utf8);
        }
        if is("ASCII") || is("US-ASCII") {
            return Some(Self::Ascii);
        }
        let has_prefix =
            |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
        let prefix = ["8859/", "ISO-8859-", "ISO 8859-", "ISO8859-", "ISO 8859/"].into_iter().find(has_prefix)?;
        match name[prefix.len()..] {
            [one @ b'1'..=b'9'] => Some(Self::Iso8859(one - b'0')),
            [b'1', ten @ (b'0' | b'1' | b'3'..=b'6')] => Some(Self::Iso8859(10 + ten - b'0')),
            _ => None,
        }
    }

    /// The name in table 0211, or for the parts of 8859 that the table lacks the name after its pattern.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UNICODE UTF-8",
            Self::Ascii => "ASCII",
            Self::Iso8859(part) => part_name(part, &PARTS_HL7),
        }
    }

    /// The name for a `charset` parameter of a content type (IANA, lower case).
    pub fn mime_name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Ascii => "us-ascii",
            Self::Iso8859(part) => part_name(part, &PARTS_MIME),
        }
    }

    /// The offset of the first byte that has no meaning in this set.
    ///
    /// The bytes 0x80-0x9F have none in any part of 8859: the parts leave them out. In practice they betray Windows-1252 or
    /// UTF-8 under a wrong name, which the receiver would show as broken names.
    pub fn first_invalid(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).err().map(|wrong| wrong.valid_up_to()),
            _ if bytes.is_ascii() => None,
            Self::Ascii => bytes.iter().position(|byte| !byte.is_ascii()),
            Self::Iso8859(part) => bytes.iter().position(|&byte| !is_assigned(part, byte)),
        }
    }
}

#[rustfmt::skip]
const PARTS_HL7: [&str; 16] = ["8859/1", "8859/2", "8859/3", "8859/4", "8859/5", "8859/6", "8859/7", "8859/8", "8859/9",
    "8859/10", "8859/11", "8859/12", "8859/13", "8859/14", "8859/15", "8859/16"];
#[rustfmt::skip]
const PARTS_MIME: [&str; 16] = ["iso-8859-1", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6",
    "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-10", "iso-8859-11", "iso-8859-12", "iso-8859-13", "iso-8859-14",
    "iso-8859-15", "iso-8859-16"];

fn part_name(part: u8, names: &'static [&'static str; 16]) -> &'static str {
    // Parts come from `parse` and are 1 to 16; a part built by hand outside that range still gets an answer, not a panic.
    names.get(usize::from(part).wrapping_sub(1)).copied().unwrap_or(names[0])
}

/// Whether the part of ISO/IEC 8859 gives this byte a character. Parts not listed assign all of 0xA0-0xFF.
fn is_assigned(part: u8, byte: u8) -> bool {
    match byte {
        0x00..=0x7F => true,
        0x80..=0x9F => false,
        _ => !match part {
            3 => matches!(byte, 0xA5 | 0xAE | 0xBE | 0xC3 | 0xD0 | 0xE3 | 0xF0),
            6 => {
                matches!(byte, 0xA1..=0xA3 | 0xA5..=0xAB | 0xAE..=0xBA | 0xBC..=0xBE | 0xC0 | 0xDB..=0xDF | 0xF3..=0xFF)
            }
            7 => matches!(byte, 0xAE | 0xD2 | 0xFF),
            8 => matches!(byte, 0xA1 | 0xBF..=0xDE | 0xFB | 0xFC | 0xFF),
            11 => matches!(byte, 0xDB..=0xDE | 0xFC..=0xFF),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_table_0211_are_known_and_other_sets_are_not() {
        let known: [(&str, Charset); 12] = [
            ("", Charset::Utf8),
            ("UNICODE UTF-8", Charset::Utf8),
            ("unicode utf-8", Charset::Utf8),
            ("UTF-8", Charset::Utf8),
            ("ASCII", Charset::Ascii),
            ("8859/1", Charset::Iso8859(1)),
            ("8859/6", Charset::Iso8859(6)),
            (" 8859/9 ", Charset::Iso8859(9)),
            ("8859/10", Charset::Iso8859(10)),
            ("8859/15", Charset::Iso8859(15)),
            ("8859/16", Charset::Iso8859(16)),
            ("ISO-8859-6", Charset::Iso8859(6)),
        ];
        for (name, charset) in known {
            assert_eq!(Charset::parse(name.as_bytes()), Some(charset), "{name}");
        }
        let refused = "8859/0,8859/12,8859/17,8859/,8859/1x,UNICODE,UNICODE UTF-16,UNICODE UTF-32,BIG-5,GB 18030-2000,\
                       KS X 1001,CNS 11643-1992,ISO IR87,ISO IR14,KLINGON,\u{661}";
        for name in refused.split(',') {
            assert_eq!(Charset::parse(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn every_set_has_two_names_and_its_hl7_name_reads_back() {
        for part in (1..=16).filter(|&part| part != 12) {
            let charset = Charset::Iso8859(part);
            assert_eq!(Charset::parse(charset.name().as_bytes()), Some(charset));
            assert_eq!(charset.mime_name(), format!("iso-8859-{part}"));
        }
        assert_eq!(Charset::parse(Charset::Utf8.name().as_bytes()), Some(Charset::Utf8));
        assert_eq!(Charset::parse(Charset::Ascii.name().as_bytes()), Some(Charset::Ascii));
    }

    #[test]
    fn the_first_byte_outside_the_set_is_found() {
        assert_eq!(Charset::Utf8.first_invalid("زايد".as_bytes()), None);
        assert_eq!(Charset::Utf8.first_invalid(b"ab\xE9c"), Some(2));
        assert_eq!(Charset::Ascii.first_invalid(b"abc"), None);
        assert_eq!(Charset::Ascii.first_invalid(b"ab\xE9c"), Some(2));
        assert_eq!(Charset::Iso8859(1).first_invalid(b"ab\xE9c"), None);
        assert_eq!(Charset::Iso8859(1).first_invalid(b"ab\x93c"), Some(2));
        assert_eq!(Charset::Iso8859(6).first_invalid(b"\xD2\xC7\xED\xCF"), None);
        assert_eq!(Charset::Iso8859(6).first_invalid(b"\xD2\xA1"), Some(1));
        assert_eq!(Charset::Iso8859(6).first_invalid("زايد".as_bytes()), Some(1));
    }

    #[test]
    fn each_part_of_8859_assigns_as_many_characters_as_published() {
        let count = |part| (0xA0..=0xFF).filter(|&byte| is_assigned(part, byte)).count();
        let counts: Vec<usize> = (1..=16).filter(|&part| part != 12).map(count).collect();
        assert_eq!(counts, [96, 96, 89, 96, 96, 51, 93, 60, 96, 96, 88, 96, 96, 96, 96]);
    }
}
