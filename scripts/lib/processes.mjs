// Child processes that are always ended, each by its own handle. Ready means that a line was printed, never that time has passed.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const KEPT_LINES_MAX = 200

/** The children of one demo or one test file. */
export class Processes {
  #running = new Set()
  #endAtExit = () => {
    // The last resort, for an exit that awaited nothing: no child outlives us.
    for (const each of this.#running) each.child.kill('SIGKILL')
  }

  constructor() {
    process.on('exit', this.#endAtExit)
  }

  /**
   * Starts a Node program without a shell, so that the handle is the program's own on every system. Resolves with the process
   * when `ready(line)` gives a value for one of its lines (kept as `value`); without `ready`, at once.
   */
  async start(name, args, { cwd, env = process.env, ready, readyMsMax = 60_000, onLine } = {}) {
    const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true })
    const started = new Started(name, child, onLine)
    this.#running.add(started)
    void started.ended.then(() => this.#running.delete(started))
    if (ready !== undefined) await started.until(ready, readyMsMax)
    return started
  }

  async stopAll() {
    await Promise.all([...this.#running].map((each) => each.stop()))
    process.off('exit', this.#endAtExit)
  }
}

class Started {
  /** What `ready` made of its line. */
  value = undefined
  /** The last lines of stdout and stderr, for the word that explains a failure. */
  lines = []
  #listeners = new Set()

  constructor(name, child, onLine) {
    this.name = name
    this.child = child
    if (onLine !== undefined) this.#listeners.add(onLine)
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => this.#hear(line))
    /** Resolves when the process has gone and its output is read to the end: `{ code, signal, error }`. */
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: null, error }))
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
  }

  get output() {
    return this.lines.join('\n')
  }

  #hear(line) {
    this.lines.push(line)
    if (this.lines.length > KEPT_LINES_MAX) this.lines.shift()
    for (const listener of this.#listeners) listener(line)
  }

  /** Resolves when a line satisfies `ready`; rejects, with what was printed, if the process ends or takes too long. */
  async until(ready, msMax) {
    let timer
    let listener
    const found = new Promise((resolve) => {
      listener = (line) => {
        const value = ready(line)
        if (value) resolve({ value })
      }
      this.#listeners.add(listener)
      for (const line of this.lines) listener(line)
    })
    const late = new Promise((resolve) => (timer = setTimeout(resolve, msMax, { problem: `was not ready within ${msMax / 1000} s` })))
    const gone = this.ended.then(({ code, signal, error }) => ({ problem: error?.message ?? `ended (${signal ?? code}) before it was ready` }))
    const result = await Promise.race([found, late, gone])
    clearTimeout(timer)
    this.#listeners.delete(listener)
    if (result.problem === undefined) {
      this.value = result.value
      return result.value
    }
    await this.stop()
    throw new Error(`${this.name} ${result.problem}\n${this.output}`)
  }

  /** Asks it to end, and after a while makes it. On Windows both are the same. */
  async stop({ graceMs = 5_000 } = {}) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.ended
    this.child.kill('SIGTERM')
    const timer = setTimeout(() => this.child.kill('SIGKILL'), graceMs)
    const end = await this.ended
    clearTimeout(timer)
    return end
  }
}
