/**
 * The outbox of this process: module-level functions over one {@link Outbox}, as a route handler uses them.
 *
 * It is kept on `globalThis`: a module that is loaded twice (hot reload, a bundle beside `node_modules`) finds the outbox
 * that is already open instead of opening a second one.
 */
import type { EnqueueOptions, OutboxConfig, StatusChange } from '../../index.js'
import { Hl7OutboxError } from '../error.js'
import * as check from './arguments.js'
import { Outbox, type Hearers } from './outbox.js'

interface ProcessState {
  outbox: Outbox | undefined
  configJson: string | undefined
  hearers?: Hearers
  stopping: Promise<{ drained: boolean }> | undefined
  stopped: boolean
  /** Listeners outlive a stop and a start. */
  listeners: Map<symbol, { listener: (change: StatusChange) => void; unsubscribe: (() => void) | undefined }>
}

const KEY = Symbol.for('hl7-outbox.process')
const held = globalThis as { [KEY]?: ProcessState | undefined }
const state: ProcessState = (held[KEY] ??= { outbox: undefined, configJson: undefined, stopping: undefined, stopped: false, listeners: new Map() })

function open(configJson: string | undefined, hearers: Hearers = {}): Outbox {
  const outbox = new Outbox(configJson, hearers)
  state.outbox = outbox
  state.configJson = configJson
  state.hearers = hearers
  state.stopped = false
  for (const entry of state.listeners.values()) entry.unsubscribe = outbox.onStatusChange(entry.listener)
  outbox.opened().catch(() => {
    // So that the next call tries again, with what has been mended meanwhile.
    if (state.outbox === outbox) state.outbox = undefined
  })
  return outbox
}

/** The open outbox, started from the environment by the first call. After a start that failed, that start again: never another file. */
function current(): Outbox {
  if (state.outbox !== undefined) return state.outbox
  if (state.stopped) throw new Hl7OutboxError('ERR_STOPPED', 'the outbox was stopped', { hint: 'Call startOutbox() to open it again.' })
  return open(state.configJson, state.hearers)
}

/** Calls a method; a failure to start becomes the rejection, and the call stays in its turn while the file is being opened. */
function call<T>(use: (outbox: Outbox) => Promise<T>): Promise<T> {
  try {
    return use(current())
  } catch (error) {
    return Promise.reject(check.coded(error))
  }
}

export async function startOutbox(config?: OutboxConfig): Promise<void> {
  const configJson = Outbox.configJson(config)
  const hearers = Outbox.hearers(config)
  if (state.stopping !== undefined) await state.stopping.catch(() => undefined)
  const present = state.outbox
  if (present === undefined) return open(configJson, hearers).opened()
  if (configJson === undefined || configJson === state.configJson) return present.opened()
  // What a call has begun to open again after a start that failed gives way if it fails again.
  const isOpen = await present.opened().then(
    () => true,
    () => false,
  )
  if (!isOpen) return startOutbox(config)
  throw new Hl7OutboxError('ERR_ALREADY_STARTED', 'the outbox of this process was started before with another configuration', {
    hint: 'Start it once, or call stopOutbox() first. For a second file use the Outbox class.',
  })
}

/** Delivery ends first; messages are taken until it has, then `ERR_STOPPED`. */
export function stopOutbox(options?: { timeoutMs?: number }): Promise<{ drained: boolean }> {
  const outbox = state.outbox
  try {
    // Before anything changes: a stop that is refused leaves the outbox as it was.
    Outbox.patience(options ?? {})
  } catch (error) {
    return Promise.reject(check.coded(error))
  }
  state.stopped = true
  if (state.stopping !== undefined) return state.stopping
  if (outbox === undefined) return Promise.resolve({ drained: true })
  const closing = outbox.close(options)
  const ended = (): void => {
    if (state.outbox === outbox) state.outbox = undefined
    state.stopping = undefined
  }
  state.stopping = closing
  closing.then(ended, ended)
  return closing
}

export function onStatusChange(listener: (change: StatusChange) => void): () => void {
  check.func(listener, 'listener')
  const key = Symbol('listener')
  state.listeners.set(key, { listener, unsubscribe: state.outbox?.onStatusChange(listener) })
  return () => {
    state.listeners.get(key)?.unsubscribe?.()
    state.listeners.delete(key)
  }
}

export async function* statusChanges(options?: Parameters<Outbox['statusChanges']>[0]): AsyncGenerator<StatusChange, void, void> {
  yield* current().statusChanges(options)
}

export const enqueueHl7 = (message: string | Uint8Array, options?: EnqueueOptions): ReturnType<Outbox['enqueueHl7']> =>
  call((outbox) => outbox.enqueueHl7(message, options))

/** A module-level function that starts the outbox if need be and calls its method of the same name. */
function method<Name extends keyof Outbox>(name: Name): Outbox[Name] {
  const bound = (...args: unknown[]): Promise<unknown> =>
    call((outbox) => (outbox[name] as (...args: unknown[]) => Promise<unknown>).apply(outbox, args))
  return bound as Outbox[Name]
}

export const enqueueHl7Batch = method('enqueueHl7Batch')
export const getMessage = method('getMessage')
export const getMessageContent = method('getMessageContent')
export const getAttempts = method('getAttempts')
export const getAnswer = method('getAnswer')
export const listMessages = method('listMessages')
export const countMessages = method('countMessages')
export const getStats = method('getStats')
export const getHealth = method('getHealth')
export const getMetrics = method('getMetrics')
export const backupOutbox = method('backupOutbox')
export const retryMessages = method('retryMessages')
export const cancelMessages = method('cancelMessages')
export const holdMessages = method('holdMessages')
export const releaseMessages = method('releaseMessages')
export const resendMessages = method('resendMessages')
export const replaceMessage = method('replaceMessage')
export const purgeMessages = method('purgeMessages')
export const listRefusals = method('listRefusals')
export const updateRefusal = method('updateRefusal')
export const configureDestination = method('configureDestination')
export const resetDestination = method('resetDestination')
export const pauseDestination = method('pauseDestination')
export const resumeDestination = method('resumeDestination')
