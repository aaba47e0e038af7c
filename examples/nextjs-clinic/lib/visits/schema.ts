import { z } from 'zod'

/** Text for one HL7 field: no control characters, and no half of a surrogate pair (it has no UTF-8). */
const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1, 'is required')
    .max(max, `at most ${max} characters`)
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'contains characters that cannot be sent')

const code = (max: number) =>
  z
    .string()
    .trim()
    .min(1, 'is required')
    .max(max, `at most ${max} characters`)
    .regex(/^[A-Za-z0-9._-]*$/, 'letters, digits, dot, dash and underscore only')

const text = (max: number) =>
  z
    .string()
    .trim()
    .max(max, `at most ${max} characters`)
    .regex(/^(?:[^\p{Cc}\p{Cs}]|[\t\r\n])*$/u, 'contains characters that cannot be sent')

const measurement = (min: number, max: number) => z.number().min(min, `at least ${min}`).max(max, `at most ${max}`).optional()

export const visitSchema = z.object({
  schoolId: code(40),
  visitedAt: z.iso.datetime({ offset: true, error: 'an ISO 8601 time such as 2026-01-31T09:45:00+04:00' }).optional(),
  reason: line(120),
  patient: z.object({
    mrn: code(20),
    familyName: line(80),
    givenName: line(80),
    birthDate: z.iso.date('a date such as 2014-03-05').refine((date) => date <= tomorrow(), 'lies in the future'),
    sex: z.enum(['M', 'F', 'U'], 'M, F or U'),
  }),
  doctor: z.object({ id: code(20), familyName: line(80), givenName: line(80) }),
  assessment: z.object({
    notes: text(10_000).default(''),
    temperatureC: measurement(25, 45),
    pulsePerMinute: measurement(20, 300),
    weightKg: measurement(0.5, 400),
    heightCm: measurement(20, 250),
  }),
})

export type VisitInput = z.infer<typeof visitSchema>

/** Tomorrow in UTC: no time zone's today is later. */
function tomorrow(): string {
  return new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)
}

export interface FieldError {
  field: string
  message: string
}

/** Names the fields, never their values; of several complaints about one field, the first. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  const first = new Map<string, FieldError>()
  for (const issue of error.issues) {
    const field = issue.path.join('.') || 'body'
    if (!first.has(field)) first.set(field, { field, message: issue.message })
  }
  return [...first.values()]
}
