// Applications that enqueue, as processes of their own. Each says on its standard output what it calls and what came of it,
// line by line; what a killed process had not said, nobody was promised.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { environment } from '../../__test__/support/processes.mjs'
import { now } from './clock.mjs'

const child = join(dirname(fileURLToPath(import.meta.url)), 'application-child.mjs')

const START_MS_MAX = 30_000

/** What all applications of one file called: control id -> `{ control, lane, digest, process, n, called, resolved, id, rejected }`. */
export class Journal {
  calls = new Map()

  hear(process, [kind, control, ...rest], at) {
    if (kind === 'call') {
      const [lane, digest, called] = rest
      const known = this.calls.get(control)
      if (known === undefined) this.calls.set(control, { control, lane, digest, process, n: this.calls.size, called, resolved: null, id: null, rejected: 0 })
      return
    }
    const call = this.calls.get(control)
    if (kind === 'resolved') Object.assign(call, { resolved: rest[1] ?? at, id: rest[0] })
    if (kind === 'rejected') call.rejected += 1
  }
}

/**
 * Starts an application. `load` is what application-child.mjs takes; `config` what startOutbox takes. `command` and
 * `arguments_` go before node, for a rig that starts it under a tool.
 */
export function startApplication({ name, config, load, journal, door, env = {}, command = [], execArgv = [] }) {
  const [program, ...before] = [...command, process.execPath]
  const spawned = spawn(program, [...before, ...execArgv, child, JSON.stringify({ name, config, load, door })], {
    env: environment(env),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const application = { name, pid: spawned.pid, child: spawned, started: now(), err: '', codes: new Map(), isReady: false }
  let tell
  /** Resolves with whether it came to work before it ended; a start that takes too long ends it. */
  application.ready = new Promise((resolve) => (tell = resolve))
  const late = setTimeout(() => spawned.kill('SIGKILL'), START_MS_MAX)
  void application.ready.then(() => clearTimeout(late))
  const questions = new Map()
  spawned.stderr.on('data', (chunk) => (application.err = (application.err + chunk).slice(-20_000)))
  spawned.stdin.on('error', () => undefined)
  const lines = createInterface({ input: spawned.stdout })
  lines.on('line', (line) => {
    let said
    try {
      said = JSON.parse(line)
    } catch {
      return // the last line of a process that was killed while it wrote
    }
    if (said[0] === 'ready') {
      application.isReady = true
      tell(true)
    } else if (said[0] === 'answer') {
      questions.get(said[1])?.(said[2])
      questions.delete(said[1])
    } else {
      if (said[0] === 'rejected') application.codes.set(said[2], (application.codes.get(said[2]) ?? 0) + 1)
      journal?.hear(name, said, now())
    }
  })
  /** Resolves with `{ code, signal }` when it has gone and everything it said was heard. */
  application.ended = new Promise((resolve, reject) => {
    spawned.once('error', reject)
    spawned.once('close', (code, signal) => resolve({ code, signal }))
  }).then((end) => {
    tell(false)
    for (const [, answer] of questions) answer({ error: 'GONE' })
    return end
  })
  let last = 0
  /** Calls a function of the door; resolves with `{ value }` or `{ error, message }`. */
  application.ask = (method, ...args) =>
    new Promise((resolve) => {
      const n = ++last
      questions.set(n, resolve)
      spawned.stdin.write(`${JSON.stringify(['ask', n, method, args])}\n`)
    })
  /** Lets the load end: what was begun is called to its end. */
  application.quiet = () => application.ask('quiet')
  application.kill = (signal = 'SIGKILL') => {
    if (spawned.exitCode === null && spawned.signalCode === null) spawned.kill(signal)
    return application.ended
  }
  return application
}
