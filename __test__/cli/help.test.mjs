// The help of the whole and of every command, to the letter, and every way of being misunderstood.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { folder, root } from '../support/outbox.mjs'
import { run, same } from './snapshot.mjs'

const { COMMANDS } = createRequire(import.meta.url)(join(root, 'dist', 'cli', 'registry.js'))
const AT_ONCE = 3

async function all(list, work) {
  for (let n = 0; n < list.length; n += AT_ONCE) await Promise.all(list.slice(n, n + AT_ONCE).map(work))
}

test('the help of each command is what was agreed', async (t) => {
  await all(['', ...Object.keys(COMMANDS)], async (name) => {
    const help = await run(t, name === '' ? ['--help'] : [name, '--help'])
    assert.deepEqual([help.code, help.err], [0, ''])
    same(`help${name === '' ? '' : `-${name}`}`, help)
  })
})

test('without words it shows its help, and `help NAME` that of a command', async (t) => {
  assert.match((await run(t, [])).out, /^Usage: hl7-outbox <command>/)
  assert.match((await run(t, ['help', 'send'])).out, /^Usage: hl7-outbox send /)
})

test('what is misspelt is named, guessed where that is easy, and nothing is done', async (t) => {
  const cwd = folder(t)
  const wrong = {
    'command': ['stauts'],
    'command-of-javascript': ['constructor'],
    'option': ['list', '--statsu', 'FAILED'],
    'status': ['list', '--status', 'LOST'],
    'time': ['list', '--from', 'yesterday'],
    'tag': ['list', '--tag', 'schoolId'],
    'limit': ['list', '--limit', '0'],
    'limit-word': ['list', '--limit', 'many'],
    'no-outbox': ['list'],
    'missing-outbox': ['list', '--path', 'missing.db'],
    'no-choice': ['cancel', '--path', 'missing.db'],
    'ids-and-all': ['retry', 'x', '--all-failed', '--path', 'missing.db'],
    'reveal-without-reason': ['show', 'x', '--reveal'],
    'raw-without-reveal': ['show', 'x', '--raw'],
    'no-file': ['send', 'missing.hl7'],
    'folder': ['send', '.'],
    'no-words': ['send'],
    'replace-no-file': ['replace', 'x', 'missing.hl7'],
    'after-and-consumer': ['tail', '--after', '0.0', '--consumer', 'x'],
    'shell': ['completions', 'cmd'],
    'init-part': ['init', '--only', 'docker'],
    'init-url': ['init', '--url', 'ftp://x'],
    'init-folder': ['init', 'missing'],
    'worker-option': ['worker', '--stop-timeout-ms', 'soon'],
    'receiver-option': ['receiver', '--tls-cert', 'x'],
    'pause-nothing': ['pause'],
    'resume-two': ['resume', 'a', 'b'],
    'profile': ['check', '-', '--profile', 'nabidh'],
    'status-word': ['status', 'word'],
    'hold-nothing': ['hold'],
    'release-nothing': ['release'],
    'resend-nothing': ['resend'],
    'purge-nothing': ['purge'],
    'refusal-nothing': ['refusal'],
    'refusal-both': ['refusal', '1', '--rectified', '--reopen'],
    'refusals-limit': ['refusals', '--limit', '1001'],
    'refusals-state': ['refusals', '--state', 'done'],
  }
  await all(Object.entries(wrong), async ([name, args]) => {
    const said = await run(t, args, { cwd })
    assert.deepEqual([said.code, said.out], [2, ''], name)
    same(`wrong-${name}`, said)
  })
  assert.deepEqual(readdirSync(cwd), [])
})
