// `npm test`: everything that can be checked on one machine without network rigs. The only command on a fresh clone.
//   --js           without the Rust checks
//   --prebuilt     do not build the addon: a binary is already beside package.json
//   --except NAME  leave out __test__/NAME (may be repeated)
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { countCargoTest, countNextest } from './lib/counts.mjs'
import { Steps, testFiles } from './lib/steps.mjs'
import { npm, prepare, root, run } from './prepare.mjs'

const { values: options } = parseArgs({
  options: { js: { type: 'boolean', default: false }, prebuilt: { type: 'boolean', default: false }, except: { type: 'string', multiple: true, default: [] } },
})

const hasNextest = () => spawnSync('cargo', ['nextest', '--version'], { stdio: 'ignore' }).status === 0
// On CI a lock file that does not match is an error; at the desk cargo may update it.
const locked = process.env.CI ? ['--locked'] : []
const cargo = (...args) => run('cargo', args)

function changedFiles() {
  const { stdout, status } = spawnSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' })
  if (status !== 0 || stdout !== '') throw new Error(`git status (${status}):\n${stdout}`)
}

const steps = new Steps()
await steps.check('Prepare: prerequisites, npm ci, addon, TypeScript', () => prepare({ native: !options.prebuilt, js: true }))
if (!options.js) {
  await steps.check('rustfmt', () => cargo('fmt', '--all', '--check'))
  await steps.check('clippy', () => cargo('clippy', '--workspace', '--all-targets', ...locked, '--', '-D', 'warnings'))
  if (hasNextest()) {
    await steps.counted('Rust tests (nextest)', 'cargo', ['nextest', 'run', '--workspace', '--no-fail-fast', '--no-tests=pass', ...locked], countNextest)
  } else {
    await steps.counted('Rust tests', 'cargo', ['test', '--workspace', '--no-fail-fast', '--lib', '--bins', '--tests', '--examples', ...locked], countCargoTest)
  }
  await steps.counted('Rust documentation tests', 'cargo', ['test', '--workspace', '--no-fail-fast', '--doc', ...locked], countCargoTest)
}
await steps.check('eslint', () => npm(['run', '--silent', 'lint']))
await steps.nodeTests('Node tests', testFiles(join(root, '__test__'), { except: ['rigs', ...options.except] }))
// The build writes js/facade/native.d.ts, which is part of the repository; a clean clone must stay clean.
if (process.env.CI) await steps.check('The build changes no file of the repository', () => changedFiles())
steps.finish()
