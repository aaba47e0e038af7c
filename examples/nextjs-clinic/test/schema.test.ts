import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldErrors, visitSchema } from '../lib/visits/schema'

const good = {
  schoolId: 'SCHOOL-1',
  reason: 'Headache',
  patient: { mrn: '789012', familyName: 'Example', givenName: 'Noor', birthDate: '2014-03-05', sex: 'F' },
  doctor: { id: 'GD0000', familyName: 'Doctor', givenName: 'Test' },
  assessment: { notes: 'line one\nline two' },
}
const fieldsRefused = (visit: unknown) => {
  const result = visitSchema.safeParse(visit)
  return result.success ? [] : fieldErrors(result.error).map(({ field }) => field)
}

test('a visit without measurements is a visit', () => {
  assert.deepEqual(fieldsRefused(good), [])
})

test('each wrong field is named', () => {
  const patient = { ...good.patient, mrn: '', birthDate: '2999-01-01' }
  assert.deepEqual(fieldsRefused({ ...good, patient, assessment: { temperatureC: 370 } }), ['patient.mrn', 'patient.birthDate', 'assessment.temperatureC'])
  assert.deepEqual(fieldsRefused('no object'), ['body'])
})

test('what cannot be sent cannot be saved', () => {
  assert.deepEqual(fieldsRefused({ ...good, reason: 'half a pair \ud800' }), ['reason'])
  assert.deepEqual(fieldsRefused({ ...good, assessment: { notes: 'framing \u000b byte' } }), ['assessment.notes'])
  assert.deepEqual(fieldsRefused({ ...good, patient: { ...good.patient, familyName: 'two\rsegments' } }), ['patient.familyName'])
})

test('a complaint never quotes the value', () => {
  const result = visitSchema.safeParse({ ...good, patient: { ...good.patient, sex: 'CANARY', birthDate: 'CANARY', mrn: 'CAN ARY|' } })
  assert.ok(!result.success)
  assert.doesNotMatch(JSON.stringify(fieldErrors(result.error)), /CANARY|CAN ARY/)
})
