/** What the commands on messages have in common: which ones, how many, whether that is meant, and what became of each. */
import { createInterface } from 'node:readline/promises'

import type { Command as TypedCommand } from '@commander-js/extra-typings'

import { onEnd, type Changed, type CommandOptions, type Counted, type MessageFilter, type Outbox } from '../facade/index.js'
import { ends, recorded, type Json, type Where, type Who } from './command.js'
import { choosing, fewEnough, filterOf, type Chosen } from './filter.js'
import { count, messages } from './numbers.js'
import { by, withOutbox } from './open.js'
import { clean, out, outJson, words } from './output.js'
import { Progress } from './progress.js'
import { EXIT, UsageError } from './usage.js'

export interface Steering {
  readonly name: string
  readonly description: string
  /** 'to be sent again', behind the number of messages. */
  readonly done: string
  /** Only messages in these states can change; the others are not counted, unless the filter names states itself. */
  readonly applies: NonNullable<MessageFilter['status']>
  /** More than so many that a filter matches are confirmed. */
  readonly confirmAbove: number
  /** Whether it has `--allow-overtaken`. */
  readonly overtaking?: boolean
  readonly run: (outbox: Outbox, filter: MessageFilter, by: { actor: string; reason?: string; allowOvertaken?: boolean }, options: CommandOptions) => Promise<Changed>
}

export type SteeringOptions = Json & Where & Who & Chosen & { dryRun?: true | undefined; yes?: true | undefined; allowOvertaken?: true | undefined }

/** A command on the messages that ids or filters name. */
export function steering(what: Steering): TypedCommand<[string[]], SteeringOptions> {
  const base = recorded(what.name)
    .description(what.description)
    .argument('[id...]', 'ids of messages; or choose by the options below')
    .option('--dry-run', 'count what it would apply to, and change nothing')
    .option('-y, --yes', `do not ask, even if a filter matches more than ${what.confirmAbove}`)
  const made = choosing(base) as unknown as TypedCommand<[string[]], SteeringOptions>
  if (what.overtaking === true) made.option('--allow-overtaken', 'also what later messages of its lane have overtaken')
  return made.action(ends((ids, options) => steer(what, ids, options)))
}

export async function steer(what: Steering, ids: string[], options: SteeringOptions, chosen = filterOf(ids, options)): Promise<number> {
  if (chosen === undefined) throw new UsageError(`${what.name} takes ids or filters`, `hl7-outbox ${what.name} --help; for all there are: --from 1970-01-01`)
  fewEnough(ids)
  // What is named by an id gets its answer each; by other filters, what it cannot apply to was not meant.
  const filter = ids.length > 0 || chosen.controlIds !== undefined || chosen.status !== undefined ? chosen : { ...chosen, status: what.applies }
  return withOutbox(options, async (outbox) => {
    if (options.dryRun === true) {
      const matches = await outbox.countMessages(filter)
      const json = { dryRun: true, matches: matches.count, ...(matches.exact ? {} : { atLeast: true }) }
      await (options.json === true ? outJson(json) : out(`${many(matches, count)} would be ${what.done}, as far as their state allows; nothing was changed\n`))
      return EXIT.ok
    }
    let matches: Counted | undefined
    if (ids.length === 0) {
      matches = await outbox.countMessages(filter)
      if (options.yes !== true && !(await meant(what, matches))) {
        words('nothing was changed')
        return EXIT.failed
      }
    }
    const order = { ...by(options), ...(options.allowOvertaken === true ? { allowOvertaken: true } : {}) }
    return tell(what, options, await watched(what, matches, (watching) => what.run(outbox, filter, order, watching)))
  })
}

/** Whether a person means that many. */
async function meant(what: Steering, counted: Counted): Promise<boolean> {
  if (counted.exact && counted.count <= what.confirmAbove) return true
  const matches = many(counted, messages)
  if (!process.stdin.isTTY) throw new UsageError(`${what.name} would apply to ${matches}, and nobody can be asked`, 'look with --dry-run, then pass --yes')
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await asking.question(`${matches} would be ${what.done}. Go on? [y/N] `)
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    asking.close()
  }
}

const many = ({ count, exact }: Counted, words: (number: number) => string): string => (exact ? words(count) : `at least ${words(count)}`)

/** A command on many messages shows how far it is, and ends at its next seam when it is asked to; asked twice, at once. */
async function watched(what: Steering, matches: Counted | undefined, run: (options: CommandOptions) => Promise<Changed>): Promise<Changed> {
  const [ending, progress] = [new AbortController(), new Progress()]
  const disarm = onEnd(['SIGINT', 'SIGTERM', 'SIGHUP'], () => {
    disarm()
    ending.abort()
  })
  const onProgress = (changed: number): void => {
    progress.show(matches?.exact === true && matches.count > 0 ? Math.min(1, changed / matches.count) : undefined, () => `${count(changed)} ${what.done}`)
  }
  try {
    return await run({ signal: ending.signal, onProgress })
  } finally {
    disarm()
    progress.clear()
  }
}

async function tell(what: Steering, options: Json, changed: Changed): Promise<number> {
  if (options.json === true) await outJson(changed)
  else {
    const left = changed.unchanged.map(({ id, code }) => `left ${clean(id)} (${code})\n`)
    await out(`${count(changed.count)} ${what.done}\n${left.join('')}`)
  }
  return changed.unchanged.length === 0 ? EXIT.ok : EXIT.failed
}
