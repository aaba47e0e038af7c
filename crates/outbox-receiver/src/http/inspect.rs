//! Everything but `POST`: what the receiver shows of itself, and how it is changed while it runs.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::behaviour::Behaviour;
use crate::conduct::Conduct;
use crate::desk::Desk;
use crate::http::body::Reply;
use crate::http::connection::Peer;
use crate::http::intake::has_token;
use crate::http::render::{plain, typed};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The largest behaviour taken, in bytes.
const BEHAVIOUR_BYTES_MAX: usize = 1 << 20;
/// Outages ordered over HTTP begin so much later: the answer to the order is on its way by then.
const GRACE: Duration = Duration::from_millis(50);
/// Messages on a page, unless asked otherwise.
const PAGE: usize = 100;
/// Messages on a page at most.
const PAGE_MAX: usize = 1_000;
/// The longest that `waitMs` waits.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Answers a request that is not a message.
pub(crate) async fn show(desk: &Desk, peer: Peer, request: Request<Incoming>) -> Response<Reply> {
    // What was received is test data, but somebody may test with more than that: only this machine sees it unasked.
    let stranger = !peer.addr.ip().to_canonical().is_loopback();
    if stranger && (desk.bearer.is_none() || !has_token(desk, request.headers())) {
        return plain(StatusCode::FORBIDDEN, "only from this machine, or with the bearer token\n".to_owned());
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path().trim_end_matches('/');
    match (&head.method, path) {
        (&Method::GET, "/health") => json(&serde_json::json!({ "status": "ok", "total": desk.kept().total() })),
        (&Method::GET, "/stats") => json(&desk.stats()),
        (&Method::GET, "/received") => list(desk, head.uri.query().unwrap_or_default()).await,
        (&Method::DELETE, "/received") => {
            desk.kept().clear();
            json(&serde_json::json!({ "cleared": true }))
        }
        (&Method::GET, "/behaviour") => json(&desk.conduct().behaviour),
        (&Method::PUT, "/behaviour") => change(desk, body).await,
        (&Method::GET, path) => match numbered(path) {
            Some(seq) => one(desk, seq),
            None => plain(StatusCode::NOT_FOUND, "no such page; messages are sent with POST\n".to_owned()),
        },
        _ => {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "messages are sent with POST\n".to_owned());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST, PUT, DELETE"));
            response
        }
    }
}

/// `?after=N&limit=M&waitMs=W`: with a wait, it answers as soon as something later than N is there.
async fn list(desk: &Desk, query: &str) -> Response<Reply> {
    let (mut after, mut limit, mut wait) = (0, PAGE, Duration::ZERO);
    for (name, value) in
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    {
        let Ok(number) = value.parse::<u64>() else {
            return plain(StatusCode::BAD_REQUEST, format!("{name} must be a number\n"));
        };
        match name {
            "after" => after = number,
            "limit" => limit = usize::try_from(number).unwrap_or(PAGE_MAX).min(PAGE_MAX),
            "waitMs" => wait = Duration::from_millis(number).min(WAIT_MAX),
            _ => return plain(StatusCode::BAD_REQUEST, format!("{name} is not after, limit or waitMs\n")),
        }
    }
    if !wait.is_zero() {
        // Nothing new in time is an answer too: the empty page.
        let _ = timeout(wait, desk.until_total(after.saturating_add(1))).await;
    }
    let page = desk.kept().page(after, limit);
    json(&page)
}

fn one(desk: &Desk, seq: u64) -> Response<Reply> {
    match desk.kept().body(seq) {
        Some(body) => typed(StatusCode::OK, BYTES, Reply::Whole(body)),
        None => plain(StatusCode::NOT_FOUND, format!("message {seq} is not kept\n")),
    }
}

async fn change(desk: &Desk, body: Incoming) -> Response<Reply> {
    let Ok(Ok(body)) = timeout(desk.idle(), Limited::new(body, BEHAVIOUR_BYTES_MAX).collect()).await else {
        return plain(StatusCode::BAD_REQUEST, "the body could not be read\n".to_owned());
    };
    let behaviour: Behaviour = match serde_json::from_slice(&body.to_bytes()) {
        Ok(behaviour) => behaviour,
        Err(error) => return plain(StatusCode::BAD_REQUEST, format!("not a behaviour: {error}\n")),
    };
    if let Err(error) = behaviour.check() {
        return plain(StatusCode::BAD_REQUEST, format!("{error}\n"));
    }
    let response = json(&behaviour);
    let conduct = match Instant::now().checked_add(GRACE) {
        Some(since) => Conduct::starting_at(behaviour, since),
        None => Conduct::new(behaviour),
    };
    desk.conduct.send_replace(Arc::new(conduct));
    response
}

/// `/received/N/body`
fn numbered(path: &str) -> Option<u64> {
    path.strip_prefix("/received/")?.strip_suffix("/body")?.parse().ok()
}

fn json(value: &impl Serialize) -> Response<Reply> {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(StatusCode::OK, JSON, Reply::Whole(Bytes::from(bytes))),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
