/** The options of all commands, read by Node's own parser. */
import { parseArgs } from 'node:util'

import { UsageError } from './usage.js'

const OPTIONS = {
  'path': { type: 'string' },
  'config': { type: 'string' },
  'json': { type: 'boolean' },
  'actor': { type: 'string' },
  'reason': { type: 'string' },
  'destination': { type: 'string' },
  'all-failed': { type: 'boolean' },
  'all-pending': { type: 'boolean' },
  'allow-overtaken': { type: 'boolean' },
  'stop-timeout-ms': { type: 'string' },
  'port': { type: 'string' },
  'read-only': { type: 'boolean' },
  'http': { type: 'string' },
  'mllp': { type: 'string' },
  'bearer': { type: 'string' },
  'behaviour': { type: 'string' },
  'strict': { type: 'boolean' },
  'keep': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'profile': { type: 'string' },
  'doctor-id': { type: 'string', multiple: true },
  'help': { type: 'boolean', short: 'h' },
  'version': { type: 'boolean', short: 'V' },
} as const

export type Values = Partial<Record<TextOption, string> & Record<ListOption, string[]> & Record<FlagOption, boolean>>
type ListOption = 'doctor-id'
type TextOption = { [Name in Exclude<keyof typeof OPTIONS, ListOption>]: (typeof OPTIONS)[Name]['type'] extends 'string' ? Name : never }[Exclude<keyof typeof OPTIONS, ListOption>]
type FlagOption = Exclude<keyof typeof OPTIONS, TextOption | ListOption>

export interface CommandLine {
  readonly command: string | undefined
  readonly words: string[]
  readonly values: Values
}

export function read(args: string[]): CommandLine {
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
    return { command: positionals[0], words: positionals.slice(1), values }
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Refuses options and words that the command does not know, so that a misspelt one never passes for a set one. */
export function only(line: CommandLine, names: (keyof Values)[], words: number): void {
  const known = new Set<string>([...names, 'path', 'config', 'json'])
  for (const name of Object.keys(line.values)) {
    if (!known.has(name)) throw new UsageError(`${line.command ?? ''} has no option --${name}`)
  }
  if (line.words.length > words) throw new UsageError(`${line.command ?? ''} takes ${words === 0 ? 'no words' : `at most ${words}`}`)
}
