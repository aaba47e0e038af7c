//! The data types whose text people forget to escape, as counts: how many components a type has, and how many subcomponents
//! each of them (HL7 2.5.1, chapter 2.A).

/// By component, how many subcomponents it can have; 1 for a component that has none.
pub(super) type DataType = &'static [u8];

const XPN: DataType = &[5, 1, 1, 1, 1, 1, 1, 1, 6, 2, 1, 2, 2, 1];
pub(super) const XAD: DataType = &[3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2];
const XCN: DataType = &[1, 5, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 3, 1, 6, 2, 1, 2, 2, 1, 9, 9];
const CX: DataType = &[1, 1, 1, 3, 1, 3, 1, 1, 9, 9];
/// CE has six components; CWE, with nine, is used in its place by agreement in many 2.5.1 interfaces.
const CODED: DataType = &[1; 9];
/// ST, TX and FT.
const TEXT: DataType = &[1];

/// The fields that are looked at: those with names, addresses, identifiers, codes and free text. OBX-5 goes by OBX-2.
pub(super) const TYPED: &[(&str, &[(u16, DataType)])] = &[
    ("PID", &[(3, CX), (5, XPN), (6, XPN), (9, XPN), (11, XAD)]),
    ("NK1", &[(2, XPN), (3, CODED), (4, XAD)]),
    ("PV1", &[(7, XCN), (8, XCN), (9, XCN), (17, XCN), (19, CX)]),
    ("PV2", &[(3, CODED)]),
    ("ORC", &[(12, XCN)]),
    ("OBR", &[(4, CODED), (16, XCN)]),
    ("OBX", &[(3, CODED), (16, XCN)]),
    ("NTE", &[(3, TEXT)]),
    ("AL1", &[(3, CODED), (5, TEXT)]),
    ("DG1", &[(3, CODED), (4, TEXT)]),
];

/// The type of OBX-5, if it is one of these.
pub(super) fn of_observation(obx_2: &[u8]) -> Option<DataType> {
    match obx_2 {
        b"ST" | b"TX" | b"FT" => Some(TEXT),
        b"CE" | b"CWE" => Some(CODED),
        b"XPN" => Some(XPN),
        b"XAD" => Some(XAD),
        b"XCN" => Some(XCN),
        b"CX" => Some(CX),
        _ => None,
    }
}

/// The fields with a time.
pub(super) const TIMES: &[(&str, &[u16])] =
    &[("EVN", &[2, 6]), ("PID", &[7, 29]), ("PV1", &[44, 45]), ("OBR", &[7, 8, 14, 22]), ("OBX", &[14])];

/// The fields with doctors whose id (XCN.1) the receiver has to know.
pub(super) const DOCTORS: &[(&str, &[u16])] =
    &[("PV1", &[7, 8, 9, 17]), ("ORC", &[12]), ("OBR", &[16]), ("OBX", &[16])];
