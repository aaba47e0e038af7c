//! What a reader of MLLP frames needs to know while it reads; what they come to is for `judge`.

use std::time::SystemTime;

use super::judge::judge_mllp;
use super::{Asked, MllpEnd, body};
use crate::hl7::AckCondition;

/// What the frames that have come mean for the connection that they came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MllpWord {
    /// Something may come that changes the verdict: read on until the deadline.
    Awaited,
    /// The last word on this message.
    Final {
        /// Every frame was an acknowledgement that names this message. Otherwise the connection must not carry another one:
        /// what was not matched now could be taken for its answer.
        is_clean: bool,
    },
}

/// Asks about all frames that have come since the message with this MSH-10 (`control_id`) and MSH-16 (`application_ack`) was
/// written. `sole_message`: the connection has carried no other message.
pub fn word_of(
    frames: &[Vec<u8>],
    sole_message: bool,
    control_id: &str,
    application_ack: Option<AckCondition>,
) -> MllpWord {
    let asked = Asked { control_id, application_ack, earlier_indeterminate: false, now: SystemTime::UNIX_EPOCH };
    if judge_mllp(frames, sole_message, MllpEnd::Open, &asked).read_on {
        return MllpWord::Awaited;
    }
    MllpWord::Final { is_clean: frames.iter().all(|frame| body::is_only_for(frame, control_id)) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::HEADER;
    use super::*;

    fn word(frames: &[&str], sole_message: bool, application_ack: Option<AckCondition>) -> MllpWord {
        let frames: Vec<_> = frames.iter().map(|frame| format!("{HEADER}{frame}").into_bytes()).collect();
        word_of(&frames, sole_message, "000TEST42", application_ack)
    }

    const CLEAN: MllpWord = MllpWord::Final { is_clean: true };
    const UNCLEAN: MllpWord = MllpWord::Final { is_clean: false };

    #[test]
    fn an_answer_for_this_message_is_final() {
        for answer in
            ["MSA|AA|000TEST42\r", "MSA|AE|000TEST42\rERR|||103|E\r", "MSA|AR|000TEST42", "MSA|CA|000TEST42\r"]
        {
            assert_eq!(word(&[answer], false, None), CLEAN, "{answer}");
        }
    }

    #[test]
    fn nothing_and_an_answer_for_another_message_leave_the_word_open() {
        assert_eq!(word(&[], true, None), MllpWord::Awaited);
        assert_eq!(word(&["MSA|AA|000TEST41\r"], true, None), MllpWord::Awaited);
        assert_eq!(word(&["MSA|AA|000TEST41\r", "MSA|AA|000TEST42\r"], true, None), UNCLEAN);
    }

    #[test]
    fn a_commit_acknowledgement_is_final_unless_msh_16_asks_for_more() {
        let commit = "MSA|CA|000TEST42\r";
        assert_eq!(word(&[commit], true, Some(AckCondition::Never)), CLEAN);
        for asked in [AckCondition::Always, AckCondition::OnError, AckCondition::OnSuccess] {
            assert_eq!(word(&[commit], true, Some(asked)), MllpWord::Awaited);
            assert_eq!(word(&[commit, "MSA|AE|000TEST42\r"], true, Some(asked)), CLEAN);
            assert_eq!(word(&["MSA|CR|000TEST42\r"], true, Some(asked)), CLEAN);
        }
    }

    #[test]
    fn what_does_not_name_the_message_is_never_clean() {
        assert_eq!(word(&["MSA|AA|\r"], true, None), UNCLEAN);
        assert_eq!(word(&["MSA|AA|\r"], false, None), MllpWord::Awaited);
        assert_eq!(word_of(&[vec![0x15]], true, "000TEST42", None), UNCLEAN);
    }
}
