import type { Queryable } from '../db/database'
import type { MessageType } from '../hl7'

/** A row of "HL7Message". Its id stays text: PostgreSQL's 64 bits do not fit a number. */
export interface MessageRow {
  id: string
  visitId: string
  schoolId: string
  patientKey: string
  messageType: MessageType
  controlId: string
  content: Uint8Array
}

export interface MessageSummary {
  id: string
  messageType: MessageType
  controlId: string
  outboxId: string | null
  errorCode: string | null
  refused: boolean
}

const COLUMNS = `"id"::text AS "id", "visitId"::text AS "visitId", "schoolId", "patientKey", "messageType", "controlId", "content"`
const UNMARKED = `"enqueuedAt" IS NULL AND "refusedAt" IS NULL`

export async function insertMessage(tx: Queryable, row: Omit<MessageRow, 'id'>): Promise<void> {
  await tx.query(
    `INSERT INTO "HL7Message" ("visitId", "schoolId", "patientKey", "messageType", "controlId", "content")
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [row.visitId, row.schoolId, row.patientKey, row.messageType, row.controlId, row.content],
  )
}

/** The patient's messages that the outbox does not have yet, in the order they were committed. */
export function unmarkedOfPatient(db: Queryable, patientKey: string): Promise<MessageRow[]> {
  return db.query<MessageRow>(`SELECT ${COLUMNS} FROM "HL7Message" WHERE ${UNMARKED} AND "patientKey" = $1 ORDER BY "HL7Message"."id"`, [
    patientKey,
  ])
}

/** Patients with unmarked messages, the one that has waited longest first. */
export async function patientsWaiting(db: Queryable): Promise<string[]> {
  const rows = await db.query<{ patientKey: string }>(
    `SELECT "patientKey" FROM "HL7Message" WHERE ${UNMARKED} GROUP BY "patientKey" ORDER BY min("id")`,
  )
  return rows.map((row) => row.patientKey)
}

/** One statement for all of them: row ids, and the outbox ids they got. */
export async function markEnqueued(db: Queryable, rows: readonly { rowId: string; outboxId: string }[]): Promise<void> {
  if (rows.length === 0) return
  await db.query(
    `UPDATE "HL7Message" AS m SET "enqueuedAt" = now(), "outboxId" = e."outboxId", "errorCode" = NULL
     FROM unnest($1::bigint[], $2::text[]) AS e ("rowId", "outboxId")
     WHERE m."id" = e."rowId" AND m."enqueuedAt" IS NULL`,
    [rows.map(({ rowId }) => rowId), rows.map(({ outboxId }) => outboxId)],
  )
}

/** `final`: the outbox will never take these bytes, so the sweep leaves the row to a person. */
export async function markFailed(db: Queryable, rowId: string, errorCode: string, final: boolean): Promise<void> {
  await db.query(
    `UPDATE "HL7Message" SET "errorCode" = $2, "refusedAt" = CASE WHEN $3 THEN now() END WHERE "id" = $1 AND "enqueuedAt" IS NULL`,
    [rowId, errorCode, final],
  )
}

export function messagesOfVisit(db: Queryable, visitId: string): Promise<MessageSummary[]> {
  return db.query<MessageSummary>(
    `SELECT "id"::text AS "id", "messageType", "controlId", "outboxId", "errorCode", "refusedAt" IS NOT NULL AS "refused"
     FROM "HL7Message" WHERE "visitId" = $1 ORDER BY "HL7Message"."id"`,
    [visitId],
  )
}

/** How many messages have not reached the outbox, and how many of them never will without a person. */
export async function countUnmarked(db: Queryable): Promise<{ waiting: number; refused: number }> {
  const [row] = await db.query<{ waiting: number; refused: number }>(
    `SELECT (count(*) FILTER (WHERE "refusedAt" IS NULL))::int AS "waiting", (count(*) FILTER (WHERE "refusedAt" IS NOT NULL))::int AS "refused"
     FROM "HL7Message" WHERE "enqueuedAt" IS NULL`,
  )
  return row ?? { waiting: 0, refused: 0 }
}
