// The example, for real: its own tests, and what it does when the receiver, the outbox or the whole process fails.
import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { allAre, listMessages, saveVisit, untilServing, watchMessages } from '../../scripts/lib/clinic.mjs'
import { buildApp, installApp, startApp } from '../../scripts/lib/next-app.mjs'
import { receivedBy, startReceiver } from '../../scripts/lib/receiver.mjs'
import { compareOrder } from '../../scripts/lib/summary.mjs'
import { inventVisit } from '../../scripts/lib/visits.mjs'
import { npm, root } from '../../scripts/prepare.mjs'
import { openDesk, openWorkplace } from './workplace.mjs'

const SOURCE = join(root, 'examples', 'nextjs-clinic')
const workplace = await openWorkplace()
const { folder, processes, tarball } = workplace
const directory = join(folder, 'clinic')

/** Everything the clinic printed in all tests. */
const printed = []
const start = async (env) => {
  const clinic = await startApp(processes, directory, env, { onLine: (line) => printed.push(line) })
  await untilServing(clinic.url)
  return clinic
}
const delivered = async (clinic, count, msMax = 60_000) => {
  const { list, inTime } = await watchMessages(clinic.url, allAre('ACKNOWLEDGED', count), { msMax })
  assert.ok(inTime, JSON.stringify(list.items, null, 1))
}
const statusOf = async (clinic, visitId) => (await fetch(`${clinic.url}/api/visits/${visitId}/status`)).json()

