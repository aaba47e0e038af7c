// The worklist: dead letters by what they failed of, who sees to them, and whether it is done.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, door, folder, open, reach, refused } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const error = (code) => ({ type: 'ae', errors: [{ code }] })
const REFUSING = { rules: [{ when: { controlId: 'LICENCE' }, answer: error('103') }, { when: { controlId: 'TYPE' }, answer: error('207') }], answer: error('103') }

async function dead(outbox, control, tags = {}) {
  const { id } = await outbox.enqueueHl7(hl7({ control, patient: `P-${control}` }), { tags })
  return reach(outbox, id, 'FAILED')
}

test('dead letters are listed by what they failed of, with counts a day, and a change says who made it', async (t) => {
  const outbox = await open(t, (await receiver(t, REFUSING)).url)
  assert.deepEqual((await outbox.listRefusals()).groups, [])
  const first = await dead(outbox, 'ONE', { schoolId: 'S-1' })
  const second = await dead(outbox, 'TWO', { schoolId: 'S-2' })
  await dead(outbox, 'TYPE')
  const { groups: [group, other], days, more } = await outbox.listRefusals()
  assert.deepEqual([days.length, days.at(-1), more], [14, new Date().toISOString().slice(0, 10), false])
  const { id, version, examples, newestAt, ...rest } = group
  assert.deepEqual(rest, {
    tags: {}, destination: 'malaffi', code: first.failure.code, errCodes: ['103'], reason: 'rejected', count: 2, perDay: [...Array(13).fill(0), 2],
    owner: null, note: null, state: 'open', rectifiedAt: null, rectifiedBy: null, reopenedAt: null, changedAt: null, changedBy: null,
  })
  assert.deepEqual([examples.map((each) => each.id), newestAt], [[second.id, first.id], second.updatedAt])
  assert.deepEqual(examples[0], await outbox.getMessage(second.id))

  const changed = await outbox.updateRefusal(group, { owner: 'invented nurse', note: 'register\nis wrong', rectified: true }, by)
  assert.deepEqual([changed.id, changed.owner, changed.note, changed.state, changed.rectifiedBy, changed.changedBy], [id, 'invented nurse', 'register\nis wrong', 'rectified', by.actor, by.actor])
  assert.notEqual(changed.version, version)
  assert.deepEqual((await outbox.listRefusals({ state: 'rectified' })).groups, [changed])
  assert.deepEqual((await outbox.listRefusals({ state: 'open' })).groups, [other])
  assert.deepEqual((await outbox.listRefusals({ owner: 'invented nurse', failureCode: group.code, destination: 'malaffi', limit: 1 })).groups, [changed])

  await refused(() => outbox.updateRefusal(group, { note: 'Zzyx' }, by), 'ERR_REFUSAL_CHANGED')
  assert.equal((await outbox.updateRefusal(id, { note: null }, by)).note, null, 'by its id alone it changes however it is')

  await dead(outbox, 'THREE')
  const [again] = (await outbox.listRefusals({ id })).groups
  assert.deepEqual([again.state, again.count, again.reopenedAt, again.owner], ['open', 3, again.newestAt, 'invented nurse'])
  await refused(() => outbox.updateRefusal(changed, { rectified: true }, by), 'ERR_REFUSAL_CHANGED')

  await outbox.cancelMessages({ status: 'FAILED' }, by)
  assert.deepEqual((await outbox.listRefusals()).groups, [])
  assert.deepEqual((await outbox.listRefusals({ id })).groups.map(({ count, owner }) => [count, owner]), [[0, 'invented nurse']])
  await refused(() => outbox.updateRefusal(other, { note: 'n' }, by), 'ERR_REFUSAL', 'the last message has left it')
})

