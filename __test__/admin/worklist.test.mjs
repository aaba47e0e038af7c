// The worklist of the admin page: what each person sees of it, and what they note.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, reach, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { desk, of, operator } from './desk.mjs'

const error = (code) => ({ type: 'ae', errors: [{ code }] })
const REFUSING = { rules: [{ when: { controlId: 'TYPE' }, answer: error('207') }], answer: error('103') }

async function withDead(t, ...letters) {
  const outbox = await open(t, (await receiver(t, REFUSING)).url)
  for (const [control, schoolId] of letters) {
    const { id } = await outbox.enqueueHl7(hl7({ control, patient: `P-${control}` }), { tags: { schoolId } })
    await reach(outbox, id, 'FAILED')
  }
  return outbox
}

test('owner, note and mark are given with a reason, and filtered by', async (t) => {
  const outbox = await withDead(t, ['ONE', 'S-1'], ['TWO', 'S-2'], ['TYPE', 'S-1'])
  const browser = desk(outbox).browser()
  const codes = async (view) => (await browser.get('api/refusals', view === undefined ? {} : { view })).body.groups.map(({ errCodes }) => errCodes[0])
  assert.deepEqual([await codes(), await codes('open'), await codes('mine'), await codes('rectified')], [['103', '207'], ['103', '207'], [], []])
  const { body: { groups: [group, other] } } = await browser.get('api/refusals')
  const give = (of_, more) => browser.post('api/refusal', { id: of_.id, version: of_.version, reason: 'daily look', ...more })
  const taken = await give(group, { owner: operator.actor, note: 'wrong licence' })
  assert.deepEqual([taken.status, taken.body.owner, taken.body.note, taken.body.changedBy], [200, 'operator', 'wrong licence', 'operator'])
  assert.deepEqual([await codes('mine'), await codes('open')], [['103'], ['103', '207']])
  const done = await give(taken.body, { rectified: true })
  assert.deepEqual([done.body.state, done.body.rectifiedBy], ['rectified', 'operator'])
  assert.deepEqual([await codes('mine'), await codes('open'), await codes('rectified'), await codes('all')], [[], ['207'], ['103'], ['103', '207']])

  const late = await give(group, { note: 'Zzyx' })
  assert.deepEqual([late.status, late.body.error.code], [409, 'ERR_REFUSAL_CHANGED'])
  const wrong = [
    [{ reason: ' ' }, 'REASON_MISSING'], [{}, 'ERR_OPTION'], [{ rectified: 'yes' }, 'MALFORMED'], [{ owner: 7 }, 'MALFORMED'], [{ version: 'Zzyx', note: 'n' }, 'ERR_OPTION'],
    [{ note: 'Zzyx'.repeat(501) }, 'ERR_OPTION'], [{ id: 7 }, 'MALFORMED'], [{ id: '999', note: 'n' }, 'ERR_REFUSAL'],
  ]
  for (const [more, code] of wrong) {
    const { status, body } = await give(other, more)
    assert.deepEqual([body.error.code, status >= 400 && status < 500], [code, true], JSON.stringify(more).slice(0, 60))
    assert.ok(!JSON.stringify(body).includes('Zzyx'))
  }
  assert.equal((await browser.get('api/refusals', { view: 'nobody' })).status, 400)
  assert.deepEqual((await outbox.listRefusals({ id: other.id })).groups, [other])
})

test('who may not rectify is refused, and so is one whose page is not this one', async (t) => {
  const outbox = await withDead(t, ['ONE', 'S-1'])
  const [group] = (await outbox.listRefusals()).groups
  const body = { id: group.id, version: group.version, note: 'n', reason: 'r' }
  const viewer = desk(outbox).browser({ actor: 'viewer', may: ['view', 'retry', 'replace'] })
  assert.equal((await viewer.get('api/refusals')).body.groups.length, 1)
  const { status, body: { error: { code } } } = await viewer.post('api/refusal', body)
  assert.deepEqual([status, code], [403, 'NOT_PERMITTED'])
  assert.equal((await desk(outbox).browser().post('api/refusal', body, { origin: 'https://evil.example' })).status, 403)
  assert.deepEqual((await outbox.listRefusals()).groups, [group])
})

