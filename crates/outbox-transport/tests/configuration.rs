//! What cannot work is refused at connect, with the key that is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

mod support;

use outbox_core::error::code;
use rcgen::ExtendedKeyUsagePurpose;
use serde_json::{Value, json};
use support::papers::Papers;
use support::refused;

fn assert_names(mut config: Value, key: &str) {
    config["url"] = json!("https://receiver.invalid/receive");
    let error = refused(config);
    assert_eq!(error.code, code::ERR_CONFIG);
    assert!(error.message.contains(&format!("`destinations.d.{key}`")), "{}", error.message);
    assert!(!error.message.contains("PRIVATE") && !error.message.contains("a-secret"), "{}", error.message);
}

#[test]
fn an_authority_file_that_is_missing_or_holds_no_certificate_is_named() {
    let papers = Papers::new();
    let key = papers.client().key;
    let broken = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for path in [
        "/nonexistent/ca.pem".to_owned(),
        papers.directory(),
        papers.file("garbage.pem", "\u{0}\u{1}not PEM at all"),
        papers.file("empty.pem", ""),
        papers.file("key.pem", &key),
        papers.file("broken.pem", broken),
        papers.file("base64.pem", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
    ] {
        assert_names(json!({ "tls": { "caFile": path } }), "tls.caFile");
    }
}

#[test]
fn a_client_certificate_or_key_that_is_missing_or_garbage_is_named() {
    let papers = Papers::new();
    let client = papers.client();
    let (cert, key) = (papers.file("client.pem", &client.cert), papers.file("client.key", &client.key));
    let garbage = papers.file("garbage.pem", "not PEM at all");
    for path in ["/nonexistent/client.pem", &garbage, &key] {
        assert_names(json!({ "tls": { "certFile": path, "keyFile": key } }), "tls.certFile");
    }
    for path in ["/nonexistent/client.key", &garbage, &cert] {
        assert_names(json!({ "tls": { "certFile": cert, "keyFile": path } }), "tls.keyFile");
    }
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_named() {
    let papers = Papers::new();
    let cert = papers.file("client.pem", &papers.client().cert);
    let key = papers.file("client.key", &papers.client().key);
    assert_names(json!({ "tls": { "certFile": cert, "keyFile": key } }), "tls.keyFile");
}

#[test]
fn a_client_certificate_that_has_expired_is_named_with_its_end() {
    let papers = Papers::new();
    let old = papers.until("clinic.invalid", ExtendedKeyUsagePurpose::ClientAuth, (2021, 1, 1));
    assert_names(json!({ "tls": papers.trusted_with(&old) }), "tls.certFile");
    let tls = papers.trusted_with(&old);
    let error = refused(json!({ "url": "mllps://receiver.invalid", "tls": tls }));
    assert!(error.message.contains("expired at 2021-01-01T00:00:00"), "{}", error.message);
}

#[test]
fn pins_and_server_names_that_are_none_are_named() {
    for pin in ["sha256/AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "sha256/!"] {
        assert_names(json!({ "tls": { "pins": [pin] } }), "tls.pins");
    }
    assert_names(json!({ "tls": { "serverName": "not a name" } }), "tls.serverName");
}

#[test]
fn credentials_of_a_proxy_that_no_request_can_carry_are_named() {
    let with = |auth| json!({ "proxy": { "url": "http://proxy.invalid:3128", "auth": auth } });
    assert_names(with(json!({ "bearer": "a-secret\n" })), "proxy.auth");
    assert_names(with(json!({ "basic": { "user": "a:b", "password": "a-secret" } })), "proxy.auth.basic.user");
}

#[test]
fn a_certificate_and_its_key_in_one_file_are_taken() {
    let papers = Papers::new();
    let client = papers.client();
    let both = papers.file("client.pem", &format!("{}{}", client.key, client.cert));
    let tls = json!({ "certFile": both, "keyFile": both });
    support::way(json!({ "url": "https://receiver.invalid/receive", "tls": tls }));
}

#[test]
fn headers_and_credentials_that_no_request_can_carry_are_named() {
    for headers in
        [json!({ "X Y": "1" }), json!({ "X": "a\r\nb" }), json!({ "Host": "x" }), json!({ "content-length": "1" })]
    {
        assert_names(json!({ "headers": headers }), "headers");
    }
    assert_names(json!({ "auth": { "bearer": "a-secret\n" } }), "auth");
    assert_names(json!({ "auth": { "basic": { "user": "a:b", "password": "a-secret" } } }), "auth.basic.user");
}
