/** `doctor`: what is wrong, and what to do. It opens no outbox, and changes nothing. */
import { resolve } from 'node:path'

import { inspectFile } from '../../facade/index.js'
import { command, ends, examples, Option, type Where } from '../command.js'
import { contents } from '../doctor/contents.js'
import { configuration as checkConfiguration } from '../doctor/destinations.js'
import * as check from '../doctor/file.js'
import { error, ok, words, worst, type Finding } from '../doctor/report.js'
import { configuration, place, type Config } from '../open.js'
import { out, outJson } from '../output.js'
import { EXIT, UsageError } from '../usage.js'
import { whole } from '../values.js'

const TIMEOUT_MS = 5_000
const TIMEOUT_MS_MAX = 600_000

export const doctor = examples(
  command('doctor')
    .description('Say of file, processes, configuration and destinations whether all is well, and what to do. Opens no outbox, and changes nothing. Ends with 0 if all is well, 3 with a warning, 4 with an error.')
    .option('--full', 'read the whole file through')
    .option('--offline', 'try no destination')
    .addOption(new Option('--timeout-ms <n>', 'how long a destination may take').argParser(whole).default(TIMEOUT_MS))
    .action(
      ends(async (options) => {
        if (options.timeoutMs < 1 || options.timeoutMs > TIMEOUT_MS_MAX) throw new UsageError('--timeout-ms takes 1 to 600000 milliseconds')
        const timeoutMs = options.offline === true ? undefined : options.timeoutMs
        const config = configured(options)
        const given = Array.isArray(config) ? (options.path === undefined ? {} : { path: options.path }) : config
        const path = resolve(place(given))
        const found = await inspectFile(path, options.full === true)
        const now = Date.now()
        const findings: Finding[] = [check.directory(found), ...check.file(found)]
        if (found.kind === 'outbox') {
          findings.push(check.log(found), check.processes(found), check.dispatcher(found, now), ...contents(found, now), check.leftovers(path, found))
        }
        if (found.directory.exists) findings.push(check.space(found))
        findings.push(ok('sqlite', found.sqliteVersion))
        findings.push(...(Array.isArray(config) ? config : await checkConfiguration({ ...config, path }, found, timeoutMs, now)))
        const state = worst(findings)
        await (options.json === true ? outJson({ path, state, findings }) : out(`${path}\n${words(findings)}`))
        return { ok: EXIT.ok, warning: EXIT.degraded, error: EXIT.down }[state]
      }),
    ),
  'doctor --config /etc/clinic/hl7-outbox.config.json',
  'doctor --full --offline --json',
)

/** A configuration that cannot be read is a finding too, as long as the path is known. */
function configured(options: Where): NonNullable<Config> | Finding[] {
  try {
    return configuration(options)
  } catch (failure) {
    if (!(failure instanceof UsageError) || (options.path === undefined && process.env.HL7_OUTBOX_PATH === undefined)) throw failure
    return [error('configuration', failure.message, 'Correct --config or HL7_OUTBOX_CONFIG, or the file’s syntax and rights.')]
  }
}
