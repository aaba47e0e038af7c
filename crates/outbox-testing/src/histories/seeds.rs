//! Cases by seed: always the same ones, more on request, and a failing one says how to run it again.

use std::fmt::Debug;
use std::ops::Range;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// How many cases to run instead of the usual number.
const CASES: &str = "HL7_OUTBOX_CASES";
/// The seed of the first case, in order to run a failing one again.
const SEED: &str = "HL7_OUTBOX_SEED";

/// The seeds to run: as many as `usual`, or as the environment says.
pub fn seeds(usual: u64) -> Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
    };
    let first = number(SEED);
    let cases = number(CASES).unwrap_or(if first.is_some() { 1 } else { usual });
    let first = first.unwrap_or(0);
    first..first + cases
}

/// How to run the case of a seed again.
pub fn again(seed: u64) -> String {
    format!("run it again with {SEED}={seed}")
}

/// Runs `case` once per seed; a failing case is made as short as it gets while it still fails.
pub fn each<S: Strategy>(usual: u64, strategy: &S, case: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    for seed in seeds(usual) {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config { cases: 1, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        match runner.run(strategy, &case) {
            Ok(()) => {}
            Err(TestError::Fail(why, smallest)) => {
                panic!("seed {seed}: {why}\n{}\nthe shortest that fails: {smallest:?}", again(seed))
            }
            Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
        }
    }
}
