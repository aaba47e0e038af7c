#!/usr/bin/env node
/** The command `hl7-outbox`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { admin } from './commands/admin.js'
import { check } from './commands/check.js'
import { receiver } from './commands/receiver.js'
import { status } from './commands/status.js'
import { pause, resume, retry } from './commands/steer.js'
import { worker } from './commands/worker.js'
import { read, type CommandLine } from './options.js'
import { HELP, say, UsageError } from './usage.js'

const COMMANDS: Record<string, (line: CommandLine) => Promise<number>> = { status, retry, pause, resume, worker, admin, check, receiver }

async function run(args: string[]): Promise<number> {
  const line = read(args)
  if (line.values.version === true) {
    const manifest = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string }
    process.stdout.write(`${manifest.version}\n`)
    return 0
  }
  if (line.values.help === true || line.command === undefined || line.command === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  const command = Object.hasOwn(COMMANDS, line.command) ? COMMANDS[line.command] : undefined
  if (command === undefined) throw new UsageError(`there is no command ${line.command}`)
  return command(line)
}

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.exitCode = say(error)
  },
)
