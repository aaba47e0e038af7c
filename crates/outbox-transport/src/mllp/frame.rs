//! Frames in a stream of bytes: 0x0B, the payload, 0x1C 0x0D (HL7's Minimal Lower Layer Protocol, release 1).

use memchr::{memchr, memchr2};

/// Begins a frame.
pub(crate) const BEGIN: u8 = 0x0B;
/// Ends a frame, together with a CR.
pub(crate) const END: u8 = 0x1C;
/// Ends every segment, and follows the end of a frame.
pub(crate) const CR: u8 = 0x0D;

/// What the bytes that have come so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A payload, without its frame; never empty.
    Frame(Vec<u8>),
    /// More bytes are needed.
    Incomplete,
    /// More came than an answer may have.
    TooLarge,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between frames, where bytes mean nothing.
    Outside,
    /// In a payload.
    Inside,
    /// Behind the end of a frame, where a CR is due.
    AfterEnd,
}

/// Finds the frames, wherever the stream is cut into pieces. Lenient where receivers are sloppy: what stands between frames is
/// skipped, 0x0B inside a frame begins it anew, and 0x1C alone ends it. (Neither can be part of a payload.)
#[derive(Debug)]
pub(crate) struct Decoder {
    place: Place,
    payload: Vec<u8>,
    /// Bytes of whatever kind that may still come.
    room: usize,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { place: Place::Outside, payload: Vec::new(), room: 0 }
    }

    /// Begins to count for the next answer, which has at most so many bytes, noise included.
    pub(crate) fn expect(&mut self, bytes_max: usize) {
        self.room = bytes_max;
    }

    /// Takes bytes off the front of `input` until a frame is complete or nothing is left.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Next {
        while !input.is_empty() {
            let taken = match self.place {
                Place::Outside => self.skip(input),
                Place::AfterEnd => {
                    self.place = Place::Outside;
                    usize::from(input[0] == CR)
                }
                Place::Inside => self.gather(input),
            };
            *input = &input[taken..];
            let Some(room) = self.room.checked_sub(taken) else {
                self.payload = Vec::new();
                return Next::TooLarge;
            };
            self.room = room;
            if self.place == Place::AfterEnd && !self.payload.is_empty() {
                return Next::Frame(std::mem::take(&mut self.payload));
            }
        }
        Next::Incomplete
    }

    fn skip(&mut self, input: &[u8]) -> usize {
        match memchr(BEGIN, input) {
            Some(at) => {
                self.place = Place::Inside;
                at + 1
            }
            None => input.len(),
        }
    }

    fn gather(&mut self, input: &[u8]) -> usize {
        let at = memchr2(BEGIN, END, input);
        let piece = &input[..at.unwrap_or(input.len())];
        // What is over the limit is not kept; `next` tells.
        if piece.len() <= self.room {
            self.payload.extend_from_slice(piece);
        }
        match at {
            Some(at) if input[at] == BEGIN => {
                self.payload.clear();
                at + 1
            }
            Some(at) => {
                self.place = Place::AfterEnd;
                at + 1
            }
            None => input.len(),
        }
    }

    /// Whether a frame has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.place == Place::Inside
    }

    /// Whether the CR behind the last frame has not come yet.
    pub(crate) fn awaits_cr(&self) -> bool {
        self.place == Place::AfterEnd
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames of a stream that comes in these pieces, and whether it was found too large.
    fn frames_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, bytes_max: usize) -> (Vec<Vec<u8>>, bool) {
        let mut decoder = Decoder::new();
        decoder.expect(bytes_max);
        let mut frames = Vec::new();
        for mut piece in pieces {
            loop {
                match decoder.next(&mut piece) {
                    Next::Frame(frame) => frames.push(frame),
                    Next::Incomplete => break,
                    Next::TooLarge => return (frames, true),
                }
                assert!(decoder.payload.capacity() <= 4 * bytes_max);
            }
        }
        (frames, false)
    }

    fn frames(stream: &[u8]) -> Vec<Vec<u8>> {
        frames_of([stream], 1 << 20).0
    }

    #[test]
    fn frames_are_found_in_noise_and_a_new_beginning_starts_over() {
        let stream = b"noise\r\n\x0bone\r\x1c\x0d\n\x0bbroken\x0btwo\x1c\x0d\x1c\x0d\x0bthree\x1c\x0d\x0bopen";
        assert_eq!(frames(stream), [b"one\r".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    }

    #[test]
    fn a_frame_ends_without_its_last_cr_and_the_next_may_follow_at_once() {
        assert_eq!(frames(b"\x0bone\x1c\x0btwo\x1c"), [b"one".to_vec(), b"two".to_vec()]);
    }

    #[test]
    fn an_empty_frame_is_none() {
        assert_eq!(frames(b"\x0b\x1c\x0d\x0bone\x1c\x0d"), [b"one".to_vec()]);
        assert!(frames(b"\x0b\x1c\x0d").is_empty());
    }

    #[test]
    fn where_the_decoder_stands_can_be_asked() {
        let mut decoder = Decoder::new();
        decoder.expect(100);
        assert_eq!(decoder.next(&mut b"\x0bone".as_slice()), Next::Incomplete);
        assert!(decoder.is_inside());
        assert_eq!(decoder.next(&mut b"\x1c".as_slice()), Next::Frame(b"one".to_vec()));
        assert!(decoder.awaits_cr());
        assert_eq!(decoder.next(&mut b"\x0d".as_slice()), Next::Incomplete);
        assert!(!decoder.awaits_cr() && !decoder.is_inside());
    }

    #[test]
    fn the_limit_counts_every_byte_and_is_told_before_the_end_comes() {
        assert_eq!(frames_of([b"\x0b12345678\x1c".as_slice()], 10), (vec![b"12345678".to_vec()], false));
        assert_eq!(frames_of([b"\x0b123456789".as_slice(), b"0"], 10), (vec![], true));
        assert_eq!(frames_of([b"12345678901".as_slice()], 10), (vec![], true));
    }

    fn streams() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(BEGIN), Just(END), Just(CR), Just(b'A'), any::<u8>()];
        proptest::collection::vec(byte, 0..80)
    }

    proptest! {
        #[test]
        fn the_same_frames_come_wherever_the_stream_is_cut(stream in streams(), bytes_max in 0_usize..100) {
            let whole = frames_of([stream.as_slice()], bytes_max);
            for cut in 0..=stream.len() {
                let (left, right) = stream.split_at(cut);
                prop_assert_eq!(&frames_of([left, right], bytes_max).0, &whole.0);
            }
            prop_assert_eq!(frames_of(stream.chunks(1), bytes_max).0, whole.0);
        }

        #[test]
        fn what_was_framed_comes_back(payloads in proptest::collection::vec("[A-Z|\r]{1,20}", 0..5)) {
            let stream: Vec<u8> =
                payloads.iter().flat_map(|text| [&[BEGIN], text.as_bytes(), &[END, CR]].concat()).collect();
            let expected: Vec<_> = payloads.iter().map(|text| text.clone().into_bytes()).collect();
            prop_assert_eq!(frames(&stream), expected);
        }
    }
}
