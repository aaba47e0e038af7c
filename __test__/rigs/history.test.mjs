// Recorded histories of several processes, explained by a checker that knows only what was seen.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'

import rig from '../../rigs/history.mjs'
import { run } from '../../rigs/run.mjs'

test('fifty histories of several processes that make every kind of call while they are killed, stopped and paused can all be explained', { timeout: 600_000 }, async () => {
  const { figures, violations } = await run('history')
  assert.deepEqual(violations, [])
  assert.ok(figures.played === 50 && figures.calls > 5_000 && figures.arrivals > 1_000 && figures.ends > 20, JSON.stringify(figures))
})

const FINDS = {
  'skip-lane-check': /two of a lane in flight|stood before it in the lane/,
  'forget-doubt': /"possibleDuplicate":false/,
  'resolve-before-commit': /nothing explains|lost/,
  'forget-cancel': /nothing explains .*CANCELLED|it could be: CANCELLED/,
  'stale-read': /nothing explains (getMessage|listMessages|getAttempts|digest)/,
}

for (const [plant, words] of Object.entries(FINDS)) {
  test(`planted inside the program, ${plant} is found`, { timeout: 600_000 }, async () => {
    const { violations } = await run('history', { cycles: 12, seed: 3, plant })
    assert.match(violations.join('\n'), words)
  })
}

test('a history that was kept is checked again from its file alone', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hl7-outbox-history-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'history.jsonl')
  const lines = [
    { kind: 'setup', format: 1, wall: { ms: 0, us: 0 }, destinations: { a: { attemptsMax: 2, doubtsMax: 5, answerUs: 100_000, holdsLane: false } } },
    { kind: 'arrival', destination: 'a', control: 'X', sender: 'P', whole: true, digest: 'X', since: 1, at: 2, means: 'acknowledged', answered: 3, cut: null },
  ]
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  assert.deepEqual(rig.check(file).violations, ['phantom: X arrived at a and nobody enqueued it'])
})
