/**
 * Checks of what callers hand over, before it crosses the border: a wrong type is named here, in JavaScript's words, and
 * cannot become something else on the way (a number that turns into text, a date that turns into nothing).
 */
import { types } from 'node:util'

import { Hl7OutboxError } from '../error.js'
import type { FlatCheck, FlatOptions } from './native.js'

/** W3C Trace Context. */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/
const HINT = 'Correct the named argument. Nothing was stored.'

export function wrong(what: string): Hl7OutboxError {
  return new Hl7OutboxError('ERR_OPTION', what, { hint: HINT })
}

/** An error of ours as it is; what a caller's own getter, proxy or `toJSON` threw, as an error of ours. */
export function coded(error: unknown): Hl7OutboxError {
  if (error instanceof Hl7OutboxError) return error
  // What the native side throws when it panicked before there was a promise to reject. Its words stay with us.
  if (error instanceof Error && 'code' in error && error.code === 'GenericFailure') {
    return new Hl7OutboxError('ERR_PANIC', 'A defect inside hl7-outbox. The process lives; stored messages are safe.', { hint: 'Report it with the version and the code; restart the application.' })
  }
  return new Hl7OutboxError('ERR_OPTION', 'an argument could not be read: it threw an error of its own', { hint: HINT, cause: error })
}

/** A string of whole characters, or bytes. */
export function message(value: unknown): string | Uint8Array {
  if (typeof value === 'string') {
    // Half a surrogate pair has no UTF-8; replacing it in silence would change the message.
    if (!value.isWellFormed()) throw wrong('the message is a string with half a surrogate pair; pass bytes, or mend the text')
    return value
  }
  if (types.isUint8Array(value)) return value
  throw wrong(`the message must be a string or a Uint8Array, not ${kind(value)}`)
}

export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw wrong(`\`${name}\` must be a string, not ${kind(value)}`)
  return value
}

export function count(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw wrong(`\`${name}\` must be a whole number from 0 to 4294967295`)
  }
  return value
}

/** A duration: whole milliseconds, at least one. */
function milliseconds(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw wrong(`\`${name}\` must be a whole number of milliseconds, at least 1`)
  }
  return value
}

export function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`\`${name}\` must be an object, not ${kind(value)}`)
  return value as Record<string, unknown>
}

/** An object that is nothing more: the keys of a Map or of bytes say nothing about what was meant. */
export function plain(value: unknown, name: string): Record<string, unknown> {
  const given = object(value, name)
  const prototype: unknown = Object.getPrototypeOf(given)
  // Of another realm (a test runner's), a plain object's prototype is that realm's; it has no prototype of its own.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw wrong(`\`${name}\` must be a plain object`)
  return given
}

/** An array's elements; a hole is an undefined element. */
export function list(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(`\`${name}\` must be an array, not ${kind(value)}`)
  return value
}

export function func(value: unknown, name: string): void {
  if (typeof value !== 'function') throw wrong(`\`${name}\` must be a function, not ${kind(value)}`)
}

function kind(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : typeof value
}

/** A Date or an ISO string with an offset, as an ISO string. */
export function time(value: unknown, name: string): string {
  if (types.isDate(value)) {
    if (Number.isNaN(value.getTime())) throw wrong(`\`${name}\` is not a valid date`)
    return value.toISOString()
  }
  return text(value, name)
}

/** Options in the flat shape that crosses the border cheaply. Unknown ones are refused: a misspelt `orderingKey` must not pass. */
export function options(value: unknown): FlatOptions | undefined {
  if (value === undefined) return undefined
  const flat: FlatOptions = {}
  for (const [name, given] of Object.entries(object(value, 'options'))) {
    if (given !== undefined) option(flat, name, given)
  }
  return flat
}

function option(flat: FlatOptions, name: string, given: unknown): void {
  switch (name) {
    case 'destination':
      flat.destination = text(given, name)
      break
    case 'destinations':
      flat.destinations = list(given, name).map((one) => text(one, name))
      break
    case 'orderingKey':
      if (given === null) flat.unordered = true
      else flat.orderingKey = text(given, name)
      break
    case 'tags':
      flat.tags = tags(given)
      break
    case 'notBefore':
      flat.notBefore = time(given, name)
      break
    case 'maxAttempts':
      flat.maxAttempts = count(given, name)
      break
    case 'priority':
      if (given !== 'routine' && given !== 'urgent') throw wrong('`priority` must be "routine" or "urgent"')
      flat.urgent = given === 'urgent'
      break
    case 'hold':
      if (typeof given !== 'boolean') throw wrong(`\`hold\` must be true or false, not ${kind(given)}`)
      flat.hold = given
      break
    case 'expiresInMs':
      if (given === null) flat.neverExpires = true
      else flat.expiresInMs = milliseconds(given, name)
      break
    case 'check':
      flat.check = typeof given === 'string' ? { profile: profile(given, name) } : checks(given, name, 'check').flat
      break
    default:
      throw wrong(`\`${name}\` is not an option of enqueueHl7`)
  }
}

