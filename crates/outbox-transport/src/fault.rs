//! What a failed request says about how far the message came.

use std::error::Error;
use std::io;

use outbox_core::acknowledgement::Seen;
use rustls::AlertDescription;

/// Reads a failure. `complete`: the whole message was handed to the connection before.
pub(crate) fn seen(error: &reqwest::Error, complete: bool) -> Seen {
    if let Some(seen) = certificate(error) {
        return seen;
    }
    if error.is_connect() {
        return Seen::NotDelivered { fault: connect_fault(error) };
    }
    if complete { Seen::NoAnswer { fault: "connection-lost" } } else { Seen::NotDelivered { fault: "connection-lost" } }
}

/// What the deadline means at this point.
pub(crate) fn timeout(complete: bool) -> Seen {
    if complete { Seen::NoAnswer { fault: "answer-timeout" } } else { Seen::NotDelivered { fault: "write-timeout" } }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let present = next?;
        // An io::Error hides the error it carries from `source` when that is its only content.
        next = match present.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => present.source(),
        };
        Some(present)
    })
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(error).find_map(|cause| cause.downcast_ref::<E>())
}

/// A certificate that one side refused. With TLS 1.3 the receiver's refusal of ours can come after the message was sent;
/// the receiver's application has not seen it all the same.
fn certificate(error: &reqwest::Error) -> Option<Seen> {
    let fault = match find::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType => "server-certificate-refused",
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => "client-certificate-refused",
        rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "tls-version"
        }
        _ => return None,
    };
    Some(Seen::CertificateRefused { fault })
}

fn connect_fault(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "connect-timeout";
    }
    if find::<rustls::Error>(error).is_some() {
        return "tls-handshake";
    }
    // The connector gives a failed look-up no type of its own.
    if chain(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return "name-not-found";
    }
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => "connect-refused",
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => "no-route",
        Some(io::ErrorKind::TimedOut) => "connect-timeout",
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => "connect-reset",
        _ => "connect-failed",
    }
}
