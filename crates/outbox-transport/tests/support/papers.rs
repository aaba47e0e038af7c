//! Certificates that mean nothing, made for one test and written where a configuration can name them.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{
    CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData as _, date_time_ymd,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Paper {
    pub(crate) cert: String,
    pub(crate) key: String,
    /// `sha256/…` of its public key.
    pub(crate) pin: String,
}

/// An authority and a directory for files.
pub(crate) struct Papers {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { directory: TempDir::new().unwrap(), authority }
    }

    /// The authority's own certificate.
    pub(crate) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// For a server of this name.
    pub(crate) fn server(&self, name: &str) -> Paper {
        self.issue(&params(name, ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// For a server whose time has passed.
    pub(crate) fn expired(&self, name: &str) -> Paper {
        self.until(name, ExtendedKeyUsagePurpose::ServerAuth, (2021, 1, 1))
    }

    /// For a client.
    pub(crate) fn client(&self) -> Paper {
        self.issue(&params("clinic.invalid", ExtendedKeyUsagePurpose::ClientAuth))
    }

    /// For a server or a client that has a date for its end, at midnight UTC.
    pub(crate) fn until(
        &self,
        name: &str,
        purpose: ExtendedKeyUsagePurpose,
        (year, month, day): (i32, u8, u8),
    ) -> Paper {
        let mut params = params(name, purpose);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        self.issue(&params)
    }

    /// Self-signed and marked as an authority, as `openssl req -x509` makes it.
    pub(crate) fn own(name: &str, (year, month, day): (i32, u8, u8)) -> Paper {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        Paper { cert: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem(), pin: String::new() }
    }

    fn issue(&self, params: &CertificateParams) -> Paper {
        let key = KeyPair::generate().unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
        let pin = format!("sha256/{}", BASE64_STANDARD.encode(digest));
        Paper { cert: params.signed_by(&key, &self.authority).unwrap().pem(), key: key.serialize_pem(), pin }
    }

    /// Writes a file and answers its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A path that is no file.
    pub(crate) fn directory(&self) -> String {
        self.directory.path().to_str().unwrap().to_owned()
    }

    /// The `tls` of a destination that trusts this authority.
    pub(crate) fn trusted(&self) -> Value {
        json!({ "caFile": self.file("authority.pem", &self.authority()) })
    }

    /// The same, with a client certificate.
    pub(crate) fn trusted_with(&self, client: &Paper) -> Value {
        let mut tls = self.trusted();
        tls["certFile"] = json!(self.file("client.pem", &client.cert));
        tls["keyFile"] = json!(self.file("client.key", &client.key));
        tls
    }
}

fn params(name: &str, purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![purpose];
    params
}
