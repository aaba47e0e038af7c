// What Prometheus' own tool says of our figures, of the alert rules, and of the expressions of the dashboard. Debian: prometheus.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { open, reach, root } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const monitoring = join(root, 'monitoring')

function promtool(args, input = '') {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { cwd: monitoring, input, encoding: 'utf8' })
  if (error?.code === 'ENOENT') assert.fail('promtool is missing: install the Debian package `prometheus`')
  return { status, said: `${stdout}${stderr}` }
}

/** The figures of an outbox that has delivered, refused and failed something. */
async function figures(t) {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REFUSED' }, answer: { type: 'ar' } }] })
  const outbox = await open(t, taker.url, {}, { retention: { bodiesMs: 1 } })
  const { id } = await outbox.enqueueHl7(hl7())
  const failed = await outbox.enqueueHl7(hl7({ control: 'REFUSED' }))
  await assert.rejects(outbox.enqueueHl7('nonsense'))
  await reach(outbox, id, 'ACKNOWLEDGED')
  await reach(outbox, failed.id, 'FAILED')
  while ((await outbox.getMessageContent(id)) !== null) await new Promise((resolve) => setTimeout(resolve, 50))
  return { whole: await outbox.getMetrics(), file: await outbox.getMetrics({ scope: 'file' }) }
}

/** Names as they stand in expressions, without what a histogram adds. */
const base = (name) => name.replace(/_(bucket|sum|count)$/, '')
const namesOf = (text) => new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name))

test('promtool finds nothing to say about the figures', async (t) => {
  for (const text of Object.values(await figures(t))) {
    const { status, said } = promtool(['check', 'metrics'], text)
    assert.deepEqual([status, said], [0, ''])
  }
  assert.notEqual(promtool(['check', 'metrics'], 'hl7_outbox_enqueued{a="b} 1\n').status, 0, 'the tool works')
})

test('every rule fires when it should and not before', () => {
  const tested = promtool(['test', 'rules', 'alerts.test.yml'])
  assert.equal(tested.status, 0, tested.said)
  assert.equal(promtool(['check', 'rules', 'alerts.yml']).status, 0)
  // A threshold that is wrong is noticed.
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-rules-'))
  try {
    writeFileSync(join(folder, 'alerts.yml'), readFileSync(join(monitoring, 'alerts.yml'), 'utf8').replace('> 3600', '> 36000'))
    writeFileSync(join(folder, 'alerts.test.yml'), readFileSync(join(monitoring, 'alerts.test.yml')))
    assert.notEqual(promtool(['test', 'rules', join(folder, 'alerts.test.yml')]).status, 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('every rule is tested, and rules and dashboard ask for figures that exist', async (t) => {
  const given = namesOf((await figures(t)).whole)
  const rules = readFileSync(join(monitoring, 'alerts.yml'), 'utf8')
  const tests = readFileSync(join(monitoring, 'alerts.test.yml'), 'utf8')
  for (const [, name] of rules.matchAll(/alert: (\w+)/g)) assert.ok(tests.includes(name), `${name} is tested`)
  const dashboard = JSON.parse(readFileSync(join(monitoring, 'grafana.json'), 'utf8'))
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  assert.ok(expressions.length >= 12)
  // Known only where a certificate was seen.
  given.add('hl7_outbox_certificate_expiry_timestamp_seconds')
  for (const [name] of `${rules}\n${expressions.join('\n')}`.matchAll(/\bhl7_outbox_\w+/g)) assert.ok(given.has(base(name)), `${name} exists`)
  // promtool reads the dashboard's expressions as rules.
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-dashboard-'))
  try {
    const records = expressions.map((expr, n) => ({ record: `panel:${n}`, expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1h') }))
    writeFileSync(join(folder, 'panels.yml'), JSON.stringify({ groups: [{ name: 'panels', rules: records }] }))
    const { status, said } = promtool(['check', 'rules', '--lint=none', join(folder, 'panels.yml')])
    assert.equal(status, 0, said)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
