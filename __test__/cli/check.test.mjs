// `hl7-outbox check`: findings of files, in words and as JSON, and the code it ends with.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { folder, root } from '../support/outbox.mjs'
import { environment } from '../support/processes.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')

function check(args, { cwd, input = '' }) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'check', ...args], { cwd, input, encoding: 'utf8', env: environment() })
  return { code: status, out: stdout, err: stderr }
}

/** A folder with a good message, one with a warning and one with errors. */
function files(t) {
  const here = folder(t)
  writeFileSync(join(here, 'good.hl7'), hl7({ control: 'C1' }))
  writeFileSync(join(here, 'warned.hl7'), hl7({ control: 'C2', msh: { 18: '' }, arabic: true }))
  writeFileSync(join(here, 'bad.hl7'), hl7({ control: 'C'.repeat(23), type: 'ADT^A01' }).replace('PV1|1|I', 'PV1|1|O'))
  return here
}

test('a good message ends with 0, a warning too, and an error with 1', (t) => {
  const cwd = files(t)
  assert.deepEqual(check(['good.hl7'], { cwd }), { code: 0, out: 'good.hl7: nothing found\n', err: '' })
  const warned = check(['warned.hl7', 'good.hl7'], { cwd })
  assert.deepEqual([warned.code, warned.err], [0, ''])
  assert.match(warned.out, /^warned\.hl7: warning HL7_CHARSET_UNDECLARED MSH-18: .+\ngood\.hl7: nothing found\n$/)
  const bad = check(['good.hl7', 'bad.hl7'], { cwd })
  assert.equal(bad.code, 1)
  assert.match(bad.out, /^good\.hl7: nothing found\nbad\.hl7: error HL7_CONTROL_ID_LONG MSH-10: .+\n$/)
  assert.deepEqual(readdirSync(cwd).sort(), ['bad.hl7', 'good.hl7', 'warned.hl7'], 'no outbox was opened')
})

test('--json gives the findings by file, --profile and --doctor-id choose the rules', (t) => {
  const cwd = files(t)
  const { code, out } = check(['bad.hl7', 'good.hl7', '--json', '--profile', 'malaffi', '--doctor-id', 'D111', '--doctor-id', 'D222'], { cwd })
  assert.equal(code, 1)
  const checked = JSON.parse(out)
  assert.deepEqual(checked.map(({ file, findings }) => [file, findings.map((finding) => finding.code)]), [
    ['bad.hl7', ['HL7_CONTROL_ID_LONG', 'HL7_DOCTOR_UNLISTED', 'MALAFFI_PATIENT_CLASS']],
    ['good.hl7', ['HL7_DOCTOR_UNLISTED']],
  ])
  const { severity, segment, field } = checked[0].findings[0]
  assert.deepEqual([severity, segment, field], ['error', 'MSH', '10'])
  assert.equal(check(['good.hl7', '--profile', 'malaffi', '--doctor-id', 'D000'], { cwd }).code, 0)
})

test('- reads the standard input', (t) => {
  const cwd = folder(t)
  assert.deepEqual(check(['-'], { cwd, input: hl7() }), { code: 0, out: '-: nothing found\n', err: '' })
  const { code, out } = check(['-', '--json'], { cwd, input: '' })
  assert.deepEqual([code, JSON.parse(out)[0].findings[0].code], [1, 'ERR_HL7_EMPTY'])
})
