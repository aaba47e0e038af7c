//! The delimiters that a message declares in MSH-1 and MSH-2 (HL7 2.5.1, 2.5.4; the fifth, truncation, came with 2.7).

use std::borrow::Cow;

use memchr::memchr;

/// The delimiters of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// MSH-1, usually `|`.
    pub field: u8,
    /// First of MSH-2, usually `^`.
    pub component: u8,
    /// Second of MSH-2, usually `~`.
    pub repetition: u8,
    /// Third of MSH-2, usually `\`.
    pub escape: u8,
    /// Fourth of MSH-2, usually `&`.
    pub subcomponent: u8,
    /// Fifth of MSH-2, usually `#`; absent in most messages.
    pub truncation: Option<u8>,
}

impl Delimiters {
    /// The ones that the standard recommends and nearly everybody uses: `|^~\&`.
    pub const STANDARD: Self =
        Self { field: b'|', component: b'^', repetition: b'~', escape: b'\\', subcomponent: b'&', truncation: None };

    /// Reads the delimiters of a message to be sent from its MSH segment. `None` when they cannot be relied on: fewer than
    /// four or more than five in MSH-2, two alike, or one that is no ASCII punctuation (a letter would cut words, a control
    /// character would end segments, and a byte over 0x7F would cut a multi-byte character).
    pub fn read(msh: &[u8]) -> Option<Self> {
        let (field, rest) = msh.strip_prefix(b"MSH")?.split_first()?;
        let encoding = &rest[..memchr(*field, rest).unwrap_or(rest.len())];
        let (&[component, repetition, escape, subcomponent], fifth) = encoding.split_first_chunk()?;
        let truncation = match *fifth {
            [] => None,
            [truncation] => Some(truncation),
            _ => return None,
        };
        let used = [*field, component, repetition, escape, subcomponent, truncation.unwrap_or(b' ')];
        let distinct = (1..used.len()).all(|i| !used[..i].contains(&used[i]));
        let punctuation =
            used[..5].iter().all(u8::is_ascii_punctuation) && truncation.is_none_or(|t| t.is_ascii_punctuation());
        (distinct && punctuation).then_some(Self {
            field: *field,
            component,
            repetition,
            escape,
            subcomponent,
            truncation,
        })
    }

    /// Reads the delimiters of an answer. Receivers are sloppy and an answer is not ours to refuse: whatever MSH-2 lacks is
    /// taken from [`Delimiters::STANDARD`]. `None` only when there is no usable field separator.
    pub fn read_answer(msh: &[u8]) -> Option<Self> {
        if let Some(strict) = Self::read(msh) {
            return Some(strict);
        }
        let (field, rest) = msh.strip_prefix(b"MSH")?.split_first()?;
        if !field.is_ascii_punctuation() {
            return None;
        }
        let encoding = &rest[..memchr(*field, rest).unwrap_or(rest.len())];
        let given =
            |n: usize, standard: u8| encoding.get(n).copied().filter(u8::is_ascii_punctuation).unwrap_or(standard);
        Some(Self {
            field: *field,
            component: given(0, b'^'),
            repetition: given(1, b'~'),
            escape: given(2, b'\\'),
            subcomponent: given(3, b'&'),
            truncation: None,
        })
    }

    /// Decodes the escape sequences that stand for characters (HL7 2.5.1, 2.7): `\F\` `\S\` `\R\` `\E\` `\T\`, `\P\` where a
    /// truncation character is declared, and `\Xdd…\`. Formatting (`\.br\`, `\H\`), character set switches (`\C…\`, `\M…\`),
    /// local (`\Z…\`) and malformed sequences stay as they are, for they stand for no byte.
    pub fn unescape(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        if memchr(self.escape, bytes).is_none() {
            return Cow::Borrowed(bytes);
        }
        let mut decoded = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(open) = memchr(self.escape, rest) {
            decoded.extend_from_slice(&rest[..open]);
            let after = &rest[open + 1..];
            let sequence = memchr(self.escape, after).map(|close| &after[..close]);
            match sequence {
                Some(sequence) if self.decode(sequence, &mut decoded) => rest = &after[sequence.len() + 1..],
                // Not a sequence of ours: keep this escape character and look again behind it, since its closing one may
                // open a real sequence.
                _ => {
                    decoded.push(self.escape);
                    rest = after;
                }
            }
        }
        decoded.extend_from_slice(rest);
        Cow::Owned(decoded)
    }

