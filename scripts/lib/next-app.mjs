// A Next.js application in a folder: install, build, start. For the demo, and for tests with several versions of Next.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm } from '../prepare.mjs'
import { freePort } from './ports.mjs'
import { digestOf } from './tarball.mjs'

const QUIET = { NEXT_TELEMETRY_DISABLED: '1', NO_UPDATE_NOTIFIER: '1' }

const nextBin = (directory) => join(directory, 'node_modules', 'next', 'dist', 'bin', 'next')

/** Installs the application's dependencies and the tarball, unless exactly this tarball is in place. */
export async function installApp(directory, tarball) {
  const stamp = join(directory, 'node_modules', '.hl7-outbox-tarball')
  const digest = digestOf(tarball)
  if (existsSync(stamp) && existsSync(nextBin(directory)) && readFileSync(stamp, 'utf8') === digest) return false
  let output = ''
  const code = await npm(['install', '--no-save', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball], {
    cwd: directory,
    env: { ...process.env, ...QUIET },
    onOutput: (chunk) => (output += chunk),
  })
  if (code !== 0) throw Object.assign(new Error(`npm install ended with code ${code}\n${output}`), { hint: 'the first installation needs the npm registry' })
  writeFileSync(stamp, digest)
  return true
}

/** `next build`; resolves with what it printed. */
export async function buildApp(processes, directory, env = {}) {
  const build = await processes.start('next build', [nextBin(directory), 'build'], { cwd: directory, env: { ...process.env, ...QUIET, ...env } })
  const { code, signal, error } = await build.ended
  if (code !== 0) throw new Error(`next build failed (${error?.message ?? signal ?? code})\n${build.output}`)
  return build.output
}

/** `next start` on a free port; resolves when it listens. */
export async function startApp(processes, directory, env = {}, { onLine, port } = {}) {
  const at = port ?? (await freePort())
  const app = await processes.start('next start', [nextBin(directory), 'start', '-H', '127.0.0.1', '-p', String(at)], {
    cwd: directory,
    env: { ...process.env, ...QUIET, ...env },
    ready: isReady,
    onLine,
  })
  return Object.assign(app, { url: `http://127.0.0.1:${at}` })
}

/** The server that `output: 'standalone'` leaves behind, in the folder it was copied to. */
export async function startStandalone(processes, directory, env = {}) {
  const port = await freePort()
  const app = await processes.start('server.js', ['server.js'], {
    cwd: directory,
    env: { ...process.env, ...QUIET, HOSTNAME: '127.0.0.1', PORT: String(port), ...env },
    ready: isReady,
  })
  return Object.assign(app, { url: `http://127.0.0.1:${port}` })
}

const isReady = (line) => /\bReady\b/.test(line)
