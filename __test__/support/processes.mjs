// Programs as children of a test, each ended by its own handle.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { root } from './outbox.mjs'

const WAIT_MS_MAX = 20_000

/** The environment without what could start an outbox by accident. */
export function environment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(HL7_OUTBOX|MALAFFI|NEXT_|NODE_ENV|NODE_TEST_CONTEXT)/.test(name))
  return { ...Object.fromEntries(kept), ...more }
}

class Program {
  out = ''
  err = ''
  #heard = new Set()
  lines = []

  constructor(child) {
    this.child = child
    this.pid = child.pid
    child.stdout.on('data', (chunk) => (this.out += chunk))
    child.stderr.on('data', (chunk) => (this.err += chunk))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line)
        for (const hear of this.#heard) hear(line)
      })
    }
    /** Resolves with `{ code, signal }` when it has gone and its output is read to the end. */
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  /** Resolves with the first line for which `matches` holds. */
  async line(matches) {
    const known = this.lines.find(matches)
    if (known !== undefined) return known
    let timer
    let hear
    const found = new Promise((resolve) => this.#heard.add((hear = (line) => matches(line) && resolve(line))))
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no such line came\n${this.out}${this.err}`)), WAIT_MS_MAX)))
    const gone = this.ended.then(({ code, signal }) => Promise.reject(new Error(`ended (${signal ?? code}) before\n${this.out}${this.err}`)))
    try {
      return await Promise.race([found, late, gone])
    } finally {
      clearTimeout(timer)
      this.#heard.delete(hear)
      gone.catch(() => undefined)
    }
  }

  /** Ends it without any chance to tidy up. */
  async kill() {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL')
    return this.ended
  }

  /** Resolves with its end; a program that hangs is killed and that is an error. */
  async end(msMax = WAIT_MS_MAX) {
    let timer
    const late = new Promise((resolve) => (timer = setTimeout(resolve, msMax, 'late')))
    const end = await Promise.race([this.ended, late])
    clearTimeout(timer)
    if (end !== 'late') return end
    await this.kill()
    throw new Error(`did not end within ${msMax / 1000} s\n${this.out}${this.err}`)
  }
}

/** Starts a program. */
export function startCommand(t, command, args, { env = {}, cwd } = {}) {
  const program = new Program(spawn(command, args, { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] }))
  t.after(() => program.kill())
  return program
}

/** Starts `node ...args`. */
export function startProgram(t, args, options) {
  return startCommand(t, process.execPath, args, options)
}

/** Runs a piece of ECMAScript that may import the door as `outbox`; resolves with its end and its output. */
export function startScript(t, source, { env = {}, cwd } = {}) {
  const whole = `import * as outbox from ${JSON.stringify(`file://${join(root, 'index.mjs')}`)};\n${source}`
  return startProgram(t, ['--input-type=module', '-e', whole], { env, cwd })
}

/** Runs it to its end. */
export async function runScript(t, source, options) {
  const program = startScript(t, source, options)
  const end = await program.end()
  return { ...end, out: program.out, err: program.err }
}

/** An application process that does what it is told: `call('enqueueHl7', message)`. */
export async function startApp(t, config, { env = {}, cwd } = {}) {
  const child = spawn(process.execPath, [join(root, '__test__', 'support', 'app.mjs')], {
    cwd,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  })
  const app = new Program(child)
  t.after(() => app.kill())
  const calls = new Map()
  let last = 0
  child.on('message', ({ n, value, error }) => {
    const { resolve, reject } = calls.get(n)
    calls.delete(n)
    if (error === undefined) resolve(value)
    else reject(Object.assign(new Error(error.message), { code: error.code }))
  })
  void app.ended.then(({ code, signal }) => {
    for (const { reject } of calls.values()) reject(Object.assign(new Error(`the application ended (${signal ?? code})\n${app.err}`), { code: 'GONE' }))
    calls.clear()
  })
  app.call = (method, ...args) =>
    new Promise((resolve, reject) => {
      const n = ++last
      calls.set(n, { resolve, reject })
      child.send({ n, method, args }, (error) => {
        if (error !== null && calls.delete(n)) reject(Object.assign(error, { code: 'GONE' }))
      })
    })
  /** Lets go of it; resolves with how it ends by itself. */
  app.leave = () => {
    child.send({ method: 'leave' })
    return app.end()
  }
  if (config !== undefined) await app.call('startOutbox', config)
  return app
}
