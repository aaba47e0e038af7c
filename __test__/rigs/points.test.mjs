// The build with fail points, and what becomes of an application that meets them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'

import { MARK, faultBuild, releaseAddon } from '../../rigs/lib/build.mjs'
import { NEEDS, RARE, plants, points } from '../../rigs/lib/points.mjs'
import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

const mark = MARK.split(':')[0]

test('the addon that is shipped has no fail point in it', async () => {
  assert.ok(readFileSync((await faultBuild()).addon).includes(mark), 'the fault build says what it is')
  const shipped = readFileSync(releaseAddon)
  for (const name of [mark, ...plants, 'enqueue-row-written', 'commit-before']) assert.ok(!shipped.includes(name), name)
})

test('the rig knows of no point that the sources do not have', () => {
  assert.ok(points.size >= 40, `${points.size}`)
  assert.deepEqual([...RARE, ...Object.keys(NEEDS)].filter((name) => !points.has(name)), [])
})

test('an application under load meets a fault at every point, and everything comes right', async () => {
  const { figures, violations } = await run('points')
  assert.deepEqual(violations, [])
  assert.equal(figures.points, points.size)
  assert.ok(figures.enqueued > 2_000 && figures.repeats > 5 && figures.processes > points.size, JSON.stringify(figures))
})

test('the rig finds messages that are sent again without a mark', async () => {
  await finds('points', { plant: 'forget-doubt', cycles: 12, seed: 1, words: /is not marked/ })
})
