// checkHl7: what it finds in the messages of builders, how it is called, and how enqueueHl7 uses it.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test from 'node:test'

import ts from 'typescript'

import { hl7 } from '../support/messages.mjs'
import { door, openPaused, refused, root } from '../support/outbox.mjs'

const { checkHl7 } = door
const codes = (findings) => findings.map(({ code }) => code)

/** What a builder without care makes of a school visit, with all the usual mistakes. */
const careless = [
  'MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20300102T030405||ORU^R01|MSG20300102030405000001|T|2.5.1',
  'PID|1||P-1^^^&MF0000||Testova & Probe^Zzyx & Co||19000101|U|||Nowhere 0 & 1^^Atlantis',
  'PV1|1|O|TEST||||D999^Doctor^Invented',
  'NTE|1||ملاحظة اختبار',
  'OBX|1|TX|0000-1^Invented value^LN||not found||||||F',
].join('\r')

/** The builder of examples/nextjs-clinic, compiled by itself. */
function clinic(t) {
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-builder-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const source = join(root, 'examples', 'nextjs-clinic', 'lib', 'hl7')
  for (const name of readdirSync(source)) {
    const { outputText } = ts.transpileModule(readFileSync(join(source, name), 'utf8'), { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } })
    writeFileSync(join(folder, `${basename(name, '.ts')}.js`), outputText)
  }
  return createRequire(import.meta.url)(join(folder, 'index.js'))
}

test('the careless builder’s mistakes are all found, each with its place, and without a word of the message', () => {
  const findings = checkHl7(careless, { profile: 'malaffi', doctorIds: ['D000'] })
  const places = findings.map(({ code, segment, field }) => `${code} ${segment}${field === undefined ? '' : `-${field}`}`)
  assert.deepEqual(places, [
    'HL7_CHARSET_UNDECLARED MSH-18',
    'HL7_TIME_ISO MSH-7',
    'HL7_TIME_ZONE_MISSING MSH-7',
    'HL7_CONTROL_ID_LONG MSH-10',
    'HL7_SUBCOMPONENTS PID-5.2',
    'HL7_DELIMITER_IN_TEXT PID-11',
    'HL7_DOCTOR_UNLISTED PV1-7.1',
    'HL7_OBR_MISSING OBR',
  ])
  for (const { severity, message } of findings) {
    assert.match(severity, /^(error|warning)$/)
    assert.match(message, /^[A-Z][A-Z0-9]{2}(-\d+(\.\d+)?)?: .+; .+/)
    assert.doesNotMatch(message, /Testova|Zzyx|Nowhere|D999|MSG2030/)
  }
})

test('the example clinic’s builder gives nothing to find, under either profile, also with hostile names', (t) => {
  const { buildA04, buildA08, buildR01 } = clinic(t)
  const envelope = { licence: 'MF0000', processingId: 'T', controlId: '01ABCDEFGH0123456789', createdAt: new Date('2030-01-02T03:04:05Z') }
  const visit = {
    id: '00000000-0000-4000-8000-000000000001',
    schoolId: 'SCHOOL-0',
    visitedAt: new Date('2030-01-02T03:00:00Z'),
    reason: 'not | well ~ at \\ all & more',
    patient: { mrn: 'P-1', familyName: 'Testova & Probe^', givenName: 'نور|\r\nMSH|^~\\&', birthDate: '1900-01-01', sex: 'U' },
    doctor: { id: 'D000', familyName: 'Doctor', givenName: 'Invented' },
  }
  for (const message of [buildA04(envelope, visit), buildA08(envelope, visit), buildR01(envelope, visit, { notes: 'one\ntwo & three', temperatureC: 37.5, weightKg: 20 })]) {
    for (const options of [{ profile: 'malaffi', doctorIds: ['D000'] }, {}, { profile: 'hl7', doctorIds: undefined }]) assert.deepEqual(checkHl7(message, options), [])
  }
})

test('what enqueueHl7 refuses is listed with its codes, all of it and not the first', () => {
  assert.deepEqual(codes(checkHl7('')), ['ERR_HL7_EMPTY'])
  const broken = hl7({ msh: { 10: '', 12: '' } }).replace('\rEVN', '\revn')
  assert.deepEqual(codes(checkHl7(broken).filter(({ severity }) => severity === 'error')), ['ERR_HL7_SEGMENT_NAME', 'ERR_HL7_MISSING_CONTROL_ID', 'ERR_HL7_MISSING_VERSION', 'HL7_EVN_MISSING'])
  assert.deepEqual(codes(checkHl7(Buffer.from(hl7({ note: 'é' }), 'latin1'))), ['ERR_HL7_CHARSET_INVALID'])
  assert.deepEqual(codes(checkHl7(hl7({ bytes: 5_000 }), { messageBytes: 4_000 })), ['ERR_HL7_TOO_LARGE'])
})

test('a wrong argument throws ERR_OPTION at once', () => {
  const wrong = [[undefined], [null], [1], [{}], ['\ud800'], [hl7(), null], [hl7(), []], [hl7(), 'malaffi'], [hl7(), { profile: 'nabidh' }], [hl7(), { doctorIds: 'D000' }], [hl7(), { doctorIds: [1] }], [hl7(), { misspelt: 1 }], [hl7(), { messageBytes: -1 }]]
  for (const args of wrong) assert.throws(() => checkHl7(...args), (error) => error instanceof door.Hl7OutboxError && error.code === 'ERR_OPTION', JSON.stringify(args))
})

test('enqueueHl7 with `check` refuses a message with an error, says where and how many, and stores nothing', async (t) => {
  const outbox = await openPaused(t)
  for (const check of ['malaffi', { profile: 'malaffi', doctorIds: ['D000'] }]) {
    const error = await refused(() => outbox.enqueueHl7(careless, { check }), 'ERR_CHECK_FAILED')
    assert.deepEqual([error.segment, error.field], ['MSH', 7])
    assert.match(error.message, typeof check === 'string' ? /found 3 errors; the first is HL7_TIME_ISO/ : /found 4 errors/)
    assert.match(error.hint, /checkHl7/)
    assert.doesNotMatch(JSON.stringify([error.message, error.hint]), /Testova|Zzyx/)
  }
  const batch = await refused(() => outbox.enqueueHl7Batch([{ message: hl7() }, { message: careless, options: { check: 'hl7' } }]), 'ERR_CHECK_FAILED')
  assert.match(batch.message, /^message 2 of the batch: /)
  assert.equal((await outbox.listMessages()).items.length, 0)
  for (const check of ['nabidh', null, 1, true, { misspelt: 1 }, { doctorIds: 1 }, { messageBytes: 1 }]) await refused(() => outbox.enqueueHl7(hl7(), { check }), 'ERR_OPTION')
})

test('warnings pass, and without `check` so do errors', async (t) => {
  const outbox = await openPaused(t)
  const warned = hl7({ msh: { 18: '' }, arabic: true })
  assert.deepEqual(checkHl7(warned).map(({ severity, code }) => [severity, code]), [['warning', 'HL7_CHARSET_UNDECLARED']])
  await outbox.enqueueHl7(warned, { check: 'malaffi' })
  await outbox.enqueueHl7(hl7(), { check: {} })
  await outbox.enqueueHl7(careless)
  assert.deepEqual(outbox.checkHl7(careless), checkHl7(careless))
})
