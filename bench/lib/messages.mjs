// Messages shaped like a clinic's: ADT^A08 of about 1.6 KB, each with a control id and a patient of its own. No real person.
import { randomBytes } from 'node:crypto'

const diagnosis = (n, code, text) => `DG1|${n}|ICD10|${code}^${text}^I10||20260114093000+0400|W|||||||||1|D4471^HADDAD^LAYLA^^^DR`

const evn = 'EVN|A08|20260114093000+0400|||U2210^OPERATOR^FRONT DESK'
const family = [
  'PD1|||SAMPLE FAMILY CLINIC^^MF0000|D4471^HADDAD^LAYLA^^^DR||||||||N',
  'NK1|1|SAMPLE^MARYAM^K|MTH^MOTHER^HL70063|12 CORNICHE STREET^FLAT 4^ABU DHABI^^00000^ARE|+971500000001',
].join('\r')

const after = [
  'PV1|1|O|CLINIC1^ROOM3^1^MF0000||||D4471^HADDAD^LAYLA^^^DR|D4472^SAEED^OMAR^^^DR||GP||||1|||D4471^HADDAD^LAYLA^^^DR|OP|V778812^^^&MF0000|SELF||||||||||||||||||||||||20260114090000+0400',
  'PV2|||R05^COUGH^I10|||||20260114090000+0400||||SEASONAL COMPLAINT, SECOND VISIT',
  'AL1|1|DA^DRUG ALLERGY^HL70127|Z88.0^PENICILLIN^I10|MO^MODERATE^HL70128|RASH|20190320',
  'AL1|2|FA^FOOD ALLERGY^HL70127|Z91.010^PEANUTS^I10|SV^SEVERE^HL70128|SWELLING|20150611',
  diagnosis(1, 'J06.9', 'ACUTE UPPER RESPIRATORY INFECTION'),
  diagnosis(2, 'J45.20', 'MILD INTERMITTENT ASTHMA'),
  diagnosis(3, 'E55.9', 'VITAMIN D DEFICIENCY'),
  diagnosis(4, 'D50.9', 'IRON DEFICIENCY ANAEMIA'),
  'IN1|1|BASIC^BASIC PLAN^LOCAL|INS001|SAMPLE INSURANCE COMPANY|PO BOX 1^^ABU DHABI^^00000^ARE||+97120000000|GRP77||||20260101|20261231|||SAMPLE^NOORA^K|SEL^SELF^HL70063|19880704|12 CORNICHE STREET^FLAT 4^ABU DHABI^^00000^ARE',
].join('\r')

/** `count` messages as flat strings, each of a patient of its own unless told otherwise. Control ids never repeat, also between runs and processes. */
export function messages(count, patientOf = (run, n) => `${run}${n}`) {
  const run = randomBytes(5).toString('hex').toUpperCase()
  const made = Array.from({ length: count }, (_, n) => {
    const text = [
      `MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260114093001+0400||ADT^A08^ADT_A01|${run}${String(n).padStart(8, '0')}|T|2.5.1|||AL|NE|ARE|UNICODE UTF-8`,
      evn,
      `PID|1||${patientOf(run, n)}^^^&MF0000||SAMPLE^NOORA^KHALID||19880704000000|F|||12 CORNICHE STREET^FLAT 4^ABU DHABI^^00000^ARE||+971500000000^PRN^CP||EN|M|MOS|V778812^^^&MF0000|784198800000000||||||||ARE`,
      family,
      after,
    ].join('\r')
    // Through bytes, so that each is one flat string and not a tree of pieces that the first reader must join.
    return Buffer.from(`${text}\r`, 'latin1').toString('latin1')
  })
  // What making them left behind is no part of the measurement that follows.
  globalThis.gc?.()
  return made
}
