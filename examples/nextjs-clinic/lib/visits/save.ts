import { randomUUID } from 'node:crypto'
import { clinicConfig } from '../config'
import { database, type Queryable } from '../db/database'
import { buildA04, buildA08, buildR01, newControlId } from '../hl7'
import type { Envelope, MessageType, Visit } from '../hl7'
import { insertMessage } from '../outbox/message-row'
import { upsertAssessment, upsertVisit, visitExists } from './rows'
import type { VisitInput } from './schema'

export interface SavedVisit {
  visitId: string
  patientKey: string
  /** What was written for this save, in its order. */
  messages: { messageType: MessageType; controlId: string }[]
}

/**
 * Saves a new visit, or corrects the one named, together with its assessment and its HL7 messages, in one transaction: either
 * the clinic knows of the visit and will report it, or neither. Null: there is no such visit.
 */
export async function saveVisit(input: VisitInput, existingId?: string): Promise<SavedVisit | null> {
  const { licence, processingId } = clinicConfig()
  const db = await database()
  const visit = toVisit(input, existingId ?? randomUUID())
  const patientKey = visit.patient.mrn
  const envelope = (): Envelope => ({ licence, processingId, controlId: newControlId(), createdAt: new Date() })

  return db.transaction(async (tx) => {
    await lockPatient(tx, patientKey)
    if (existingId !== undefined && !(await visitExists(tx, existingId, patientKey))) return null
    await upsertVisit(tx, visit)
    await upsertAssessment(tx, visit.id, input.assessment)

    const messages: SavedVisit['messages'] = []
    const add = async (messageType: MessageType, { controlId }: Envelope, content: Uint8Array) => {
      await insertMessage(tx, { visitId: visit.id, schoolId: visit.schoolId, patientKey, messageType, controlId, content })
      messages.push({ messageType, controlId })
    }
    const head = envelope()
    if (existingId === undefined) await add('ADT^A04', head, buildA04(head, visit))
    else await add('ADT^A08', head, buildA08(head, visit))
    if (hasFindings(input)) {
      const result = envelope()
      await add('ORU^R01', result, buildR01(result, visit, input.assessment))
    }
    return { visitId: visit.id, patientKey, messages }
  })
}

/**
 * Makes the order of the rows' ids the order of the commits, per patient. A serial id is drawn at the INSERT: without the lock
 * a save could draw 5, another draw 6 and commit first, and row 5 would turn up behind a row 6 that has already left.
 */
async function lockPatient(tx: Queryable, patientKey: string): Promise<void> {
  await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('patient ' || $1, 0))`, [patientKey])
}

function hasFindings({ assessment }: VisitInput): boolean {
  const { notes, ...measurements } = assessment
  return notes !== '' || Object.values(measurements).some((value) => value !== undefined)
}

function toVisit(input: VisitInput, id: string): Visit {
  return {
    id,
    schoolId: input.schoolId,
    visitedAt: input.visitedAt === undefined ? new Date() : new Date(input.visitedAt),
    reason: input.reason,
    patient: input.patient,
    doctor: input.doctor,
  }
}
