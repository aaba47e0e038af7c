// The real PM2 of a pinned version, in a folder of the rigs' own, with a daemon that belongs to one run.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { environment } from '../../__test__/support/processes.mjs'
import { npm } from '../../scripts/prepare.mjs'

const VERSION = '7.0.4'
const COMMAND_MS_MAX = 120_000
const END_MS_MAX = 10_000

const home = join(dirname(fileURLToPath(import.meta.url)), '..', '.tools', `pm2-${VERSION}`)
const program = join(home, 'node_modules', 'pm2', 'bin', 'pm2')

/** Installs it unless it is there. A half-finished installation is never taken for one. */
export async function installPm2() {
  if (existsSync(program)) return
  const making = `${home}-${process.pid}`
  mkdirSync(making, { recursive: true })
  writeFileSync(join(making, 'package.json'), JSON.stringify({ name: 'rig-tools', private: true }))
  let output = ''
  const code = await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `pm2@${VERSION}`], { cwd: making, onOutput: (chunk) => (output += chunk) })
  if (code !== 0) throw Object.assign(new Error(`npm install pm2@${VERSION} ended with code ${code}\n${output}`), { hint: 'the first run needs the npm registry' })
  rmSync(home, { recursive: true, force: true })
  renameSync(making, home)
}

/** A daemon of its own under `folder`; it and its applications end with `stop()`. */
export class Pm2 {
  #env

  constructor(folder, env = {}) {
    this.home = join(folder, 'pm2')
    mkdirSync(this.home)
    this.cwd = folder
    this.#env = environment({ PM2_HOME: this.home, PM2_DISABLE_VERSION_CHECK: 'true', ...env })
  }

  /** Runs one command to its end; resolves with what it printed. */
  command(...args) {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, ...args], { cwd: this.cwd, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      const late = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS_MAX)
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
      child.once('error', reject)
      // The daemon that the first command leaves behind holds the pipes, so the end of the output is not waited for.
      child.once('exit', (code, signal) => {
        clearTimeout(late)
        if (code === 0) resolve(output)
        else reject(new Error(`pm2 ${args.join(' ')} ended with ${signal ?? code}\n${output}\n${this.log()}`))
      })
    })
  }

  /** The last words of the daemon. */
  log() {
    const path = join(this.home, 'pm2.log')
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter((line) => !line.includes('retrying in')).join('\n').slice(-4_000) : ''
  }

  async stop() {
    const pidFile = join(this.home, 'pm2.pid')
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : null
    await this.command('kill').catch(() => undefined)
    if (pid === null) return
    for (const deadline = performance.now() + END_MS_MAX; isAlive(pid); await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (performance.now() > deadline) process.kill(pid, 'SIGKILL')
    }
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