    /// Appends what the sequence between two escape characters stands for; false when it stands for no bytes.
    fn decode(self, sequence: &[u8], into: &mut Vec<u8>) -> bool {
        let byte = match sequence {
            b"F" => self.field,
            b"S" => self.component,
            b"R" => self.repetition,
            b"E" => self.escape,
            b"T" => self.subcomponent,
            b"P" => match self.truncation {
                Some(truncation) => truncation,
                None => return false,
            },
            [b'X', digits @ ..] => return decode_hex(digits, into),
            _ => return false,
        };
        into.push(byte);
        true
    }
}

fn decode_hex(digits: &[u8], into: &mut Vec<u8>) -> bool {
    let pairs = digits.chunks_exact(2);
    if digits.is_empty() || !pairs.remainder().is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return false;
    }
    into.extend(pairs.map(|pair| hex_value(pair[0]) << 4 | hex_value(pair[1])));
    true
}

/// The value of a hexadecimal digit; the caller has checked that it is one.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_four_and_a_fifth_are_read() {
        assert_eq!(Delimiters::read(b"MSH|^~\\&|A"), Some(Delimiters::STANDARD));
        let five = Delimiters { truncation: Some(b'#'), ..Delimiters::STANDARD };
        assert_eq!(Delimiters::read(b"MSH|^~\\&#|A"), Some(five));
        assert_eq!(Delimiters::read(b"MSH|^~\\&"), Some(Delimiters::STANDARD));
    }

    #[test]
    fn delimiters_that_cannot_be_relied_on_are_refused() {
        let unusable: [&[u8]; 10] = [
            b"MSH",
            b"MSH|",
            b"MSH||A",
            b"MSH|^~\\|A",
            b"MSH|^~\\&#!|A",
            b"MSH|^^\\&|A",
            b"MSH|^~\\|&|A",
            b"MSHA^~\\&A",
            b"MSH|^~\\x|A",
            b"MSH\xC3^~\\&\xC3",
        ];
        for msh in unusable {
            assert_eq!(Delimiters::read(msh), None, "{msh:?}");
        }
    }

    #[test]
    fn an_answer_with_a_short_msh_2_borrows_the_standard_delimiters() {
        assert_eq!(Delimiters::read_answer(b"MSH|^|A"), Some(Delimiters::STANDARD));
        assert_eq!(Delimiters::read_answer(b"MSH|"), Some(Delimiters::STANDARD));
        assert_eq!(Delimiters::read_answer(b"MSHx"), None);
    }

    #[test]
    fn escape_sequences_for_characters_are_decoded_and_all_others_stay() {
        let five = Delimiters { truncation: Some(b'#'), ..Delimiters::STANDARD };
        let decode = |text: &str| String::from_utf8_lossy(&five.unescape(text.as_bytes())).into_owned();
        assert_eq!(decode("plain"), "plain");
        assert_eq!(decode(r"a\F\b\S\c\R\d\E\e\T\f\P\"), r"a|b^c~d\e&f#");
        assert_eq!(decode(r"\X41\\X4a4B\"), "AJK");
        assert_eq!(decode(r"\X4\ \X\ \Xzz\ \.br\ \H\x\N\ \C1234\"), r"\X4\ \X\ \Xzz\ \.br\ \H\x\N\ \C1234\");
        assert_eq!(decode(r"C:\dir\F\end\"), r"C:\dir|end\");
        assert_eq!(Delimiters::STANDARD.unescape(br"\P\").as_ref(), br"\P\");
    }
}
