// Who is let in, and whose messages exist for whom.
import assert from 'node:assert/strict'
import test from 'node:test'

import { controlId, hl7 } from '../support/messages.mjs'
import { by, openPaused, reach } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { BASE, Browser, EVERYTHING, ORIGIN, adminRoute, desk, of, operator, seen } from './desk.mjs'

const PATHS = ['', 'assets/app.js', 'api/session', 'api/overview', 'api/history', 'api/refusals', 'api/messages', 'api/messages/00000000-0000-0000-0000-000000000000', 'api/events', 'nowhere']
const POSTS = ['api/command', 'api/destination', 'api/reveal', 'api/check', 'api/replace', 'api/refusal', 'nowhere']

test('without authorize, and for whoever it does not name, everything is denied in the same words', async (t) => {
  const outbox = await openPaused(t)
  const wrong = [null, undefined, {}, 'operator', { actor: '', may: ['view'] }, { actor: 'x', may: 'view' }, { actor: 'x', may: ['retry'] },
    // A limit that the host forgot to fill in must never widen.
    { ...operator, tags: undefined }, { ...operator, tags: null }, { ...operator, tags: {} }, { ...operator, tags: { schoolId: undefined } }, { ...operator, tags: { schoolId: '' } }, { ...operator, tags: ['S-1'] }]
  for (const route of [adminRoute(), adminRoute({ outbox }), ...wrong.map((each) => adminRoute({ outbox, authorize: async () => each }))]) {
    const browser = new Browser(route)
    for (const [method, paths] of [['GET', PATHS], ['POST', POSTS]]) {
      const answers = await Promise.all(paths.map((path) => browser.request(path, { method, ...(method === 'POST' ? { body: '{}' } : {}) })))
      const texts = new Set()
      for (const [n, answer] of answers.entries()) {
        assert.equal(answer.status, 403, `${method} ${paths[n]}`)
        if (paths[n] !== '') texts.add(await answer.text())
      }
      assert.equal(texts.size, 1, 'what exists cannot be told from what does not')
    }
  }
})

test('the page is a shell without inline code, under a strict policy, kept nowhere and framed by nobody', async (t) => {
  const { browser } = desk(await openPaused(t))
  const response = await browser().request('')
  assert.equal(response.status, 200)
  const policy = response.headers.get('content-security-policy')
  assert.match(policy, /default-src 'none'/)
  assert.match(policy, /frame-ancestors 'none'/)
  assert.doesNotMatch(policy, /unsafe|https?:|\*/)
  assert.equal(response.headers.get('x-frame-options'), 'DENY')
  assert.equal(response.headers.get('cache-control'), 'no-store')
  assert.equal(response.headers.get('referrer-policy'), 'no-referrer')
  assert.match(response.headers.get('set-cookie'), new RegExp(`Path=${BASE}; HttpOnly; SameSite=Strict; Secure$`))
  const html = await response.text()
  assert.match(html, new RegExp(`src="${BASE}/assets/app\\.js\\?v=`))
  assert.doesNotMatch(html, /<script(?![^>]*\bsrc=)|<style|\bon[a-z]+=|\bstyle=/)
})

