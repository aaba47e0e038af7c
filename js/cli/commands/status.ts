/** `status`: how the outbox is, at a glance. */
import type { Health, Stats } from '../../facade/index.js'
import { command, ends, examples } from '../command.js'
import { withOutbox } from '../open.js'
import { out, outJson } from '../output.js'
import { EXIT } from '../usage.js'

export const status = examples(
  command('status')
    .description('Counts, dispatcher, destinations and problems. Ends with 0 if all is well, 3 if something needs a look, 4 if nothing can be stored.')
    .action(
      ends(async (options) => {
        const [health, stats] = await withOutbox(options, (outbox) => Promise.all([outbox.getHealth(), outbox.getStats()]))
        await (options.json === true ? outJson({ health, stats }) : out(describe(health, stats)))
        return { ok: EXIT.ok, degraded: EXIT.degraded, down: EXIT.down }[health.status]
      }),
    ),
  'status --path /var/lib/clinic/outbox.db',
)

function describe(health: Health, stats: Stats): string {
  const lines = [`${health.file.path}: ${health.status}`]
  lines.push(health.dispatcher === null
    ? 'dispatcher     none'
    : `dispatcher     process ${health.dispatcher.pid} on ${health.dispatcher.host} since ${health.dispatcher.since}`)
  const counts = Object.entries(stats.byStatus).map(([state, count]) => `${state} ${count}`)
  lines.push(`messages       ${counts.join(' · ')}`)
  if (stats.oldestPendingAgeMs !== null) lines.push(`oldest waiting ${duration(stats.oldestPendingAgeMs)}`)
  lines.push(`delivered      ${stats.delivered.last1m} in a minute, ${stats.delivered.last1h} in an hour, ${stats.delivered.last24h} in a day`)
  for (const [name, destination] of Object.entries(health.destinations)) {
    const why = destination.reason === null ? '' : ` (${destination.reason})`
    lines.push(`${name.padEnd(14)} ${destination.state}${why}, ${destination.pending} pending, ${destination.inFlight} in flight`)
  }
  for (const problem of health.problems) lines.push(`! ${problem.message}`, `  ${problem.remedy}`)
  return `${lines.join('\n')}\n`
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`
}
