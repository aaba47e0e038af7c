/** How the command line ends, and how it says that it cannot do what was asked. */
import { CommanderError } from 'commander'

import { Hl7OutboxError } from '../facade/index.js'
import { paint } from './output.js'

/** Exit codes that scripts can use. */
export const EXIT = { ok: 0, failed: 1, usage: 2, degraded: 3, down: 4, interrupted: 130 } as const

/** The command was misspelt; nothing was done. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message)
  }
}

/** An error for a person: what, then the hint. */
export function say(error: unknown, command?: string): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : misspelt(error, command)
  if (error instanceof UsageError) return tell(error.message, error.hint ?? help(command), EXIT.usage)
  if (error instanceof Hl7OutboxError) return tell(`${error.message} (${error.code})`, error.hint, EXIT.failed)
  return tell(error instanceof Error ? error.message : String(error), null, EXIT.failed)
}

function misspelt(error: CommanderError, command: string | undefined): number {
  // The parser puts what it thinks was meant on a second line, in brackets.
  const [what = '', guess] = error.message.replace(/^error: /, '').split('\n')
  return tell(what, guess === undefined ? help(command) : guess.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean $1?'), EXIT.usage)
}

function help(command: string | undefined): string {
  return command === undefined ? 'hl7-outbox --help' : `hl7-outbox ${command} --help`
}

function tell(what: string, hint: string | null, code: number): number {
  process.stderr.write(`${paint('red', 'error', process.stderr)}: ${what}\n`)
  if (hint !== null) process.stderr.write(`${paint('blue', 'hint', process.stderr)}: ${hint}\n`)
  return code
}
