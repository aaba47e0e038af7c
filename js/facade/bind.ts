/**
 * The native module of this environment, loaded on first use and bound once: errors that cross the border become
 * `Hl7OutboxError`, and events find the outbox that they belong to.
 */
import { Hl7OutboxError } from '../error.js'
import type { AlertTeller } from './alerts.js'
import { loadNative } from './load.js'
import type * as Native from './native.js'
import { tellAttempts, type AttemptEnded } from './tracing.js'

export type StatusListener = (change: never) => void
export type LogListener = (line: Record<string, unknown>) => void

const listeners = new Map<number, Set<StatusListener>>()
const logs = new Map<number, LogListener>()
const alerts = new Map<number, AlertTeller>()
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

/** What the native side says when there are lines to be taken. */
const LOG_CALL = '"log"'
/** What it says when there are alerts to be claimed. */
const ALERT_CALL = '"alert"'
/** How attempts begin that ended; changes of status are an array. */
const ATTEMPTS = '{"attempts":'

/** Calls a listener. One's fault is not another's; and it must not unwind into the native call, nor end the process. */
export function unharmed(listener: () => void): void {
  try {
    listener()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error), { code: 'HL7_OUTBOX_LISTENER' })
  }
}

function onEvent(outbox: number, event: string): void {
  if (event === LOG_CALL) {
    takeLog(outbox)
    return
  }
  if (event === ALERT_CALL) {
    alerts.get(outbox)?.ring()
    return
  }
  if (event.startsWith(ATTEMPTS)) {
    tellAttempts((JSON.parse(event) as { attempts: AttemptEnded[] }).attempts)
    return
  }
  const heard = listeners.get(outbox)
  if (heard === undefined) return
  for (const change of JSON.parse(event) as never[]) {
    for (const listener of heard) {
      unharmed(() => {
        listener(change)
      })
    }
  }
}

/** Hands the lines that wait to their listener. What it did not take in time is told as a line of its own. */
function takeLog(outbox: number): void {
  const listener = logs.get(outbox)
  if (listener === undefined) return
  const { lines, dropped } = JSON.parse(native().takeLog(outbox)) as { lines: Record<string, unknown>[]; dropped: number }
  if (dropped > 0) lines.push({ timestamp: new Date().toISOString(), level: 'WARN', message: 'log lines were dropped: onLog did not keep up', dropped })
  for (const line of lines) {
    unharmed(() => {
      listener(line)
    })
  }
}

/** Hears the log from now on, until the outbox is closed. */
export function hearLog(outbox: number, listener: LogListener): void {
  logs.set(outbox, listener)
}

/** Hears alerts from now on, until the outbox is closed. */
export function hearAlerts(outbox: number, teller: AlertTeller): void {
  alerts.set(outbox, teller)
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
  // The last lines tell how the close went.
  takeLog(outbox)
  if (logs.delete(outbox)) native().unhearLog(outbox)
  listeners.delete(outbox)
  alerts.delete(outbox)
}
