// The processes of histories. Starting Node.js takes longer than a history, so they stay for the next one unless they are killed.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { environment } from '../../../__test__/support/processes.mjs'
import { now } from '../clock.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const child = join(here, 'child.mjs')
const WARM_MS_MAX = 60_000
const SAID_MAX = 20_000

/** One process of Node.js that is told what to call. */
class Process {
  err = ''
  #last = 0
  #calls = new Map()

  constructor(door, env) {
    this.child = spawn(process.execPath, [child, door], { env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] })
    this.child.stdin.on('error', () => undefined)
    this.child.stderr.on('data', (chunk) => (this.err = (this.err + chunk).slice(-SAID_MAX)))
    const late = setTimeout(() => this.child.kill('SIGKILL'), WARM_MS_MAX)
    this.warm = new Promise((resolve) => (this.#calls.set('warm', { hear: resolve })))
    createInterface({ input: this.child.stdout }).on('line', (line) => this.#hear(line))
    /** Resolves with `{ code, signal }` when it has gone and everything it said was heard. */
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      clearTimeout(late)
      for (const call of this.#calls.values()) call.hear(null)
      this.#calls.clear()
      return { code, signal }
    })
    void this.warm.then(() => clearTimeout(late))
  }

  #hear(line) {
    let said
    try {
      said = JSON.parse(line)
    } catch {
      return // the last line of a process that was killed while it wrote
    }
    const call = this.#calls.get(said[0] === 'warm' ? 'warm' : said[1])
    if (said[0] === 'began') call.record.began = said[2]
    else {
      this.#calls.delete(said[0] === 'warm' ? 'warm' : said[1])
      call.hear(said.slice(2))
    }
  }

  get isGone() {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Makes a call; fills `record` with `began`, `ended` and what came of it. Without an end the process died meanwhile. */
  call(record, method, args) {
    Object.assign(record, { began: now(), ended: null })
    return new Promise((resolve) => {
      // Not made: nobody was there.
      if (this.isGone) return resolve(Object.assign(record, { ended: record.began, error: 'GONE' }))
      const n = ++this.#last
      const hear = (said) => {
        if (said !== null) Object.assign(record, { ended: said[0], ...(said[1].error === undefined ? { value: said[1].value } : { error: said[1].error, words: said[1].message }) })
        resolve(record)
      }
      this.#calls.set(n, { record, hear })
      this.child.stdin.write(`${JSON.stringify([n, method, args])}\n`)
    })
  }

  kill(signal = 'SIGKILL') {
    if (!this.isGone) this.child.kill(signal)
    return this.ended
  }
}

/** Processes that wait for their part; `spare` of them are started ahead. */
export class Processes {
  #idle = []
  #all = new Set()

  constructor({ door, env = {}, spare = 4 }) {
    Object.assign(this, { door, env, spare })
  }

  async take() {
    while (this.#idle.length < this.spare) this.#start()
    const one = this.#idle.shift()
    await one.warm
    if (one.isGone) throw new Error(`a process did not start\n${one.err}`)
    return one
  }

  /** Takes one back that has no outbox open any more. */
  give(one) {
    if (!one.isGone) this.#idle.push(one)
  }

  async end() {
    await Promise.all([...this.#all].map((one) => one.kill()))
  }

  #start() {
    const one = new Process(this.door, this.env)
    this.#all.add(one)
    void one.ended.then(() => this.#all.delete(one))
    this.#idle.push(one)
  }
}

/** `hl7-outbox worker`, as an operator starts it; resolves when it delivers. Its `stop` is a SIGTERM. */
export async function startWorker({ door, env, configuration }) {
  const main = join(dirname(door), 'dist', 'cli', 'main.js')
  const worker = { child: spawn(process.execPath, [main, 'worker', '--config', configuration, '--stop-timeout-ms', '200'], { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] }), err: '' }
  const ready = new Promise((resolve) => worker.child.stderr.on('data', (chunk) => {
    worker.err = (worker.err + chunk).slice(-SAID_MAX)
    if (worker.err.includes('worker: ready')) resolve('ready')
  }))
  worker.ended = once(worker.child, 'close').then(([code, signal]) => ({ code, signal }))
  worker.kill = (signal = 'SIGKILL') => {
    if (worker.child.exitCode === null && worker.child.signalCode === null) worker.child.kill(signal)
    return worker.ended
  }
  if ((await Promise.race([ready, worker.ended])) !== 'ready') throw new Error(`a worker did not start\n${worker.err}`)
  return worker
}
