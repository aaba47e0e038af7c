import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildA04, buildA08, buildR01, newControlId, type Envelope, type Visit } from '../lib/hl7'

const envelope: Envelope = { licence: 'MF0000', processingId: 'T', controlId: '01ABCDEFGH0123456789', createdAt: new Date('2026-01-31T20:30:05.678Z') }
const visit: Visit = {
  id: '0b7c1f9e-0000-4000-8000-000000000001',
  schoolId: 'SCHOOL-1',
  visitedAt: new Date('2026-01-31T05:45:00Z'),
  reason: 'Headache',
  patient: { mrn: '789012', familyName: 'Example', givenName: 'نور', birthDate: '2014-03-05', sex: 'F' },
  doctor: { id: 'GD0000', familyName: 'Doctor', givenName: 'Test' },
}
const segments = (bytes: Uint8Array) => new TextDecoder('utf-8', { fatal: true }).decode(bytes).split('\r')

test('ADT^A04 is written segment by segment as the exchange expects it', () => {
  assert.deepEqual(segments(buildA04(envelope, visit)), [
    'MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260201003005+0400||ADT^A04^ADT_A01|01ABCDEFGH0123456789|T|2.5.1||||||UNICODE UTF-8',
    'EVN|A04|20260201003005+0400||||20260131094500+0400',
    'PID|1||789012^^^&MF0000||Example^نور||20140305|F',
    'PV1|1|O|SCHOOL-1||||GD0000^Doctor^Test||||||||||||0b7c1f9e-0000-4000-8000-000000000001^^^&MF0000|||||||||||||||||||||||||20260131094500+0400',
    'PV2|||^Headache',
    '',
  ])
})

test('ADT^A08 differs from A04 in its trigger and in when it happened', () => {
  const [msh, evn] = segments(buildA08(envelope, visit))
  assert.equal(msh?.split('|')[8], 'ADT^A08^ADT_A01')
  assert.equal(evn, 'EVN|A08|20260201003005+0400||||20260201003005+0400')
})

test('ORU^R01 has its OBR before its OBX, numbered', () => {
  const message = segments(buildR01(envelope, visit, { notes: 'Rest advised.\r\nCall home.', temperatureC: 37.2, pulsePerMinute: 80 }))
  assert.deepEqual(
    message.map((segment) => segment.slice(0, 3)),
    ['MSH', 'PID', 'PV1', 'OBR', 'OBX', 'OBX', 'OBX', ''],
  )
  assert.equal(message[0]?.split('|')[8], 'ORU^R01^ORU_R01')
  assert.equal(message[4], 'OBX|1|NM|8310-5^Body temperature^LN||37.2|Cel^^UCUM|||||F|||20260131094500+0400')
  assert.equal(message[6], 'OBX|3|FT|51848-0^Evaluation note^LN||Rest advised.\\.br\\Call home.||||||F|||20260131094500+0400')
})

test('text that looks like HL7 stays text', () => {
  const hostile = { ...visit, patient: { ...visit.patient, familyName: 'A|B^C~D\\E&F', givenName: 'X\rPID|1||666' }, reason: '\u000b\u001c' }
  const message = segments(buildA04(envelope, hostile))
  assert.equal(message.length, 6, 'no segment was smuggled in')
  assert.equal(message[2]?.split('|')[5], 'A\\F\\B\\S\\C\\R\\D\\E\\E\\T\\F^X\\.br\\PID\\F\\1\\F\\\\F\\666')
  assert.equal(message[4], 'PV2|||^\\X0B\\\\X1C\\', 'bytes that would break MLLP framing never appear raw')
})

test('a control id has 20 characters, sorts by time and does not repeat', () => {
  assert.match(newControlId(), /^[0-9A-HJKMNP-TV-Z]{20}$/)
  assert.ok(newControlId(new Date(1_000)) < newControlId(new Date(1_001)))
  const now = new Date()
  assert.equal(new Set(Array.from({ length: 10_000 }, () => newControlId(now))).size, 10_000)
})
