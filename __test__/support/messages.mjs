// Every message of the tests comes from here. All people in it are invented, and look it.

const FAMILIES = ['Testova', 'Probe-Al-Musterfrau', 'Samplesson', 'Exemplar', 'Mockingham']
const ARABIC = 'ملاحظة اختبار لا تخص أحدا'
let controlIds = 0

/** A control id of its own in this process; `prefix` tells processes apart. */
export function controlId(prefix = 'T') {
  return `${prefix}${(++controlIds).toString(36).toUpperCase().padStart(5, '0')}`
}

/**
 * An HL7 v2.5.1 message as a string, segments ended by CR.
 * `msh` replaces header fields by their number, `noPatient` leaves PID-3 out, `note` is a text, `bytes` the least length.
 */
export function hl7({ control = controlId(), patient = 'P-1', type = 'ADT^A08', msh = {}, noPatient = false, note = '', arabic = false, bytes = 0 } = {}) {
  const header = ['MSH', '^~\\&', 'MF0000^MF0000', 'MF0000^MF0000', 'Rhapsody^MALAFFI', 'ADHIE', '20300102030405+0400', '', type, control, 'T', '2.5.1', '', '', '', '', '', 'UNICODE UTF-8']
  // MSH-1 is the separator itself, so field n stands at n - 1.
  for (const [number, value] of Object.entries(msh)) header[Number(number) - 1] = value
  const family = FAMILIES[Math.abs(hash(patient)) % FAMILIES.length]
  const segments = [
    header.join('|'),
    `EVN|${type.slice(4, 7)}|20300102030405+0400`,
    `PID|1||${noPatient ? '' : `${patient}^^^&MF0000`}||${family}^Zzyx^^^^^L||19000101|U|||Nowhere 0^^Atlantis^^00000^XX`,
    `PV1|1|${type === 'ADT^A01' ? 'I' : 'O'}|TEST^^^MF0000||||D000^Doctor^Invented`,
  ]
  if (type === 'ORU^R01') segments.push('OBR|1|||0000-0^Invented panel^LN', 'OBX|1|NM|0000-1^Invented value^LN||42|1||||N|F')
  if (note !== '') segments.push(`NTE|1||${note}`)
  if (arabic) segments.push(`NTE|2||${ARABIC}`)
  const length = Buffer.byteLength(segments.join('\r')) + 1
  if (length < bytes) segments.push(`NTE|9||${'x'.repeat(Math.max(0, bytes - length - 8))}`)
  return `${segments.join('\r')}\r`
}

function hash(text) {
  return [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) | 0, 7)
}
