#!/usr/bin/env node
/** The command `hl7-outbox`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { backup } from './commands/backup.js'
import { check } from './commands/check.js'
import { doctor } from './commands/doctor.js'
import { exportMessages } from './commands/export.js'
import { metrics } from './commands/metrics.js'
import { receiver } from './commands/receiver.js'
import { restore } from './commands/restore.js'
import { status } from './commands/status.js'
import { pause, resume, retry } from './commands/steer.js'
import { worker } from './commands/worker.js'
import { read, type CommandLine } from './options.js'
import { HELP, say, UsageError } from './usage.js'

const COMMANDS: Record<string, (line: CommandLine) => Promise<number>> = {
  status,
  metrics,
  doctor,
  retry,
  pause,
  resume,
  backup,
  restore,
  'export': exportMessages,
  worker,
  check,
  receiver,
}

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

/**
 * Ends by itself, with all its words out. Under PM2 it would not: PM2's own code inside the process listens to messages, which keeps
 * the event loop alive until PM2 kills.
 */
function leave(code: number): void {
  process.exitCode = code
  if (process.connected) process.stdout.write('', () => process.stderr.write('', () => process.exit()))
}

run(process.argv.slice(2)).then(leave, (error: unknown) => {
  leave(say(error))
})
