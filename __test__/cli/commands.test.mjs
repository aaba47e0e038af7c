// Every command on one outbox with messages in every state, compared to the letter.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, reach } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { Names, run, same } from './snapshot.mjs'

const WHO = ['--actor', 'tester', '--reason', 'a test']

/** An outbox on a file, with a configuration beside it. */
async function outboxWithConfig(t, behaviour = {}) {
  const taker = await receiver(t, behaviour)
  const cwd = folder(t)
  const path = join(cwd, 'outbox.db')
  writeFileSync(join(cwd, 'hl7-outbox.config.json'), JSON.stringify(config(path, taker.url)))
  const outbox = await open(t, taker.url, {}, { path })
  const names = new Names().set(cwd, 'folder')
  const says = async (name, args, options = {}) => {
    const said = await run(t, args, { cwd, ...options })
    same(name, said, names)
    return said
  }
  return { taker, cwd, path, outbox, names, says }
}

test('look: list, show, tail and status of messages in every state', async (t) => {
  const { outbox, says, names } = await outboxWithConfig(t, {
    rules: [
      { when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } },
      { when: { controlId: 'PLAIN' }, answer: 'ca' },
    ],
  })
  const put = (control, options = {}, rest = {}) => outbox.enqueueHl7(hl7({ control, patient: control, ...rest }), options)
  const taken = await put('TAKEN', { tags: { schoolId: '12', visitId: 'v1' } })
  await reach(outbox, taken.id, 'ACKNOWLEDGED')
  const bad = await put('BAD', { tags: { schoolId: '12' } }, { type: 'ADT^A04' })
  await reach(outbox, bad.id, 'FAILED')
  const plain = await put('PLAIN')
  await reach(outbox, plain.id, 'SENT')
  const held = await put('HELD', { hold: true })
  await outbox.pauseDestination('malaffi', by)
  const waiting = await put('WAITING', { priority: 'urgent' })
  const gone = await put('GONE')
  await outbox.cancelMessages({ ids: [gone.id] }, by)
  for (const { id } of [taken, bad, plain, held, waiting, gone]) names.apply(id)

  await says('list', ['list'])
  await says('list-80', ['list'], { env: { COLUMNS: '80' } })
  await says('list-filtered', ['list', '--status', 'FAILED,held', '--from', '1h', '--order', 'oldest'])
  await says('list-tag', ['list', '--tag', 'schoolId=12', '--type', 'ADT^A04', '--code', 'ACK_AE_103'])
  await says('list-json', ['list', '--control-id', 'BAD', '--json'])
  await says('list-page', ['list', '--limit', '2'])
  await says('list-none', ['list', '--possible-duplicate'])
  await says('list-colour', ['list', '--status', 'FAILED'], { env: { NO_COLOR: '', FORCE_COLOR: '1' } })
  await says('show', ['show', bad.id])
  await says('show-json', ['show', '--control-id', 'BAD', '--destination', 'malaffi', '--json'])
  await says('show-reveal', ['show', bad.id, '--reveal', ...WHO])
  await says('show-raw', ['show', bad.id, '--reveal', '--raw', ...WHO])
  await says('show-nobody', ['show', '--control-id', 'NOBODY'])
  await says('show-misspelt', ['show', 'nobody'])
  await says('tail', ['tail', '--limit', '4'])
  await says('tail-json', ['tail', '--limit', '1', '--json', '--tag', 'schoolId=12'])
  await says('tail-cursor', ['tail', '--after', 'misspelt'])
  await says('status', ['status'])
  await says('status-json', ['status', '--json'])
})

test('pages of list are cut anywhere and lose nothing', async (t) => {
  const { outbox, cwd } = await outboxWithConfig(t)
  await outbox.pauseDestination('malaffi', by)
  const stored = await outbox.enqueueHl7Batch(Array.from({ length: 1_205 }, () => ({ message: hl7() })))
  const all = await run(t, ['list', '--all', '--order', 'oldest', '--json'], { cwd })
  assert.deepEqual(all.out.trimEnd().split('\n').map((line) => JSON.parse(line).id), stored.map(({ id }) => id))
  assert.equal(all.err, '')
  const first = await run(t, ['list', '--limit', '700', '--order', 'oldest', '--json'], { cwd })
  const [, cursor] = /^more: --cursor (\S+)\n$/.exec(first.err)
  const second = await run(t, ['list', '--limit', '700', '--order', 'oldest', '--json', '--cursor', cursor], { cwd })
  assert.equal(first.out + second.out, all.out)
  const words = await run(t, ['list', '--all'], { cwd })
  assert.equal(words.out.split('\n').filter((line) => line.startsWith('ID')).length, 1, 'one line of titles')
})

