/** Opening the outbox as the command line does: to look and to command, never to dispatch. */
import { existsSync, readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'

import { Outbox } from '../facade/index.js'
import type { Where, Who } from './command.js'
import { UsageError } from './usage.js'

export type Config = Parameters<typeof Outbox.open>[0]

/** The configuration as a whole; only the path given on the command line wins over it. */
export function configuration(options: Where): NonNullable<Config> {
  const file = options.config ?? process.env.HL7_OUTBOX_CONFIG ?? (existsSync(DEFAULT) ? DEFAULT : undefined)
  const config = file === undefined ? {} : parsed(file)
  return options.path === undefined ? config : { ...config, path: options.path }
}

const DEFAULT = 'hl7-outbox.config.json'
const STANDARD_INPUT = 0

function parsed(file: string): NonNullable<Config> {
  let value: unknown
  try {
    value = JSON.parse(read(file))
  } catch (error) {
    if (error instanceof UsageError) throw error
    // Without the parser's own words: they quote the file, and it may hold a secret.
    throw new UsageError(`${file} is not JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UsageError(`${file} does not hold an object`)
  return value
}

export function read(file: string): string {
  return bytes(file).toString('utf8')
}

/** A file, or with `-` the standard input, as a whole. */
export function bytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? STANDARD_INPUT : file)
  } catch (error) {
    throw unreadable(file, error)
  }
}

export function unreadable(file: string, error: unknown): UsageError {
  return new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
}

/** Where the outbox is, by the configuration or the environment. */
export function place(config: NonNullable<Config>): string {
  const path = config.path ?? process.env.HL7_OUTBOX_PATH
  if (path === undefined || path === '') throw new UsageError('no outbox named', 'pass --path or --config, or set HL7_OUTBOX_PATH; hl7-outbox init writes a configuration')
  return path
}

/** The same, of one that exists. */
export function existing(config: NonNullable<Config>): string {
  const path = place(config)
  if (!existsSync(path)) throw new UsageError(`there is no outbox at ${path}`, 'the application or hl7-outbox worker creates it when it starts')
  return path
}

/** Opens an outbox that exists: looking at a misspelt path must not create a file. */
export async function withOutbox<T>(options: Where, use: (outbox: Outbox) => Promise<T>): Promise<T> {
  const config = configuration(options)
  const path = existing(config)
  const outbox = await Outbox.open({ ...config, path, dispatch: false })
  try {
    return await use(outbox)
  } finally {
    await outbox.close({ timeoutMs: 0 })
  }
}

/** Who commands: as said, or the system's user. */
export function by(options: Who): { actor: string; reason?: string } {
  const actor = options.actor ?? `${userInfo().username}@${hostname()}`
  return options.reason === undefined ? { actor } : { actor, reason: options.reason }
}
