//! The segments of HL7 2.5.1 (appendix A.3), and those of later versions that 2.5.1 interfaces use by agreement: ARV, PRT, UAC.
//! A name from here may be shown; any other word of a broken message may be a person's.

/// In alphabetical order.
#[rustfmt::skip]
pub(super) const STANDARD: [&str; 152] = [
    "ABS", "ACC", "ADD", "AFF", "AIG", "AIL", "AIP", "AIS", "AL1", "APR", "ARQ", "ARV", "AUT", "BHS", "BLC", "BLG", "BPO", "BPX",
    "BTS", "BTX", "CDM", "CER", "CM0", "CM1", "CM2", "CNS", "CON", "CSP", "CSR", "CSS", "CTD", "CTI", "DB1", "DG1", "DRG", "DSC",
    "DSP", "ECD", "ECR", "EDU", "EQL", "EQP", "EQU", "ERQ", "ERR", "EVN", "FAC", "FHS", "FT1", "FTS", "GOL", "GP1", "GP2", "GT1",
    "IAM", "IIM", "IN1", "IN2", "IN3", "INV", "IPC", "ISD", "LAN", "LCC", "LCH", "LDP", "LOC", "LRL", "MFA", "MFE", "MFI", "MRG",
    "MSA", "MSH", "NCK", "NDS", "NK1", "NPU", "NSC", "NST", "NTE", "OBR", "OBX", "ODS", "ODT", "OM1", "OM2", "OM3", "OM4", "OM5",
    "OM6", "OM7", "ORC", "ORG", "OVR", "PCR", "PD1", "PDA", "PDC", "PEO", "PES", "PID", "PR1", "PRA", "PRB", "PRC", "PRD", "PRT",
    "PSH", "PTH", "PV1", "PV2", "QAK", "QID", "QPD", "QRD", "QRF", "QRI", "RCP", "RDF", "RDT", "RF1", "RGS", "RMI", "ROL", "RQ1",
    "RQD", "RXA", "RXC", "RXD", "RXE", "RXG", "RXO", "RXR", "SAC", "SCH", "SFT", "SID", "SPM", "SPR", "STF", "TCC", "TCD", "TQ1",
    "TQ2", "TXA", "UAC", "UB1", "UB2", "URD", "URS", "VAR",
];

/// The place of a name in [`STANDARD`].
pub(super) fn standard_index(name: &[u8]) -> Option<usize> {
    STANDARD.binary_search_by(|known| known.as_bytes().cmp(name)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_every_name_that_errors_show_is_among_them() {
        assert!(STANDARD.is_sorted_by(|a, b| a < b));
        for name in super::super::super::segments::KNOWN_NAMES {
            assert!(standard_index(name.as_bytes()).is_some(), "{name}");
        }
        assert_eq!(standard_index(b"ZPD"), None);
    }
}
