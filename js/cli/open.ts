/** Opening the outbox as the command line does: to look and to command, never to dispatch. */
import { existsSync, readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'

import { Outbox } from '../facade/index.js'
import type { Values } from './options.js'
import { UsageError } from './usage.js'

export type Config = Parameters<typeof Outbox.open>[0]

/** The configuration as a whole; only the path given on the command line wins over it. */
export function configuration(values: Values): NonNullable<Config> {
  const file = values.config ?? process.env.HL7_OUTBOX_CONFIG ?? (existsSync(DEFAULT) ? DEFAULT : undefined)
  const config = file === undefined ? {} : parsed(file)
  return values.path === undefined ? config : { ...config, path: values.path }
}

const DEFAULT = 'hl7-outbox.config.json'

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

export function bytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`)
  }
}

/** Where the outbox is, by the configuration or the environment. */
export function place(config: NonNullable<Config>): string {
  const path = config.path ?? process.env.HL7_OUTBOX_PATH
  if (path === undefined || path === '') throw new UsageError('no outbox named: pass --path, or set HL7_OUTBOX_PATH')
  return path
}

/** The same, of one that exists. */
export function existing(config: NonNullable<Config>): string {
  const path = place(config)
  if (!existsSync(path)) throw new UsageError(`there is no outbox at ${path}`)
  return path
}

/** Opens an outbox that exists: looking at a misspelt path must not create a file. */
export async function withOutbox<T>(values: Values, use: (outbox: Outbox) => Promise<T>): Promise<T> {
  const config = configuration(values)
  const path = existing(config)
  const outbox = await Outbox.open({ ...config, path, dispatch: false })
  try {
    return await use(outbox)
  } finally {
    await outbox.close({ timeoutMs: 0 })
  }
}

/** Who commands: as said, or the system's user. */
export function by(values: Values): { actor: string; reason?: string } {
  const actor = values.actor ?? `${userInfo().username}@${hostname()}`
  return values.reason === undefined ? { actor } : { actor, reason: values.reason }
}
