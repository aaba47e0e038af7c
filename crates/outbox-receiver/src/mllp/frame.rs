//! Frames in a stream of bytes: 0x0B, the message, 0x1C 0x0D (MLLP release 1).

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// Begins a frame.
pub(crate) const BEGIN: u8 = 0x0B;
/// Ends a frame, together with a CR.
pub(crate) const END: [u8; 2] = [0x1C, 0x0D];

/// Room made for each read.
const READ_BYTES: usize = 16 << 10;

/// What the bytes that are there amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A message, without its frame.
    Message(Bytes),
    /// More bytes are needed.
    Incomplete,
    /// The message is larger than allowed.
    TooLarge,
}

/// The bytes of one connection that are not worked on yet.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: BytesMut,
    bytes_max: usize,
    /// The buffer begins with the first byte of a message.
    inside: bool,
    /// So much of the buffer has been searched: bytes that trickle in must not be searched again and again.
    searched: usize,
}

impl Frames {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), bytes_max, inside: false, searched: 0 }
    }

    /// Where the next bytes are read to.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        self.buffer.reserve(READ_BYTES);
        &mut self.buffer
    }

    /// What is there of a message that has begun.
    pub(crate) fn begun(&self) -> Option<&[u8]> {
        self.inside.then_some(&self.buffer[..])
    }

    pub(crate) fn next(&mut self) -> Next {
        if !self.inside {
            // Bytes between frames mean nothing.
            let Some(begin) = memchr(BEGIN, &self.buffer) else {
                self.buffer.clear();
                return Next::Incomplete;
            };
            self.buffer.advance(begin + 1);
            (self.inside, self.searched) = (true, 0);
        }
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = memchr2(BEGIN, END[0], unsearched) else {
                self.searched = self.buffer.len();
                return if self.buffer.len() > self.bytes_max { Next::TooLarge } else { Next::Incomplete };
            };
            let at = self.searched + found;
            match (self.buffer.get(at), self.buffer.get(at + 1)) {
                (Some(&BEGIN), _) => {
                    // The sender has begun anew.
                    self.buffer.advance(at + 1);
                    self.searched = 0;
                }
                (_, Some(&cr)) if cr == END[1] => {
                    let message = self.buffer.split_to(at).freeze();
                    self.buffer.advance(END.len());
                    (self.inside, self.searched) = (false, 0);
                    return if message.len() > self.bytes_max { Next::TooLarge } else { Next::Message(message) };
                }
                (_, Some(_)) => self.searched = at + 1,
                (_, None) => {
                    self.searched = at;
                    return Next::Incomplete;
                }
            }
        }
    }
}

/// A message in its frame.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    [&[BEGIN], message, &END].concat().into()
}

#[cfg(test)]
mod tests {
    use super::{Frames, Next};

    fn messages(pieces: &[&[u8]]) -> Vec<Next> {
        let mut frames = Frames::new(16);
        let mut found = Vec::new();
        for piece in pieces {
            frames.room().extend_from_slice(piece);
            loop {
                match frames.next() {
                    Next::Incomplete => break,
                    next => found.push(next),
                }
                if found.last() == Some(&Next::TooLarge) {
                    return found;
                }
            }
        }
        found
    }

    fn message(text: &'static str) -> Next {
        Next::Message(text.into())
    }

    #[test]
    fn frames_are_found_wherever_the_stream_is_cut() {
        let stream: &[u8] = b"noise\x0bone\x1c\x0d\x0d\x0btw\x1co\x1c\x0d\x0bbroken\x0bthree\x1c\x0d";
        let expected = [message("one"), message("tw\u{1c}o"), message("three")];
        assert_eq!(messages(&[stream]), expected);
        for cut in 0..=stream.len() {
            let (left, right) = stream.split_at(cut);
            assert_eq!(messages(&[left, right]), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(messages(&single), expected);
    }

    #[test]
    fn a_message_over_the_limit_is_told_before_its_end_comes() {
        assert_eq!(messages(&[b"\x0b", &[b'x'; 17]]), [Next::TooLarge]);
        assert_eq!(messages(&[b"\x0b", &[b'x'; 16], b"\x1c\x0d"]), [message("xxxxxxxxxxxxxxxx")]);
    }
}
