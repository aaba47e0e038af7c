import type { Database } from './database'

const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS "Visit" (
    "id" uuid PRIMARY KEY,
    "schoolId" text NOT NULL,
    "mrn" text NOT NULL,
    "familyName" text NOT NULL,
    "givenName" text NOT NULL,
    "birthDate" text NOT NULL,
    "sex" text NOT NULL,
    "doctorId" text NOT NULL,
    "doctorFamilyName" text NOT NULL,
    "doctorGivenName" text NOT NULL,
    "reason" text NOT NULL,
    "visitedAt" timestamptz NOT NULL,
    "updatedAt" timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE IF NOT EXISTS "Assessment" (
    "visitId" uuid PRIMARY KEY REFERENCES "Visit" ("id"),
    "notes" text NOT NULL,
    "temperatureC" double precision,
    "pulsePerMinute" double precision,
    "weightKg" double precision,
    "heightCm" double precision
  )`,
  // The promise to send, kept in the visit's own transaction. "enqueuedAt" is null until the outbox has the message;
  // "refusedAt" is set when the outbox will never take it, and "errorCode" says why.
  `CREATE TABLE IF NOT EXISTS "HL7Message" (
    "id" bigserial PRIMARY KEY,
    "visitId" uuid NOT NULL REFERENCES "Visit" ("id"),
    "schoolId" text NOT NULL,
    "patientKey" text NOT NULL,
    "messageType" text NOT NULL,
    "controlId" text NOT NULL UNIQUE,
    "content" bytea NOT NULL,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "enqueuedAt" timestamptz,
    "outboxId" text,
    "errorCode" text,
    "refusedAt" timestamptz
  )`,
  `CREATE INDEX IF NOT EXISTS "HL7Message_visit" ON "HL7Message" ("visitId")`,
  // Only the few unmarked rows are in it, so the question each save and each sweep asks stays cheap for years.
  `CREATE INDEX IF NOT EXISTS "HL7Message_unmarked" ON "HL7Message" ("patientKey", "id") WHERE "enqueuedAt" IS NULL AND "refusedAt" IS NULL`,
]

/** A real application would use its migration tool. The lock is for processes that start together: IF NOT EXISTS alone races. */
export async function createTables(db: Database): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock(hashtextextended('nextjs-clinic tables', 0))`)
    for (const statement of STATEMENTS) await tx.query(statement)
  })
}
