// `npm run test:rigs`: the checks that need more than the repository: other tools, network namespaces, long runs.
import { join } from 'node:path'

import { Steps, testFiles } from './lib/steps.mjs'
import { prepare, root } from './prepare.mjs'

const steps = new Steps()
const files = testFiles(join(root, '__test__', 'rigs'))
if (files.length > 0) await steps.check('Prepare: prerequisites, npm ci, addon, TypeScript', () => prepare())
await steps.nodeTests('Rigs', files)
steps.finish()
