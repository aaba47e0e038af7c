/** `doctor`: what is wrong, and what to do. It opens no outbox, and changes nothing. */
import { resolve } from 'node:path'

import { inspectFile } from '../../facade/index.js'
import { contents } from '../doctor/contents.js'
import { configuration as checkConfiguration } from '../doctor/destinations.js'
import * as check from '../doctor/file.js'
import { error, ok, words, worst, type Finding } from '../doctor/report.js'
import { configuration, place, type Config } from '../open.js'
import { only, type CommandLine, type Values } from '../options.js'
import { EXIT, UsageError } from '../usage.js'

const TIMEOUT_MS = 5_000
const TIMEOUT_MS_MAX = 600_000

export async function doctor(line: CommandLine): Promise<number> {
  only(line, ['full', 'offline', 'timeout-ms'], 0)
  const timeoutMs = timeout(line.values)
  const config = configured(line.values)
  const given = Array.isArray(config) ? (line.values.path === undefined ? {} : { path: line.values.path }) : config
  const path = resolve(place(given))
  const found = await inspectFile(path, line.values.full === true)
  const now = Date.now()
  const findings: Finding[] = [check.directory(found), ...check.file(found)]
  if (found.kind === 'outbox') {
    findings.push(check.log(found), check.processes(found), check.dispatcher(found, now), ...contents(found, now), check.leftovers(path, found))
  }
  if (found.directory.exists) findings.push(check.space(found))
  findings.push(ok('sqlite', found.sqliteVersion))
  findings.push(...(Array.isArray(config) ? config : await checkConfiguration({ ...config, path }, found, timeoutMs, now)))
  const state = worst(findings)
  process.stdout.write(line.values.json === true ? `${JSON.stringify({ path, state, findings })}\n` : `${path}\n${words(findings)}`)
  return { ok: EXIT.ok, warning: EXIT.degraded, error: EXIT.down }[state]
}

/** A configuration that cannot be read is a finding too, as long as the path is known. */
function configured(values: Values): NonNullable<Config> | Finding[] {
  try {
    return configuration(values)
  } catch (failure) {
    if (!(failure instanceof UsageError) || (values.path === undefined && process.env.HL7_OUTBOX_PATH === undefined)) throw failure
    return [error('configuration', failure.message, 'Correct --config or HL7_OUTBOX_CONFIG, or the file’s syntax and rights.')]
  }
}

/** How long a destination may take; undefined when none is to be tried. */
function timeout(values: Values): number | undefined {
  const ms = Number(values['timeout-ms'] ?? TIMEOUT_MS)
  if (!Number.isInteger(ms) || ms < 1 || ms > TIMEOUT_MS_MAX) throw new UsageError('--timeout-ms takes 1 to 600000 milliseconds')
  return values.offline === true ? undefined : ms
}
