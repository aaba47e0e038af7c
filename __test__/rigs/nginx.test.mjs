// The nginx file of the guide in a real nginx (Debian: nginx-light), before an application with the admin page.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import test from 'node:test'

import { freePort } from '../../scripts/lib/ports.mjs'
import { adminRoute } from '../admin/desk.mjs'
import { hl7 } from '../support/messages.mjs'
import { folder, openPaused, root } from '../support/outbox.mjs'
import { startCommand } from '../support/processes.mjs'

const HOST = 'clinic.example'
const nginx = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx'].find(existsSync) ?? 'nginx'

/** Replaces what is the reader's own; what is not there has changed, and the test with it. */
function adapted(text, changes) {
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `the example has no ${from}`)
    text = text.replaceAll(from, to)
  }
  return text
}

/** An application: the admin page, `/slow`, which never answers, and `/` for everything else, which says what it was told. */
async function startApplication(t, outbox) {
  const { GET } = adminRoute({ outbox, authorize: () => ({ actor: 'operator', may: ['view'] }) })
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.url === '/slow') return
    if (!incoming.url.startsWith('/admin/hl7')) return outgoing.end(JSON.stringify(incoming.headers))
    const gone = new AbortController()
    outgoing.once('close', () => gone.abort())
    const { pathname } = new URL(incoming.url, `https://${HOST}`)
    const path = pathname.split('/').slice(3)
    const response = await GET(new Request(`https://${HOST}${incoming.url}`, { headers: incoming.headers, signal: gone.signal }), { params: Promise.resolve({ path }) })
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    try {
      for await (const piece of response.body ?? []) outgoing.write(piece)
    } catch {
      // The browser has gone.
    }
    outgoing.end()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  return server.address().port
}

/** nginx with the guide's file; `changes` besides those that every machine needs. */
async function startNginx(t, backend, changes = []) {
  const place = folder(t)
  const port = await freePort()
  const certificate = [join(place, 'clinic.crt'), join(place, 'clinic.key')]
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`, '-out', certificate[0], '-keyout', certificate[1]], { stdio: 'ignore' })
  const guide = readFileSync(join(root, 'examples', 'nginx', 'clinic.conf'), 'utf8')
  const log = join(place, 'access.log')
  writeFileSync(
    join(place, 'clinic.conf'),
    adapted(guide, [['listen 443 ssl', `listen 127.0.0.1:${port} ssl`], ['127.0.0.1:3000', `127.0.0.1:${backend}`], ['/etc/nginx/tls/clinic.crt', certificate[0]], ['/etc/nginx/tls/clinic.key', certificate[1]], ['/var/log/nginx/clinic.log', log], ...changes]),
  )
  const own = join(place, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(place, name)};`).join('\n')
  for (const name of ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(place, name))
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  writeFileSync(own, `daemon off;\nmaster_process off;\n${user}pid ${join(place, 'nginx.pid')};\nerror_log stderr notice;\nevents {}\nhttp {\n${temporary}\ninclude ${join(place, 'clinic.conf')};\n}\n`)
  execFileSync(nginx, ['-t', '-q', '-p', place, '-c', own], { stdio: 'pipe' })
  const program = startCommand(t, nginx, ['-p', place, '-c', own])
  // Its ports are open by then.
  await program.line((line) => /using the "\w+" event method/.test(line))
  const ask = (path, headers = {}) =>
    new Promise((resolve, reject) => {
      const question = request({ host: '127.0.0.1', port, path, headers: { host: HOST, ...headers }, servername: HOST, ca: readFileSync(certificate[0]) }, resolve)
      question.once('error', reject).end()
      t.after(() => question.destroy())
    })
  const whole = async (path, headers) => {
    const answer = await ask(path, headers)
    let text = ''
    for await (const piece of answer) text += piece
    return { status: answer.statusCode, text }
  }
  return { ask, whole, log }
}

test('nginx takes the file of the guide, and serves by it', { timeout: 60_000 }, async (t) => {
  const backend = await startApplication(t, await openPaused(t))
  const { whole, log } = await startNginx(t, backend)
  const told = JSON.parse((await whole('/?mrn=CANARY-NUMBER', { 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '10.0.0.1' })).text)
  assert.deepEqual([told.host, told['x-forwarded-host'], told['x-forwarded-proto'], told['x-forwarded-for']], [HOST, HOST, 'https', '127.0.0.1'])
  // This machine is none of the clinic's networks; Prometheus runs on it.
  for (const path of ['/admin/hl7', '/admin/hl7/api/overview', '/admin/hl7x']) assert.equal((await whole(path)).status, 403, path)
  assert.equal((await whole('/metrics')).status, 200)
  const lines = readFileSync(log, 'utf8')
  assert.match(lines, / GET \/ 200 /)
  assert.ok(!lines.includes('CANARY-NUMBER') && !lines.includes('mrn'), lines)
})

test('live updates of the admin page come through nginx as they happen, and an answer that does not come is a fault in time', { timeout: 60_000 }, async (t) => {
  const outbox = await openPaused(t)
  const backend = await startApplication(t, outbox)
  const { ask, whole } = await startNginx(t, backend, [['allow 10.0.0.0/8;', 'allow 127.0.0.1;'], ['proxy_read_timeout 15s', 'proxy_read_timeout 1s']])
  assert.equal((await whole('/admin/hl7')).status, 200)
  const stream = await ask('/admin/hl7/api/events')
  assert.deepEqual([stream.statusCode, stream.headers['content-type']], [200, 'text/event-stream'])
  const heard = new Promise((resolve) => {
    let text = ''
    stream.on('data', (piece) => (text += piece).includes('event: changed') && resolve(text))
  })
  await outbox.enqueueHl7(hl7())
  assert.match(await heard, /event: changed/)
  assert.equal((await whole('/slow')).status, 504)
})
