// Wrong behaviour inside of the program, which the killing rig must find.
import test from 'node:test'

import { finds } from '../support/rigs.mjs'

const FINDS = {
  'skip-lane-check': /reordered|two of .* in flight/,
  'resolve-before-commit': /lost/,
  'forget-claim': /not delivered|arrived again/,
  'forget-doubt': /is not marked/,
  'lead-of-the-living': /without a cause/,
}

for (const [plant, words] of Object.entries(FINDS)) {
  test(`planted inside the program, ${plant} is found`, async () => {
    await finds('kill', { cycles: 20, seed: 5, plant, words })
  })
}
