//! The headers of a request: the usual ones of an HL7 receiver, each replaceable.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use outbox_core::config::{Auth, Destination};
use outbox_core::error::{OutboxError, code};

/// Stands for the control id in a configured value.
const CONTROL_ID: &str = "{MSH-10}";
const CONTENT_TYPE_DEFAULT: &str = "application/hl7-v2";
const CONTROL_ID_HEADER: HeaderName = HeaderName::from_static("x-message-control-id");

/// Headers of one destination, checked once.
pub(crate) struct Headers {
    fixed: HeaderMap,
    /// Headers that carry the control id: the text before and after it.
    of_message: Vec<(HeaderName, String)>,
}

impl Headers {
    pub(crate) fn of(destination: &Destination) -> Result<Self, OutboxError> {
        let mut headers =
            Self { fixed: HeaderMap::new(), of_message: vec![(CONTROL_ID_HEADER, CONTROL_ID.to_owned())] };
        headers.fixed.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_DEFAULT));
        // Acknowledgements come under many names; none is refused for its label.
        headers.fixed.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for (name, value) in &destination.headers {
            headers.set(&destination.name, name, value)?;
        }
        match &destination.auth {
            // Its header changes with the token.
            None | Some(Auth::OAuth2(_)) => {}
            Some(auth) => {
                let value = authorization(&format!("destinations.{}.auth", destination.name), auth)?;
                headers.fixed.insert(AUTHORIZATION, value);
            }
        }
        Ok(headers)
    }

    fn set(&mut self, destination: &str, name: &str, value: &str) -> Result<(), OutboxError> {
        let wrong =
            |what: &str| OutboxError::new(code::ERR_CONFIG, format!("`destinations.{destination}.headers` {what}"));
        let header =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("has a name that is no HTTP header name"))?;
        if header == http::header::CONTENT_LENGTH
            || header == http::header::TRANSFER_ENCODING
            || header == http::header::HOST
        {
            return Err(wrong("may not set Host, Content-Length or Transfer-Encoding"));
        }
        self.fixed.remove(&header);
        self.of_message.retain(|(other, _)| *other != header);
        if value.is_empty() {
            return Ok(());
        }
        HeaderValue::from_str(value)
            .map_err(|_| wrong(&format!("has a value for `{header}` that no HTTP header can carry")))?;
        if value.contains(CONTROL_ID) {
            self.of_message.push((header, value.to_owned()));
        } else {
            self.fixed.insert(header, HeaderValue::from_str(value).map_err(|_| wrong("has an unusable value"))?);
        }
        Ok(())
    }

    /// The headers for one message. A control id is printable ASCII: `hl7::read` refuses others.
    pub(crate) fn for_message(&self, control_id: &str) -> HeaderMap {
        let mut headers = self.fixed.clone();
        for (name, template) in &self.of_message {
            if let Ok(value) = HeaderValue::from_str(&template.replace(CONTROL_ID, control_id)) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// The header for credentials that do not change; `key` is where they are configured.
pub(crate) fn authorization(key: &str, auth: &Auth) -> Result<HeaderValue, OutboxError> {
    let unusable =
        || OutboxError::new(code::ERR_CONFIG, format!("`{key}` has characters that no HTTP header can carry"));
    let text = match auth {
        Auth::OAuth2(_) => return Err(unusable()),
        Auth::Bearer(token) => format!("Bearer {}", token.reveal()),
        Auth::Basic { user, password } => {
            if user.contains(':') {
                return Err(OutboxError::new(code::ERR_CONFIG, format!("`{key}.basic.user` contains a colon")));
            }
            format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.reveal())))
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| unusable())?;
    value.set_sensitive(true);
    Ok(value)
}
