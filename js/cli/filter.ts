/** The options that choose messages, which read like the API's filter. */
import { InvalidArgumentError, type Command } from 'commander'
import type { Command as TypedCommand, OptionValues } from '@commander-js/extra-typings'

import type { MessageFilter } from '../facade/index.js'
import { UsageError } from './usage.js'
import { pair, several, time } from './values.js'

export const STATUSES = ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED'] as const

// A type, not an interface: only it is option values to the parser's types.
// eslint-disable-next-line @typescript-eslint/consistent-type-definitions
export type Chosen = {
  status?: Status[] | undefined
  destination?: string | undefined
  type?: string | undefined
  tag?: Record<string, string> | undefined
  controlId?: string[] | undefined
  from?: string | undefined
  to?: string | undefined
  code?: string | undefined
  warning?: true | undefined
  possibleDuplicate?: true | undefined
}

type Status = (typeof STATUSES)[number]

function statuses(value: string, before: Status[] = []): Status[] {
  const named = value.split(',').map((name) => STATUSES.find((status) => status === name.toUpperCase()))
  if (!named.every((status) => status !== undefined)) throw new InvalidArgumentError(`It takes ${STATUSES.join(', ')}.`)
  return [...before, ...named]
}

/** Adds the options that choose messages. */
export function choosing<Args extends unknown[], Opts extends OptionValues>(to: TypedCommand<Args, Opts>): TypedCommand<Args, Opts & Chosen> {
  const plain = to as unknown as Command
  plain
    .optionsGroup('Which messages (all that is given must hold):')
    .option('--status <status>', 'PENDING, HELD, SENT, ACKNOWLEDGED, FAILED or CANCELLED; several with commas, or repeated', statuses)
    .option('--destination <name>', 'of one destination')
    .option('--type <type>', 'such as ADT^A08')
    .option('--tag <key=value>', 'with this tag; may be repeated', pair)
    .option('--control-id <id>', 'with this MSH-10; may be repeated', several)
    .option('--code <code>', 'dead letters with this failure code, such as ACK_AE_101')
    .option('--from <time>', 'stored at this time or later: ISO 8601, a day, or 2h for two hours ago', time)
    .option('--to <time>', 'stored before this time', time)
    .option('--warning', 'accepted, but something is worth knowing')
    .option('--possible-duplicate', 'sent again although an earlier attempt may have arrived')
    .optionsGroup('Options:')
  return to
}

/** The filter that was chosen; undefined if none was. */
export function filterOf(ids: readonly string[], chosen: Chosen): MessageFilter | undefined {
  const filter: MessageFilter = {}
  if (ids.length > 0) filter.ids = [...ids]
  if (chosen.controlId !== undefined) filter.controlIds = chosen.controlId
  if (chosen.status !== undefined) filter.status = chosen.status
  if (chosen.destination !== undefined) filter.destination = chosen.destination
  if (chosen.type !== undefined) filter.messageType = chosen.type
  if (chosen.tag !== undefined) filter.tags = chosen.tag
  if (chosen.code !== undefined) filter.failureCode = chosen.code
  if (chosen.from !== undefined) filter.from = chosen.from
  if (chosen.to !== undefined) filter.to = chosen.to
  if (chosen.warning !== undefined) filter.warning = true
  if (chosen.possibleDuplicate !== undefined) filter.possibleDuplicate = true
  return Object.keys(filter).length === 0 ? undefined : filter
}

/** At most so many ids in one call of the API. */
const IDS_MAX = 1_000

export function fewEnough(ids: readonly string[]): void {
  if (ids.length > IDS_MAX) throw new UsageError(`at most ${IDS_MAX} ids at a time`, 'call it several times, for instance with xargs')
}
