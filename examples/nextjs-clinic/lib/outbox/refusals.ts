/**
 * Whether the outbox will refuse these bytes for ever, because of what they are. Everything else (a full disk, a configuration
 * that does not allow this MSH-11) a person or time can mend without touching the row, so the sweep keeps trying.
 */
export function isFinal(code: string): boolean {
  return code === 'ERR_CONTROL_ID_CONFLICT' || code.startsWith('ERR_HL7_')
}
