/** `status`: how the outbox is, at a glance, once or live. */
import type { Health, Outbox, Stats } from '../../facade/index.js'
import { command, ends, examples } from '../command.js'
import { count, duration } from '../numbers.js'
import { withOutbox } from '../open.js'
import { clean, out, outJson, paint } from '../output.js'
import { end } from '../signals.js'
import { EXIT } from '../usage.js'

const EVERY_MS = 1_000
const ON_TOP = '\u001b[H\u001b[J'
const OTHER_SCREEN = ['\u001b[?1049h\u001b[?25l', '\u001b[?25h\u001b[?1049l'] as const

export const status = examples(
  command('status')
    .description('Counts, dispatcher, destinations and problems. Ends with 0 if all is well, 3 if something needs a look, 4 if nothing can be stored.')
    .option('-w, --watch', 'once a second, until a signal ends it')
    .action(
      ends((options) =>
        withOutbox(options, async (outbox) => {
          if (options.watch === true) return watch(outbox, options.json === true)
          const { health, stats } = await look(outbox)
          await (options.json === true ? outJson({ health, stats }) : out(describe(health, stats)))
          return { ok: EXIT.ok, degraded: EXIT.degraded, down: EXIT.down }[health.status]
        }),
      ),
    ),
  'status --path /var/lib/clinic/outbox.db',
  'status --watch',
)

interface Seen {
  health: Health
  stats: Stats
}

async function look(outbox: Outbox): Promise<Seen> {
  const [health, stats] = await Promise.all([outbox.getHealth(), outbox.getStats()])
  return { health, stats }
}

/** On a terminal, on a screen of its own that is given back; elsewhere one block or line after the other. */
async function watch(outbox: Outbox, json: boolean): Promise<number> {
  const over = new AbortController()
  const { asked } = end()
  const ended = asked.then(() => {
    over.abort()
  })
  const isScreen = process.stdout.isTTY && !json
  if (isScreen) await out(OTHER_SCREEN[0])
  try {
    while (!over.signal.aborted) {
      const { health, stats } = await look(outbox)
      if (json) await outJson({ at: new Date().toISOString(), health, stats })
      else await out(`${isScreen ? ON_TOP : ''}${new Date().toISOString()}\n${describe(health, stats)}${isScreen ? '' : '\n'}`)
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, EVERY_MS).unref())])
    }
  } finally {
    if (isScreen) await out(OTHER_SCREEN[1])
  }
  return EXIT.ok
}

const COLOURS = { ok: 'green', degraded: 'yellow', down: 'red' } as const

function describe(health: Health, stats: Stats): string {
  const lines = [`${clean(health.file.path)}: ${paint(COLOURS[health.status], health.status)}`]
  lines.push(health.dispatcher === null
    ? 'dispatcher     none'
    : `dispatcher     process ${health.dispatcher.pid} on ${clean(health.dispatcher.host)} since ${health.dispatcher.since}`)
  const counts = Object.entries(stats.byStatus).map(([state, number]) => `${state} ${count(number)}`)
  lines.push(`messages       ${counts.join(' · ')}`)
  if (stats.oldestPendingAgeMs !== null) lines.push(`oldest waiting ${duration(stats.oldestPendingAgeMs)}`)
  lines.push(`delivered      ${count(stats.delivered.last1m)} in a minute, ${count(stats.delivered.last1h)} in an hour, ${count(stats.delivered.last24h)} in a day`)
  if (stats.deliveryMs !== null) lines.push(`to delivery    half within ${stats.deliveryMs.p50} ms, 95 % within ${stats.deliveryMs.p95} ms, 99 % within ${stats.deliveryMs.p99} ms`)
  for (const [name, destination] of Object.entries(health.destinations)) {
    const why = destination.reason === null ? '' : ` (${clean(destination.reason)})`
    const state = paint(destination.state === 'ok' ? 'green' : 'yellow', destination.state)
    lines.push(`${clean(name).padEnd(14)} ${state}${why}, ${count(destination.pending)} pending, ${destination.inFlight} in flight`)
  }
  for (const problem of health.problems) lines.push(`${paint('red', '!')} ${clean(problem.message)}`, `  ${clean(problem.remedy)}`)
  return `${lines.join('\n')}\n`
}
