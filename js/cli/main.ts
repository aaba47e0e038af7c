#!/usr/bin/env node
/** The command `hl7-outbox`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { Command } from 'commander'

import { endWithReader, quietly } from './output.js'
import { COMMANDS, load } from './registry.js'
import { say } from './usage.js'

/** The command line with the one command that is called; of the others only their names are there, for help and for near misses. */
async function program(called: string | undefined): Promise<Command> {
  const main = new Command('hl7-outbox')
    .description('See and steer an outbox for HL7 messages. Works while the application runs.')
    .version(version(), '-V, --version', 'the version of the package')
    .helpOption('-h, --help', 'this, or with a command its options')
    .helpCommand('help [command]', 'the help of a command')
    .usage('<command> [options]')
    .addHelpText('after', '\nData goes to the standard output, words to the standard error stream. docs/command-line.md has the exit codes.\n')
  for (const [name, { group, summary }] of Object.entries(COMMANDS)) {
    main.addCommand(name === called ? await load(name) : new Command(name).helpOption('-h, --help', 'this').summary(summary).helpGroup(`${group}:`))
  }
  for (const each of [main, ...main.commands]) quietly(each)
  return main
}

function version(): string {
  return (JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as { version: string }).version
}

async function run(args: string[]): Promise<void> {
  const [first, second] = args
  endWithReader()
  const main = await program(first === 'help' ? second : first)
  if (args.length === 0) main.outputHelp()
  else await main.parseAsync(args, { from: 'user' })
}

/**
 * Ends by itself, with all its words out. Under PM2 it would not: PM2's own code inside the process listens to messages, which keeps
 * the event loop alive until PM2 kills.
 */
function leave(): void {
  if (process.connected) process.stdout.write('', () => process.stderr.write('', () => process.exit()))
}

run(process.argv.slice(2)).then(leave, (error: unknown) => {
  const called = process.argv[2] ?? ''
  process.exitCode = say(error, Object.hasOwn(COMMANDS, called) ? called : undefined)
  leave()
})
