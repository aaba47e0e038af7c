// `hl7-outbox export`: undelivered messages as files, exact, in their order, as often as one likes.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, openPaused, reach, root } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')
const WHO = ['--actor', 'tester', '--reason', 'back to the old way']

async function cli(t, args, options) {
  const program = startProgram(t, [MAIN, ...args], options)
  const { code } = await program.end()
  return { code, out: program.out, err: program.err }
}

const manifest = (to) => readFileSync(join(to, 'manifest.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line))
const hl7Files = (to) => readdirSync(to).filter((name) => name.endsWith('.hl7')).sort()

test('undelivered messages are exported byte for byte, in the order of their lanes, with a manifest, for their owner only', async (t) => {
  const here = folder(t)
  const [path, to] = [join(here, 'outbox.db'), join(here, 'out')]
  const outbox = await openPaused(t, 'http://127.0.0.1:9/', {}, { path })
  const first = hl7({ control: 'A/1:*', patient: 'A', arabic: true })
  const one = await outbox.enqueueHl7(first, { tags: { visitId: 'V-1' } })
  const held = await outbox.enqueueHl7(hl7({ control: 'B1', patient: 'B' }), { hold: true })
  const two = await outbox.enqueueHl7(hl7({ control: 'A2', patient: 'A' }))
  const corrected = await outbox.replaceMessage(held.id, hl7({ control: 'B1-NEW', patient: 'B' }), by)
  const { code, out, err } = await cli(t, ['export', '--to', to, '--path', path, ...WHO])
  assert.deepEqual([code, out, err], [0, `${to}: 3 messages, 3 of them new\n`, ''])
  const lines = manifest(to)
  assert.deepEqual(lines.map(({ controlId }) => controlId), ['A/1:*', 'B1-NEW', 'A2'], 'the correction stands where the message stood')
  const [a1, b, a2] = lines
  assert.equal(a1.lane, a2.lane)
  assert.notEqual(a1.lane, b.lane)
  assert.match(a1.lane, /^[0-9a-f]{32}$/)
  const { createdAt, lane, ...rest } = a1
  assert.ok(Date.parse(createdAt) > 0 && lane.length > 0)
  assert.deepEqual(rest, {
    id: one.id, seq: 1, controlId: 'A/1:*', messageType: 'ADT^A08', destination: 'malaffi', status: 'PENDING', inFlight: false, position: 1, tags: { visitId: 'V-1' },
    failure: null, tries: 0, possibleDuplicate: false, replaces: null, file: '0000000001_A_1__.hl7',
  })
  assert.deepEqual([b.id, b.replaces, b.position < b.seq], [corrected.id, held.id, true])
  assert.deepEqual(hl7Files(to), lines.map(({ file }) => file).sort())
  assert.ok(readFileSync(join(to, a1.file)).equals(Buffer.from(first)))
  assert.ok(readFileSync(join(to, a2.file)).equals(Buffer.from(await outbox.getMessageContent(two.id))))
  assert.deepEqual(readdirSync(to).filter((name) => !name.endsWith('.hl7')), ['manifest.jsonl'])
  if (process.platform !== 'win32') {
    assert.equal(statSync(to).mode & 0o777, 0o700)
    for (const name of readdirSync(to)) assert.equal(statSync(join(to, name)).mode & 0o777, 0o600, name)
  }
})

test('an export into the same directory adds what is new, and removes what no longer waits', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const [path, to] = [join(here, 'outbox.db'), join(here, 'out')]
  const outbox = await openPaused(t, taker.url, {}, { path })
  const ids = []
  for (const patient of ['A', 'B']) ids.push((await outbox.enqueueHl7(hl7({ patient }))).id)
  assert.equal((await cli(t, ['export', '--to', to, '--path', path])).out, `${to}: 2 messages, 2 of them new\n`)
  const bytes = hl7Files(to).map((name) => readFileSync(join(to, name)))
  assert.equal((await cli(t, ['export', '--to', to, '--path', path])).out, `${to}: 2 messages, 0 of them new\n`)
  assert.deepEqual(hl7Files(to).map((name) => readFileSync(join(to, name))), bytes)
  await outbox.cancelMessages({ ids: [ids[0]] }, by)
  ids.push((await outbox.enqueueHl7(hl7({ patient: 'C' }), { hold: true })).id)
  // Another filter: what the earlier one chose stays, as long as it waits.
  const { out } = await cli(t, ['export', '--to', to, '--status', 'HELD', '--path', path, '--json'])
  assert.deepEqual(JSON.parse(out), { directory: to, messages: 2, written: 1, removed: 1, left: [] })
  assert.deepEqual(manifest(to).map(({ id }) => id), [ids[1], ids[2]])
  assert.equal(hl7Files(to).length, 2)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, ids[1], 'ACKNOWLEDGED')
  assert.equal((await cli(t, ['export', '--to', to, '--path', path])).out, `${to}: 1 message, 0 of them new, 1 removed that no longer wait\n`)
})

