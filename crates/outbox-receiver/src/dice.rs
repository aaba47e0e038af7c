//! Dice that fall the same way for the same message, in whatever order messages arrive.

/// A number evenly spread over all of u64, made of what identifies one arrival.
pub(crate) fn throw(seed: u64, purpose: u64, control_id: &[u8], occurrence: u64) -> u64 {
    // FNV-1a over the id, then the finaliser of splitmix64: short, and good enough for tests.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ mix(seed);
    for byte in control_id {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(hash ^ mix(purpose.wrapping_add(1)) ^ mix(occurrence.wrapping_add(0x5bd1_e995)))
}

/// Whether something of this probability happens.
pub(crate) fn happens(probability: f64, thrown: u64) -> bool {
    // The upper 53 bits are what an f64 holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64")]
    let unit = (thrown >> 11) as f64 / (1_u64 << 53) as f64;
    unit < probability
}

/// A number from `min` to `max`, both included.
pub(crate) fn between(min: u64, max: u64, thrown: u64) -> u64 {
    match max.saturating_sub(min).checked_add(1) {
        Some(span) => min.saturating_add(thrown % span),
        None => thrown,
    }
}

fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::{between, happens, throw};

    #[test]
    fn a_third_happens_about_a_third_of_the_time_and_always_to_the_same_messages() {
        let hits = |seed| {
            (0..9_000_u32).filter(|n| happens(1.0 / 3.0, throw(seed, 0, &n.to_be_bytes(), 1))).collect::<Vec<_>>()
        };
        assert!((2_800..3_200).contains(&hits(1).len()));
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
    }

    #[test]
    fn the_extremes_of_probability_and_range_are_kept() {
        assert!(!happens(0.0, 0));
        assert!(happens(1.0, u64::MAX));
        assert_eq!(between(5, 5, 99), 5);
        assert_eq!(between(0, u64::MAX, 7), 7);
    }
}
