/** `check`: what is wrong with messages in files, before anybody sends them. Opens no outbox. */
import { readFileSync } from 'node:fs'

import { checkHl7, type Finding } from '../../facade/index.js'
import { bytes } from '../open.js'
import { only, type CommandLine, type Values } from '../options.js'
import { EXIT, UsageError } from '../usage.js'

const STANDARD_INPUT = 0

export function check(line: CommandLine): Promise<number> {
  only(line, ['profile', 'doctor-id'], Infinity)
  if (line.words.length === 0) throw new UsageError('check takes files, or - for the standard input')
  const options = { profile: profile(line.values), ...(line.values['doctor-id'] === undefined ? {} : { doctorIds: line.values['doctor-id'] }) }
  // All are read before anything is said: a misspelt name does nothing.
  const files = line.words.map((file) => ({ file, message: file === '-' ? readFileSync(STANDARD_INPUT) : bytes(file) }))
  const checked = files.map(({ file, message }) => ({ file, findings: checkHl7(message, options) }))
  process.stdout.write(line.values.json === true ? `${JSON.stringify(checked)}\n` : checked.map(words).join(''))
  const hasError = checked.some(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  return Promise.resolve(hasError ? EXIT.failed : EXIT.ok)
}

function profile(values: Values): 'hl7' | 'malaffi' {
  const name = values.profile ?? 'hl7'
  if (name !== 'hl7' && name !== 'malaffi') throw new UsageError('--profile is hl7 or malaffi')
  return name
}

function words({ file, findings }: { file: string; findings: Finding[] }): string {
  if (findings.length === 0) return `${file}: nothing found\n`
  return findings.map(({ severity, code, message }) => `${file}: ${severity} ${code} ${message}\n`).join('')
}
