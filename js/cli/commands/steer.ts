/** `retry`, `pause` and `resume`: the hand of a person. */
import type { Changed, MessageFilter } from '../../facade/index.js'
import { by, withOutbox } from '../open.js'
import { only, type CommandLine, type Values } from '../options.js'
import { EXIT, UsageError } from '../usage.js'

export async function retry(line: CommandLine): Promise<number> {
  only(line, ['actor', 'reason', 'destination', 'all-failed', 'all-pending', 'allow-overtaken'], 1000)
  const filter = chosen(line.words, line.values)
  const order = { ...by(line.values), allowOvertaken: line.values['allow-overtaken'] === true }
  const changed = await withOutbox(line.values, (outbox) => outbox.retryMessages(filter, order))
  return tell(line.values, changed)
}

function chosen(ids: string[], values: Values): MessageFilter {
  const ways = [ids.length > 0, values['all-failed'] === true, values['all-pending'] === true].filter(Boolean).length
  if (ways !== 1) throw new UsageError('retry takes ids, or --all-failed, or --all-pending')
  const destination = values.destination === undefined ? {} : { destination: values.destination }
  if (ids.length > 0) return { ids, ...destination }
  return { status: values['all-failed'] === true ? 'FAILED' : 'PENDING', ...destination }
}

function tell(values: Values, changed: Changed): number {
  if (values.json === true) process.stdout.write(`${JSON.stringify(changed)}\n`)
  else {
    process.stdout.write(`${changed.count} to be sent again\n`)
    for (const left of changed.unchanged) process.stdout.write(`left ${left.id} (${left.code})\n`)
  }
  return changed.unchanged.length === 0 ? EXIT.ok : EXIT.failed
}

export async function pause(line: CommandLine): Promise<number> {
  const name = destination(line)
  await withOutbox(line.values, (outbox) => outbox.pauseDestination(name, by(line.values)))
  return said(line.values, name, 'paused')
}

export async function resume(line: CommandLine): Promise<number> {
  const name = destination(line)
  await withOutbox(line.values, (outbox) => outbox.resumeDestination(name, by(line.values)))
  return said(line.values, name, 'resumed')
}

function destination(line: CommandLine): string {
  only(line, ['actor', 'reason'], 1)
  const name = line.words[0]
  if (name === undefined) throw new UsageError(`${line.command ?? ''} takes the name of a destination`)
  return name
}

function said(values: Values, name: string, what: 'paused' | 'resumed'): number {
  process.stdout.write(values.json === true ? `${JSON.stringify({ destination: name, [what]: true })}\n` : `${name} ${what}\n`)
  return EXIT.ok
}
