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

#[cfg(test)]
mod tests {
    use super::*;

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