test('steer: each command by id and by filter says what changed and what did not', async (t) => {
  const { outbox, cwd, says, taker, names } = await outboxWithConfig(t, { rules: [{ when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const taken = await outbox.enqueueHl7(hl7({ control: 'TAKEN', patient: 'A' }))
  await reach(outbox, taken.id, 'ACKNOWLEDGED')
  const bad = await outbox.enqueueHl7(hl7({ control: 'BAD', patient: 'B' }))
  await reach(outbox, bad.id, 'FAILED')
  await says('pause', ['pause', 'malaffi', ...WHO])
  await says('pause-unknown', ['pause', 'nobody', ...WHO])
  const [one, two] = [await outbox.enqueueHl7(hl7({ control: 'ONE', patient: 'C' }), { tags: { schoolId: '12' } }), await outbox.enqueueHl7(hl7({ control: 'TWO', patient: 'D' }))]
  for (const { id } of [taken, bad, one, two]) names.apply(id)
  await says('hold', ['hold', '--tag', 'schoolId=12', ...WHO])
  await says('hold-left', ['hold', taken.id, one.id, two.id, ...WHO])
  await says('release-dry', ['release', '--from', '1h', '--dry-run'])
  await says('release', ['release', '--from', '1h', '--json', ...WHO])
  await says('cancel', ['cancel', two.id, one.id, ...WHO])
  await says('cancel-left', ['cancel', taken.id, ...WHO])
  await says('cancel-left-control', ['cancel', '--control-id', 'TAKEN', ...WHO])
  await says('retry-cancelled', ['retry', one.id, ...WHO])
  await says('resend-dry', ['resend', '--status', 'ACKNOWLEDGED', '--dry-run', '--json'])
  await says('resend', ['resend', taken.id, ...WHO])
  writeFileSync(join(cwd, 'corrected.hl7'), hl7({ control: 'GOOD', patient: 'B' }))
  await says('replace', ['replace', bad.id, 'corrected.hl7', ...WHO])
  await says('replace-again', ['replace', bad.id, 'corrected.hl7', ...WHO])
  writeFileSync(join(cwd, 'note.txt'), 'an invented note\n')
  await says('replace-no-hl7', ['replace', bad.id, 'note.txt', ...WHO])
  await says('retry-none', ['retry', '--all-failed', ...WHO])
  await says('purge-asks', ['purge', '--status', 'CANCELLED', '--control-id', 'TWO', ...WHO])
  await says('purge', ['purge', '--status', 'CANCELLED', '--control-id', 'TWO', '--yes', ...WHO])
  await says('resume', ['resume', 'malaffi', ...WHO])
  await count(outbox, 'ACKNOWLEDGED', 3)
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId).sort(), ['BAD', 'GOOD', 'ONE', 'TAKEN', 'TAKEN'])
})

test('refusals: what was refused, who sees to it, and whether it is done', async (t) => {
  const { outbox, cwd, says, names } = await outboxWithConfig(t, {
    rules: [{ when: { controlId: 'TYPE' }, answer: { type: 'ae', errors: [{ code: '207' }] } }],
    answer: { type: 'ae', errors: [{ code: '103' }] },
  })
  await says('refusals-none', ['refusals'])
  for (const [control, schoolId] of [['ONE', '12'], ['TWO', '13'], ['TYPE', '12']]) {
    const { id } = await outbox.enqueueHl7(hl7({ control, patient: control }), { tags: { schoolId } })
    names.apply(id)
    await reach(outbox, id, 'FAILED')
  }
  await says('refusals', ['refusals'])
  await says('refusals-80', ['refusals'], { env: { COLUMNS: '80' } })
  await says('refusals-tag', ['refusals', '--tag', 'schoolId=13'])
  await says('refusal', ['refusal', '1'])
  await says('refusal-noted', ['refusal', '1', '--owner', 'fatima', '--note', 'licence is wrong\nin the register', ...WHO])
  await says('refusal-part', ['refusal', '1', '--tag', 'schoolId=13', '--rectified', ...WHO])
  await says('refusal-seen', ['refusal', '1', '--note', 'too late', '--seen', '0.2', ...WHO])
  await says('refusal-rectified', ['refusal', '1', '--rectified', ...WHO])
  await says('refusals-open', ['refusals', '--state', 'open'])
  await says('refusals-owner', ['refusals', '--owner', 'fatima', '--code', 'ACK_AE_103', '--destination', 'malaffi'])
  await reach(outbox, (await outbox.enqueueHl7(hl7({ control: 'THREE', patient: 'THREE' }))).id, 'FAILED')
  await says('refusals-again', ['refusals'])
  await says('refusal-reopen', ['refusal', '1', '--reopen', '--owner', '', ...WHO])
  await says('refusal-nobody', ['refusal', '999'])
  await says('refusal-misspelt', ['refusal', 'nobody', '--rectified', ...WHO])
  const [first] = JSON.parse((await run(t, ['refusals', '--json'], { cwd })).out).groups
  assert.deepEqual(first, (await outbox.listRefusals()).groups[0])
  const one = await run(t, ['refusal', '1', '--seen', first.version, '--rectified', '--json', ...WHO], { cwd })
  assert.equal(JSON.parse(one.out).state, 'rectified')
})

test('a filter that matches many is not carried out unless it is meant', async (t) => {
  const { outbox, cwd, says } = await outboxWithConfig(t)
  await outbox.pauseDestination('malaffi', by)
  await outbox.enqueueHl7Batch(Array.from({ length: 101 }, () => ({ message: hl7() })))
  await says('cancel-many', ['cancel', '--destination', 'malaffi', ...WHO])
  assert.equal((await outbox.getStats()).byStatus.PENDING, 101)
  await says('cancel-many-dry', ['cancel', '--destination', 'malaffi', '--dry-run'])
  const { out } = await run(t, ['cancel', '--destination', 'malaffi', '--yes', ...WHO], { cwd })
  assert.equal(out, '101 withdrawn\n')
})
