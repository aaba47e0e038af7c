/**
 * How a command is written: `command('name')` with commander's own words for its arguments and options, `examples`, and an
 * action inside `ends`, which turns the number that it resolves with into the exit code. `registry.ts` has a line for each.
 */
import type { Argument as TypedArgument, Command as TypedCommand, Option as TypedOption } from '@commander-js/extra-typings'
import { Argument as PlainArgument, Command as PlainCommand, Option as PlainOption, type Command as AnyCommand } from 'commander'

// The types know each option by the text that declares it; at run time they are commander's own classes.
/* eslint-disable @typescript-eslint/no-unnecessary-type-assertion -- they are two declarations of one class, and only the cast gives the second */
const TypedCommandClass = PlainCommand as unknown as typeof TypedCommand
export const Argument = PlainArgument as unknown as typeof TypedArgument
export const Option = PlainOption as unknown as typeof TypedOption
/* eslint-enable @typescript-eslint/no-unnecessary-type-assertion */

// Types, not interfaces: only they are option values to the parser's types.
/* eslint-disable @typescript-eslint/consistent-type-definitions */
export type Where = {
  path?: string | undefined
  config?: string | undefined
}
export type Json = {
  json?: true | undefined
}
export type Who = {
  actor?: string | undefined
  reason?: string | undefined
}
/* eslint-enable @typescript-eslint/consistent-type-definitions */

/** A command that needs no outbox. */
export function plain(name: string): TypedCommand<[], Json> {
  return new TypedCommandClass(name).helpOption('-h, --help', 'this').option('--json', 'data as JSON on the standard output')
}

/** A command that opens the outbox: `--path`, `--config` and `--json` are there already. */
export function command(name: string): TypedCommand<[], Json & Where> {
  return plain(name)
    .option('--path <file>', 'the outbox file (else of the configuration, else HL7_OUTBOX_PATH)')
    .option('--config <file>', 'the configuration (else HL7_OUTBOX_CONFIG, else ./hl7-outbox.config.json)')
}

/** A command whose use is recorded: `--actor` and `--reason` besides. */
export function recorded(name: string): TypedCommand<[], Json & Where & Who> {
  return command(name)
    .option('--actor <name>', 'who commands; default: the system’s user and host')
    .option('--reason <text>', 'why')
}

const shown = new WeakMap<object, string[]>()

/** Examples for the end of a command's help, without the `hl7-outbox` in front. */
export function examples<C extends object>(of: C, ...lines: string[]): C {
  shown.set(of, lines)
  ;(of as unknown as AnyCommand).addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ hl7-outbox ${line}\n`).join('')}`)
  return of
}

export function examplesOf(of: object): string[] {
  return shown.get(of) ?? []
}

/** An action that resolves with its exit code. */
export function ends<Args extends unknown[]>(run: (...args: Args) => Promise<number>): (...args: Args) => Promise<void> {
  return async (...args) => {
    process.exitCode = await run(...args)
  }
}
