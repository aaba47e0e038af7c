import { randomBytes } from 'node:crypto'

// Crockford's alphabet: no I, L, O or U, so an id survives being read out on the telephone.
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * MSH-10: 20 characters, all that HL7 v2.5.1 allows. Ten carry the millisecond (so ids sort by time), ten carry 50 random
 * bits; no counter, so several processes, and a restored database, need not agree on anything. Two messages of the same
 * millisecond meet with a chance of 1 in 10^15, and then the UNIQUE constraint on the row refuses the save.
 */
export function newControlId(now: Date = new Date(), random: Uint8Array = randomBytes(10)): string {
  let time = ''
  let rest = now.getTime()
  for (let i = 0; i < 10; i++) {
    time = ALPHABET.charAt(rest % 32) + time
    rest = Math.floor(rest / 32)
  }
  let tail = ''
  for (const byte of random.subarray(0, 10)) tail += ALPHABET.charAt(byte & 31) // 256 is a multiple of 32: no bias
  return time + tail
}
