import { segment, type Field } from './segment'
import { hl7DateTime } from './timestamp'
import type { Assessment, Visit } from './types'

interface Measurement {
  key: 'temperatureC' | 'pulsePerMinute' | 'weightKg' | 'heightCm'
  /** LOINC code and its name. */
  code: readonly [string, string]
  /** UCUM unit. */
  unit: string
}

const MEASUREMENTS: readonly Measurement[] = [
  { key: 'temperatureC', code: ['8310-5', 'Body temperature'], unit: 'Cel' },
  { key: 'pulsePerMinute', code: ['8867-4', 'Heart rate'], unit: '/min' },
  { key: 'weightKg', code: ['29463-7', 'Body weight'], unit: 'kg' },
  { key: 'heightCm', code: ['8302-2', 'Body height'], unit: 'cm' },
]

/** One OBX for each measurement taken, then the note; numbered in their order. */
export function observations(visit: Visit, assessment: Assessment): string {
  const rows: Record<number, Field>[] = []
  for (const { key, code, unit } of MEASUREMENTS) {
    const value = assessment[key]
    if (value !== undefined) rows.push({ 2: 'NM', 3: [...code, 'LN'], 5: String(value), 6: [unit, '', 'UCUM'] })
  }
  // FT, not TX: only formatted text gives \.br\ a meaning.
  if (assessment.notes !== '') rows.push({ 2: 'FT', 3: ['51848-0', 'Evaluation note', 'LN'], 5: assessment.notes })
  return rows.map((row, i) => segment('OBX', { ...row, 1: String(i + 1), 11: 'F', 14: hl7DateTime(visit.visitedAt) })).join('')
}
