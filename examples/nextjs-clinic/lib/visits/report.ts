import type { Enqueued } from 'hl7-outbox'
import { database } from '../db/database'
import { codeOf, log } from '../log'
import { handOverPatient } from '../outbox/hand-over'
import { messagesOfVisit, type MessageSummary } from '../outbox/message-row'
import { crashAfterCommitIfAsked } from '../test-hooks'
import type { SavedVisit } from './save'

export interface SavedAnswer {
  visitId: string
  /** 'queued-later': the visit is saved, the outbox was not to be had, and the sweep will enqueue within a minute. */
  hl7: 'queued' | 'queued-later' | 'refused'
  messages: { messageType: string; controlId: string; id: string | null; status: string }[]
}

/** Hands a saved visit's messages to the outbox. Never throws: whatever happens here, the visit is saved and will be reported. */
export async function reportVisit(saved: SavedVisit): Promise<SavedAnswer> {
  crashAfterCommitIfAsked()
  const { visitId, patientKey } = saved
  let enqueued: ReadonlyMap<string, Enqueued> = new Map()
  let rows: MessageSummary[] = []
  try {
    enqueued = (await handOverPatient(patientKey)).enqueued
    // Missing ones are refused, left for the sweep, or were handed over by another process that came first: the row knows.
    if (!saved.messages.every(({ controlId }) => enqueued.has(controlId))) rows = await messagesOfVisit(await database(), visitId)
  } catch (error) {
    log('hand-over failed, the sweep will repeat it', { visitId, code: codeOf(error) })
  }

  const messages = saved.messages.map(({ messageType, controlId }) => {
    const known = enqueued.get(controlId)
    const row = rows.find((each) => each.controlId === controlId)
    const id = known?.id ?? row?.outboxId ?? null
    return { messageType, controlId, id, status: known?.status ?? statusOf(row) }
  })
  return { visitId, hl7: summaryOf(messages), messages }
}

function statusOf(row: MessageSummary | undefined): string {
  if (row?.refused) return 'REFUSED'
  return row?.outboxId ? 'PENDING' : 'NOT_QUEUED'
}

function summaryOf(messages: SavedAnswer['messages']): SavedAnswer['hl7'] {
  if (messages.some(({ status }) => status === 'REFUSED')) return 'refused'
  return messages.every(({ id }) => id !== null) ? 'queued' : 'queued-later'
}
