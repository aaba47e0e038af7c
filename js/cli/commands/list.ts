/** `list`: the messages that a filter chooses, a page at a time. */
import { Option } from '../command.js'
import { command, ends, examples } from '../command.js'
import { table, type Column } from '../columns.js'
import { choosing, filterOf } from '../filter.js'
import type { Message } from '../../facade/index.js'
import { withOutbox } from '../open.js'
import { clean, out, words } from '../output.js'
import { labels, statusColour } from '../message.js'
import { EXIT, UsageError } from '../usage.js'
import { whole } from '../values.js'

const LIMIT = 50
const LIMIT_MAX = 1_000

const COLUMNS: Column<Message>[] = [
  { title: 'ID', value: ({ id }) => id, goes: 0 },
  { title: 'STATUS', value: ({ status, inFlight }) => (inFlight ? `${status}*` : status), goes: 0, colour: statusColour },
  { title: 'TYPE', value: ({ messageType }) => clean(messageType), goes: 2 },
  { title: 'WHY', value: why, goes: 1 },
  { title: 'STORED', value: ({ createdAt }) => createdAt.replace(/\.\d+Z$/, 'Z'), goes: 4 },
  { title: 'TRIES', value: ({ tries }) => String(tries), goes: 6 },
  { title: 'MSH-10', value: ({ controlId }) => clean(controlId), goes: 3 },
  { title: 'DESTINATION', value: ({ destination }) => clean(destination), goes: 5 },
  { title: 'TAGS', value: ({ tags }) => clean(labels(tags).join(' ')), goes: 7 },
]

/** What somebody would ask about it, in a word. */
function why({ failure, warning, waitingFor, possibleDuplicate }: Message): string {
  return clean(failure?.code ?? warning ?? waitingFor ?? (possibleDuplicate ? 'possible-duplicate' : ''))
}

export const list = examples(
  choosing(
    command('list')
      .description('The messages that a filter chooses, newest first. A * behind the status means: in flight now. Without --all it ends after a page and says how to go on.')
      .addOption(new Option('--order <order>', 'by the time of storing').choices(['newest', 'oldest'] as const).default('newest' as const))
      .addOption(new Option('--limit <n>', `how many, at most ${LIMIT_MAX} without --all`).argParser(whole))
      .option('--cursor <cursor>', 'go on where a page ended')
      .option('--all', 'all that match, page after page'),
  ).action(
    ends(async (options) => {
      const page = options.all === true ? LIMIT_MAX : (options.limit ?? LIMIT)
      if (page < 1 || page > LIMIT_MAX) throw new UsageError(`--limit takes 1 to ${LIMIT_MAX}`, 'for more, pass --all')
      let left = options.all === true ? (options.limit ?? Infinity) : page
      const filter = { ...filterOf([], options), order: options.order }
      return withOutbox(options, async (outbox) => {
        let cursor = options.cursor ?? null
        let shown = 0
        do {
          const { items, nextCursor } = await outbox.listMessages({ ...filter, limit: Math.min(page, left), ...(cursor === null ? {} : { cursor }) })
          if (options.json === true) await out(items.map((item) => `${JSON.stringify(item)}\n`).join(''))
          else if (items.length > 0) await out(table(items, COLUMNS, shown === 0))
          cursor = nextCursor
          shown += items.length
          left -= items.length
          // A page may be short although there is more.
        } while (cursor !== null && left > 0)
        if (shown === 0 && options.json !== true) words('no messages')
        if (cursor !== null) words(`more: --cursor ${cursor}`)
        return EXIT.ok
      })
    }),
  ),
  'list --status FAILED --from 7d',
  'list --tag schoolId=12 --type ADT^A08 --order oldest',
  'list --status PENDING --all --json',
)

