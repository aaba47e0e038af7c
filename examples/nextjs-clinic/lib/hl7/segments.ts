import { segment } from './segment'
import { hl7Date, hl7DateTime } from './timestamp'
import type { Doctor, Envelope, MessageType, Visit } from './types'

/** MSH-9's third component: A08 shares its structure with A01, and so does A04. */
const STRUCTURE: Record<MessageType, string> = { 'ADT^A04': 'ADT_A01', 'ADT^A08': 'ADT_A01', 'ORU^R01': 'ORU_R01' }

export function msh(envelope: Envelope, type: MessageType): string {
  const { licence } = envelope
  const fields = segment('MSH', {
    // MSH-1 is the separator itself, so MSH-n stands here as n - 1; MSH-2 is written raw below because escaping would spoil it.
    2: [licence, licence],
    3: [licence, licence],
    4: ['Rhapsody', 'MALAFFI'],
    5: 'ADHIE',
    6: hl7DateTime(envelope.createdAt),
    8: [...type.split('^'), STRUCTURE[type]],
    9: envelope.controlId,
    10: envelope.processingId,
    11: '2.5.1',
    17: 'UNICODE UTF-8', // names are Arabic as often as not
  })
  return fields.replace('MSH||', 'MSH|^~\\&|')
}

export function evn(envelope: Envelope, trigger: 'A04' | 'A08', occurredAt: Date): string {
  return segment('EVN', { 1: trigger, 2: hl7DateTime(envelope.createdAt), 6: hl7DateTime(occurredAt) })
}

export function pid(envelope: Envelope, { patient }: Visit): string {
  return segment('PID', {
    1: '1',
    3: [patient.mrn, '', '', ['', envelope.licence]], // 789012^^^&MF0000
    5: [patient.familyName, patient.givenName],
    7: hl7Date(patient.birthDate),
    8: patient.sex,
  })
}

export function pv1(envelope: Envelope, visit: Visit): string {
  return segment('PV1', {
    1: '1',
    2: 'O', // an outpatient: the receiver refuses A04 with anything else (1061)
    3: [visit.schoolId],
    7: doctorName(visit.doctor),
    19: [visit.id, '', '', ['', envelope.licence]],
    44: hl7DateTime(visit.visitedAt),
  })
}

/** PV2-3 carries why the patient came. */
export function pv2(visit: Visit): string {
  return segment('PV2', { 3: ['', visit.reason] })
}

export function obr(envelope: Envelope, visit: Visit): string {
  return segment('OBR', {
    1: '1',
    3: [visit.id, envelope.licence],
    4: ['34117-2', 'History and physical note', 'LN'],
    7: hl7DateTime(visit.visitedAt),
    16: doctorName(visit.doctor),
    22: hl7DateTime(envelope.createdAt),
    25: 'F',
  })
}

function doctorName(doctor: Doctor): string[] {
  return [doctor.id, doctor.familyName, doctor.givenName]
}
