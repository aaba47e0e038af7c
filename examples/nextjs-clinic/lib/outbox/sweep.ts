import { database } from '../db/database'
import { codeOf, log } from '../log'
import { handOverPatient } from './hand-over'
import { patientsWaiting } from './message-row'

/** So many patients in a row without success mean that the outbox is not well: trying the rest would only fill the log. */
const FAILURES_MAX = 5

export interface Swept {
  enqueued: number
  /** Patients with messages still unmarked. */
  left: number
}

/**
 * Hands over what a crash, or an outbox that was down, left between the visit's commit and the enqueue. Safe at any time and in
 * any number of processes: what the outbox already has comes back as a duplicate. A message may turn up here while its own
 * request is enqueueing it, which is just that case.
 */
export async function sweepOnce(): Promise<Swept> {
  const swept: Swept = { enqueued: 0, left: 0 }
  const patients = await patientsWaiting(await database())
  let failures = 0
  for (const patient of patients) {
    if (failures === FAILURES_MAX) {
      swept.left++
      continue
    }
    const { enqueued, complete } = await handOverPatient(patient)
    swept.enqueued += enqueued.size
    if (!complete) swept.left++
    failures = complete ? 0 : failures + 1
  }
  if (swept.enqueued > 0) log('swept', { count: swept.enqueued })
  return swept
}

/** For the timer: a pass that fails is logged, and the next one tries again. */
export async function sweepQuietly(): Promise<void> {
  try {
    await sweepOnce()
  } catch (error) {
    log('sweep failed', { code: codeOf(error) })
  }
}
