// Alerts of several processes on one file: each is told once, whoever comes, goes or is killed.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, until } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'
import { alertsFor, webhook } from '../support/webhook.mjs'

const DROP = { outages: [{ kind: 'drop', forMs: 3_600_000 }] }
const lookAt = (t, path, url) => open(t, url, {}, { path, dispatch: false })
const dispatcher = (looker, pid) => until(looker, async () => (await looker.getHealth()).dispatcher?.pid === pid, `process ${pid} dispatches`)

test('an outage is told twice in all, once when it begins and once when it ends, though the dispatcher is killed in between', async (t) => {
  const taker = await receiver(t, DROP)
  const hook = await webhook(t)
  const path = join(folder(t), 'outbox.db')
  const looker = await lookAt(t, path, taker.url)
  const settings = config(path, taker.url, {}, { alerts: alertsFor(hook) })
  const first = await startApp(t, settings)
  await dispatcher(looker, first.pid)
  const second = await startApp(t, settings)
  await new Promise((resolve) => setTimeout(resolve, 60)) // a behaviour counts its outages from 50 ms later
  for (let n = 0; n < 3; n++) await first.call('enqueueHl7', hl7({ patient: `CANARY-${n}` }))
  await hook.got('outage', 'begun')
  await first.kill()
  await dispatcher(looker, second.pid)
  // The new dispatcher has seen it fail too.
  await until(looker, async () => (await looker.getHealth()).destinations.malaffi.state === 'breaker-open', 'a new rest')
  const third = await startApp(t, settings)
  await taker.behave({})
  await third.call('retryMessages', { status: 'PENDING' }, by)
  await count(looker, 'ACKNOWLEDGED', 3)
  await hook.got('outage', 'ended')
  await third.call('pauseDestination', 'malaffi', by)
  await hook.got('paused', 'begun')
  assert.deepEqual(hook.told, ['outage begun', 'outage ended', 'paused begun'])
  assert.equal(new Set(hook.alerts.map(({ id }) => id)).size, 3)
})

test('an alert that was decided outlives the process that decided it', async (t) => {
  const hook = await webhook(t)
  const path = join(folder(t), 'outbox.db')
  const looker = await lookAt(t, path)
  const settings = config(path, 'http://127.0.0.1:9/', {}, { alerts: alertsFor(hook) })
  const first = await startApp(t, settings)
  await hook.stop()
  await first.call('pauseDestination', 'malaffi', by)
  const decided = async () => (await looker.getHealth()).problems.some(({ code }) => code === 'alert-undelivered')
  await until(looker, decided, 'an alert on its way')
  await first.kill()
  await looker.resumeDestination('malaffi', by)
  await hook.start()
  await startApp(t, settings)
  await hook.got('paused', 'ended')
  assert.deepEqual(hook.told, ['paused begun', 'paused ended'], 'in their order')
})

test('that nobody dispatches is told once by the processes that look on, and its end by the one that begins', async (t) => {
  const hook = await webhook(t)
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', {}, { alerts: alertsFor(hook) })
  const lookers = await Promise.all([1, 2, 3].map(() => startApp(t, { ...settings, dispatch: false })))
  const begun = await hook.got('no-dispatcher', 'begun')
  assert.deepEqual([begun.reason, begun.destination], ['absent', undefined])
  const worker = await startApp(t, settings)
  await hook.got('no-dispatcher', 'ended')
  await lookers[0].call('pauseDestination', 'malaffi', by)
  await hook.got('paused', 'begun')
  await worker.kill()
  await hook.until(({ alerts }) => alerts.filter(({ type, state }) => type === 'no-dispatcher' && state === 'begun').length === 2, 'a second absence')
  assert.deepEqual(hook.told, ['no-dispatcher begun', 'no-dispatcher ended', 'paused begun', 'no-dispatcher begun'])
})

test('a worker without a configuration of alerts decides for the application that has a function for them', async (t) => {
  const taker = await receiver(t, { answer: { type: 'ae', errors: [{ code: '103' }] } })
  const path = join(folder(t), 'outbox.db')
  const heard = []
  const looker = await open(t, taker.url, {}, { path, dispatch: false, alerts: { onAlert: (alert) => heard.push(alert) } })
  await startApp(t, config(path, taker.url))
  await looker.enqueueHl7(hl7({ patient: 'CANARY-1' }))
  await until(looker, () => heard.length > 0, 'an alert')
  assert.deepEqual([heard[0].type, heard[0].state, heard[0].destination], ['refusal', 'begun', 'malaffi'])
})
