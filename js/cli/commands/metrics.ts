/** `metrics`: the figures of the file as text for Prometheus, for instance for the textfile collector of a node exporter. */
import { command, ends, examples } from '../command.js'
import { withOutbox } from '../open.js'
import { out } from '../output.js'
import { EXIT, UsageError } from '../usage.js'

export const metrics = examples(
  command('metrics')
    .description('The figures of the file as text for Prometheus. Those of a process are given by getMetrics() there.')
    .action(
      ends(async (options) => {
        if (options.json === true) throw new UsageError('metrics gives text for Prometheus; status --json gives figures as JSON')
        await out(await withOutbox(options, (outbox) => outbox.getMetrics({ scope: 'file' })))
        return EXIT.ok
      }),
    ),
  'metrics --path /var/lib/clinic/outbox.db',
)
