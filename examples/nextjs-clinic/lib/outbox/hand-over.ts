import { enqueueHl7, type Enqueued } from 'hl7-outbox'
import { database } from '../db/database'
import { codeOf, log } from '../log'
import { markEnqueued, markFailed, unmarkedOfPatient, type MessageRow } from './message-row'
import { isFinal } from './refusals'

/**
 * Gives the outbox all the patient's unmarked messages, oldest first, and marks them. Both the route and the sweep come
 * through here, and the route does not enqueue merely the row it wrote: when two processes save for one patient at once, the
 * later commit may reach this point first, and then hands over the earlier row too. Whoever comes second gets `duplicate: true`
 * for the same bytes under the same MSH-10. So the order in the outbox is the order of the commits, whoever is faster.
 *
 * One after another, not all at once: if a message does not get in, its successors must not overtake it.
 * Resolves with what was enqueued, by control id; stops, without rejecting, at the first message the outbox cannot take now.
 */
export async function handOverPatient(patientKey: string): Promise<HandOver> {
  const db = await database()
  const enqueued = new Map<string, Enqueued>()
  const marks: { rowId: string; outboxId: string }[] = []
  let complete = true
  for (const row of await unmarkedOfPatient(db, patientKey)) {
    try {
      const result = await enqueueHl7(row.content, { tags: { schoolId: row.schoolId, visitId: row.visitId } })
      enqueued.set(row.controlId, result)
      marks.push({ rowId: row.id, outboxId: result.id })
    } catch (error) {
      complete = await noteFailure(row, error)
      if (!complete) break
    }
  }
  // A mark that is lost costs one more enqueue, which comes back as a duplicate.
  await markEnqueued(db, marks).catch((error) => log('messages not marked, the sweep will', { count: marks.length, code: codeOf(error) }))
  return { enqueued, complete }
}

export interface HandOver {
  enqueued: Map<string, Enqueued>
  /** false: some are left for the sweep. */
  complete: boolean
}

/** True when the patient's later messages may go on: this one is refused for good, and waiting for it would stop them for ever. */
async function noteFailure(row: MessageRow, error: unknown): Promise<boolean> {
  const code = codeOf(error)
  const final = isFinal(code)
  log(final ? 'message refused by the outbox' : 'message not enqueued, the sweep will', { rowId: row.id, visitId: row.visitId, code })
  try {
    await markFailed(await database(), row.id, code, final)
  } catch (failure) {
    log('failure not recorded', { rowId: row.id, code: codeOf(failure) })
    return false
  }
  return final
}
