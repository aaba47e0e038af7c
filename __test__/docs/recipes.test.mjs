// The recipe of the schools, as it stands in the documentation, against the stand-in receiver.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'

import { hl7 } from '../support/messages.mjs'
import { config, door, folder, reach, refused } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { cook } from '../support/recipes.mjs'

const production = { 11: 'P' }

async function schools(t) {
  const place = folder(t)
  await cook(place)
  const recipe = await import(pathToFileURL(join(place, 'lib', 'schools.mjs')).href)
  const [live, trial] = [await receiver(t), await receiver(t)]
  const urls = { 'malaffi': live.url, 'malaffi-test': trial.url }
  const destinations = Object.fromEntries(Object.entries(recipe.destinations).map(([name, each]) => [name, { ...each, url: urls[name] }]))
  await door.startOutbox({ ...config(join(place, 'outbox.db')), destinations })
  t.after(() => door.stopOutbox({ timeoutMs: 0 }))
  return { ...recipe, live, trial }
}

test('a disabled school reports nothing, and test and production are kept apart', async (t) => {
  const { report, live, trial } = await schools(t)
  const [off, trying, real] = [{ id: 'S-0', enabled: false }, { id: 'S-1', enabled: true, autoSend: true, production: false }, { id: 'S-2', enabled: true, autoSend: true, production: true }]
  assert.equal(await report(off, hl7()), null)
  await refused(() => report(real, hl7()), 'ERR_PROCESSING_ID')
  await refused(() => report(trying, hl7({ msh: production })), 'ERR_PROCESSING_ID')
  await reach(door, (await report(trying, hl7({ control: 'TRY' }))).id, 'ACKNOWLEDGED')
  await reach(door, (await report(real, hl7({ control: 'REAL', msh: production }))).id, 'ACKNOWLEDGED')
  assert.deepEqual((await trial.received()).map(({ controlId }) => controlId), ['TRY'])
  assert.deepEqual((await live.received()).map(({ controlId }) => controlId), ['REAL'])
  assert.equal((await door.listMessages({ tags: { schoolId: 'S-0' } })).items.length, 0)
})

test('a school that does not send by itself is sent by hand', async (t) => {
  const { report, sendByHand, stopSending, trial } = await schools(t)
  const school = { id: 'S-3', enabled: true, autoSend: false, production: false }
  const other = { id: 'S-4', enabled: true, autoSend: false, production: false }
  const mine = [await report(school, hl7({ control: 'M1', patient: 'M' })), await report(school, hl7({ control: 'M2', patient: 'M' }))]
  const theirs = await report(other, hl7({ control: 'O1', patient: 'O' }))
  assert.deepEqual([...mine, theirs].map(({ status }) => status), ['HELD', 'HELD', 'HELD'])
  const sent = await sendByHand(school, 'nurse')
  assert.deepEqual([sent.count, sent.unchanged], [2, []])
  await reach(door, mine[1].id, 'ACKNOWLEDGED')
  assert.deepEqual((await trial.received()).map(({ controlId }) => controlId), ['M1', 'M2'])
  assert.equal((await door.getMessage(theirs.id)).status, 'HELD')

  await door.pauseDestination('malaffi-test', { actor: 'tester' })
  const waiting = await report({ ...school, autoSend: true }, hl7({ patient: 'W' }))
  assert.deepEqual((await stopSending(school, 'head')).changed, [waiting.id])
  assert.equal((await door.getMessage(waiting.id)).status, 'HELD')
})