test("a person of one school sees and changes the group as that school's messages make it, and learns nothing of others", async (t) => {
  const outbox = await withDead(t, ['MINE', 'S-1'], ['THEIRS', 'S-2'], ['TYPE', 'S-2'])
  const { browser } = desk(outbox)
  const [whole, foreign] = (await outbox.listRefusals()).groups
  await outbox.updateRefusal(whole, { owner: 'manager', note: 'Zzyx of all', rectified: true }, by)
  const [theirs] = (await outbox.listRefusals({ tags: { schoolId: 'S-2' } })).groups
  await outbox.updateRefusal(theirs, { owner: 'nurse of S-2', note: 'Zzyx of S-2' }, by)

  const nurse = browser(of('S-1'))
  const seen = await nurse.get('api/refusals')
  const { groups: [group], more } = seen.body
  assert.deepEqual([seen.body.groups.length, more, group.count, group.perDay.at(-1), group.examples.map(({ controlId }) => controlId)], [1, false, 1, 1, ['MINE']])
  assert.deepEqual([group.owner, group.note, group.state, group.changedBy, group.rectifiedBy], [null, null, 'open', null, null])
  assert.ok(!/Zzyx|THEIRS|S-2/.test(JSON.stringify(seen.body)))
  for (const view of ['mine', 'rectified']) assert.deepEqual((await nurse.get('api/refusals', { view })).body.groups, [])

  const others = await Promise.all([foreign, { id: '999', version: '0.0' }].map(({ id, version }) => nurse.post('api/refusal', { id, version, note: 'n', reason: 'r' })))
  assert.deepEqual(others.map(({ status }) => status), [404, 404])
  assert.deepEqual(others[0].body, others[1].body, 'a group of others cannot be told from none')
  const before = await Promise.all([{}, { tags: { schoolId: 'S-2' } }].map((filter) => outbox.listRefusals(filter)))
  const done = await nurse.post('api/refusal', { id: group.id, version: group.version, note: 'ours', rectified: true, tags: { schoolId: 'S-2' }, reason: 'r' })
  assert.deepEqual([done.status, done.body.note, done.body.state, done.body.tags], [200, 'ours', 'rectified', { schoolId: 'S-1' }])
  assert.deepEqual(await Promise.all([{}, { tags: { schoolId: 'S-2' } }].map((filter) => outbox.listRefusals(filter))), before)
  assert.deepEqual((await browser(of('S-3')).get('api/refusals')).body.groups, [])
})

test('who looks at the same part of the worklist hears that it changed', { timeout: 30_000 }, async (t) => {
  const outbox = await withDead(t, ['ONE', 'S-1'])
  const { browser } = desk(outbox)
  const alive = setInterval(() => undefined, 1_000)
  t.after(() => clearInterval(alive))
  const stream = async (access) => {
    const response = await browser(access).request('api/events')
    const reader = response.body.getReader()
    t.after(() => reader.cancel())
    const heard = { text: '' }
    void (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) heard.text += Buffer.from(next.value).toString()
    })()
    await until(outbox, () => heard.text.includes('event: open'))
    return heard
  }
  const [same, other] = [await stream(of('S-1')), await stream(of('S-2'))]
  const nurse = browser(of('S-1', 'another nurse'))
  const { body: { groups: [group] } } = await nurse.get('api/refusals')
  assert.equal((await nurse.post('api/refusal', { id: group.id, version: group.version, note: 'n', reason: 'r' })).status, 200)
  await until(outbox, () => same.text.includes('event: changed'))
  await until(outbox, () => other.text.includes('still here'))
  assert.ok(!other.text.includes('changed'))
})
