/**
 * The native module of this environment, loaded on first use and bound once: errors that cross the border become
 * `Hl7OutboxError`, and events find the outbox that they belong to.
 */
import { Hl7OutboxError } from '../error.js'
import { loadNative } from './load.js'
import type * as Native from './native.js'

export type StatusListener = (change: never) => void

const listeners = new Map<number, Set<StatusListener>>()
let bound: typeof Native | undefined

export function native(): typeof Native {
  if (bound === undefined) {
    const loaded = loadNative() as typeof Native
    loaded.bind(errorOf, onEvent)
    bound = loaded
  }
  return bound
}

function errorOf(code: string, message: string, hint: string | undefined, details: string | undefined): Error {
  const error = new Hl7OutboxError(code, message, { hint: hint ?? null })
  if (details !== undefined) Object.assign(error, JSON.parse(details))
  return error
}

function onEvent(outbox: number, changes: string): void {
  const heard = listeners.get(outbox)
  if (heard === undefined) return
  for (const change of JSON.parse(changes) as never[]) {
    for (const listener of heard) {
      try {
        listener(change)
      } catch (error) {
        // One listener's fault is not another's; and it must not unwind into the native call.
        process.emitWarning(error instanceof Error ? error : String(error), { code: 'HL7_OUTBOX_LISTENER' })
      }
    }
  }
}

/** Adds a listener of one outbox; answers whether it is the first. */
export function listen(outbox: number, listener: StatusListener): boolean {
  const heard = listeners.get(outbox) ?? new Set()
  listeners.set(outbox, heard.add(listener))
  return heard.size === 1
}

/** Removes a listener; answers whether it was the last. */
export function unlisten(outbox: number, listener: StatusListener): boolean {
  const heard = listeners.get(outbox)
  if (heard === undefined || !heard.delete(listener) || heard.size > 0) return false
  listeners.delete(outbox)
  return true
}

/** Forgets all listeners of an outbox that is closed. */
export function forget(outbox: number): void {
  listeners.delete(outbox)
}
