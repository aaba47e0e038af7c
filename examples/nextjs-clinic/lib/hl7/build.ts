import { observations } from './observations'
import { evn, msh, obr, pid, pv1, pv2 } from './segments'
import type { Assessment, Envelope, Visit } from './types'

// The three messages of this clinic, HL7 v2.5.1, as the bytes that are stored, enqueued and sent: built once, never again.

/** The patient came: registers an outpatient visit. */
export function buildA04(envelope: Envelope, visit: Visit): Uint8Array {
  return bytes(msh(envelope, 'ADT^A04') + evn(envelope, 'A04', visit.visitedAt) + pid(envelope, visit) + pv1(envelope, visit) + pv2(visit))
}

/** The visit was corrected. */
export function buildA08(envelope: Envelope, visit: Visit): Uint8Array {
  return bytes(msh(envelope, 'ADT^A08') + evn(envelope, 'A08', envelope.createdAt) + pid(envelope, visit) + pv1(envelope, visit) + pv2(visit))
}

/** What was found. OBR comes before its OBX: without it no receiver can say what the observations belong to. */
export function buildR01(envelope: Envelope, visit: Visit, assessment: Assessment): Uint8Array {
  return bytes(msh(envelope, 'ORU^R01') + pid(envelope, visit) + pv1(envelope, visit) + obr(envelope, visit) + observations(visit, assessment))
}

function bytes(message: string): Uint8Array {
  return new TextEncoder().encode(message)
}
