// The application's function for alerts that never ends. Two minutes are a fake clock's here.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'

import { root } from '../support/outbox.mjs'

const { AlertTeller } = await import(pathToFileURL(join(root, 'dist', 'facade', 'alerts.js')).href)

test('a function that never ends is told so, and later alerts reach it all the same', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const waiting = [1, 2].map((n) => JSON.stringify({ n, tries: 1, body: JSON.stringify({ type: 'test', id: `${n}` }) }))
  const told = []
  let wake
  const done = new Promise((resolve) => (wake = resolve))
  const native = {
    claimAlert: async () => waiting.shift() ?? null,
    alertTold: async (n, tries, taken) => {
      told.push([n, taken])
      if (told.length === 2) wake()
    },
  }
  let heard
  const begun = new Promise((resolve) => (heard = resolve))
  const teller = new AlertTeller(native, ({ id }) => {
    if (id !== '1') return
    heard()
    return new Promise(() => undefined)
  })
  const warned = new Promise((resolve) => {
    const hear = (warning) => {
      if (warning.code !== 'HL7_OUTBOX_LISTENER') return
      process.off('warning', hear)
      resolve(warning)
    }
    process.on('warning', hear)
  })
  teller.ring()
  await begun
  t.mock.timers.tick(120_000)
  await done
  assert.deepEqual(told, [[1, false], [2, true]])
  assert.match((await warned).message, /onAlert failed; the alert is told again later/)
})
