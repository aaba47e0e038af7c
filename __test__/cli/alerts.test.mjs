// `hl7-outbox alerts test`, and what the doctor says of alerts.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { by, config, door, folder, until } from '../support/outbox.mjs'
import { alertsFor, OTHER_SECRET, SECRET, webhook } from '../support/webhook.mjs'
import { run } from './snapshot.mjs'

/** A configuration file with these alerts. */
function written(t, alerts) {
  const here = folder(t)
  const [path, file] = [join(here, 'outbox.db'), join(here, 'settings.json')]
  const settings = config(path, 'http://127.0.0.1:9/', {}, { alerts })
  writeFileSync(file, JSON.stringify(settings))
  return { path, file, settings }
}

test('a test alert is signed as every alert, and what did not take it is told with a code and a guess', async (t) => {
  const [taker, stranger] = [await webhook(t), await webhook(t, { secret: OTHER_SECRET })]
  const alerts = alertsFor(taker)
  const { file } = written(t, alerts)
  const well = await run(t, ['alerts', 'test', '--config', file])
  assert.deepEqual([well.code, well.err], [0, ''])
  assert.match(well.out, /^alerts\.webhooks\.0 {2}127\.0\.0\.1:\d+ {2}took it in \d+ ms\n$/)
  const [{ type, state, summary, outbox, ...rest }] = taker.alerts
  assert.deepEqual([type, state, outbox, rest.destination], ['test', 'begun', 'outbox.db', undefined])
  assert.match(summary, /test/)
  alerts.webhooks.push({ url: stranger.url, secret: SECRET, only: ['outage'] })
  const ill = await run(t, ['alerts', 'test', '--json', '--config', written(t, alerts).file])
  assert.equal(ill.code, 3)
  assert.deepEqual(JSON.parse(ill.out).webhooks.map(({ n, error }) => [n, error]), [[0, null], [1, 'HTTP_401']])
  const said = await run(t, ['alerts', 'test', '--config', written(t, alerts).file])
  assert.match(said.out, /did not take it: HTTP_401 \(is it the same secret on both sides\?\)/)
})

test('without webhooks it says so, and with a wrong one what is wrong', async (t) => {
  const none = await run(t, ['alerts', 'test', '--config', written(t, {}).file])
  assert.deepEqual([none.code, none.out], [2, ''])
  assert.match(none.err, /the configuration has no webhooks/)
  const wrong = await run(t, ['alerts', 'test', '--config', written(t, { webhooks: [{ url: 'https://hooks.example/', secret: 'x' }] }).file])
  assert.equal(wrong.code, 1)
  assert.match(wrong.err, /`alerts\.webhooks\.0\.secret`.*ERR_CONFIG/)
})

test('the doctor tells of alerts that nobody hears, of webhooks that cannot be reached, and of what they did not take', async (t) => {
  const doctor = async (file) => {
    const { out } = await run(t, ['doctor', '--json', '--config', file])
    return JSON.parse(out).findings.filter(({ check }) => check.startsWith('alerts')).map(({ check, state, message }) => `${check} ${state}: ${message}`)
  }
  const silent = written(t, {})
  await (await door.Outbox.open(silent.settings)).close()
  const [nobody, ...others] = await doctor(silent.file)
  assert.match(nobody, /^alerts warning: they are configured, and told to nobody/)
  assert.deepEqual(others, [])

  const hook = await webhook(t)
  const { file, settings } = written(t, alertsFor(hook))
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  assert.match((await doctor(file)).join('\n'), /^alerts\.webhooks\.0 ok: 127\.0\.0\.1:\d+ answers in \d+ ms; no message was sent$/)
  await hook.stop()
  await outbox.pauseDestination('malaffi', by)
  await until(outbox, async () => (await outbox.getHealth()).problems.some(({ code }) => code === 'alert-undelivered'), 'a failed attempt')
  const [unreached, untaken] = await doctor(file)
  assert.match(unreached, /^alerts\.webhooks\.0 warning: 127\.0\.0\.1:\d+: connect-refused$/)
  assert.match(untaken, /^alerts warning: 127\.0\.0\.1:\d+ did not take 1 \(CONNECT_REFUSED\): 1 wait, 0 given up$/)
  assert.equal(hook.requests.length, 0)
})
