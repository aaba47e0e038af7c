//! The rules, as a table.

use super::{Profile, Severity};

/// One rule. [`Finding::message`](super::Finding::message) is place, meaning and remedy.
#[derive(Debug, Clone, Copy)]
pub struct RuleEntry {
    /// The rule.
    pub rule: Rule,
    /// Its stable code.
    pub code: &'static str,
    /// How a finding counts.
    pub severity: Severity,
    /// The profile that brings it; the rules of `hl7` hold in every profile.
    pub profile: Profile,
    /// What is wrong.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A message that breaks this rule and no other, as a change to a good one (an ADT^A04, or an ORU^R01 if OBR or OBX are
    /// concerned): `MSH-10=…` sets a field, `-EVN` leaves the segment out, `+OBX|…` adds a segment at the end.
    pub example: &'static str,
}

macro_rules! rules {
    ($($rule:ident, $code:literal, $severity:ident, $profile:ident, $meaning:literal, $remedy:literal, $example:literal;)+) => {
        /// The rules of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each rule is explained by its row of RULES, and twice would be once too often")]
        pub enum Rule { $($rule,)+ }

        /// Every rule, by profile and then in the order of a message.
        pub const RULES: &[RuleEntry] = &[
            $(RuleEntry {
                rule: Rule::$rule, code: $code, severity: Severity::$severity, profile: Profile::$profile,
                meaning: $meaning, remedy: $remedy, example: $example,
            },)+
        ];
    };
}

