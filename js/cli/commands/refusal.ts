/** `refusal`: one group of dead letters, and what is noted on it. */
import type { Refusal, RefusalChange } from '../../facade/index.js'
import { ends, examples, recorded } from '../command.js'
import { by, withOutbox } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { EXIT, UsageError } from '../usage.js'
import { pair } from '../values.js'
import { stateOf } from './refusals.js'

export const refusal = examples(
  recorded('refusal')
    .description('One group of refusals; with options, note who sees to it, what to know of it, and that its cause is rectified. A rectified group is open again with the next refusal. That something was changed, and by whom, is recorded; owner and note themselves stand in the file as they are typed, so name no patients.')
    .argument('<id>', 'its id in the list of refusals')
    .option('--owner <name>', 'who sees to it; "" for nobody')
    .option('--note <text>', 'what to know of it; "" for nothing')
    .option('--rectified', 'its cause is mended')
    .option('--reopen', 'its cause is not mended after all')
    .option('--tag <key=value>', 'only for the messages with this tag; may be repeated', pair)
    .option('--seen <version>', 'change nothing if the group has changed since: the `version` of --json')
    .action(
      ends(async (id, { owner, note, rectified, reopen, tag, seen, ...options }) => {
        if (rectified === true && reopen === true) throw new UsageError('--rectified and --reopen exclude each other')
        const change: RefusalChange = {
          ...(owner === undefined ? {} : { owner }),
          ...(note === undefined ? {} : { note }),
          ...(rectified === true ? { rectified: true } : {}),
          ...(reopen === true ? { rectified: false } : {}),
        }
        const part = tag === undefined ? {} : { tags: tag }
        const group = await withOutbox(options, async (outbox) => {
          if (Object.keys(change).length > 0) return outbox.updateRefusal({ id, ...part, ...(seen === undefined ? {} : { version: seen }) }, change, by(options))
          const [found] = (await outbox.listRefusals({ id, ...part })).groups
          if (found === undefined) throw new Error(`there is no group of refusals ${clean(id)}`)
          return found
        })
        await (options.json === true ? outJson(group) : out(described(group)))
        return EXIT.ok
      }),
    ),
  'refusal 17',
  'refusal 17 --owner fatima --note "licence of one doctor is wrong in the register" --reason "daily look"',
  'refusal 17 --rectified --reason "register corrected, messages replaced"',
  'refusal 17 --tag schoolId=12 --reopen',
)

function described(group: Refusal): string {
  const { errCodes, tags, rectifiedAt, rectifiedBy, reopenedAt, changedAt, changedBy } = group
  const facts: [string, string | null][] = [
    ['state', stateOf(group)],
    ['part', Object.entries(tags).map(([key, value]) => `${key}=${value}`).join(' ')],
    ['code', group.code],
    ['ERR', errCodes.join(' ')],
    ['reason', group.reason],
    ['destination', group.destination],
    ['count', String(group.count)],
    ['a day', group.perDay.join(' ')],
    ['newest', group.newestAt],
    ['owner', group.owner],
    ['rectified', rectifiedAt === null ? null : `${rectifiedAt} by ${rectifiedBy ?? ''}`],
    ['again since', reopenedAt],
    ['changed', changedAt === null ? null : `${changedAt} by ${changedBy ?? ''}`],
  ]
  const lines = facts.filter(([, value]) => value !== null && value !== '').map(([name, value]) => `${name.padEnd(12)} ${clean(value ?? '')}\n`)
  const note = group.note === null ? '' : `\n${group.note.split('\n').map((line) => `${clean(line)}\n`).join('')}`
  const newest = group.examples.map(({ id, controlId }) => `${id}  ${clean(controlId)}\n`)
  return lines.join('') + note + (newest.length === 0 ? '' : `\n${newest.join('')}`)
}
