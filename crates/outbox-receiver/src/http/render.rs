//! From an answer to a response, or to the end of the connection.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::answer::Answer;
use crate::desk::Desk;
use crate::http::body::Reply;
use crate::http::parting::Parting;
use crate::message::Message;

const HL7: HeaderValue = HeaderValue::from_static("application/hl7-v2");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The most bytes that a wrong answer is made of at once.
const FILLING_BYTES_MAX: usize = 16 << 20;

/// What a hotel's network says instead of the receiver.
const PORTAL: &str = "<!doctype html>\n<html><head><title>Welcome</title></head>\n\
    <body><h1>Guest network</h1><p>Accept the terms to go on.</p></body></html>\n";

/// The response to a message that was chosen an answer.
pub(crate) fn render(desk: &Desk, answer: &Answer, message: &Message<'_>) -> Result<Response<Reply>, Parting> {
    let ack = desk.acknowledge_as(answer, message);
    let whole = ack.clone().unwrap_or_default();
    Ok(match answer {
        Answer::Status { status, headers, body, retry_after, .. } => {
            let content = match (ack, body) {
                (Some(ack), _) => acknowledged(status_of(*status), ack),
                (None, Some(body)) => plain(status_of(*status), body.clone()),
                (None, None) => bare(status_of(*status), Reply::empty()),
            };
            decorated(content, headers, retry_after.as_deref())
        }
        Answer::Empty { status } => bare(status_of(*status), Reply::empty()),
        Answer::CaptivePortal {} => typed(StatusCode::OK, HTML, Reply::Whole(Bytes::from_static(PORTAL.as_bytes()))),
        Answer::Redirect { location, status } => {
            let mut response = bare(status_of(*status), Reply::empty());
            if let Ok(location) = HeaderValue::from_str(location) {
                response.headers_mut().insert(LOCATION, location);
            }
            response
        }
        Answer::TruncatedAck { bytes, framed } => {
            let bytes = bytes.unwrap_or(whole.len() / 2).min(whole.len());
            let reply = if *framed { Reply::Whole(whole.slice(..bytes)) } else { Reply::cut(&whole, bytes) };
            typed(StatusCode::OK, HL7, reply)
        }
        Answer::Garbage { bytes, framed: true } => typed(StatusCode::OK, HL7, Reply::Whole(garbage(*bytes))),
        Answer::Garbage { bytes, framed: false } => return Err(Parting::LastWords(garbage(*bytes))),
        Answer::Drip { every_ms } => {
            typed(StatusCode::OK, HL7, Reply::drip(whole, std::time::Duration::from_millis(*every_ms)))
        }
        Answer::Endless { chunk_bytes } => typed(StatusCode::OK, HL7, Reply::Endless(filling(*chunk_bytes))),
        // Decided before; nothing more to say on this connection.
        Answer::CloseBeforeBody { reset } | Answer::CloseAfterBody { reset } => return Err(Parting::close(*reset)),
        Answer::Silent {} => return Err(Parting::Close),
        Answer::Aa { .. }
        | Answer::Ae { .. }
        | Answer::Ar { .. }
        | Answer::Ce { .. }
        | Answer::Cr { .. }
        | Answer::Ca { .. }
        | Answer::WrongControlId { .. }
        | Answer::Late { .. } => acknowledged(StatusCode::OK, whole),
    })
}

/// An acknowledgement.
pub(crate) fn acknowledged(status: StatusCode, ack: Bytes) -> Response<Reply> {
    typed(status, HL7, Reply::Whole(ack))
}

/// A few words for people.
pub(crate) fn plain(status: StatusCode, words: String) -> Response<Reply> {
    typed(status, TEXT, Reply::Whole(words.into()))
}

/// Any body with its type.
pub(crate) fn typed(status: StatusCode, media: HeaderValue, body: Reply) -> Response<Reply> {
    let mut response = bare(status, body);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

fn bare(status: StatusCode, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn decorated(
    mut response: Response<Reply>,
    headers: &std::collections::BTreeMap<String, String>,
    retry_after: Option<&str>,
) -> Response<Reply> {
    for (name, value) in headers {
        // Both were checked when the behaviour was set.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(Ok(value)) = retry_after.map(HeaderValue::from_str) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an endless answer repeats.
pub(crate) fn filling(bytes: usize) -> Bytes {
    Bytes::from(vec![b'A'; bytes.clamp(1, FILLING_BYTES_MAX)])
}

/// Neither HTTP nor HL7 nor a frame, and always the same.
pub(crate) fn garbage(bytes: usize) -> Bytes {
    (0..bytes.min(FILLING_BYTES_MAX))
        .map(|at| u8::try_from((at * 167 + 129) % 256).unwrap_or_default() | 0x80)
        .collect()
}
