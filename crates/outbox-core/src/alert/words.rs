//! What an alert says to people: sentences of our own, with names, numbers and codes in them and nothing else.

use super::{Alert, AlertState, AlertType};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// A sentence for a subject line.
pub(super) fn summary(alert: &Alert) -> String {
    let begun = match alert.r#type {
        AlertType::Test => return String::from("A test: alerts of this outbox arrive here"),
        _ if alert.state == AlertState::Ended => return ended(alert),
        AlertType::Outage => outage(alert),
        AlertType::Paused => format!("{} is paused ({}): {} messages wait", name(alert), reason(alert), waiting(alert)),
        AlertType::Refusal => {
            format!("{} refuses messages with {}: {} so far", name(alert), code(alert), count(alert))
        }
        AlertType::DeadLetters => format!("{} dead letters for {}", count(alert), name(alert)),
        AlertType::OldestWaiting => {
            format!("The oldest message has waited for {}", span(alert.facts.age_ms.unwrap_or(0)))
        }
        AlertType::NoDispatcher => match alert.facts.reason {
            Some("silent") => String::from("The process that sends is silent: messages wait"),
            _ => String::from("No process sends: messages wait"),
        },
        AlertType::DiskLow => {
            format!("{} are free on the disk of the outbox", bytes(alert.facts.free_bytes.unwrap_or(0)))
        }
        AlertType::CertificateExpires => certificate(alert),
    };
    if alert.state == AlertState::Continues { format!("Still: {begun}") } else { begun }
}

/// Neutral words: a destination that was taken out of the configuration has no outage any more either.
fn ended(alert: &Alert) -> String {
    let after = span(u64::try_from(alert.at.0.saturating_sub(alert.since.0)).unwrap_or(0));
    match alert.r#type {
        AlertType::Outage => {
            format!("The outage of {} is over, after {after}: {} messages wait", name(alert), waiting(alert))
        }
        AlertType::Paused => format!("The pause of {} is over, after {after}", name(alert)),
        AlertType::Refusal => format!("{} has not refused with {} for a while", name(alert), code(alert)),
        AlertType::DeadLetters => format!("The dead letters for {} are within their limit again", name(alert)),
        AlertType::OldestWaiting => format!("The oldest message is not too old any more, after {after}"),
        AlertType::NoDispatcher => format!("A process sends again, after {after}"),
        AlertType::DiskLow => format!("The disk of the outbox has room again, after {after}"),
        AlertType::CertificateExpires => format!("No certificate of {} expires soon any more", name(alert)),
        AlertType::Test => String::new(),
    }
}

fn outage(alert: &Alert) -> String {
    let what = match alert.facts.reason {
        Some("throttled") => "asks for fewer messages",
        Some("misconfigured") => "is set up wrongly",
        _ => "is down",
    };
    format!("{} {what} ({}): {} messages wait", name(alert), code(alert), waiting(alert))
}

fn certificate(alert: &Alert) -> String {
    let at = alert.facts.expires_at.unwrap_or(alert.at);
    let left = u64::try_from(at.0.saturating_sub(alert.at.0)).unwrap_or(0);
    match left {
        0 => format!("A certificate of {} has expired", name(alert)),
        left => format!("A certificate of {} expires in {}", name(alert), span(left)),
    }
}

fn name(alert: &Alert) -> &str {
    alert.facts.destination.as_deref().unwrap_or("A destination")
}

fn reason(alert: &Alert) -> &str {
    alert.facts.reason.unwrap_or("for a reason unknown")
}

fn code(alert: &Alert) -> &str {
    alert.facts.code.as_deref().unwrap_or("no code")
}

fn count(alert: &Alert) -> u64 {
    alert.facts.count.unwrap_or(0)
}

fn waiting(alert: &Alert) -> u64 {
    alert.facts.waiting.unwrap_or(0)
}

/// In the unit in which a person would say it.
fn span(ms: u64) -> String {
    let (number, unit) = match ms / 1_000 {
        seconds @ 0..=119 => (seconds, "seconds"),
        seconds @ 120..=7_199 => (seconds / 60, "minutes"),
        seconds @ 7_200..=172_799 => (seconds / 3_600, "hours"),
        seconds => (seconds / 86_400, "days"),
    };
    if number == 1 { format!("1 {}", &unit[..unit.len() - 1]) } else { format!("{number} {unit}") }
}

fn bytes(bytes: u64) -> String {
    if bytes >= 10 * GIB { format!("{} GiB", bytes / GIB) } else { format!("{} MiB", bytes / MIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_as_a_person_would() {
        let said = [0, 1_000, 119_000, 120_000, 7_199_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(said, ["0 seconds", "1 second", "119 seconds", "2 minutes", "119 minutes", "2 hours", "2 days"]);
    }
}
