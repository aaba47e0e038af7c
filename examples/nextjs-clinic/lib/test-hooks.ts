/**
 * For the crash test: dies as a power cut would, exactly between the commit and the enqueue. Honoured outside production,
 * or (a built application always runs as production) with CLINIC_TEST_HOOKS=1.
 */
export function crashAfterCommitIfAsked(): void {
  if (process.env.CLINIC_CRASH_AFTER_COMMIT !== '1') return
  if (process.env.NODE_ENV === 'production' && process.env.CLINIC_TEST_HOOKS !== '1') return
  process.kill(process.pid, 'SIGKILL')
}
