/** `restore`: a backup in the outbox's place. */
import { restoreFile } from '../../facade/index.js'
import { command, ends, examples } from '../command.js'
import { messages, size } from '../numbers.js'
import { configuration, place } from '../open.js'
import { clean, out, outJson, words } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

export const restore = examples(
  command('restore')
    .description('Put a backup in the outbox’s place, when no process has it open. What was there is kept beside it.')
    .argument('<backup>', 'a file that backup made')
    .action(
      ends(async (from, options) => {
        if (from === '') throw new UsageError('restore takes a backup')
        const path = place(configuration(options))
        const restored = await restoreFile(from, path)
        if (options.json === true) await outJson({ path, ...restored })
        else {
          await out(`${clean(path)}: ${messages(restored.messages)}, ${restored.pending} of them PENDING, ${size(restored.bytes)}\n`)
          if (restored.keptAs !== null) await out(`kept: ${clean(restored.keptAs)}\n`)
        }
        words(NEXT)
        return EXIT.ok
      }),
    ),
  'restore /var/backups/clinic/outbox.db',
)

const NEXT = `next: the first process that dispatches notices the change and pauses every destination (reason: restored).
What was delivered after the backup is PENDING again. Compare with the receiver or with the file that was kept, cancel
what has arrived, then: hl7-outbox resume DESTINATION. What was stored after the backup is only in the file that was kept.`
