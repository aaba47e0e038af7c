import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'

// Loaded in its own pieces: what decides (which Next, which files) takes its world as arguments.
const require = createRequire(import.meta.url)
const { withHl7Outbox } = require('../../dist/next/index.js')
const { nextMajor } = require('../../dist/next/next-major.js')
const { tracedFiles } = require('../../dist/next/traced-files.js')

const folder = await mkdtemp(join(tmpdir(), 'hl7-outbox-config-'))
after(() => rm(folder, { recursive: true, force: true }))

/** A project folder with a Next of that version installed. */
async function project(version) {
  const directory = join(folder, `next-${version}`)
  const next = join(directory, 'node_modules', 'next')
  await mkdir(next, { recursive: true })
  await writeFile(join(next, 'package.json'), JSON.stringify({ name: 'next', version }))
  return { directory, next }
}

/** Evaluates `body` as a configuration in that folder would be. */
async function within(directory, body) {
  const before = process.cwd()
  process.chdir(directory)
  try {
    return await body()
  } finally {
    process.chdir(before)
  }
}

test('Next 14 gets its settings under experimental, 15 and 16 at the top', async () => {
  for (const version of ['14.2.35', '15.5.0', '16.0.1']) {
    const { directory } = await project(version)
    const config = await within(directory, () => withHl7Outbox({ poweredByHeader: false }))
    const settings = version.startsWith('14') ? config.experimental : config
    assert.deepEqual(settings.serverComponentsExternalPackages ?? settings.serverExternalPackages, ['hl7-outbox'])
    assert.ok(settings.outputFileTracingIncludes['/**'].includes('./node_modules/hl7-outbox/*.node'))
    assert.equal(config.experimental?.instrumentationHook, version.startsWith('14') ? true : undefined)
    assert.equal('serverExternalPackages' in config, !version.startsWith('14'))
    assert.equal(config.poweredByHeader, false)
  }
})

test('what the application configured itself stays, and its object is not changed', async () => {
  const { directory } = await project('14.2.35')
  const mine = {
    experimental: { instrumentationHook: false, serverComponentsExternalPackages: ['pg'], outputFileTracingIncludes: { '/**': ['./a'], '/b': ['./b'] }, other: 1 },
  }
  const before = structuredClone(mine)
  const { experimental } = await within(directory, () => withHl7Outbox(mine))
  assert.deepEqual(mine, before)
  assert.deepEqual(experimental.serverComponentsExternalPackages, ['pg', 'hl7-outbox'])
  assert.deepEqual(experimental.outputFileTracingIncludes['/b'], ['./b'])
  assert.equal(experimental.outputFileTracingIncludes['/**'][0], './a')
  assert.equal(experimental.instrumentationHook, false)
  assert.equal(experimental.other, 1)
})

test('a configuration that is a function stays one, and gets its arguments', async () => {
  const { directory } = await project('16.0.1')
  const wrapped = withHl7Outbox((phase, { defaultConfig }) => ({ env: { phase, known: defaultConfig.known } }))
  const config = await within(directory, () => wrapped('a-phase', { defaultConfig: { known: 'yes' } }))
  assert.deepEqual(config.env, { phase: 'a-phase', known: 'yes' })
  assert.deepEqual(config.serverExternalPackages, ['hl7-outbox'])
})

test('wrapping twice is wrapping once, and nothing need be wrapped', async () => {
  const { directory } = await project('16.0.1')
  await within(directory, () => assert.deepEqual(withHl7Outbox(withHl7Outbox()), withHl7Outbox()))
})

test('the Next that is running counts more than the one the folder sees', async () => {
  const [old, young] = [await project('14.2.35'), await project('16.0.1')]
  assert.equal(nextMajor([join(old.next, 'dist', 'server', 'config.js')], young.directory), 14)
  assert.equal(nextMajor([], young.directory), 16)
})

test('a package behind a symbolic link is traced where it really is, with its binaries beside it', async () => {
  const { directory } = await project('16.0.1')
  const real = join(folder, 'store', 'node_modules', 'hl7-outbox')
  await mkdir(real, { recursive: true })
  const link = join(directory, 'node_modules', 'hl7-outbox')
  await symlink(real, link, 'junction')
  const globs = tracedFiles(directory, link)
  assert.ok(globs.includes('../store/node_modules/hl7-outbox/*.node'), globs.join('\n'))
  assert.ok(globs.includes('../store/node_modules/hl7-outbox-*/*'), globs.join('\n'))
})

test('a linked checkout is not traced with its build folders', () => {
  for (const glob of tracedFiles(join(folder, 'app'), join(folder, 'checkout'))) assert.doesNotMatch(glob, /checkout\/\*\*|\/\.\.\/hl7-outbox-/)
})
