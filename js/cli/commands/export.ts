/** `export`: messages that are not delivered, as files, for a way out without the outbox. */
import { InvalidArgumentError } from 'commander'

import type { Outbox } from '../../facade/index.js'
import { ends, examples, recorded, type Json } from '../command.js'
import { Folder } from '../export/folder.js'
import { write, type Exported } from '../export/write.js'
import { messages } from '../numbers.js'
import { by, withOutbox } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

const UNDELIVERED = ['PENDING', 'HELD', 'FAILED'] as const
type Undelivered = (typeof UNDELIVERED)[number]

export const exportMessages = examples(
  recorded('export')
    .description('Write messages that are not delivered into files, with a manifest, for a way out without the outbox. Recorded, because the files hold patients’ data.')
    .requiredOption('--to <folder>', 'where')
    .option('--status <status>', 'PENDING, HELD or FAILED; several with commas, or repeated; default all three', undelivered)
    .option('--destination <name>', 'only of this destination')
    .action(
      ends(async (options) => {
        const { to } = options
        if (to === '') throw new UsageError('export takes --to DIRECTORY')
        const filter = { status: options.status ?? [...UNDELIVERED], ...(options.destination === undefined ? {} : { destination: options.destination }) }
        const exported = await withOutbox(options, async (outbox) => {
          const done = await write(outbox, Folder.open(to), filter, by(options))
          await warn(outbox)
          return done
        })
        return tell(options, to, exported)
      }),
    ),
  'export --to /srv/way-out --destination malaffi --reason "the receiver takes files meanwhile"',
)

function undelivered(value: string, before: Undelivered[] = []): Undelivered[] {
  const named = value.split(',').map((word) => UNDELIVERED.find((each) => each === word))
  if (!named.every((status) => status !== undefined)) throw new InvalidArgumentError('It takes PENDING, HELD or FAILED.')
  return [...before, ...named]
}

/** What is sent as well as exported arrives twice. */
async function warn(outbox: Outbox): Promise<void> {
  const { dispatcher, destinations } = await outbox.getHealth()
  const sending = Object.entries(destinations).filter(([, { state, pending }]) => state !== 'paused' && state !== 'disabled' && pending > 0)
  if (dispatcher === null || sending.length === 0) return
  process.stderr.write(
    `warning: process ${dispatcher.pid} goes on sending to ${sending.map(([name]) => name).join(', ')}\n` +
      'hint: to take these messages another way, pause the destination first and export again\n',
  )
}

async function tell(options: Json, to: string, exported: Exported): Promise<number> {
  if (options.json === true) await outJson({ directory: to, ...exported })
  else {
    const removed = exported.removed === 0 ? '' : `, ${exported.removed} removed that no longer wait`
    const left = exported.left.map(({ id, code }) => `left ${id} (${code})\n`)
    await out(`${clean(to)}: ${messages(exported.messages)}, ${exported.written} of them new${removed}\n${left.join('')}`)
  }
  return exported.left.length === 0 ? EXIT.ok : EXIT.failed
}
