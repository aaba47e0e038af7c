/** `export`: messages that are not delivered, as files, for a way out without the outbox. */
import type { MessageFilter, Outbox } from '../../facade/index.js'
import { Folder } from '../export/folder.js'
import { write, type Exported } from '../export/write.js'
import { by, withOutbox } from '../open.js'
import { only, type CommandLine, type Values } from '../options.js'
import { EXIT, UsageError } from '../usage.js'
import { messages } from '../words.js'

const UNDELIVERED = ['PENDING', 'HELD', 'FAILED'] as const
type Undelivered = (typeof UNDELIVERED)[number]

export async function exportMessages(line: CommandLine): Promise<number> {
  only(line, ['to', 'status', 'destination', 'actor', 'reason'], 0)
  const { to } = line.values
  if (to === undefined || to === '') throw new UsageError('export takes --to DIRECTORY')
  const filter = chosen(line.values)
  const exported = await withOutbox(line.values, async (outbox) => {
    const done = await write(outbox, Folder.open(to), filter, by(line.values))
    await warn(outbox)
    return done
  })
  return tell(line.values, to, exported)
}

function chosen(values: Values): MessageFilter & { status: Undelivered[] } {
  const status = (values.status ?? [...UNDELIVERED]).map((word) => {
    const known = UNDELIVERED.find((each) => each === word)
    if (known === undefined) throw new UsageError('--status is PENDING, HELD or FAILED')
    return known
  })
  return { status, ...(values.destination === undefined ? {} : { destination: values.destination }) }
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

function tell(values: Values, to: string, exported: Exported): number {
  if (values.json === true) process.stdout.write(`${JSON.stringify({ directory: to, ...exported })}\n`)
  else {
    const removed = exported.removed === 0 ? '' : `, ${exported.removed} removed that no longer wait`
    process.stdout.write(`${to}: ${messages(exported.messages)}, ${exported.written} of them new${removed}\n`)
    for (const { id, code } of exported.left) process.stdout.write(`left ${id} (${code})\n`)
  }
  return exported.left.length === 0 ? EXIT.ok : EXIT.failed
}
