// Brings a fresh clone to a state in which tests and the demo can run: prerequisites, npm ci, build. Only Node's own
// modules here: when this runs, nothing may be installed yet.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { checkPrerequisites } from './lib/prerequisites.mjs'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Everything that `npm test` and `npm run demo` need. Does only what is missing; cargo and tsc build incrementally. */
export async function prepare({ native = true, js = true } = {}) {
  await requirePrerequisites()
  await installIfOutdated()
  if (native) await npmOrThrow(['run', '--silent', 'build:native'], 'Building the native addon (the first time takes a few minutes)')
  if (js) await npmOrThrow(['run', '--silent', 'build:js'], 'Compiling the TypeScript')
}

/** Runs a program to its end; resolves with its exit code. A signal or a missing program is a code too, never an exception. */
export function run(command, args, { cwd = root, env = process.env, onOutput, shell = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, shell, stdio: ['ignore', onOutput ? 'pipe' : 'inherit', onOutput ? 'pipe' : 'inherit'] })
    if (onOutput) {
      child.stdout.on('data', (chunk) => onOutput(chunk, process.stdout))
      child.stderr.on('data', (chunk) => onOutput(chunk, process.stderr))
    }
    child.on('error', (error) => {
      console.error(`cannot run ${command}: ${error.message}`)
      resolve(127)
    })
    child.on('close', (code) => resolve(code ?? 128))
  })
}

/** npm by its script where that can be found, because Node refuses to spawn `npm.cmd` without a shell. */
export function npm(args, options = {}) {
  const script = npmScript()
  if (script !== null) return run(process.execPath, [script, ...args], options)
  return run('npm', args, { ...options, shell: process.platform === 'win32' })
}

function npmScript() {
  const fromNpm = process.env.npm_execpath
  if (fromNpm && basename(fromNpm) === 'npm-cli.js' && existsSync(fromNpm)) return fromNpm
  const bin = dirname(process.execPath)
  const places = [join(bin, 'node_modules/npm/bin/npm-cli.js'), join(bin, '../lib/node_modules/npm/bin/npm-cli.js')]
  return places.find((place) => existsSync(place)) ?? null
}

async function requirePrerequisites() {
  const missing = await checkPrerequisites()
  if (missing.length > 0) throw new Error(`missing: ${missing.map((item) => item.what).join(', ')}`)
}

async function installIfOutdated() {
  const reason = whyOutdated()
  if (reason === null) return
  await npmOrThrow(['ci', '--no-audit', '--no-fund', '--loglevel=error'], `Installing the development dependencies (${reason})`)
}

/** Why node_modules does not match package-lock.json, or null. Optional packages are per platform, so they are not compared. */
export function whyOutdated(directory = root) {
  const record = join(directory, 'node_modules', '.package-lock.json')
  if (!existsSync(record)) return 'node_modules is missing'
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages
  const locked = JSON.parse(readFileSync(join(directory, 'package-lock.json'), 'utf8')).packages
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || entry.link || entry.optional || entry.devOptional || entry.peer) continue
    if (installed[path]?.version !== entry.version || !existsSync(join(directory, path))) return `${path} is not ${entry.version}`
  }
  return null
}

async function npmOrThrow(args, heading) {
  console.error(`\n==> ${heading}`)
  const code = await npm(args)
  if (code !== 0) throw new Error(`\`npm ${args.join(' ')}\` ended with code ${code}`)
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    await prepare()
  } catch (error) {
    console.error(`error: ${error.message}`)
    process.exitCode = 1
  }
}
