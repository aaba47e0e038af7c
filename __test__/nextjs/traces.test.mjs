// The traces of docs/tracing.md, as they stand there, in a Next.js application that stores and a worker that delivers: one trace from the request
// to the acknowledgement, at a collector.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { cp, mkdir, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'

import { buildApp, installApp, startStandalone } from '../../scripts/lib/next-app.mjs'
import { root } from '../../scripts/prepare.mjs'
import { codeBlocks } from '../docs/markdown.mjs'
import { writeBlocks } from '../support/recipes.mjs'
import { writeApp } from './fresh-app.mjs'
import { assertDelivers } from './way-of-a-message.mjs'
import { openDesk, openWorkplace } from './workplace.mjs'

const config = `
const { withHl7Outbox } = require('hl7-outbox/next')
module.exports = withHl7Outbox({ output: process.env.TEST_OUTPUT })
`
const [PRODUCER, CLIENT] = [4, 3] // as OTLP numbers kinds
const workplace = await openWorkplace()
const { folder, processes, tarball } = workplace
const directory = join(folder, 'app')

/** A collector for OTLP over HTTP with JSON. */
async function startCollector(t) {
  const spans = []
  let heard = () => undefined
  const server = createServer(async (request, response) => {
    const pieces = []
    for await (const piece of request) pieces.push(piece)
    const { resourceSpans } = JSON.parse(Buffer.concat(pieces).toString())
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = valueOf(resource.attributes, 'service.name')
      for (const { scope, spans: found } of scopeSpans) spans.push(...found.map((span) => ({ ...span, service, scope: scope.name })))
    }
    response.setHeader('content-type', 'application/json').end('{}')
    heard()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  /** Resolves with the first span that fits; the batches of an SDK come within five seconds. */
  const span = async (fits) => {
    for (;;) {
      const found = spans.find(fits)
      if (found !== undefined) return found
      await new Promise((resolve) => (heard = resolve))
    }
  }
  return { url: `http://127.0.0.1:${server.address().port}`, span, spans }
}

const valueOf = (attributes, key) => attributes.find((each) => each.key === key)?.value.stringValue

test('a request and its delivery by a worker are one trace, with the files of the documentation', { timeout: 600_000 }, async (t) => {
  await mkdir(directory)
  const [install] = codeBlocks(readFileSync(join(root, 'docs', 'tracing.md'), 'utf8'))
  const packages = install.code.trim().split(' ').slice(2).map((each) => /^(.+)@([^@]+)$/.exec(each).slice(1))
  await writeApp(directory, {
    next: '14.2.35',
    react: '^18.3.1',
    config: ['next.config.js', config],
    dependencies: Object.fromEntries(packages.map(([name, version]) => [name, `^${version}.0`])),
    devDependencies: { typescript: '^5.9.0', '@types/node': '^20.19.0', '@types/react': '^18.3.0' },
  })
  await rm(join(directory, 'instrumentation.js'))
  writeBlocks(directory, 'tracing.md')
  await installApp(directory, tarball)
  const { receiver, env } = await openDesk(workplace, 'traced')
  await buildApp(processes, directory, { ...env, TEST_OUTPUT: 'standalone' })
  const standalone = join(folder, 'standalone')
  await cp(join(directory, '.next', 'standalone'), standalone, { recursive: true, verbatimSymlinks: true })

  const collector = await startCollector(t)
  const traced = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, NEXT_MANUAL_SIG_HANDLE: 'true' }
  const worker = await processes.start('worker', ['--import', './traces.mjs', 'node_modules/hl7-outbox/dist/cli/main.js', 'worker'], {
    cwd: directory,
    env: { ...process.env, ...traced },
    ready: (line) => line.includes('worker: ready'),
  })
  const app = await startStandalone(processes, standalone, { ...traced, HL7_OUTBOX_DISPATCH: 'off' })
  await assertDelivers(app, receiver, 'TRACED-1')
  const ends = [app.stop(), worker.stop()]
  const enqueue = await collector.span(({ scope, kind }) => scope === 'hl7-outbox' && kind === PRODUCER)
  const deliver = await collector.span(({ scope, kind }) => scope === 'hl7-outbox' && kind === CLIENT)
  const request = await collector.span(({ spanId }) => spanId === enqueue.parentSpanId)
  assert.deepEqual([enqueue.service, enqueue.name, deliver.service, deliver.name], ['clinic', 'enqueue malaffi', 'clinic-hl7-worker', 'deliver malaffi'])
  assert.deepEqual([enqueue.traceId, deliver.traceId, deliver.parentSpanId], [request.traceId, request.traceId, enqueue.spanId])
  assert.ok(request.scope.startsWith('next'), request.scope)
  assert.equal(valueOf(deliver.attributes, 'hl7_outbox.attempt.outcome'), 'accepted')
  assert.ok(!JSON.stringify(collector.spans).includes('TRACED-1'), 'the control id is in a span')
  for (const { code } of await Promise.all(ends)) assert.equal(code, 0, `${app.output}\n${worker.output}`)
  await receiver.stop()
})
