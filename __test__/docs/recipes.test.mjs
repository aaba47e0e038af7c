// The recipes of the schools and of the e-mail, as they stand in the documentation, against real servers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'

import { SMTPServer } from 'smtp-server'

import { hl7 } from '../support/messages.mjs'
import { by, config, door, folder, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { cook } from '../support/recipes.mjs'
import { alertsFor } from '../support/webhook.mjs'

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

/** A mail server on loopback that keeps what it gets; `busy` sends the next mail away. */
async function mailServer(t) {
  const mails = []
  const state = { busy: false, port: 0, mails }
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    onData(stream, session, done) {
      let text = ''
      stream.on('data', (piece) => (text += piece))
      stream.on('end', () => {
        if (state.busy) return done(Object.assign(new Error('come back later'), { responseCode: 451 }))
        mails.push({ text, to: session.envelope.rcptTo.map(({ address }) => address) })
        done()
      })
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  t.after(() => new Promise((resolve) => server.close(resolve)))
  return Object.assign(state, { port: server.server.address().port })
}

test('an alert arrives as an e-mail, once, also when the mail server was away', async (t) => {
  const place = folder(t)
  await cook(place, [], ['nodemailer'])
  const { mailAlerts } = await import(pathToFileURL(join(place, 'lib', 'alert-mail.mjs')).href)
  const server = await mailServer(t)
  const onAlert = mailAlerts({ smtp: `smtp://127.0.0.1:${server.port}`, from: 'outbox@clinic.example', to: ['it@clinic.example'] })
  const outbox = await door.Outbox.open(config(join(place, 'outbox.db'), 'http://127.0.0.1:9/', {}, { alerts: alertsFor(undefined, { onAlert }) }))
  t.after(() => outbox.close({ timeoutMs: 0 }))
  server.busy = true
  const [warning] = await Promise.all([once(process, 'warning'), outbox.pauseDestination('malaffi', { actor: 'nurse', reason: 'CANARY' })])
  assert.equal(warning[0].code, 'HL7_OUTBOX_LISTENER')
  server.busy = false
  await until(outbox, () => server.mails.length > 0, 'a mail')
  await outbox.resumeDestination('malaffi', by)
  await until(outbox, () => server.mails.length > 1, 'a second mail')
  assert.equal(server.mails.length, 2)
  const [{ text, to }, { text: later }] = server.mails
  assert.deepEqual(to, ['it@clinic.example'])
  assert.match(text, /^Subject: \[.* outbox\.db\] malaffi is paused/m)
  assert.match(text, /^X-Alert: paused begun\r?$/m)
  assert.match(later, /^X-Alert: paused ended\r?$/m)
  assert.doesNotMatch(text + later, /CANARY/)
})
