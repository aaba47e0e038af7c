import { startOutbox } from 'hl7-outbox'
import { log, codeOf } from './lib/log'
import { startSweeping } from './lib/outbox/sweep-timer'

/**
 * Runs once per server process, before its first request. Starting the outbox here and not with the first enqueue lets
 * yesterday's messages leave before today's first visit. A failure must not stop the clinic from saving visits: their
 * HL7Message rows wait in the database, and the sweep hands them over when the outbox is well again.
 */
export async function startClinic(): Promise<void> {
  try {
    await startOutbox() // HL7_OUTBOX_PATH, MALAFFI_API_URL, MALAFFI_API_KEY
    log('outbox started')
  } catch (error) {
    log('outbox not started', { code: codeOf(error) })
  }
  startSweeping()
}
