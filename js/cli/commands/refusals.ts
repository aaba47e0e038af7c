/** `refusals`: dead letters by what they failed of, with who sees to them. */
import type { Refusal } from '../../facade/index.js'
import { Option } from '../command.js'
import { command, ends, examples } from '../command.js'
import { table, type Column } from '../columns.js'
import { withOutbox } from '../open.js'
import { clean, out, outJson, words } from '../output.js'
import { EXIT, UsageError } from '../usage.js'
import { pair, whole } from '../values.js'

const LIMIT_MAX = 1_000
/** Days whose counts are shown, the last one today's; `--json` has all of them. */
const DAYS = 7

const COLUMNS: Column<Refusal>[] = [
  { title: 'ID', value: ({ id }) => id, goes: 0 },
  { title: 'COUNT', value: ({ count }) => String(count), goes: 0 },
  { title: 'CODE', value: ({ code }) => clean(code), goes: 0, colour: ({ state }) => (state === 'rectified' ? 'green' : 'red') },
  { title: 'ERR', value: ({ errCodes }) => clean(errCodes.join(' ')), goes: 3 },
  { title: 'REASON', value: ({ reason }) => reason, goes: 5 },
  { title: 'STATE', value: stateOf, goes: 0 },
  { title: 'OWNER', value: ({ owner }) => clean(owner ?? ''), goes: 1 },
  { title: 'A DAY', value: ({ perDay }) => perDay.slice(-DAYS).join(' '), goes: 6 },
  { title: 'NEWEST', value: ({ newestAt }) => (newestAt ?? '').replace(/\.\d+Z$/, 'Z'), goes: 4 },
  { title: 'DESTINATION', value: ({ destination }) => clean(destination), goes: 2 },
  { title: 'NOTE', value: ({ note }) => clean((note ?? '').split('\n')[0] ?? ''), goes: 7 },
]

/** Whether there is something to do; and that there is again, after somebody thought that it was done. */
export function stateOf({ state, reopenedAt }: Refusal): string {
  return reopenedAt === null ? state : `${state} again`
}

export const refusals = examples(
  command('refusals')
    .description(`Dead letters by what they failed of, the largest group first, with counts for each of the last ${DAYS} days (UTC), an owner, a note, and whether the cause is rectified. With --tag: only messages with that tag, and what was noted for them.`)
    .addOption(new Option('--state <state>', 'only those').choices(['open', 'rectified'] as const))
    .option('--owner <name>', 'whose they are')
    .option('--destination <name>', 'of one destination')
    .option('--code <code>', 'with this failure code, such as ACK_AE_101')
    .option('--tag <key=value>', 'with this tag; may be repeated', pair)
    .addOption(new Option('--limit <n>', `how many groups, at most ${LIMIT_MAX}`).argParser(whole).default(100))
    .action(
      ends(async ({ state, owner, destination, code, tag, limit, ...options }) => {
        if (limit < 1 || limit > LIMIT_MAX) throw new UsageError(`--limit takes 1 to ${LIMIT_MAX}`)
        const filter = {
          limit,
          ...(state === undefined ? {} : { state }),
          ...(owner === undefined ? {} : { owner }),
          ...(destination === undefined ? {} : { destination }),
          ...(code === undefined ? {} : { failureCode: code }),
          ...(tag === undefined ? {} : { tags: tag }),
        }
        const found = await withOutbox(options, (outbox) => outbox.listRefusals(filter))
        if (options.json === true) await outJson(found)
        else if (found.groups.length === 0) words('no refusals')
        else await out(table(found.groups, COLUMNS))
        if (found.more) words(`there are more groups than ${limit}: narrow it down, or raise --limit`)
        return EXIT.ok
      }),
    ),
  'refusals',
  'refusals --state open --owner fatima',
  'refusals --tag schoolId=12 --json',
)
