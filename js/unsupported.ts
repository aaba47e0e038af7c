/**
 * What an edge runtime or a browser bundle gets instead of the outbox (package.json, `exports`). The outbox needs files,
 * threads and a native addon, none of which exist there. Importing is silent; the first call says what to change.
 */
import { Hl7OutboxError } from './error.js'

export { Hl7OutboxError }

function unsupported(name: string): Hl7OutboxError {
  return new Hl7OutboxError(
    'ERR_UNSUPPORTED_RUNTIME',
    `${name}() of hl7-outbox was called in an edge runtime or a browser; it works only in a Node.js process.`,
    { hint: "In a Next.js route, remove `export const runtime = 'edge'` or write `export const runtime = 'nodejs'`; never import hl7-outbox from a client component or from middleware." },
  )
}

function rejecting(name: string): (...args: unknown[]) => Promise<never> {
  return () => Promise.reject(unsupported(name))
}

export const startOutbox = rejecting('startOutbox')
export const stopOutbox = rejecting('stopOutbox')
export const enqueueHl7 = rejecting('enqueueHl7')
export const enqueueHl7Batch = rejecting('enqueueHl7Batch')
export const getMessage = rejecting('getMessage')
export const getMessageContent = rejecting('getMessageContent')
export const getAttempts = rejecting('getAttempts')
export const getAnswer = rejecting('getAnswer')
export const listMessages = rejecting('listMessages')
export const countMessages = rejecting('countMessages')
export const getStats = rejecting('getStats')
export const getHealth = rejecting('getHealth')
export const getMetrics = rejecting('getMetrics')
export const backupOutbox = rejecting('backupOutbox')
export const retryMessages = rejecting('retryMessages')
export const cancelMessages = rejecting('cancelMessages')
export const holdMessages = rejecting('holdMessages')
export const releaseMessages = rejecting('releaseMessages')
export const resendMessages = rejecting('resendMessages')
export const replaceMessage = rejecting('replaceMessage')
export const purgeMessages = rejecting('purgeMessages')
export const listRefusals = rejecting('listRefusals')
export const updateRefusal = rejecting('updateRefusal')
export const configureDestination = rejecting('configureDestination')
export const resetDestination = rejecting('resetDestination')
export const pauseDestination = rejecting('pauseDestination')
export const resumeDestination = rejecting('resumeDestination')

export function checkHl7(): never {
  throw unsupported('checkHl7')
}

export function stopOnSignals(): never {
  throw unsupported('stopOnSignals')
}

export function onStatusChange(): never {
  throw unsupported('onStatusChange')
}

export function statusChanges(): never {
  throw unsupported('statusChanges')
}

// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- it has to look like the real class to whoever imports it
export class Outbox {
  constructor() {
    throw unsupported('new Outbox')
  }

  static readonly open = rejecting('Outbox.open')
}
