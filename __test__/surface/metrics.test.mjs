// getMetrics: what is counted, under which names, and that nothing of a message is in it.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, reach, refused } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

/** name{labels} -> value, and the names with a HELP line. */
function read(text) {
  const values = new Map()
  const helped = new Set()
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) helped.add(line.split(' ')[2])
    if (line === '' || line.startsWith('#')) continue
    const [, series, value] = /^(\S+) (\S+)$/.exec(line) ?? assert.fail(`no line of the text format: ${line}`)
    values.set(series, Number(value))
  }
  return { values, helped, get: (series) => values.get(series) ?? assert.fail(`${series} is missing`) }
}

test('figures of the file and of the process count what happened', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REFUSED' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const outbox = await open(t, taker.url)
  const text = hl7({ patient: 'P-Secret', note: 'Invented-words' })
  const { id } = await outbox.enqueueHl7(text, { tags: { school: 'S-77' } })
  await outbox.enqueueHl7(text)
  await refused(() => outbox.enqueueHl7('nonsense'))
  const failed = await outbox.enqueueHl7(hl7({ control: 'REFUSED' }))
  await reach(outbox, id, 'ACKNOWLEDGED')
  await reach(outbox, failed.id, 'FAILED')
  await outbox.enqueueHl7(hl7(), { hold: true })
  const whole = await outbox.getMetrics()
  const { get, values, helped } = read(whole)
  assert.equal(get('hl7_outbox_messages{destination="malaffi",state="ACKNOWLEDGED"}'), 1)
  assert.equal(get('hl7_outbox_messages{destination="malaffi",state="FAILED"}'), 1)
  assert.equal(get('hl7_outbox_messages{destination="malaffi",state="HELD"}'), 1)
  assert.equal(get('hl7_outbox_enqueued_total{destination="malaffi"}'), 3)
  assert.equal(get('hl7_outbox_enqueue_duplicates_total{destination="malaffi"}'), 1)
  assert.equal(get('hl7_outbox_enqueue_duration_seconds_count'), 4)
  const sum = (start) => [...values].filter(([series]) => series.startsWith(start)).reduce((all, [, value]) => all + value, 0)
  assert.equal(sum('hl7_outbox_enqueue_errors_total{code="ERR_'), 1)
  assert.equal(sum('hl7_outbox_attempts_total{destination="malaffi",outcome="accepted",'), 1)
  assert.equal(sum('hl7_outbox_attempts_total{destination="malaffi",outcome="rejected",'), 1)
  assert.equal(get('hl7_outbox_attempt_duration_seconds_count{destination="malaffi"}'), 2)
  assert.equal(get('hl7_outbox_delivery_duration_seconds_count{destination="malaffi"}'), 1)
  assert.ok(get('hl7_outbox_commit_duration_seconds_count') >= 4)
  assert.deepEqual([get('hl7_outbox_up'), get('hl7_outbox_dispatcher_present'), get('hl7_outbox_dispatcher_here')], [1, 1, 1])
  assert.equal(get('hl7_outbox_destination_state{destination="malaffi",state="ok"}'), 1)
  assert.ok(get('hl7_outbox_file_bytes') > 0 && get('hl7_outbox_wal_bytes') > 0 && get('hl7_outbox_disk_free_bytes') > 0)
  for (const series of values.keys()) {
    const name = series.replace(/\{.*/, '')
    assert.ok(helped.has(name) || helped.has(name.replace(/_(bucket|sum|count)$/, '')), `${name} has a HELP text`)
    assert.match(name, /^hl7_outbox_[a-z0-9_]+$/)
  }
  for (const secret of ['Secret', 'Invented', 'S-77', id, 'REFUSED']) assert.ok(!whole.includes(secret), secret)
})

test('a pause and a wait show in the gauges, and of an empty outbox nothing is old', async (t) => {
  const outbox = await open(t)
  assert.equal(read(await outbox.getMetrics()).get('hl7_outbox_oldest_pending_age_seconds'), 0)
  await outbox.pauseDestination('malaffi', by)
  await outbox.enqueueHl7(hl7())
  await new Promise((resolve) => setTimeout(resolve, 20))
  const { get } = read(await outbox.getMetrics())
  assert.deepEqual(['paused', 'ok'].map((state) => get(`hl7_outbox_destination_state{destination="malaffi",state="${state}"}`)), [1, 0])
  assert.ok(get('hl7_outbox_oldest_pending_age_seconds') >= 0.02)
  assert.equal(get('hl7_outbox_problems{code="destination"}'), 1)
})

test('the figures of the file alone hold no counters', async (t) => {
  const outbox = await open(t)
  const text = await outbox.getMetrics({ scope: 'file' })
  assert.ok(!/_total|_bucket/.test(text))
  read(text).get('hl7_outbox_file_bytes')
  await refused(() => outbox.getMetrics({ scope: 'mine' }), 'ERR_OPTION')
  await refused(() => outbox.getMetrics({ scop: 'file' }), 'ERR_OPTION')
})