test('a part by tags has its own counts, and what is noted for it is noted for it alone', async (t) => {
  const outbox = await open(t, (await receiver(t, REFUSING)).url)
  await dead(outbox, 'ONE', { schoolId: 'S-1' })
  await dead(outbox, 'TWO', { schoolId: 'S-2' })
  const part = async (schoolId) => (await outbox.listRefusals({ tags: { schoolId } })).groups[0]
  const own = await part('S-1')
  assert.deepEqual([own.count, own.tags, own.examples.map(({ controlId }) => controlId)], [1, { schoolId: 'S-1' }, ['ONE']])
  await outbox.updateRefusal(own, { note: 'of school one', rectified: true }, by)
  assert.deepEqual([(await part('S-2')).note, (await outbox.listRefusals()).groups[0].note], [null, null])
  await refused(() => outbox.updateRefusal({ id: own.id, tags: { schoolId: 'S-3' } }, { note: 'n' }, by), 'ERR_REFUSAL', 'a part without messages is none')
  assert.deepEqual((await outbox.listRefusals({ tags: { schoolId: 'S-3' } })).groups, [])
  await dead(outbox, 'THREE', { schoolId: 'S-2' })
  assert.equal((await part('S-1')).state, 'rectified', 'another school’s refusal is not its own')
})

test('what is noted is there after a restart, and for another process', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, (await receiver(t, REFUSING)).url)
  const outbox = await door.Outbox.open(settings)
  await dead(outbox, 'ONE')
  const noted = await outbox.updateRefusal((await outbox.listRefusals()).groups[0], { owner: 'a', rectified: true }, by)
  await outbox.close()
  const again = await door.Outbox.open({ ...settings, dispatch: false })
  t.after(() => again.close({ timeoutMs: 0 }))
  assert.deepEqual((await again.listRefusals()).groups, [noted])
})

test('wrong arguments are named, and what was typed is repeated nowhere', async (t) => {
  const lines = []
  const outbox = await open(t, (await receiver(t, REFUSING)).url, {}, { log: { level: 'debug', onLog: (line) => lines.push(JSON.stringify(line)) } })
  await dead(outbox, 'ONE')
  const [group] = (await outbox.listRefusals()).groups
  const secret = 'Zzyx'
  const wrong = [
    [() => outbox.updateRefusal(group, {}, by), 'ERR_OPTION'],
    [() => outbox.updateRefusal(group, { owner: secret.repeat(51) }, by), 'ERR_OPTION', /`owner` is longer than 200/],
    [() => outbox.updateRefusal(group, { note: secret.repeat(501) }, by), 'ERR_OPTION', /`note` is longer than 2000/],
    [() => outbox.updateRefusal(group, { owner: `${secret}\u001b[2J` }, by), 'ERR_OPTION', /`owner` has control characters/],
    [() => outbox.updateRefusal(group, { owner: 7 }, by), 'ERR_OPTION', /change\.owner/],
    [() => outbox.updateRefusal(group, { rectified: secret }, by), 'ERR_OPTION', /change\.rectified/],
    [() => outbox.updateRefusal(group, { [secret.toLowerCase()]: 'x' }, by), 'ERR_OPTION'],
    [() => outbox.updateRefusal({ ...group, version: secret }, { note: 'n' }, by), 'ERR_OPTION', /`version`/],
    [() => outbox.updateRefusal(group, { note: 'n' }, { actor: '' }), 'ERR_OPTION', /`actor`/],
    [() => outbox.updateRefusal(group, { note: 'n' }), 'ERR_OPTION'],
    [() => outbox.updateRefusal(secret, { note: 'n' }, by), 'ERR_REFUSAL'],
    [() => outbox.updateRefusal('999', { note: 'n' }, by), 'ERR_REFUSAL'],
    [() => outbox.updateRefusal(null, { note: 'n' }, by), 'ERR_OPTION'],
    [() => outbox.listRefusals({ limit: 0 }), 'ERR_OPTION', /`limit`/],
    [() => outbox.listRefusals({ limit: 1_001 }), 'ERR_OPTION', /`limit`/],
    [() => outbox.listRefusals({ state: 'done' }), 'ERR_OPTION'],
    [() => outbox.listRefusals({ unknown: 1 }), 'ERR_OPTION', /unknown/],
    [() => outbox.listRefusals({ id: '01' }), 'ERR_REFUSAL'],
  ]
  for (const [n, [call, code, words]] of wrong.entries()) {
    const { message } = await refused(call, code, `case ${n}`)
    assert.ok(!message.includes(secret), message)
    if (words !== undefined) assert.match(message, words)
  }
  assert.deepEqual((await outbox.listRefusals()).groups, [group], 'nothing of it changed anything')
  await outbox.updateRefusal(group, { owner: secret, note: secret }, by)
  assert.ok(!(await outbox.getMetrics()).includes(secret))
  assert.ok(!lines.join('\n').includes(secret))
})