test('the clinic', { timeout: 600_000 }, async (t) => {
  await t.test('installs, and its own tests pass', async () => {
    const skipped = new Set(['node_modules', '.next', '.test-build', '.data', '.env', '.env.local'].map((name) => join(SOURCE, name)))
    await cp(SOURCE, directory, { recursive: true, filter: (path) => !skipped.has(path) })
    await installApp(directory, tarball)
    const env = { ...process.env }
    delete env.NODE_TEST_CONTEXT // or the inner test runner would report to the outer one
    let output = ''
    assert.equal(await npm(['test'], { cwd: directory, env, onOutput: (chunk) => (output += chunk) }), 0, output)
  })

  await t.test('builds without opening anything', async () => {
    const { receiver, env, files } = await openDesk(workplace, 'building')
    await buildApp(processes, directory, env)
    assert.deepEqual(await files(), [])
    assert.deepEqual(await receivedBy(receiver), [])
    await receiver.stop()
  })

  await t.test('saves a visit, delivers it, corrects it, and refuses a wrong one by field', async () => {
    const { receiver, env } = await openDesk(workplace, 'saving')
    const clinic = await start(env)
    const saved = await saveVisit(clinic.url, inventVisit(2))
    assert.equal(saved.status, 201)
    assert.equal(saved.body.hl7, 'queued')
    assert.deepEqual(saved.body.messages.map((each) => each.messageType), ['ADT^A04', 'ORU^R01'])
    await delivered(clinic, 2)

    const { messages } = await statusOf(clinic, saved.body.visitId)
    assert.deepEqual(messages.map((each) => [each.status, each.attempts.at(-1).outcome]), [['ACKNOWLEDGED', 'accepted'], ['ACKNOWLEDGED', 'accepted']])

    const corrected = await fetch(`${clinic.url}/api/visits/${saved.body.visitId}`, { method: 'PUT', body: JSON.stringify(inventVisit(2)) })
    assert.equal(corrected.status, 200)
    await delivered(clinic, 4)
    assert.deepEqual((await receivedBy(receiver)).map((each) => each.messageType.slice(0, 7)), ['ADT^A04', 'ORU^R01', 'ADT^A08', 'ORU^R01'])

    const visit = inventVisit(0)
    const refused = await saveVisit(clinic.url, { ...visit, patient: { ...visit.patient, birthDate: 'yesterday' }, assessment: { temperatureC: 370 } })
    assert.equal(refused.status, 400)
    assert.deepEqual(refused.body.fields.map((each) => each.field), ['patient.birthDate', 'assessment.temperatureC'])
    assert.equal((await fetch(`${clinic.url}/api/visits/no-id/status`)).status, 404)
    assert.equal((await fetch(`${clinic.url}/api/hl7/no-id`)).status, 404)
    assert.equal((await fetch(clinic.url)).status, 200)
    await clinic.stop()
    await receiver.stop()
  })

  await t.test('keeps the order of saves that meet', async () => {
    const { receiver, env } = await openDesk(workplace, 'meeting')
    const clinic = await start(env)
    const answers = await Promise.all(Array.from({ length: 24 }, (_, n) => saveVisit(clinic.url, inventVisit(n % 2))))
    await delivered(clinic, 48)
    // The control id begins with the time at which the patient's lock was held, so sorting by it gives the order of the commits.
    const expected = new Map()
    for (const [n, { body }] of answers.entries()) {
      const { mrn } = inventVisit(n % 2).patient
      expected.set(mrn, [...(expected.get(mrn) ?? []), body.messages.map((each) => each.controlId)])
    }
    for (const [mrn, visits] of expected) expected.set(mrn, visits.sort(([a], [b]) => (a < b ? -1 : 1)).flat())
    assert.deepEqual(compareOrder(expected, await receivedBy(receiver)), [])
    await clinic.stop()
    await receiver.stop()
  })

  await t.test('saves while the receiver is away; a retry, or time, delivers when it is back', async () => {
    const { receiver, env } = await openDesk(workplace, 'outage')
    const clinic = await start(env)
    await receiver.stop()
    const saved = await saveVisit(clinic.url, inventVisit(0))
    assert.deepEqual([saved.status, saved.body.hl7], [201, 'queued'])
    const { inTime } = await watchMessages(clinic.url, (list) => list.items.some((each) => each.tries > 0 && !each.inFlight), { msMax: 15_000 })
    assert.ok(inTime, 'no attempt was made')

    const back = await startReceiver(processes, { port: receiver.port })
    const retry = (id, body) => fetch(`${clinic.url}/api/hl7/${id}/retry`, { method: 'POST', body: JSON.stringify(body) })
    const [first] = saved.body.messages
    assert.equal((await retry(first.id, {})).status, 400, 'an unnamed actor may not retry')
    const answer = await retry(first.id, { actor: 'a test' })
    assert.ok([200, 409].includes(answer.status), 'retried, or in flight or delivered already')
    await delivered(clinic, 2)
    await clinic.stop()
    await back.stop()
  })

  await t.test('killed between commit and enqueue, it delivers after the restart', async () => {
    const { receiver, env } = await openDesk(workplace, 'crash')
    const doomed = await start({ ...env, CLINIC_TEST_HOOKS: '1', CLINIC_CRASH_AFTER_COMMIT: '1' })
    await assert.rejects(saveVisit(doomed.url, inventVisit(3)))
    assert.equal((await doomed.ended).signal, process.platform === 'win32' ? null : 'SIGKILL')
    assert.deepEqual(await receivedBy(receiver), [])

    const clinic = await start(env)
    await delivered(clinic, 2)
    assert.deepEqual((await listMessages(clinic.url)).notQueued, { waiting: 0, refused: 0 })
    assert.deepEqual((await receivedBy(receiver)).map((each) => each.patient), ['700004', '700004'])
    await clinic.stop()
    await receiver.stop()
  })

  await t.test('saves although the outbox cannot open, and enqueues when it can', async () => {
    const { receiver, data, env } = await openDesk(workplace, 'closed')
    const broken = await startApp(processes, directory, { ...env, HL7_OUTBOX_PATH: join(data, 'missing', 'outbox.db') }, { onLine: (line) => printed.push(line) })
    const saved = await saveVisit(broken.url, inventVisit(1))
    assert.deepEqual([saved.status, saved.body.hl7], [201, 'queued-later'], broken.output)
    assert.deepEqual((await statusOf(broken, saved.body.visitId)).messages.map((each) => each.status), ['NOT_QUEUED', 'NOT_QUEUED'])
    await broken.stop()

    const clinic = await start(env)
    await delivered(clinic, 2)
    assert.deepEqual((await statusOf(clinic, saved.body.visitId)).messages.map((each) => each.status), ['ACKNOWLEDGED', 'ACKNOWLEDGED'])
    await clinic.stop()
    await receiver.stop()
  })
})

test('no patient stands in anything the clinic printed', () => {
  const names = [0, 1, 2, 3].flatMap((n) => Object.values(inventVisit(n).patient)).filter((value) => value.length > 1)
  const text = printed.join('\n')
  assert.ok(text.includes('outbox started'), 'the log was not read')
  for (const name of names) assert.ok(!text.includes(name), `the log holds ${name}`)
})
