//! `POST`: a message comes in.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::conduct::{Choice, Conduct};
use crate::desk::{Desk, Judged};
use crate::http::body::Reply;
use crate::http::connection::Peer;
use crate::http::parting::Parting;
use crate::http::render::{acknowledged, plain, render};
use crate::message::Message;
use crate::outage::OutageKind;
use crate::received::Transport;

/// The header that repeats MSH-10.
const CONTROL_ID: &str = "x-message-control-id";

/// What an HL7 message may be called.
const HL7_TYPES: [&str; 3] = ["application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"];

/// How long `silent` stays silent; the bound that every wait needs.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// Takes one request to its answer, or to the end of the connection.
pub(crate) async fn receive(desk: &Desk, peer: Peer, request: Request<Incoming>) -> Result<Response<Reply>, Parting> {
    let conduct = desk.conduct();
    let (head, body) = request.into_parts();
    let announced = head.headers.get(CONTROL_ID).map(http::HeaderValue::as_bytes);
    if conduct.is_out(OutageKind::Drop) {
        desk.turn_away();
        return Err(Parting::Close);
    }
    if let Some(reset) = early_end(&conduct, announced) {
        desk.turn_away();
        return Err(Parting::close(reset));
    }
    // Read before any refusal: a refusal sent while the peer still writes can be lost in the RST that follows it.
    let Some(body) = read(desk, body).await? else {
        desk.turn_away();
        return Ok(too_large(desk.limits.message_bytes_max));
    };
    if let Some(refusal) = refused_by_head(desk, &conduct, &head.headers) {
        desk.turn_away();
        return Ok(refusal);
    }
    let came = (Transport::Http, peer.connection);
    let taken = desk.take_in(&conduct, came, Some(&head.headers), announced, &body);
    match taken.judged {
        Judged::NotHl7(why) => Ok(plain(StatusCode::BAD_REQUEST, format!("not an HL7 v2 message: {why}\n"))),
        Judged::Mismatch => Ok(plain(StatusCode::BAD_REQUEST, "X-Message-Control-ID and MSH-10 differ\n".to_owned())),
        // 200 for a refusal too: HL7 over HTTP puts the verdict into the body.
        Judged::Refused(message, refusal) => Ok(acknowledged(StatusCode::OK, desk.refuse(&message, &refusal))),
        Judged::Chosen(message, choice) => answer(desk, &message, choice, taken.seq).await,
    }
}

async fn answer(desk: &Desk, message: &Message<'_>, choice: Choice<'_>, seq: u64) -> Result<Response<Reply>, Parting> {
    let more = match choice.answer {
        Answer::Late { after_ms } => Duration::from_millis(*after_ms),
        _ => Duration::ZERO,
    };
    let wait = choice.wait.saturating_add(more);
    if !wait.is_zero() {
        sleep(wait).await;
    }
    match choice.answer {
        Answer::CloseAfterBody { reset } => return Err(Parting::close(*reset)),
        Answer::Silent {} => {
            // hyper drops this future when the peer goes away.
            sleep(SILENCE_MAX).await;
            return Err(Parting::Close);
        }
        _ => {}
    }
    if !wait.is_zero() {
        desk.mark_answered(seq);
    }
    render(desk, choice.answer, message)
}

fn early_end(conduct: &Conduct, announced: Option<&[u8]>) -> Option<bool> {
    if conduct.acts_early { conduct.closes_early(announced.unwrap_or_default()) } else { None }
}

/// The whole body; none, it is larger than allowed. The peer's own failure to send it ends the connection.
async fn read(desk: &Desk, body: Incoming) -> Result<Option<Bytes>, Parting> {
    let Ok(Ok(body)) = timeout(desk.idle(), collect(body, desk.limits.message_bytes_max)).await else {
        desk.turn_away();
        return Err(Parting::Close);
    };
    Ok(body)
}

/// Collects at most `max` bytes, and throws away as many again, so that most senders are still there for the refusal.
async fn collect(mut body: Incoming, max: usize) -> Result<Option<Bytes>, hyper::Error> {
    let mut total = 0_usize;
    let mut first = Bytes::new();
    let mut joined = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total > max {
            (first, joined) = (Bytes::new(), Vec::new());
            if total / 2 > max {
                break;
            }
        } else if first.is_empty() {
            // Most messages come in one piece, which then need not be copied.
            first = data;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&data);
        }
    }
    let whole = if joined.is_empty() { first } else { Bytes::from(joined) };
    Ok(Some(whole).filter(|_| total <= max))
}

fn too_large(max: usize) -> Response<Reply> {
    let mut response = plain(StatusCode::PAYLOAD_TOO_LARGE, format!("more than {max} bytes\n"));
    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

/// What is refused without a look at the body.
fn refused_by_head(desk: &Desk, conduct: &Conduct, headers: &HeaderMap) -> Option<Response<Reply>> {
    if conduct.is_out(OutageKind::Unavailable) {
        return Some(plain(StatusCode::SERVICE_UNAVAILABLE, "an outage, as ordered\n".to_owned()));
    }
    if !has_token(desk, headers) {
        let mut response = plain(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong\n".to_owned());
        let challenge = http::HeaderValue::from_static("Bearer");
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        return Some(response);
    }
    let media = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    if !media.map_or(!desk.strict, |media| is_hl7(media, desk.strict)) {
        return Some(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/hl7-v2\n".to_owned()));
    }
    if desk.strict && !headers.contains_key(CONTROL_ID) {
        return Some(plain(StatusCode::BAD_REQUEST, "X-Message-Control-ID is missing\n".to_owned()));
    }
    None
}

/// Whether the request carries the token, if one is asked for.
pub(crate) fn has_token(desk: &Desk, headers: &HeaderMap) -> bool {
    let Some(wanted) = &desk.bearer else { return true };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    given
        .and_then(|given| given.split_once(' '))
        .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.trim() == wanted)
}

fn is_hl7(media: &str, strict: bool) -> bool {
    let essence = media.split(';').next().unwrap_or_default().trim();
    let known = HL7_TYPES.iter().any(|known| essence.eq_ignore_ascii_case(known));
    known || (!strict && essence.eq_ignore_ascii_case("text/plain"))
}
