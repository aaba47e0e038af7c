//! Invented messages.

use std::sync::Arc;

use outbox_core::message::{Body, Expiry, LaneKey, NewMessage, Priority, Tags};

/// The destination of all test messages.
pub const DESTINATION: &str = "test";

/// A message of `patient` with a control id made of `n`; no patient, no lane.
pub fn message(n: u32, patient: Option<&str>) -> NewMessage {
    let control_id = format!("TEST{n:06}");
    let body = text(&control_id, patient.unwrap_or(""));
    NewMessage {
        destination: Arc::from(DESTINATION),
        control_id,
        message_type: String::from("ADT^A08"),
        lane: patient.map(|patient| LaneKey::new(patient.as_bytes().to_vec())),
        body: Body::new(body.into_bytes()),
        tags: Tags::new(),
        priority: Priority::Routine,
        hold: false,
        not_before: None,
        expires: Expiry::AsDestination,
        max_attempts: None,
        application_ack: None,
        batch_place: None,
        warning: None,
    }
}

/// The text of a message.
pub fn text(control_id: &str, patient: &str) -> String {
    format!(
        "MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260101080000+0400||ADT^A08^ADT_A01|{control_id}|T|2.5.1\r\
         EVN|A08|20260101080000+0400\rPID|1||{patient}^^^&MF0000||TESTPATIENT^INVENTED\rPV1|1|O\r"
    )
}
