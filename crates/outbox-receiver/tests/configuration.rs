//! The JSON of a configuration: short forms, defaults, and mistakes named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

use outbox_receiver::{Answer, Behaviour, KeepMode, Latency, Receiver, ReceiverConfig, ReceiverError};

fn config(json: &str) -> Result<ReceiverConfig, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[test]
fn an_empty_configuration_is_http_on_a_free_port_of_the_loopback() {
    let config = config("{}").unwrap();
    assert_eq!(config.http.unwrap().to_string(), "127.0.0.1:0");
    assert!(config.mllp.is_none() && config.bearer.is_none() && !config.strict);
    assert_eq!((config.keep.mode, config.keep.messages, config.keep.bytes), (KeepMode::All, 10_000, 256 << 20));
    assert_eq!((config.limits.message_bytes_max, config.limits.idle_ms), (16 << 20, 60_000));
}

#[test]
fn short_forms_mean_their_long_ones() {
    let short =
        config(r#"{"keep":"counts","behaviour":{"latency":5,"answer":"ca","rules":[{"answer":"aa","latency":1}]}}"#);
    let short = short.unwrap();
    assert_eq!(short.keep.mode, KeepMode::Counts);
    assert_eq!(short.behaviour.latency, Latency::fixed_ms(5));
    assert_eq!(short.behaviour.answer, Answer::Ca { then: None });
    assert_eq!(short.behaviour.rules[0].latency, Some(Latency::fixed_ms(1)));
    assert!(config(r#"{"behaviour":{"rules":[{"answer":"aa","latency":null}]}}"#).is_ok());
}

#[test]
fn a_wrong_key_is_named_wherever_it_stands() {
    for (json, named) in [
        (r#"{"htpp":null}"#, "htpp"),
        (r#"{"keep":{"message":1}}"#, "message"),
        (r#"{"keep":"some"}"#, "some"),
        (r#"{"limits":{"idle":1}}"#, "idle"),
        (r#"{"behaviour":{"answer":{"type":"aa","txt":""}}}"#, "txt"),
        (r#"{"behaviour":{"answer":{"type":"silent","for":1}}}"#, "for"),
        (r#"{"behaviour":{"answer":"yes"}}"#, "yes"),
        (r#"{"behaviour":{"latency":{"min":1}}}"#, "min"),
        (r#"{"behaviour":{"rules":[{"when":{"control":""},"answer":"aa"}]}}"#, "control"),
        (r#"{"behaviour":{"outages":[{"forMs":1,"evry":2}]}}"#, "evry"),
        (r#"{"behaviour":{"latency":"long"}}"#, "milliseconds"),
        (r#"{"behaviour":{"answer":7}}"#, "the type of an answer"),
    ] {
        let error = config(json).expect_err(json);
        assert!(error.contains(named), "{json}: {error}");
    }
}

#[tokio::test]
async fn a_behaviour_that_contradicts_itself_is_refused_with_its_rule() {
    for (json, expected) in [
        (r#"{"rules":[{"when":{"patient":"P"},"answer":"closeBeforeBody"}]}"#, "rule 1: closeBeforeBody"),
        (r#"{"answer":"closeBeforeBody"}"#, "closeBeforeBody needs a rule"),
        (r#"{"rules":[{"answer":"aa"},{"when":{"every":0},"answer":"aa"}]}"#, "rule 2: every"),
        (r#"{"rules":[{"when":{"probability":1.5},"answer":"aa"}]}"#, "rule 1: probability"),
        (r#"{"latency":{"minMs":2,"maxMs":1}}"#, "minMs 2 is more than maxMs 1"),
        (r#"{"answer":{"type":"status","status":101}}"#, "status 101"),
        (r#"{"answer":{"type":"status","status":200,"headers":{"Content-Length":"5"}}}"#, "\"Content-Length\""),
        (r#"{"answer":{"type":"redirect","location":"a\nb"}}"#, "\"location\""),
        (r#"{"outages":[{"forMs":5,"everyMs":5}]}"#, "everyMs 5"),
    ] {
        let behaviour: Behaviour = serde_json::from_str(json).expect(json);
        match Receiver::start(ReceiverConfig { behaviour, ..ReceiverConfig::default() }).await.unwrap_err() {
            ReceiverError::Behaviour(error) => assert!(error.to_string().contains(expected), "{error}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_receiver_without_an_address_does_not_start() {
    let nowhere = config(r#"{"http":null}"#).unwrap();
    assert!(matches!(Receiver::start(nowhere).await, Err(ReceiverError::NoAddress)));
}