test('an address with markup in it is shown as text', async (t) => {
  const outbox = await openPaused(t)
  const route = adminRoute({ outbox, authorize: () => operator })
  const response = await route.GET(new Request(`${ORIGIN}/"><script>alert(1)</script>/it's;Domain=evil.example`), { params: {} })
  const html = await response.text()
  assert.doesNotMatch(html, /<script>|it's/)
  assert.doesNotMatch(response.headers.get('set-cookie'), /;\s*Domain/)
})

test('what a person may not do is refused, whatever else they may', async (t) => {
  const outbox = await openPaused(t)
  const { id } = await outbox.enqueueHl7(hl7())
  const message = await outbox.getMessage(id)
  const viewer = desk(outbox).browser({ actor: 'viewer', may: ['view'] })
  const bodies = [
    ...['retry', 'cancel', 'hold', 'release', 'resend', 'purge'].map((command) => ['api/command', { command, messages: seen(message), reason: 'r' }]),
    ['api/destination', { command: 'pause', destination: 'malaffi', reason: 'r' }],
    ['api/reveal', { id }],
    ['api/check', { text: 'x' }],
    ['api/replace', { id, text: 'x', updatedAt: message.updatedAt, reason: 'r' }],
    ['api/refusal', { id: '1', version: '0.0', note: 'n', reason: 'r' }],
  ]
  for (const [path, body] of bodies) {
    const { status, body: { error } } = await viewer.post(path, body)
    assert.deepEqual([status, error.code], [403, 'NOT_PERMITTED'], JSON.stringify(body))
  }
  assert.deepEqual(await outbox.getMessage(id), message)
})

test("a person of one school neither sees, counts nor touches another's message, by list, filter, id or reference", async (t) => {
  const shown = await receiver(t)
  const outbox = await openPaused(t, shown.url)
  // One patient at two schools: their messages are one lane.
  const [mine, theirs] = [controlId(), controlId()]
  const other = await outbox.enqueueHl7(hl7({ control: theirs, patient: 'SHARED' }), { tags: { schoolId: 'S-2' } })
  const own = await outbox.enqueueHl7(hl7({ control: mine, patient: 'SHARED' }), { tags: { schoolId: 'S-1' } })
  const untagged = await outbox.enqueueHl7(hl7())
  const { browser } = desk(outbox)
  const nurse = browser(of('S-1'))
  assert.equal((await outbox.getMessage(own.id)).blockedBy, other.id, 'it really is blocked by the other')

  const looks = [{}, { status: 'PENDING' }, { controlId: theirs }, { controlId: 'T0' }, { 'tag.schoolId': 'S-2' }, { destination: 'malaffi' }]
  for (const query of looks) {
    const { body } = await nurse.get('api/messages', query)
    assert.ok(body.items.every(({ id }) => id === own.id), JSON.stringify(query))
    assert.ok(!JSON.stringify(body).includes(other.id) && !JSON.stringify(body).includes(theirs), JSON.stringify(query))
  }
  assert.deepEqual((await nurse.get('api/messages')).body.items.map(({ id, blockedBy }) => [id, blockedBy]), [[own.id, 'another']])

  const { body: { message, neighbours } } = await nurse.get(`api/messages/${own.id}`)
  assert.equal(message.blockedBy, 'another')
  assert.deepEqual(neighbours, { before: [], behind: [] })
  const missing = '00000000-0000-7000-8000-000000000000'
  const words = []
  for (const id of [other.id, untagged.id, missing, 'no id at all']) {
    for (const answer of [await nurse.get(`api/messages/${encodeURIComponent(id)}`), await nurse.post('api/reveal', { id }), await nurse.post('api/replace', { id, text: hl7(), updatedAt: 'x', reason: 'r' })]) {
      assert.equal(answer.status, 404)
      words.push(JSON.stringify(answer.body))
    }
  }
  assert.equal(new Set(words).size, 1, 'what is another’s cannot be told from what does not exist')

  const { body: { stats, health } } = await nurse.get('api/overview')
  assert.deepEqual([stats.byStatus.PENDING, health.destinations.malaffi.pending, health.destinations.malaffi.inFlight, health.file, health.problems], [1, 1, null, null, []])
  assert.equal((await nurse.get('api/history')).body.hours.reduce((sum, each) => sum + each.stored, 0), 1)

  const before = await Promise.all([other.id, untagged.id].map((id) => outbox.getMessage(id)))
  for (const command of ['cancel', 'hold', 'retry', 'purge']) {
    const named = await nurse.post('api/command', { command, messages: [...seen(...before), { id: missing, updatedAt: 'x' }], reason: 'r' })
    assert.deepEqual(named.body, { changed: [], count: 0, unchanged: [other.id, untagged.id, missing].map((id) => ({ id, code: 'ERR_MESSAGE_ID' })) })
    assert.equal((await nurse.post('api/command', { command, filter: { tags: { schoolId: 'S-2' } }, reason: 'r' })).body.count, 0)
    assert.equal((await nurse.post('api/command', { command, filter: { ids: [other.id] }, reason: 'r' })).body.count, 0)
  }
  assert.deepEqual(await Promise.all([other.id, untagged.id].map((id) => outbox.getMessage(id))), before)

  const all = await nurse.post('api/command', { command: 'cancel', filter: {}, all: true, reason: 'all of ours' })
  assert.deepEqual(all.body.changed, [own.id])
  assert.deepEqual(await Promise.all([other.id, untagged.id].map(async (id) => (await outbox.getMessage(id)).status)), ['PENDING', 'PENDING'])
  assert.deepEqual((await browser().get('api/messages')).body.items.length, 3)
})

test('an expired session is told at the next request, and changes nothing', async (t) => {
  const outbox = await openPaused(t)
  const { id } = await outbox.enqueueHl7(hl7())
  const browser = desk(outbox).browser()
  await browser.signIn()
  browser.access = null
  const answer = await browser.post('api/command', { command: 'cancel', messages: seen(await outbox.getMessage(id)), reason: 'r' })
  assert.deepEqual([answer.status, answer.body.error.code], [403, 'DENIED'])
  assert.equal((await browser.request('')).headers.get('content-type'), 'text/html; charset=utf-8')
  assert.equal((await outbox.getMessage(id)).status, 'PENDING')
})

test('live updates tell that something changed, of one’s own messages only, and nothing else', { timeout: 30_000 }, async (t) => {
  const shown = await receiver(t)
  const outbox = await openPaused(t, shown.url)
  // The streams' own timers let a process end; a server's connections keep it.
  const alive = setInterval(() => undefined, 1_000)
  t.after(() => clearInterval(alive))
  const stream = async (access) => {
    const response = await desk(outbox).browser(access).request('api/events')
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    const reader = response.body.getReader()
    t.after(() => reader.cancel())
    let heard = ''
    const until = async (pattern) => {
      while (!pattern.test(heard)) heard += Buffer.from((await reader.read()).value).toString()
      return heard
    }
    await until(/event: open/)
    return { until, heard: () => heard }
  }
  const [one, other] = [await stream(of('S-1')), await stream(of('S-2'))]
  const { id } = await outbox.enqueueHl7(hl7(), { tags: { schoolId: 'S-1' } })
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, id, 'ACKNOWLEDGED')
  assert.ok(!(await one.until(/event: changed/)).includes(id))
  await other.until(/still here/)
  assert.doesNotMatch(other.heard(), /changed/)
})

test('a page that goes while it is being looked for changes harms nothing', { timeout: 30_000 }, async (t) => {
  const outbox = await openPaused(t)
  let asked = 0
  let answer
  const slow = {
    onStatusChange: (listener) => outbox.onStatusChange(listener),
    getHealth: () => outbox.getHealth(),
    getStats: async () => ({ byDestination: {}, lastAttemptAt: `${asked++ === 0 ? 'first' : await new Promise((resolve) => (answer = resolve))}` }),
  }
  const alive = setInterval(() => undefined, 1_000)
  t.after(() => clearInterval(alive))
  const reader = (await desk(slow).browser().request('api/events')).body.getReader()
  while (!/still here/.test(Buffer.from((await reader.read()).value).toString()));
  while (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 20))
  await reader.cancel()
  answer('second')
  await new Promise((resolve) => setTimeout(resolve, 700)) // Longer than changes are gathered; a throw would end the process.
})

test('permissions that do not exist are left out', async (t) => {
  const session = await desk(await openPaused(t)).browser({ actor: 'x', may: [...EVERYTHING, 'everything'] }).signIn()
  assert.deepEqual(session.may, EVERYTHING)
})
