// What the test commands report is read from other programs' output; a number misread would be a failure unseen.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'

import { closingLine, countCargoTest, countNextest, countTap } from '../../scripts/lib/counts.mjs'
import { whyOutdated } from '../../scripts/prepare.mjs'

test('the summary of nextest is read, colours or not', () => {
  const esc = String.fromCharCode(27)
  const line = `     ${esc}[32;1mSummary${esc}[0m [   0.083s] ${esc}[1m9${esc}[0m tests run: ${esc}[1m5${esc}[0m passed (1 slow), 2 failed, 1 exec failed, 1 timed out, 3 skipped\n`
  assert.deepEqual(countNextest(`noise\n${line}error: test run failed\n`), { passed: 5, failed: 4, skipped: 3 })
})

test('the results of cargo test are added up', () => {
  const output = 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured\nx\ntest result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured\n'
  assert.deepEqual(countCargoTest(output), { passed: 5, failed: 4, skipped: 1 })
})

test('the last lines of TAP are read, and not what a test printed', () => {
  const output = 'TAP version 13\n# pass 99\nok 1 - a\n1..4\n# tests 4\n# suites 0\n# pass 1\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n'
  assert.deepEqual(countTap(output), { passed: 1, failed: 2, skipped: 1 })
})

test('the closing line is plain', () => {
  assert.equal(closingLine({ passed: 3, failed: 0, skipped: 0 }), '3 passed, 0 failed')
  assert.equal(closingLine({ passed: 3, failed: 1, skipped: 2 }), '3 passed, 1 failed, 2 skipped')
})

test('node_modules is outdated when a package differs from the lock file, and optional ones do not count', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-prepare-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const lock = (version) => JSON.stringify({ packages: { '': {}, 'node_modules/a': { version }, 'node_modules/b': { version: '1.0.0', optional: true } } })
  writeFileSync(join(folder, 'package-lock.json'), lock('1.0.0'))
  assert.equal(whyOutdated(folder), 'node_modules is missing')
  mkdirSync(join(folder, 'node_modules', 'a'), { recursive: true })
  writeFileSync(join(folder, 'node_modules', '.package-lock.json'), lock('1.0.0'))
  assert.equal(whyOutdated(folder), null)
  writeFileSync(join(folder, 'package-lock.json'), lock('1.0.1'))
  assert.equal(whyOutdated(folder), 'node_modules/a is not 1.0.1')
})
