// Wrong behaviour inside of the program, which the killing rig must find.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'

const FINDS = {
  'skip-lane-check': /reordered|two of .* in flight/,
  'resolve-before-commit': /lost/,
  'forget-claim': /not delivered|arrived again/,
  'forget-doubt': /is not marked/,
  'lead-of-the-living': /without a cause/,
}

for (const [plant, words] of Object.entries(FINDS)) {
  test(`planted inside the program, ${plant} is found`, async () => {
    const { violations } = await run('kill', { cycles: 20, seed: 5, plant })
    assert.match(violations.join('\n'), words)
  })
}
