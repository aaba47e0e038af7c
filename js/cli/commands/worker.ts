/** `worker`: a process that only delivers, beside applications that only enqueue. */
import { startOutbox, stopOutbox } from '../../facade/index.js'
import { configuration } from '../open.js'
import { only, type CommandLine } from '../options.js'
import { end } from '../signals.js'
import { EXIT, UsageError } from '../usage.js'

/** A little more than the longest attempt, so that a stop cuts none. */
const STOP_TIMEOUT_MS = 125_000

export async function worker(line: CommandLine): Promise<number> {
  only(line, ['stop-timeout-ms'], 0)
  const timeoutMs = Number(line.values['stop-timeout-ms'] ?? STOP_TIMEOUT_MS)
  if (!Number.isInteger(timeoutMs) || timeoutMs < 0) throw new UsageError('--stop-timeout-ms takes a whole number of milliseconds')
  const config = configuration(line.values)
  // Before the outbox is open and before anybody is told: a signal that comes at once must not cut what has just begun.
  const { asked, forget } = end()
  try {
    await startOutbox({ ...config, dispatch: true })
  } catch (error) {
    forget()
    throw error
  }
  process.stderr.write('worker: ready; it delivers as soon as no other process does\n')
  // PM2 with wait_ready.
  process.send?.('ready')
  const why = await asked
  process.stderr.write(`worker: ${why}; waiting for attempts in flight\n`)
  const { drained } = await stopOutbox({ timeoutMs })
  process.stderr.write(drained ? 'worker: ended\n' : 'worker: ended with attempts in flight; they are sent again, marked\n')
  return EXIT.ok
}
