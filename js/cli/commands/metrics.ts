/** `metrics`: the figures of the file as text for Prometheus, for instance for the textfile collector of a node exporter. */
import { withOutbox } from '../open.js'
import { only, type CommandLine } from '../options.js'
import { EXIT, UsageError } from '../usage.js'

export async function metrics(line: CommandLine): Promise<number> {
  only(line, [], 0)
  if (line.values.json === true) throw new UsageError('metrics gives text for Prometheus; status --json gives figures as JSON')
  process.stdout.write(await withOutbox(line.values, (outbox) => outbox.getMetrics({ scope: 'file' })))
  return EXIT.ok
}
