import type { Queryable } from '../db/database'
import type { Assessment, Visit } from '../hl7'

/** A correction may change anything of a visit but whose it is. */
export async function visitExists(tx: Queryable, visitId: string, mrn: string): Promise<boolean> {
  const rows = await tx.query(`SELECT 1 FROM "Visit" WHERE "id" = $1 AND "mrn" = $2`, [visitId, mrn])
  return rows.length > 0
}

export async function upsertVisit(tx: Queryable, { id, schoolId, patient, doctor, reason, visitedAt }: Visit): Promise<void> {
  await tx.query(
    `INSERT INTO "Visit" ("id", "schoolId", "mrn", "familyName", "givenName", "birthDate", "sex",
                          "doctorId", "doctorFamilyName", "doctorGivenName", "reason", "visitedAt")
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT ("id") DO UPDATE SET
       "schoolId" = EXCLUDED."schoolId", "familyName" = EXCLUDED."familyName", "givenName" = EXCLUDED."givenName",
       "birthDate" = EXCLUDED."birthDate", "sex" = EXCLUDED."sex", "doctorId" = EXCLUDED."doctorId",
       "doctorFamilyName" = EXCLUDED."doctorFamilyName", "doctorGivenName" = EXCLUDED."doctorGivenName",
       "reason" = EXCLUDED."reason", "visitedAt" = EXCLUDED."visitedAt", "updatedAt" = now()`,
    [
      id,
      schoolId,
      patient.mrn,
      patient.familyName,
      patient.givenName,
      patient.birthDate,
      patient.sex,
      doctor.id,
      doctor.familyName,
      doctor.givenName,
      reason,
      visitedAt.toISOString(),
    ],
  )
}

export async function upsertAssessment(tx: Queryable, visitId: string, assessment: Assessment): Promise<void> {
  await tx.query(
    `INSERT INTO "Assessment" ("visitId", "notes", "temperatureC", "pulsePerMinute", "weightKg", "heightCm")
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT ("visitId") DO UPDATE SET
       "notes" = EXCLUDED."notes", "temperatureC" = EXCLUDED."temperatureC", "pulsePerMinute" = EXCLUDED."pulsePerMinute",
       "weightKg" = EXCLUDED."weightKg", "heightCm" = EXCLUDED."heightCm"`,
    [
      visitId,
      assessment.notes,
      assessment.temperatureC ?? null,
      assessment.pulsePerMinute ?? null,
      assessment.weightKg ?? null,
      assessment.heightCm ?? null,
    ],
  )
}