rules! {
    CharsetUndeclared, "HL7_CHARSET_UNDECLARED", Warning, Hl7, "the message holds text beyond ASCII and does not say in which character set",
        "set it to UNICODE UTF-8: a receiver that goes by the standard takes the text for ASCII and breaks the names", "MSH-18=";
    TimeIso, "HL7_TIME_ISO", Error, Hl7, "the time is written as in ISO 8601, with T, Z, - or :",
        "write digits only, YYYYMMDDHHMMSS, then the offset as +ZZZZ or -ZZZZ", "MSH-7=20260131T094500+0400";
    TimeFormat, "HL7_TIME_FORMAT", Error, Hl7, "this is no time as HL7 writes it",
        "write YYYYMMDDHHMMSS+ZZZZ, or as much of it as is known; if the value belongs elsewhere, look for an unescaped delimiter before it", "PID-7=31/01/2014";
    TimeImpossible, "HL7_TIME_IMPOSSIBLE", Error, Hl7, "there is no such day, hour or offset",
        "check how the date is put together (months count from 1, hours to 23)", "PV1-44=20260231094500+0400";
    TimeZoneMissing, "HL7_TIME_ZONE_MISSING", Warning, Hl7, "the time of the message does not say its time zone",
        "add the offset, such as +0400: it holds for every time in the message that has none", "MSH-7=20260131094500";
    TimeMissing, "HL7_TIME_MISSING", Error, Hl7, "this time is required and is missing",
        "set it to the time at which the message was made or the event recorded", "EVN-2=";
    TriggerMissing, "HL7_TRIGGER_MISSING", Error, Hl7, "the trigger event (MSH-9.2) is missing",
        "write it behind the message type, as in ADT^A08", "MSH-9=ADT";
    MessageStructure, "HL7_MESSAGE_STRUCTURE", Error, Hl7, "the message structure (MSH-9.3) is not the one of this trigger event",
        "write the one of HL7 table 0354 (ADT_A01 for A01, A04 and A08), or leave it out", "MSH-9=ADT^A04^ADT_A04";
    ControlIdLong, "HL7_CONTROL_ID_LONG", Error, Hl7, "the control id is longer than the 20 characters that versions before 2.7 allow",
        "make it 20 characters or fewer: receivers cut it, and then their answer names another message", "MSH-10=000TEST4200000000000123";
    ProcessingId, "HL7_PROCESSING_ID", Error, Hl7, "the processing id is not P (production), T (training) or D (debugging)",
        "set it to P or T", "MSH-11=X";
    VersionUnknown, "HL7_VERSION_UNKNOWN", Warning, Hl7, "there is no such version of HL7 v2",
        "write it as HL7 table 0104 does, such as 2.5.1", "MSH-12=2.51";
    EvnMissing, "HL7_EVN_MISSING", Error, Hl7, "an ADT message needs an EVN segment, and there is none",
        "add it behind MSH: EVN-1 the trigger event, EVN-2 the time it was recorded", "-EVN";
    PidMissing, "HL7_PID_MISSING", Error, Hl7, "this message needs a PID segment, and there is none",
        "add it: without it the receiver cannot know whose message this is", "-PID";
    Pv1Missing, "HL7_PV1_MISSING", Error, Hl7, "this event needs a PV1 segment, and there is none",
        "add it, with PV1-2 (patient class) at least", "-PV1";
    ObrMissing, "HL7_OBR_MISSING", Error, Hl7, "an ORU^R01 needs an OBR segment before its observations, and there is none",
        "add it before the first OBX: it says what the observations belong to", "-OBR";
    ObxMissing, "HL7_OBX_MISSING", Warning, Hl7, "an ORU^R01 without any OBX segment reports no result",
        "add an OBX for each observation", "-OBX";
    SegmentUnknown, "HL7_SEGMENT_UNKNOWN", Warning, Hl7, "HL7 2.5.1 has no segment of this name",
        "correct the name; segments of your own begin with Z. A line of text here means that a line end inside a field was not escaped", "+PVI|1|O";
    SegmentRepeated, "HL7_SEGMENT_REPEATED", Error, Hl7, "this segment may stand only once in this message",
        "send one message for each patient and visit", "+PV1|2|O";
    SegmentOrder, "HL7_SEGMENT_ORDER", Error, Hl7, "this segment stands behind one that it must precede, or before the one that it belongs to",
        "bring the segments into order: MSH, EVN, PID, PD1, NK1, PV1, PV2, then the rest; in an ORU^R01 each OBX behind its OBR", "+PD1|";
    EventMismatch, "HL7_EVENT_MISMATCH", Error, Hl7, "EVN-1 and MSH-9.2 name two different events",
        "write the same event in both, or leave EVN-1 empty", "EVN-1=A01";
    PatientIdMissing, "HL7_PATIENT_ID_MISSING", Error, Hl7, "there is no patient id",
        "set PID-3 to the facility's number for the patient, with its assigning authority", "PID-3=";
    PatientNameMissing, "HL7_PATIENT_NAME_MISSING", Warning, Hl7, "there is no patient name, which the standard requires",
        "set PID-5", "PID-5=";
    Sex, "HL7_SEX", Warning, Hl7, "the value is not in table 0001 (F, M, O, U, A, N)",
        "write F, M, O or U; if the value belongs elsewhere, look for an unescaped | before it", "PID-8=female";
    Components, "HL7_COMPONENTS", Warning, Hl7, "there are more components than this field's type has",
        "escape every ^ that is part of a text as \\S\\", "OBX-5=made up ^ of nothing";
    Subcomponents, "HL7_SUBCOMPONENTS", Warning, Hl7, "there is an & where this field's type has no subcomponents",
        "escape every & that is part of a text as \\T\\", "PID-5=Example^Noor&Nobody";
    DelimiterInText, "HL7_DELIMITER_IN_TEXT", Warning, Hl7, "a delimiter stands between blanks, or divides an address where no street begins: this looks like text that was not escaped",
        "escape delimiters in names, addresses and texts: \\F\\ for |, \\S\\ for ^, \\R\\ for ~, \\E\\ for \\, \\T\\ for &", "PID-11=Nowhere 0 & 1";
    Escape, "HL7_ESCAPE", Warning, Hl7, "an escape character begins no escape sequence",
        "write every \\ that is part of a text as \\E\\", "OBX-5=made\\up";
    ControlCharacter, "HL7_CONTROL_CHARACTER", Warning, Hl7, "a control character (a line feed, a tab) stands in a field as it is",
        "write a line end as \\.br\\, and anything else as \\Xhh\\", "OBX-5=made\tup";
    ObservationType, "HL7_OBX_TYPE", Error, Hl7, "there is a value, and OBX-2 does not say of which type",
        "set OBX-2: NM for numbers, CE for codes, ST, TX or FT for text", "OBX-2=";
    ObservationNumber, "HL7_OBX_NUMBER", Error, Hl7, "OBX-2 says NM, and the value is no number",
        "write digits with at most one decimal point and a sign; units belong into OBX-6, and anything with a comparison needs SN", "+OBX|2|NM|0000-1^Invented value^LN||42 units||||||F";
    ObservationIdMissing, "HL7_OBX_ID_MISSING", Error, Hl7, "nothing says what was observed",
        "set OBX-3 to the code of the observation", "OBX-3=";
    ObservationStatus, "HL7_OBX_STATUS", Error, Hl7, "the value is no result status (table 0085)",
        "set it, F for final; if it is set, look for an unescaped | in OBX-5", "OBX-11=";
    ServiceIdMissing, "HL7_OBR_ID_MISSING", Error, Hl7, "nothing says what was ordered or done",
        "set OBR-4 to the code of the service", "OBR-4=";
    DoctorUnlisted, "HL7_DOCTOR_UNLISTED", Error, Hl7, "the doctor's id is not among the given doctorIds",
        "register the id with the receiver, or correct it: Malaffi refuses others with code 1014", "PV1-7=D999^Doctor^Invented";
    MalaffiSender, "MALAFFI_SENDER", Error, Malaffi, "this is not the facility's licence twice",
        "write the licence in both components of MSH-3 and of MSH-4, as in MF0000^MF0000", "MSH-4=MF0000";
    MalaffiReceiver, "MALAFFI_RECEIVER", Error, Malaffi, "the receiver is not the one of Malaffi",
        "write Rhapsody^MALAFFI into MSH-5 and ADHIE into MSH-6", "MSH-6=OTHER";
    MalaffiTimeZone, "MALAFFI_TIME_ZONE", Warning, Malaffi, "the time is not in the time zone of the Emirates",
        "write local time with +0400", "MSH-7=20260131054500+0000";
    MalaffiMessageType, "MALAFFI_MESSAGE_TYPE", Error, Malaffi, "this is not one of the messages that Malaffi takes",
        "send ADT^A01, A03, A04, A08 or ORU^R01", "MSH-9=ADT^A31\rEVN-1=A31";
    MalaffiProcessingId, "MALAFFI_PROCESSING_ID", Error, Malaffi, "the processing id is neither T nor P",
        "write T to the test address and P to the production address", "MSH-11=D";
    MalaffiVersion, "MALAFFI_VERSION", Error, Malaffi, "the version is not 2.5.1",
        "write 2.5.1, and build the message by it", "MSH-12=2.4";
    MalaffiPatientAuthority, "MALAFFI_PATIENT_AUTHORITY", Error, Malaffi, "the patient id does not say who assigned it",
        "write the facility's licence as assigning authority, as in 789012^^^&MF0000", "PID-3=789012";
    MalaffiPatientClass, "MALAFFI_PATIENT_CLASS", Error, Malaffi, "the patient class does not fit the event",
        "write I for ADT^A01 and O for ADT^A04: Malaffi refuses others with code 1061", "PV1-2=I";
}

impl Rule {
    /// What the table says about this rule.
    pub fn entry(self) -> &'static RuleEntry {
        // One macro makes both, in one order.
        &RULES[self as usize]
    }
}
