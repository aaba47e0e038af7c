/** Read at each use, not at import: Next imports every route during `next build`, when nothing is configured yet. */
export interface ClinicConfig {
  /** The facility's licence: MSH-3, MSH-4 and the assigning authority of its numbers. */
  licence: string
  /** MSH-11: a test message must never count as a patient's. */
  processingId: 'T' | 'P'
}

export function clinicConfig(env: NodeJS.ProcessEnv = process.env): ClinicConfig {
  const licence = env.CLINIC_LICENCE || 'MF0000'
  const processingId = env.CLINIC_PROCESSING_ID || 'T'
  if (!/^[A-Z0-9]{2,20}$/.test(licence)) throw new Error('CLINIC_LICENCE: letters and digits, such as MF0000')
  if (processingId !== 'T' && processingId !== 'P') throw new Error('CLINIC_PROCESSING_ID: T or P')
  return { licence, processingId }
}
