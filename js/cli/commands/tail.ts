/** `tail`: what happens to messages, as it happens, of all processes. */
import { Hl7OutboxError, type StatusChange } from '../../facade/index.js'
import { command, ends, examples } from '../command.js'
import { labels } from '../message.js'
import { withOutbox } from '../open.js'
import { clean, out, outJson } from '../output.js'
import { end } from '../signals.js'
import { EXIT, UsageError } from '../usage.js'
import { pair, whole } from '../values.js'

export const tail = examples(
  command('tail')
    .description('Every change of status, of all processes, in order, until a signal ends it. It begins with the oldest that is kept, or after a cursor; a consumer goes on where it was, and is one at a time.')
    .option('--after <cursor>', 'begin behind this change')
    .option('--consumer <name>', 'keep the place under this name')
    .option('--destination <name>', 'only of this destination')
    .option('--tag <key=value>', 'only with this tag; may be repeated', pair)
    .option('--limit <n>', 'end after so many', whole)
    .action(
      ends(async (options) => {
        if (options.after !== undefined && options.consumer !== undefined) throw new UsageError('--after and --consumer exclude each other')
        const stop = new AbortController()
        const { asked, forget } = end()
        asked.then(
          () => {
            stop.abort()
          },
          () => undefined,
        )
        const from = { ...(options.after === undefined ? {} : { after: options.after }), ...(options.consumer === undefined ? {} : { consumer: options.consumer }) }
        const tags = Object.entries(options.tag ?? {})
        try {
          await withOutbox(options, async (outbox) => {
            let left = options.limit ?? Infinity
            for await (const change of outbox.statusChanges({ ...from, signal: stop.signal })) {
              if (options.destination !== undefined && change.destination !== options.destination) continue
              if (!tags.every(([key, value]) => change.tags[key] === value)) continue
              await (options.json === true ? outJson(change) : out(line(change)))
              if (--left <= 0) break
            }
          })
        } catch (error) {
          throw expired(error)
        } finally {
          forget()
        }
        return EXIT.ok
      }),
    ),
  'tail --json | jq -c "select(.to == \\"FAILED\\")"',
  'tail --consumer night-report --json >> changes.jsonl',
)

function line({ at, id, from, to, destination, failure, tags }: StatusChange): string {
  const rest = [destination, failure?.code ?? '', ...labels(tags)].filter((part) => part !== '').map(clean).join(' ')
  return `${at} ${id} ${from ?? 'new'} → ${to} ${rest}\n`
}

/** A cursor that is too old names the place from which changes are still kept. */
function expired(error: unknown): unknown {
  if (!(error instanceof Hl7OutboxError) || error.code !== 'ERR_CURSOR_EXPIRED') return error
  const { cursor } = error as { cursor?: string }
  return new Hl7OutboxError(error.code, error.message, { hint: `Changes are lost to this reader. Go on with --after ${cursor ?? ''}.` })
}