test('--status and --destination choose, dead letters carry their reason, and who sends meanwhile is named', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: { type: 'ae', errors: [{ code: '103' }] } }, { answer: 'silent' }] })
  const here = folder(t)
  const [path, file] = [join(here, 'outbox.db'), join(here, 'settings.json')]
  const both = config(path, taker.url)
  both.destinations.other = { url: 'http://127.0.0.1:9/', enabled: false }
  both.defaultDestination = 'malaffi'
  writeFileSync(file, JSON.stringify(both))
  const outbox = await open(t, taker.url, {}, { path, destinations: both.destinations, defaultDestination: 'malaffi' })
  await outbox.enqueueHl7(hl7({ patient: 'A' }))
  await count(outbox, 'FAILED', 1)
  await outbox.enqueueHl7(hl7({ patient: 'B' }))
  await outbox.enqueueHl7(hl7({ patient: 'C' }), { destination: 'other' })
  const failed = join(here, 'failed')
  assert.equal((await cli(t, ['export', '--to', failed, '--status', 'FAILED', '--config', file])).code, 0)
  assert.deepEqual(manifest(failed).map(({ status, failure }) => [status, failure.reason, failure.errCodes]), [['FAILED', 'rejected', ['103']]])
  const other = join(here, 'other')
  assert.equal((await cli(t, ['export', '--to', other, '--destination', 'other', '--config', file])).code, 0)
  assert.deepEqual(manifest(other).map(({ destination }) => destination), ['other'])
  const all = await cli(t, ['export', '--to', join(here, 'all'), '--config', file])
  assert.equal(all.err, `warning: process ${process.pid} goes on sending to malaffi\nhint: to take these messages another way, pause the destination first and export again\n`)
})

test('a directory that holds anything else is left alone, and what is misspelt ends with 2', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const outbox = await openPaused(t, 'http://127.0.0.1:9/', {}, { path })
  await outbox.enqueueHl7(hl7())
  const second = await openPaused(t, 'http://127.0.0.1:9/')
  await second.enqueueHl7(hl7())
  const at = (name) => join(here, name)
  mkdirSync(at('mine'))
  writeFileSync(at('mine/notes.txt'), 'an invented note')
  mkdirSync(at('bare'))
  writeFileSync(at('bare/0000000001_X.hl7'), 'MSH')
  writeFileSync(at('file'), '')
  symlinkSync(at('mine'), at('link'), 'junction')
  const foreign = at('foreign')
  assert.equal((await cli(t, ['export', '--to', foreign, '--path', (await second.getHealth()).file.path])).code, 0)
  for (const to of ['mine', 'bare', 'file', 'link', 'foreign', 'missing/out']) {
    // The outbox's own companions come and go.
    const others = () => readdirSync(here).filter((name) => !name.startsWith('outbox.db'))
    const before = to.includes('/') ? [] : others()
    const { code, out, err } = await cli(t, ['export', '--to', at(to), '--path', path])
    assert.deepEqual([code, out], [2, ''], to)
    assert.match(err, /^error: .+\nhint: .+\n$/, to)
    if (before.length > 0) assert.deepEqual(others(), before)
  }
  assert.deepEqual([readdirSync(at('mine')), readFileSync(at('bare/0000000001_X.hl7'), 'utf8')], [['notes.txt'], 'MSH'])
  for (const args of [['export'], ['export', 'x', '--to', 'y'], ['export', '--to', 'y', '--status', 'SENT'], ['export', '--to', 'y', '--force']]) {
    assert.equal((await cli(t, [...args, '--path', path], { cwd: here })).code, 2, args.join(' '))
  }
})
