/** The sole importer of the native module, and the only part that the command line, the admin page, the Next.js helper and the door use. */
export { Hl7OutboxError } from '../error.js'
export type { Attempt, Backup, By, Changed, CommandOptions, Counted, Enqueued, EnqueueOptions, Finding, Health, Message, MessageFilter, OutboxConfig, Page, Refusal, RefusalChange, RefusalFilter, Refusals, Stats, Status, StatusChange } from '../../index.js'
export { checkHl7 } from './check.js'
export { checkRules, errorCodes, outcomeRows } from './codes.js'
export type { CheckRule, ErrorCode, OutcomeRow } from './codes.js'
export { Outbox } from './outbox.js'
export {
  backupOutbox,
  cancelMessages,
  configureDestination,
  countMessages,
  enqueueHl7,
  enqueueHl7Batch,
  getAnswer,
  getAttempts,
  getHealth,
  getMessage,
  getMessageContent,
  getMetrics,
  getStats,
  holdMessages,
  listMessages,
  listRefusals,
  onStatusChange,
  pauseDestination,
  purgeMessages,
  releaseMessages,
  replaceMessage,
  resendMessages,
  resetDestination,
  resumeDestination,
  retryMessages,
  startOutbox,
  statusChanges,
  stopOutbox,
  updateRefusal,
} from './process.js'
export { startReceiver } from './receiver.js'
export type { RunningReceiver } from './receiver.js'
export { onEnd, stopOnSignals } from './signals.js'
export { backupFile, inspectFile, probeDestinations, restoreFile, testAlerts } from './tools.js'
export { flushSpans } from './tracing.js'
export type { FileFacts, Inspection, LaidOut, Probed, ProbedDestination, Restored, TestedWebhook } from './tools.js'
