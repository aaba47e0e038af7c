/** `worker`: a process that only delivers, beside applications that only enqueue. */
import { flushSpans, startOutbox, stopOutbox } from '../../facade/index.js'
import { command, ends, examples, Option } from '../command.js'
import { configuration } from '../open.js'
import { words } from '../output.js'
import { end } from '../signals.js'
import { EXIT } from '../usage.js'
import { whole } from '../values.js'

/** A little more than the longest attempt, so that a stop cuts none. */
const STOP_TIMEOUT_MS = 125_000
/** How long the last spans may take on their way. */
const FLUSH_MS_MAX = 2_000

export const worker = examples(
  command('worker')
    .description('Deliver until a signal ends it. The one command that sends and that creates the file. Two workers on one file are safe: one sends, the other stands by.')
    .addOption(new Option('--stop-timeout-ms <n>', 'how long a signal waits for attempts in flight').argParser(whole).default(STOP_TIMEOUT_MS))
    .action(
      ends(async (options) => {
        const config = configuration(options)
        // Before the outbox is open and before anybody is told: a signal that comes at once must not cut what has just begun.
        const { asked, forget } = end()
        try {
          await startOutbox({ ...config, dispatch: true })
        } catch (error) {
          forget()
          throw error
        }
        words('worker: ready; it delivers as soon as no other process does')
        // PM2 with wait_ready.
        process.send?.('ready')
        const why = await asked
        words(`worker: ${why}; waiting for attempts in flight`)
        const { drained } = await stopOutbox({ timeoutMs: options.stopTimeoutMs })
        await flushSpans(FLUSH_MS_MAX)
        words(drained ? 'worker: ended' : 'worker: ended with attempts in flight; they are sent again, marked')
        return EXIT.ok
      }),
    ),
  'worker --config /etc/clinic/hl7-outbox.config.json',
)