/** How a message is checked, and the size limit if one is given. */
export function checks(value: unknown, name: string, of: 'check' | 'checkHl7'): { flat: FlatCheck; messageBytes: number | undefined } {
  const flat: FlatCheck = {}
  let messageBytes: number | undefined
  for (const [key, given] of Object.entries(object(value, name))) {
    if (given === undefined) continue
    if (key === 'profile') flat.profile = profile(given, key)
    else if (key === 'doctorIds') flat.doctorIds = list(given, key).map((one) => text(one, key))
    else if (key === 'messageBytes' && of === 'checkHl7') messageBytes = count(given, key)
    else throw wrong(`\`${key}\` is not an option of ${of}`)
  }
  return { flat, messageBytes }
}

function profile(value: unknown, name: string): 'hl7' | 'malaffi' {
  if (value !== 'hl7' && value !== 'malaffi') throw wrong(`\`${name}\` must be 'hl7' or 'malaffi'`)
  return value
}

function tags(value: unknown): string[] {
  const flat: string[] = []
  for (const [key, tag] of Object.entries(object(value, 'tags'))) {
    // A foreign header as it came: what is none is left out, and refuses no message.
    if (key === 'traceparent' && !(typeof tag === 'string' && TRACEPARENT.test(tag))) continue
    if (tag !== undefined) flat.push(key, text(tag, `tags.${key.length > 32 ? '…' : key}`))
  }
  return flat
}

/** A filter as JSON; dates become ISO strings, and the native side refuses unknown keys by name. */
export function filter(value: unknown): string {
  if (value === undefined) return '{}'
  const given = { ...object(value, 'filter') }
  for (const [name, part] of Object.entries(given)) {
    if (part === null) throw wrong(`\`${name}\` is null; leave it out instead`)
  }
  for (const name of ['from', 'to']) {
    if (given[name] !== undefined) given[name] = time(given[name], name)
  }
  return json(given, 'filter')
}

/** A group of refusals and what changes of it, as JSON. Of what listRefusals gave only what names it is looked at. */
export function refusal(value: unknown, change: unknown): string {
  const named = typeof value === 'string' ? { id: value } : object(value, 'refusal')
  const { id, tags, version }: Record<string, unknown> = named
  const given = plain(change, 'change')
  for (const name of ['owner', 'note']) {
    if (given[name] !== undefined && given[name] !== null) text(given[name], `change.${name}`)
  }
  if (given.rectified !== undefined && typeof given.rectified !== 'boolean') throw wrong(`\`change.rectified\` must be true or false, not ${kind(given.rectified)}`)
  return json(
    {
      id: text(id, 'id'),
      ...(tags === undefined ? {} : { tags: plain(tags, 'tags') }),
      ...(version === undefined ? {} : { version: text(version, 'version') }),
      change: given,
    },
    'change',
  )
}

/** The options of backupOutbox. */
export function replaces(value: unknown): boolean {
  const given = object(value, 'options')
  for (const name of Object.keys(given)) {
    if (name !== 'replace') throw wrong(`\`${name}\` is not an option of backupOutbox`)
  }
  if (given.replace !== undefined && typeof given.replace !== 'boolean') throw wrong(`\`replace\` must be true or false, not ${kind(given.replace)}`)
  return given.replace ?? false
}

/** `{ actor, reason }` as JSON. */
export function by(value: unknown, more: readonly string[] = []): string {
  const given = object(value, 'by')
  for (const name of Object.keys(given)) {
    if (name !== 'actor' && name !== 'reason' && !more.includes(name)) throw wrong(`\`by: ${name}\` has no meaning here`)
  }
  text(given.actor, 'actor')
  return json(given, 'by')
}

export function abortSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value
  throw wrong('`signal` must be an AbortSignal')
}

/** The options of a command on messages. */
export function commandOptions(value: unknown): { signal: AbortSignal | undefined; onProgress: ((changed: number) => void) | undefined } {
  const { signal, onProgress, ...rest } = object(value, 'options')
  for (const name of Object.keys(rest)) throw wrong(`\`${name}\` is not an option of a command`)
  if (onProgress !== undefined) func(onProgress, 'onProgress')
  return { signal: abortSignal(signal), onProgress: onProgress as ((changed: number) => void) | undefined }
}

/** JSON of plain data. What JSON would drop in silence is refused by name. */
export function json(value: unknown, name: string, code = 'ERR_OPTION'): string {
  const refuse = (what: string): Hl7OutboxError => new Hl7OutboxError(code, what, { hint: HINT })
  try {
    return JSON.stringify(value, (key, inner: unknown) => {
      if (typeof inner === 'function' || typeof inner === 'symbol' || typeof inner === 'bigint') {
        throw refuse(`\`${name}${key === '' ? '' : `: ${key}`}\` holds a ${typeof inner}, which cannot be used here`)
      }
      if (typeof inner === 'number' && !Number.isFinite(inner)) throw refuse(`\`${name}: ${key}\` is not a finite number`)
      return inner
    })
  } catch (error) {
    if (error instanceof Hl7OutboxError) throw error
    throw refuse(`\`${name}\` cannot be read: it refers to itself, or threw an error of its own`)
  }
}
