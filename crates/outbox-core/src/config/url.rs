//! Addresses of receivers: what is spoken there, and where it is.

use crate::error::OutboxError;

use super::settings::wrong;

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP in the clear; port 80.
    Http,
    /// HTTP over TLS; port 443.
    Https,
    /// MLLP in the clear; port 2575, which is registered for HL7.
    Mllp,
    /// MLLP over TLS; port 2575.
    Mllps,
}

impl Scheme {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "mllp" => Some(Self::Mllp),
            "mllps" => Some(Self::Mllps),
            _ => None,
        }
    }

    /// Whether TLS seals it.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Mllps)
    }

    /// Whether it is MLLP.
    pub fn is_mllp(self) -> bool {
        matches!(self, Self::Mllp | Self::Mllps)
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Mllp | Self::Mllps => 2575,
        }
    }
}

/// An address, read from a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What is spoken there.
    pub scheme: Scheme,
    /// Host and port as written.
    pub authority: String,
    /// A name or an IP address, without the brackets of IPv6.
    pub host: String,
    /// The port, by default that of the scheme.
    pub port: u16,
    /// Path and query, `/` at least.
    pub path: String,
}

impl Address {
    /// Reads a URL; the error names `key`. Credentials in an address would end up in logs of proxies and receivers, so they
    /// are refused.
    pub fn read(key: &str, url: &str) -> Result<Self, OutboxError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(key, "is not an absolute URL"))?;
        let rest = rest.split('#').next().unwrap_or("");
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong(key, "contains credentials; use `auth`"));
        }
        let invalid = || wrong(key, "is not a valid URL");
        if url.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(invalid());
        }
        let scheme = Scheme::named(scheme)
            .ok_or_else(|| wrong(key, "must begin with https://, mllps://, http:// or mllp://"))?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']').ok_or_else(invalid)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => scheme.port(),
            Some("") => scheme.port(),
            Some(digits) => digits.parse().ok().filter(|&port| port > 0).ok_or_else(invalid)?,
            None => return Err(invalid()),
        };
        if host.is_empty() {
            return Err(invalid());
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { scheme, authority: authority.to_owned(), host: host.to_owned(), port, path })
    }

    /// Whether it is this machine itself.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Refuses what would carry patients' data or tokens in the clear over a network.
    pub(super) fn check_sealed(&self, key: &str, allow_plaintext: bool) -> Result<(), OutboxError> {
        if self.scheme.is_tls() || self.is_loopback() || allow_plaintext {
            return Ok(());
        }
        let (open, sealed) = if self.scheme.is_mllp() { ("mllp", "mllps") } else { ("http", "https") };
        Err(wrong(
            key,
            &format!(
                "is plain {open}:// beyond loopback: patients' data or credentials would travel in the clear; use {sealed}://, or set `allowPlaintext` if the network is sealed by other means"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, OutboxError> {
        Address::read("k", url)
    }

    #[test]
    fn an_address_has_the_port_of_its_scheme_unless_it_names_one() {
        for (url, scheme, host, port, path) in [
            ("https://x.example/receive?a=1#b", Scheme::Https, "x.example", 443, "/receive?a=1"),
            ("http://127.0.0.1:8080", Scheme::Http, "127.0.0.1", 8080, "/"),
            ("MLLP://[::1]", Scheme::Mllp, "::1", 2575, "/"),
            ("mllps://x.example:6661/", Scheme::Mllps, "x.example", 6661, "/"),
            ("https://x.example:?q", Scheme::Https, "x.example", 443, "/?q"),
        ] {
            let address = read(url).unwrap();
            assert_eq!(
                (address.scheme, address.host.as_str(), address.port, address.path.as_str()),
                (scheme, host, port, path),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in
            ["x.example", "ftp://x/", "https://", "https://:80/", "https://u:p@x/", "https://a b/", "https://x:port/"]
        {
            assert!(read(url).is_err(), "{url}");
        }
        for url in ["https://x:0/", "https://x:70000/", "https://[::1/", "https://[::1]x/", "mllp://"] {
            assert!(read(url).is_err(), "{url}");
        }
    }
}
