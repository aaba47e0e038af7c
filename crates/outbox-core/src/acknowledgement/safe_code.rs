//! Codes from an answer, fit for logs and lists.

/// How many error codes of one answer are kept.
pub const ERR_CODES_MAX: usize = 8;
/// The longest code that is kept, in bytes.
pub const ERR_CODE_BYTES_MAX: usize = 32;
/// More digits than this are an identifier rather than a code: Rhapsody's have four, a national id has fifteen.
const DIGITS_MAX: usize = 6;

/// The code, if it looks like one. What does not is left out whole rather than trimmed into shape: a receiver that writes a
/// sentence, a name or a number of a patient where the code belongs must not get it into our logs.
pub(super) fn safe_code(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let fits = !value.is_empty() && value.len() <= ERR_CODE_BYTES_MAX && digits <= DIGITS_MAX;
    (fits && value.iter().all(is_code)).then(|| String::from_utf8_lossy(value).into_owned())
}

/// The longest code of a receiver that may leave the machine, in digits: tables of HL7 have three, engines four.
const LEAVING_DIGITS_MAX: usize = 4;

/// What of a failure's code may leave the machine, in alerts and spans: of a code that the receiver wrote, only a short number.
/// A word there may be a name.
pub fn leaving(code: &str) -> &str {
    let Some((kind, detail)) = code.strip_prefix("ACK_").and_then(|rest| rest.split_once('_')) else { return code };
    let is_number = detail.len() <= LEAVING_DIGITS_MAX && detail.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { code } else { &code[.."ACK_".len() + kind.len()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_receivers_code_only_a_short_number_leaves() {
        for code in ["ACK_AE_207", "ACK_AR_1014", "ACK_AE", "HTTP_401", "CONNECT_REFUSED"] {
            assert_eq!(leaving(code), code);
        }
        for code in ["ACK_AE_ZAYD", "ACK_AE_789012", "ACK_AE_A_103", "ACK_AE_12a"] {
            assert_eq!(leaving(code), "ACK_AE");
        }
    }

    #[test]
    fn a_code_is_kept_and_anything_else_is_left_out() {
        for code in ["207", "1014", "VALIDATION_ERROR", "E-12.a"] {
            assert_eq!(safe_code(code.as_bytes()).as_deref(), Some(code));
        }
        let sentence = "TESTPATIENT ZAYD is unknown";
        for other in ["", " ", sentence, "784199012345671", "a\u{661}", &"X".repeat(33), "a\nb"] {
            assert_eq!(safe_code(other.as_bytes()), None, "{other}");
        }
    }
}
