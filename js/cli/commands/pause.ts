/** `pause` and `resume`: whether anything is sent to a destination. */
import { ends, examples, recorded, type Json } from '../command.js'
import { by, withOutbox } from '../open.js'
import { out, outJson } from '../output.js'
import { EXIT } from '../usage.js'

export const pause = examples(
  recorded('pause')
    .description('Stop sending to a destination. It is kept in the file: it holds in every process, and after a restart. What is in flight ends.')
    .argument('<destination>', 'its name in the configuration')
    .action(
      ends(async (name, options) => {
        await withOutbox(options, (outbox) => outbox.pauseDestination(name, by(options)))
        return said(options, name, 'paused')
      }),
    ),
  'pause malaffi --reason "announced maintenance, 22:00 to 23:00"',
)

export const resume = examples(
  recorded('resume')
    .description('Send to a destination again.')
    .argument('<destination>', 'its name in the configuration')
    .action(
      ends(async (name, options) => {
        await withOutbox(options, (outbox) => outbox.resumeDestination(name, by(options)))
        return said(options, name, 'resumed')
      }),
    ),
  'resume malaffi',
)

async function said(options: Json, name: string, what: 'paused' | 'resumed'): Promise<number> {
  await (options.json === true ? outJson({ destination: name, [what]: true }) : out(`${name} ${what}\n`))
  return EXIT.ok
}
