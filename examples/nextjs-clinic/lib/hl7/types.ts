export interface Patient {
  /** The facility's number for the patient: PID-3. */
  mrn: string
  familyName: string
  givenName: string
  /** ISO date. */
  birthDate: string
  sex: 'M' | 'F' | 'U'
}

export interface Doctor {
  id: string
  familyName: string
  givenName: string
}

export interface Visit {
  id: string
  schoolId: string
  visitedAt: Date
  reason: string
  patient: Patient
  doctor: Doctor
}

export interface Assessment {
  notes: string
  temperatureC?: number | undefined
  pulsePerMinute?: number | undefined
  weightKg?: number | undefined
  heightCm?: number | undefined
}

/** What stands in every message's MSH. */
export interface Envelope {
  licence: string
  processingId: 'T' | 'P'
  controlId: string
  createdAt: Date
}

export type MessageType = 'ADT^A04' | 'ADT^A08' | 'ORU^R01'
