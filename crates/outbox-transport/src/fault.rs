//! What a failure says about how far the message came.

use std::error::Error;
use std::io;

use outbox_core::acknowledgement::Seen;
use rustls::{AlertDescription, CertificateError};

use crate::verifier::{NotPinned, is_expired};

/// What the deadline means once the connection stands. `complete`: the kernel has the whole message.
pub(crate) fn timeout(complete: bool) -> Seen {
    if complete { Seen::NoAnswer { fault: "answer-timeout" } } else { Seen::NotDelivered { fault: "write-timeout" } }
}

/// No TCP connection.
pub(crate) fn of_connecting(error: &io::Error) -> Seen {
    let fault = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect-refused",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no-route",
        io::ErrorKind::TimedOut => "connect-timeout",
        io::ErrorKind::ConnectionReset => "connect-reset",
        _ => "connect-failed",
    };
    Seen::NotDelivered { fault }
}

/// No TLS session: the set-up does not fit, or the connection failed under it.
pub(crate) fn of_handshake(error: &io::Error) -> Seen {
    refusal(error).unwrap_or(Seen::NotDelivered { fault: "tls-handshake" })
}

/// No answer over a connection that stood.
pub(crate) fn of_exchange(error: &hyper::Error, complete: bool) -> Seen {
    // With TLS 1.3 the refusal of our certificate comes after the message was sent; the receiver's application has not
    // seen it all the same.
    if let Some(seen) = refusal(error) {
        return seen;
    }
    let fault = if error.is_parse() { "answer-not-http" } else { "connection-lost" };
    if complete { Seen::NoAnswer { fault } } else { Seen::NotDelivered { fault } }
}

/// The same over MLLP.
pub(crate) fn of_mllp(error: &io::Error, complete: bool) -> Seen {
    let fault = "connection-lost";
    let lost = || if complete { Seen::NoAnswer { fault } } else { Seen::NotDelivered { fault } };
    refusal(error).unwrap_or_else(lost)
}

/// A refusal of one side by the other that no repetition will change.
fn refusal(error: &(dyn Error + 'static)) -> Option<Seen> {
    let fault = match find::<rustls::Error>(error)? {
        error if is_expired(error) => "server-certificate-expired",
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) if other.0.is::<NotPinned>() => {
            "server-key-not-pinned"
        }
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::UnsupportedNameType => "server-certificate-refused",
        rustls::Error::PeerIncompatible(_) => "tls-version",
        rustls::Error::AlertReceived(alert) => of_alert(*alert)?,
        _ => return None,
    };
    Some(Seen::CertificateRefused { fault })
}

/// What the receiver refuses in us.
fn of_alert(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateRequired
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        // The signature over our certificate, or ours over the handshake, does not verify.
        | AlertDescription::DecryptError => Some("client-certificate-refused"),
        AlertDescription::ProtocolVersion | AlertDescription::InsufficientSecurity => Some("tls-version"),
        // Nothing in common; and what OpenSSL says in TLS 1.2 to a client without the certificate it asked for.
        AlertDescription::HandshakeFailure | AlertDescription::UnrecognisedName => Some("tls-handshake-refused"),
        _ => None,
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
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
    .find_map(|cause| cause.downcast_ref::<E>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_inside_an_io_error_is_found() {
        let alert = |description| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(description));
        let refused = |fault| Seen::CertificateRefused { fault };
        assert_eq!(of_handshake(&alert(AlertDescription::UnknownCA)), refused("client-certificate-refused"));
        assert_eq!(of_handshake(&alert(AlertDescription::ProtocolVersion)), refused("tls-version"));
        assert_eq!(of_handshake(&alert(AlertDescription::HandshakeFailure)), refused("tls-handshake-refused"));
        assert_eq!(
            of_handshake(&alert(AlertDescription::InternalError)),
            Seen::NotDelivered { fault: "tls-handshake" }
        );
        assert_eq!(of_handshake(&io::ErrorKind::UnexpectedEof.into()), Seen::NotDelivered { fault: "tls-handshake" });
    }

    #[test]
    fn the_ways_in_which_no_connection_comes_about_have_names_of_their_own() {
        for (kind, fault) in [
            (io::ErrorKind::ConnectionRefused, "connect-refused"),
            (io::ErrorKind::NetworkUnreachable, "no-route"),
            (io::ErrorKind::HostUnreachable, "no-route"),
            (io::ErrorKind::TimedOut, "connect-timeout"),
            (io::ErrorKind::ConnectionReset, "connect-reset"),
            (io::ErrorKind::PermissionDenied, "connect-failed"),
        ] {
            assert_eq!(of_connecting(&kind.into()), Seen::NotDelivered { fault });
        }
    }
}
